"""What is asked of a prediction, row by row: any places, in any order, twice if need be."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.architectures.modernbert import ModernBert
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling, by_row

asked = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), max_size=30)


@given(asked)
def test_every_place_stands_in_its_row_where_it_is_said_to(pairs):
    rows, columns = (torch.tensor([pair[side] for pair in pairs], dtype=torch.int64) for side in (0, 1))
    places, slots = by_row(rows, columns, 4)
    assert torch.equal(places[rows, slots], columns)
    assert len(set(zip(rows.tolist(), slots.tolist(), strict=True))) == len(pairs)
    assert places.shape == (4, max([1, *torch.bincount(rows, minlength=4).tolist()]))


@pytest.mark.parametrize("pairs", [[(1, 2)], [(2, 5), (0, 1), (2, 0), (2, 5), (1, 8)], [(3, n) for n in range(9)]])
def test_logits_at_asked_places_are_those_of_the_whole_row(pairs):
    torch.manual_seed(0)
    objective = MaskedLanguageModeling().build(ModernBert(layers=2, width=32, heads=2, feedforward=48).build(40), 40)
    tokens, groups = torch.randint(5, 40, (4, 9)), torch.ones(4, 9, dtype=torch.int64)
    positions = torch.arange(9).expand(4, 9)
    rows, columns = (torch.tensor([pair[side] for pair in pairs]) for side in (0, 1))
    with torch.inference_mode():
        hidden = objective.encoder(tokens, groups, positions)
        whole = objective.head(hidden, objective.encoder.embedding.weight)
        found = objective.predict(tokens, groups, positions, rows, columns)
    torch.testing.assert_close(found, whole[rows, columns], rtol=1e-4, atol=1e-5)

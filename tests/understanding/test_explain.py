"""What an explanation promises: attributions that add up, by brute force and by hand, and pages that stand alone."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.architectures.bag_of_words import Cbow
from unmask.errors import DataError, ModelError, SettingError
from unmask.models import Model
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.understanding.attributions import integrated_gradients, left_out, masked_in_turn, rollout
from unmask.understanding.explain import Explanation, explain
from unmask.understanding.page import page
from unmask.understanding.picture import draw
from unmask.understanding.shades import shade

TEXT = "every [MASK] passes the lighthouse ."


def log_probability(model: Model, row: list[int], place: int, word: int) -> float:
    tokens = torch.tensor([row])
    logits = model.predict(tokens, torch.ones_like(tokens), torch.tensor([0]), torch.tensor([place]))
    return float(logits[0].log_softmax(-1)[word])


@pytest.fixture
def found(model: Model) -> Explanation:
    return explain(model, TEXT, target="boat")


@pytest.fixture
def row(model: Model) -> list[int]:
    words = ["[CLS]", "every", "[MASK]", "passes", "the", "lighthouse", ".", "[SEP]"]
    ids = [model.tokenizer.id(word) for word in words]
    assert None not in ids
    return ids


def test_integrated_gradients_sum_up_to_what_the_text_brings(model: Model, found: Explanation, row: list[int]) -> None:
    values, word = found.attributions["integrated_gradients"], model.tokenizer.id("boat")
    assert found.log_probability == pytest.approx(log_probability(model, row, 2, word), abs=1e-4)
    blank = model.tokenizer.pad_id if "Autoencoder" in type(model.module).__name__ else model.mask_id
    nothing = [row[0], blank, row[2], *[blank] * 4, row[-1]]
    whole = found.log_probability - log_probability(model, nothing, 2, word)
    assert values.sum() == pytest.approx(whole, abs=0.02 * max(1, np.abs(values).max()))
    assert abs(found.missed) == pytest.approx(abs(values.sum() - whole), abs=1e-3)
    assert values[[0, 2, 7]] == pytest.approx(0, abs=1e-6), "the frame and the blank are the same in both"


def test_leaving_out_is_the_difference_of_two_predictions(model: Model, found: Explanation, row: list[int]) -> None:
    word = model.tokenizer.id("boat")
    for column in range(8):
        if column in (0, 2, 7):
            expected_masked = expected_out = 0.0
        else:
            masked = [*row[:column], model.mask_id, *row[column + 1 :]]
            out = [*row[:column], *row[column + 1 :]]
            place = out.index(model.mask_id)
            expected_masked = found.log_probability - log_probability(model, masked, 2, word)
            expected_out = found.log_probability - log_probability(model, out, place, word)
        assert found.attributions["masked"][column] == pytest.approx(expected_masked, abs=1e-3)
        assert found.attributions["left_out"][column] == pytest.approx(expected_out, abs=1e-3)


def test_the_last_layer_predicts_what_the_model_predicts(found: Explanation) -> None:
    assert found.lens[-1].probability == pytest.approx(math.exp(found.log_probability), rel=1e-3)
    assert [word for word, _ in found.lens[-1].answers] == [word for word, _ in found.answers[:3]]
    assert found.first_layer + len(found.lens) == 3


def test_a_linear_score_is_attributed_exactly_whatever_it_scores() -> None:
    """The functions know no masked language model: a sum over embeddings, as a classifier's would be."""
    embedding = torch.nn.Embedding(6, 3)
    weights = torch.tensor([[1.0, -2.0, 0.5]])

    def score(tokens: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return (embedding(tokens) * weights).sum((1, 2))

    tokens, baseline = torch.tensor([3, 4, 5]), torch.tensor([0, 0, 5])
    read = torch.ones(3, dtype=torch.bool)
    values, missed = integrated_gradients(score, embedding, tokens, baseline, [0], read, steps=4)
    each = (embedding.weight.detach() * weights).sum(1)
    assert values.tolist() == pytest.approx([float(each[3] - each[0]), float(each[4] - each[0]), 0.0], abs=1e-5)
    assert missed == pytest.approx(0, abs=1e-5)
    masked = masked_in_turn(score, tokens, [0], [0, 1], mask_id=1)
    assert masked.tolist() == pytest.approx([float(each[3] - each[1]), float(each[4] - each[1]), 0.0], abs=1e-5)
    assert left_out(score, tokens, [0], [1]).tolist() == pytest.approx([0.0, float(each[4]), 0.0], abs=1e-5)


def test_rollout_is_that_computed_by_hand() -> None:
    first = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]  # two heads; their mean is 0.5 everywhere
    second = [[[0.2, 0.8], [0.6, 0.4]]] * 2
    # layer 1: [[.75, .25], [.25, .75]]; layer 2: [[.6, .4], [.3, .7]]; second @ first
    expected = [[0.6 * 0.75 + 0.4 * 0.25, 0.6 * 0.25 + 0.4 * 0.75], [0.3 * 0.75 + 0.7 * 0.25, 0.3 * 0.25 + 0.7 * 0.75]]
    found = rollout(torch.tensor([first, second]))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_the_likeliest_word_is_explained_unless_another_is_named(models: dict[str, Model]) -> None:
    model = models["bert"]
    assert explain(model, TEXT).target == model.fill(TEXT)[0]["token_str"]
    assert explain(model, TEXT, target="wall").target == "wall"


def test_the_asked_blank_is_explained_while_others_stay_blank(models: dict[str, Model]) -> None:
    found = explain(models["bert"], "every [MASK] passes the [MASK] .", blank=2)
    assert [found.tokens[place].strip() for place in found.places] == ["[MASK]"]
    assert found.places == (5,)
    assert found.attributions["masked"][2] == 0


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("every boat", {}, r"no blank in \"every boat\""),
        (TEXT, {"blank": 2}, "blank=2: the text has 1, counted from 1"),
        ("every [MASK:2] .", {}, r"blank 1 has 2 tokens: one token is explained at a time, write \[MASK\]"),
        (TEXT, {"target": "boats"}, "target 'boats' is .* tokens .*: give a word that is one"),
        (TEXT, {"target": "Ω"}, "target 'Ω' has characters the tokenizer does not know"),
    ],
)
def test_what_cannot_be_explained_is_refused(models, text: str, settings: dict, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        explain(models["bert"], text, **settings)


def test_a_text_of_blanks_alone_is_refused(models: dict[str, Model]) -> None:
    with pytest.raises(DataError, match="nothing but blanks"):
        explain(models["bert"], "[MASK] [MASK]")


def test_a_bag_of_words_is_refused(models: dict[str, Model]) -> None:
    bag = replace(models["bert"], module=MaskedLanguageModeling().build(Cbow(width=16).build(20), 20))
    with pytest.raises(ModelError, match="is a bag of words, where all words nearby count alike"):
        explain(bag, TEXT)


# ---------------------------------------------------------------- how it is shown


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.outside += [value for name, value in attrs if name in ("src", "href")]
        self.open += [tag] * (tag not in ("meta", "br"))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_escapes_what_it_shows(models: dict[str, Model]) -> None:
    made = page(explain(models["bert"], "<b> & the [MASK] </script> passes ."))
    links = _Links()
    links.feed(made)
    assert links.outside == []
    assert links.open == []
    assert "<b> &" not in made
    maps = re.search(r'id="maps">(.*?)</script>', made, re.DOTALL)
    assert np.array(json.loads(maps[1])).ndim == 3


def test_without_attention_there_are_a_page_and_a_picture_too(models: dict[str, Model], tmp_path: Path) -> None:
    found = explain(models["gru"], "the $[MASK] passes the $ wall")
    assert "rollout" not in found.attributions
    assert 'id="maps"' not in page(found)
    assert draw(found, tmp_path / "gru.png").read_bytes().startswith(b"\x89PNG")


def test_a_shade_is_as_full_as_the_part_is_large() -> None:
    assert shade(2.0, 2.0) == "#56b4e9"
    assert shade(-2.0, 2.0) == "#e69f00"
    assert shade(1.0, 2.0) == "#aadaf4"
    assert shade(0.01, 2.0) is None
    assert shade(0.0, 0.0) is None

"""Batches: a pure function of where one stands in the endless sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.batches import IGNORE, Batch, Batches
from unmask.corpus.documents import Document
from unmask.masking import Masking, place_count
from unmask.objectives.hybrid import Hybrid
from unmask.tokens.rows import Rows
from unmask.tokens.store import Store
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import StoreWriter

TENSORS = ("numbers", "inputs", "targets", "groups", "positions", "places")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A store of forty texts of invented words, one source of weight 1 and one of weight 2."""
    draws = np.random.default_rng(0)
    syllables = ["ka", "lo", "mi", "ne", "pu", "ra", "si", "to"]
    words = ["".join(draws.choice(syllables, draws.integers(1, 5))) for _ in range(300)]
    texts = [" ".join(draws.choice(words, draws.integers(5, 120))) + "." for _ in range(40)]
    documents = [Document(f"d{n}", text, "one") for n, text in enumerate(texts)]
    tokenizer = train_tokenizer(documents, TokenizerSettings(kind="wordpiece", vocabulary_size=200))
    writer = StoreWriter(tmp_path_factory.mktemp("store"), tokenizer)
    for name, some in (("one", documents[:25]), ("two", documents[25:])):
        with writer.shard(name, "train", name) as shard:
            for document, encoded in zip(some, tokenizer.encode([d.text for d in some]), strict=True):
                shard.add(encoded.ids, tokenizer.word_starts(document.text, encoded), np.array([0]))
    return writer.finish({"one": 1.0, "two": 2.0})


@pytest.fixture(scope="module")
def batches(store: Store) -> Batches:
    return Batches(Rows(store, "train", 32, seed=3), Masking(), seed=3)


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in TENSORS)


@given(data=st.data())
def test_a_batch_is_the_same_in_one_piece_or_many(batches, data):
    """So two processes that take halves of a step train on what one process would."""
    sample, count = data.draw(st.integers(0, 500)), data.draw(st.integers(2, 40))
    cut = data.draw(st.integers(1, count - 1))
    whole = batches.at(sample, count, 0.3)
    assert same(whole.part(0, cut), batches.at(sample, cut, 0.3))
    assert same(whole.part(cut, count), batches.at(sample + cut, count - cut, 0.3))


def test_an_epoch_takes_every_row_and_the_next_in_another_order(batches):
    size = len(batches.rows)
    first, second = (batches.at(n * size, size, 0.2) for n in range(2))
    assert len(set(first.numbers.tolist())) == size
    assert set((first.numbers % batches.rows.distinct).tolist()) == set(range(batches.rows.distinct))
    assert first.numbers.tolist() != second.numbers.tolist()


def test_a_row_is_masked_anew_in_each_epoch_and_its_text_is_the_same(batches):
    size = len(batches.rows)
    first, second = (batches.at(n * size, size, 0.2) for n in range(2))
    number = int(first.numbers[0])
    one = first.part(0, 1)
    place = int(torch.nonzero(second.numbers == number)[0, 0])
    other = second.part(place, place + 1)
    assert not torch.equal(one.targets, other.targets)
    assert torch.equal(unmasked(one), unmasked(other))


def unmasked(batch: Batch) -> torch.Tensor:
    return torch.where(batch.targets == IGNORE, batch.inputs, batch.targets)


def test_what_is_not_asked_is_what_the_store_holds(batches):
    batch = batches.at(11, 30, 0.4)
    assert np.array_equal(unmasked(batch).numpy(), batches.rows.take(batch.numbers.numpy()).tokens)


def test_positions_restart_where_groups_do(batches):
    batch = batches.at(0, 30, 0.3)
    assert batch.groups.max() > 1
    for groups, positions in zip(batch.groups.tolist(), batch.positions.tolist(), strict=True):
        before, expected = None, 0
        for group, position in zip(groups, positions, strict=True):
            expected = expected + 1 if group == before else 0
            assert position == expected
            before = group


@pytest.mark.parametrize("ratio", [0.15, 0.4, 0.75])
def test_shapes_follow_the_row_length_and_the_ratio_alone(batches, ratio):
    for sample in (0, 7, 1000):
        batch = batches.at(sample, 9, ratio)
        assert {getattr(batch, name).shape for name in TENSORS[1:5]} == {(9, 32)}
        assert batch.places.shape == (9, place_count(32, ratio))
        assert batch.ratio == ratio
        assert len(batch) == 9
        assert all(getattr(batch, name).dtype == torch.int64 for name in TENSORS)


def test_a_part_is_a_view_and_moving_keeps_everything(batches):
    batch = batches.at(0, 8, 0.3)
    assert batch.part(2, 5).inputs.data_ptr() == batch.inputs[2:].data_ptr()
    assert same(batch.to("cpu"), batch)
    assert {getattr(batch.to("meta"), name).device.type for name in TENSORS} == {"meta"}


def test_draws_are_uniform_and_follow_from_seed_epoch_row_and_position(batches):
    rows = len(batches.rows)
    whole, split = batches.at(0, rows, 0.3), batches.at(3, 4, 0.3)
    assert whole.draws.dtype == torch.float32
    assert split.draws.equal(whole.draws[3:7])
    assert ((whole.draws >= 0) & (whole.draws < 1)).all()
    assert whole.draws.mean().item() == pytest.approx(0.5, abs=4 * (12 * whole.draws.numel()) ** -0.5)
    next_epoch = batches.at(rows, rows, 0.3).draws[batches.at(rows, rows, 0.3).numbers.argsort()]
    assert not (next_epoch == whole.draws[whole.numbers.argsort()]).any(dim=1).any()
    other_seed = Batches(batches.rows, batches.masking, batches.seed + 1).at(0, rows, 0.3)
    assert len(set(other_seed.draws.flatten().tolist()) & set(whole.draws.flatten().tolist())) < 5


# ---------------------------------------------------------------- causal rows


@pytest.fixture(scope="module")
def partly_causal(batches: Batches) -> Batches:
    return Batches(batches.rows, batches.masking, batches.seed, Hybrid(causal=1.0, causal_end=0.0, until=0.5))


@given(data=st.data())
def test_a_batch_with_causal_rows_is_the_same_in_one_piece_or_many(partly_causal, data):
    sample, count = data.draw(st.integers(0, 500)), data.draw(st.integers(2, 40))
    cut, progress = data.draw(st.integers(1, count - 1)), data.draw(st.floats(0, 1))
    whole = partly_causal.at(sample, count, 0.3, progress)
    first, second = (partly_causal.at(*part, 0.3, progress) for part in ((sample, cut), (sample + cut, count - cut)))
    for part, alone in ((whole.part(0, cut), first), (whole.part(cut, count), second)):
        assert same(part, alone)
        assert part.causal.equal(alone.causal)


def test_as_many_rows_are_causal_as_the_schedule_says_and_those_at_a_lower_share_are_so_at_a_higher(partly_causal):
    before = torch.ones(1000, dtype=torch.bool)
    for progress, share in ((0.0, 1.0), (0.1, 0.8), (0.25, 0.5), (0.45, 0.1), (0.5, 0.0), (1.0, 0.0)):
        causal = partly_causal.at(0, 1000, 0.3, progress).causal
        assert causal.float().mean().item() == pytest.approx(share, abs=4 * (share * (1 - share) / 1000) ** 0.5)
        assert not (causal & ~before).any()
        before = causal


def test_of_a_causal_row_all_is_seen_and_every_token_is_asked_that_has_one_before_it(batches, partly_causal):
    ours, masked = partly_causal.at(5, 30, 0.3, 0.25), batches.at(5, 30, 0.3)
    taken = batches.rows.take(ours.numbers.numpy())
    able = torch.from_numpy(taken.words > 0) & (ours.positions > 0)
    assert 0 < ours.causal.sum() < 30
    for row in range(30):
        if ours.causal[row]:
            assert ours.inputs[row].tolist() == taken.tokens[row].tolist()
            assert torch.equal(ours.targets[row] != IGNORE, able[row])
            assert torch.equal(ours.targets[row][able[row]], ours.inputs[row][able[row]])
        else:
            assert same(ours.part(row, row + 1), masked.part(row, row + 1))
    assert ours.figures["causal_share"] == pytest.approx(ours.causal.float().mean().item(), abs=1e-4)
    assert ours.shape == (*masked.shape[:2], int(ours.causal.sum()))


def test_of_a_share_that_is_asked_each_row_asks_as_many_and_another_epoch_others(batches):
    some = Batches(batches.rows, batches.masking, batches.seed, Hybrid(causal_end=1.0, asked=0.25))
    size = len(batches.rows)
    epochs = []
    for epoch in range(2):
        batch = some.at(epoch * size, size, 0.3)
        able = (torch.from_numpy(batches.rows.take(batch.numbers.numpy()).words) > 0).sum(1)
        asked = batch.targets != IGNORE
        assert torch.equal(asked.sum(1), (able * 0.25).round().clamp(min=1).long())
        epochs.append(asked[batch.numbers.argsort()])
    assert (epochs[0] != epochs[1]).any(1).float().mean() > 0.9

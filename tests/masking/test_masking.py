"""Masks: what must never be chosen, what must always be, and that nothing but (seed, epoch, row, place) decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models

from unmask.config import from_dict, overridden, to_dict
from unmask.errors import SettingError
from unmask.masking import IGNORE, Masked, Masking, place_count
from unmask.masking.schedules import SCHEDULES
from unmask.masking.selections import SELECTIONS
from unmask.tokens.rows import RowBatch, Vocabulary
from unmask.tokens.tokenizer import Tokenizer

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = (0, 1, 2, 3, 4)
COUNTS = 3 * (np.arange(200) % 40) ** 2  # as many rare tokens as frequent ones
TOKENIZER = Tokenizer(
    tokenizers.Tokenizer(
        models.WordLevel({f"w{number}": number for number in range(199)} | {"[MASK]": 199}, unk_token="w1")
    ),
    {"mask": "[MASK]"},
)
VOCABULARY = Vocabulary(200, MASK, PAD, CLS, SEP, special_ids=SPECIAL, token_counts=COUNTS, tokenizer=TOKENIZER)
TAGGED = Path(__file__).with_name("tagged.txt")  # the words of the tokenizer, each with a tag
selections = st.sampled_from(sorted(SELECTIONS))
ratios = st.floats(0.02, 0.95)


def row(documents: list[list[int]], row_length: int) -> tuple[list[int], list[int], list[int]]:
    """Tokens, groups and words of one row: documents given as the lengths of their words, framed and padded."""
    tokens, groups, words, token, word = [], [], [], 10, 0
    for group, lengths in enumerate(documents, start=1):
        tokens.append(CLS)
        words.append(0)
        for length in lengths:
            word += 1
            tokens += [10 + (token + n) % 190 for n in range(length)]
            words += [word] * length
            token += length
        tokens.append(SEP)
        words.append(0)
        groups += [group] * (len(tokens) - len(groups))
    empty = row_length - len(tokens)
    return tokens + [PAD] * empty, groups + [0] * empty, words + [0] * empty


@st.composite
def batches(draw) -> RowBatch:
    """One to six rows, each of one to three documents; some without anything to mask."""
    document = st.lists(st.integers(1, 6), max_size=12)
    rows = draw(st.lists(st.lists(document, min_size=1, max_size=3), min_size=1, max_size=6))
    longest = max(sum(sum(words) + 2 for words in documents) for documents in rows)
    made = [row(documents, longest + draw(st.integers(0, 5))) for documents in rows[:1]]
    made += [row(documents, len(made[0][0])) for documents in rows[1:]]
    numbers = draw(st.lists(st.integers(0, 10**9), min_size=len(rows), max_size=len(rows), unique=True))
    return RowBatch(np.array(numbers), *map(np.array, zip(*made, strict=True)))


def wide(rows: int, words_of: list[int], seed: int = 0) -> RowBatch:
    """Many equal rows of one document, for shares."""
    made = [row([words_of], sum(words_of) + 2)] * rows
    return RowBatch(np.arange(rows) + 1000 * seed, *map(np.array, zip(*made, strict=True)))


def masked(batch: RowBatch, ratio: float, selection: str = "uniform", *assigned: str, epoch=0, seed=0) -> Masked:
    if selection == "part_of_speech_weighted":
        assigned = (f"selection.tagged={TAGGED}", *assigned)
    masking = overridden(Masking(), [f"selection={selection}", *assigned])
    return masking.apply(batch, ratio, epoch, seed, VOCABULARY)


def asked(result: Masked) -> np.ndarray:
    return result.targets != IGNORE


# ---------------------------------------------------------------- what is chosen


@given(batches(), selections, ratios, st.integers(0, 9))
def test_special_tokens_and_padding_are_never_masked(batch, selection, ratio, epoch):
    result = masked(batch, ratio, selection, epoch=epoch)
    never = batch.words == 0
    assert (result.targets[never] == IGNORE).all()
    assert (result.inputs[never] == batch.tokens[never]).all()


@given(batches(), selections, ratios, st.integers(0, 9))
def test_every_row_with_a_word_gets_a_mask_and_none_more_than_its_limit(batch, selection, ratio, epoch):
    count = asked(masked(batch, ratio, selection, epoch=epoch)).sum(axis=1)
    real = (batch.groups > 0).sum(axis=1)
    limit = np.minimum(place_count(batch.tokens.shape[1], ratio), [max(1, round(ratio * n)) for n in real])
    assert (count <= limit).all()
    assert ((count > 0) == (batch.words > 0).any(axis=1)).all()


@given(batches(), selections, ratios)
def test_places_are_exactly_the_asked_columns_and_the_rest_point_at_nothing(batch, selection, ratio):
    result = masked(batch, ratio, selection)
    assert result.places.shape == (len(batch.numbers), place_count(batch.tokens.shape[1], ratio))
    for places, targets in zip(result.places, result.targets, strict=True):
        used = [place for place in places if targets[place] != IGNORE]
        assert sorted(used) == np.flatnonzero(targets != IGNORE).tolist()
    assert (result.targets[asked(result)] == batch.tokens[asked(result)]).all()


@given(batches(), st.sampled_from(["whole_word", "span", "part_of_speech_weighted"]), ratios)
def test_words_are_masked_whole_or_not_at_all_unless_one_alone_is_too_long(batch, selection, ratio):
    chosen = asked(masked(batch, ratio, selection))
    limit = place_count(batch.tokens.shape[1], ratio)
    for words, hit, groups in zip(batch.words, chosen, batch.groups, strict=True):
        cut = [w for w in np.unique(words[hit]) if not hit[words == w].all()]
        if cut:  # then nothing else is masked, and of that word its first tokens
            row_limit = min(limit, max(1, round(ratio * (groups > 0).sum())))
            assert hit.sum() == row_limit
            masked_words = words[hit]
            assert len(cut) == 1
            assert masked_words[-1] == cut[0]
            assert hit[words == cut[0]].tolist() == sorted(hit[words == cut[0]], reverse=True)


@given(batches(), ratios)
def test_uniform_masks_fill_their_limit(batch, ratio):
    count = asked(masked(batch, ratio)).sum(axis=1)
    limit = [max(1, round(ratio * n)) for n in (batch.groups > 0).sum(axis=1)]
    assert (count == np.minimum(limit, (batch.words > 0).sum(axis=1))).all()


@given(batches(), ratios)
def test_whole_words_are_taken_in_the_order_of_their_scores_as_many_as_fit(batch, ratio):
    """Against the rule written as a loop."""
    selection = overridden(Masking(), ["selection=whole_word"]).selection
    from unmask.masking.settings import CHOICE
    from unmask.seeding import keys

    scores = selection.scores(
        batch, keys(0, CHOICE, 0, batch.numbers[:, None], np.arange(batch.tokens.shape[1])[None, :]), VOCABULARY
    )
    chosen = asked(masked(batch, ratio, "whole_word"))
    for words, score, groups, hit in zip(batch.words, scores, batch.groups, chosen, strict=True):
        room = limit = max(1, round(ratio * (groups > 0).sum()))
        expected = np.zeros(len(words), dtype=bool)
        units = sorted(set(words[words > 0]), key=lambda w: score[words == w][0])
        for unit in units:
            size = (words == unit).sum()
            if size <= room:
                expected |= words == unit
                room -= size
        if units and not expected.any():
            expected[np.flatnonzero(words == units[0])[:limit]] = True
        assert (hit == expected).all()


def test_every_token_is_as_likely_as_the_others():
    batch = wide(4000, [1] * 20)
    share = asked(masked(batch, 0.25)).mean(axis=0)[1:-1]
    expected = round(0.25 * 22) / 20
    assert np.abs(share - expected).max() < 4.5 * np.sqrt(expected * (1 - expected) / 4000)


@given(batches(), ratios)
def test_frequency_weighted_masks_fill_their_limit(batch, ratio):
    assert (
        asked(masked(batch, ratio, "frequency_weighted")).sum(axis=1) == asked(masked(batch, ratio)).sum(axis=1)
    ).all()


def test_of_two_tokens_the_one_is_drawn_by_its_share_of_their_weights():
    """One of two tokens of a row is masked; seen 16 and 400 times they weigh 1/4 and 1/20, so the first has 5/6."""
    counts = np.full(200, 1000)
    counts[20], counts[21] = 16, 400
    vocabulary = Vocabulary(200, MASK, PAD, CLS, SEP, special_ids=SPECIAL, token_counts=counts)
    batch, masking = wide(6000, [1, 1]), overridden(Masking(), ["selection=frequency_weighted"])
    assert batch.tokens[0].tolist() == [CLS, 20, 21, SEP]
    hit = asked(masking.apply(batch, 0.25, 0, 0, vocabulary))
    assert (hit.sum(axis=1) == 1).all()
    assert hit[:, 1].mean() == pytest.approx(5 / 6, abs=4.5 * np.sqrt(5 / 36 / 6000))


def test_of_three_tokens_two_are_drawn_one_after_the_other_by_weight():
    """Weights 1/4, 1/6, 1/12: the last is left out with the chance that the first two come before it."""
    counts = np.full(200, 1000)
    counts[20:23] = 16, 36, 144
    vocabulary = Vocabulary(200, MASK, PAD, CLS, SEP, special_ids=SPECIAL, token_counts=counts)
    masking = overridden(Masking(), ["selection=frequency_weighted"])
    hit = asked(masking.apply(wide(6000, [1, 1, 1]), 0.4, 0, 0, vocabulary))
    a, b, c = 1 / 2, 1 / 3, 1 / 6
    left_out = a * b / (b + c) + b * a / (a + c)
    assert (hit.sum(axis=1) == 2).all()
    assert 1 - hit[:, 3].mean() == pytest.approx(left_out, abs=4.5 * np.sqrt(left_out * (1 - left_out) / 6000))


def test_without_power_and_below_the_least_count_frequency_says_nothing():
    batch = wide(3000, [1] * 20)
    for setting in ("selection.power=0", "selection.least=1000000"):
        share = asked(masked(batch, 0.25, "frequency_weighted", setting)).mean(axis=0)[1:-1]
        expected = round(0.25 * 22) / 20
        assert np.abs(share - expected).max() < 4.5 * np.sqrt(expected * (1 - expected) / 3000)


def test_span_lengths_are_geometric_up_to_ten():
    """As SpanBERT draws them: 3.8 words on average."""
    from unmask.masking.selections.span import span_lengths, span_starts
    from unmask.seeding import keys, uniforms

    batch = wide(2000, [1] * 200)
    draws = uniforms(keys(7, np.arange(2000)[:, None], np.arange(202)[None, :]))
    starts = span_starts(batch, span_lengths(draws, 0.2, 10))
    lengths = np.concatenate([np.diff(np.flatnonzero(line)) for line in starts])  # the row's last span left out
    share = np.bincount(lengths, minlength=11)[1:] / len(lengths)
    expected = np.array([0.8**n for n in range(10)])
    assert len(share) == 10
    assert np.abs(share - expected / expected.sum()).max() < 0.01
    assert abs(lengths.mean() - 3.8) < 0.05


@given(batches(), st.floats(0.1, 1.0), st.integers(1, 10))
def test_spans_are_whole_words_of_one_document(batch, stop, longest):
    from unmask.masking.selections.span import Span

    draws = np.random.default_rng(0).integers(0, 2**63, batch.tokens.shape).astype(np.uint64)
    scores = Span(stop, longest).scores(batch, draws, VOCABULARY)
    for words, groups, score in zip(batch.words, batch.groups, scores, strict=True):
        for value in np.unique(score[words > 0]):
            span = np.flatnonzero((score == value) & (words > 0))
            assert (np.diff(span) == 1).all()
            assert len(set(groups[span])) == 1
            assert 1 <= len(set(words[span])) <= longest
            assert all((score[words == word] == value).all() for word in set(words[span]))


# ---------------------------------------------------------------- what the model sees


@pytest.mark.parametrize(("mask", "random"), [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.5, 0.25)])
def test_mask_random_and_kept_tokens_have_their_shares(mask, random):
    batch = wide(1500, [1] * 40)
    result = masked(batch, 0.5, "uniform", f"mask_share={mask}", f"random_share={random}")
    hit = asked(result)
    seen, true = result.inputs[hit], batch.tokens[hit]
    ordinary = VOCABULARY.size - len(SPECIAL)
    same = random / ordinary  # a random token may be the true one
    for share, expected in (
        ((seen == MASK).mean(), mask),
        (((seen != MASK) & (seen != true)).mean(), random - same),
        ((seen == true).mean(), 1 - mask - random + same),
    ):
        assert abs(share - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / hit.sum()) + 1e-12
    assert (result.inputs[~hit] == batch.tokens[~hit]).all()


def test_random_tokens_come_from_the_whole_vocabulary_less_the_special_ones():
    batch = wide(3000, [1] * 40)
    result = masked(batch, 0.5, "uniform", "mask_share=0", "random_share=1")
    seen = np.bincount(result.inputs[asked(result)], minlength=VOCABULARY.size)
    assert (seen[list(SPECIAL)] == 0).all()
    expected = seen.sum() / (VOCABULARY.size - len(SPECIAL))
    assert np.abs(seen[5:] - expected).max() < 5 * np.sqrt(expected)


# ---------------------------------------------------------------- what decides


@given(batches(), selections, st.integers(0, 3), st.randoms())
def test_a_row_gets_the_same_mask_on_one_rank_or_eight(batch, selection, epoch, random):
    together = masked(batch, 0.3, selection, epoch=epoch)
    places = list(range(len(batch.numbers)))
    random.shuffle(places)
    for place in places:
        one = [place]
        alone = RowBatch(batch.numbers[one], batch.tokens[one], batch.groups[one], batch.words[one])
        for mine, theirs in zip(masked(alone, 0.3, selection, epoch=epoch), together, strict=True):
            assert (mine[0] == theirs[place]).all()


@pytest.mark.parametrize("selection", SELECTIONS)
def test_epochs_rows_and_seeds_have_masks_of_their_own(selection):
    batch = wide(2, [2] * 30)
    masks = {
        asked(masked(batch, 0.3, selection, epoch=epoch, seed=seed))[n].tobytes()
        for epoch in range(3)
        for seed in range(3)
        for n in range(2)
    }
    assert len(masks) == 18


def test_a_batch_may_span_epochs():
    batch = wide(4, [1] * 30)
    mixed = masked(batch, 0.3, epoch=np.array([0, 0, 1, 1]))
    first, second = masked(batch, 0.3, epoch=0), masked(batch, 0.3, epoch=1)
    assert (mixed.inputs == np.concatenate([first.inputs[:2], second.inputs[2:]])).all()


def test_static_masks_are_those_of_epoch_0_in_every_epoch():
    batch = wide(4, [1] * 30)
    first = masked(batch, 0.3)
    for epoch in (1, 5):
        for mine, theirs in zip(masked(batch, 0.3, "uniform", "static=true", epoch=epoch), first, strict=True):
            assert (mine == theirs).all()


# ---------------------------------------------------------------- how many


def test_the_ratio_moves_from_start_to_end():
    at = {name: [Masking(schedule=name).ratio_at(p) for p in (0, 0.5, 1)] for name in ("constant", "linear", "cosine")}
    assert at["constant"] == [0.3, 0.3, 0.3]
    assert at["linear"] == pytest.approx([0.3, 0.225, 0.15])
    assert at["cosine"] == pytest.approx([0.3, 0.225, 0.15])
    assert Masking(schedule="cosine").ratio_at(0.25) == pytest.approx(0.15 + 0.15 * (1 + np.sqrt(0.5)) / 2)
    assert Masking().ratio_at(-1) == 0.3
    assert Masking().ratio_at(2) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("assigned", "ends"),
    [
        (["ratio=0.1"], [0.1, 0.1]),
        (["schedule=cosine", "ratio=0.1"], [0.1, 0.15]),
        (["ratio_end=0.2", "ratio=0.1"], [0.1, 0.2]),
        (["ratio_end=0.2"], [0.3, 0.2]),
        (["static=true"], [0.3, 0.15]),
    ],
)
def test_a_ratio_assigned_alone_is_the_share_all_the_way(assigned, ends):
    masking = overridden(Masking(), assigned)
    assert [masking.ratio_at(0), masking.ratio_at(1)] == pytest.approx(ends)


def test_a_ratio_assigned_alone_stays_a_bound_where_rows_draw_theirs():
    from unmask.recipes.diffusion import diffusion

    assert overridden(diffusion(), ["masking.ratio=0.9"]).masking.end == 0.001
    assert overridden(diffusion(), ["seed=1", "masking.ratio=0.9", "masking.ratio_end=0.5"]).masking.end == 0.5


@pytest.mark.parametrize(
    ("masking", "mean"),
    [
        (Masking(), 0.225),
        (Masking(schedule="constant"), 0.3),
        (Masking(ratio=0.9, ratio_end=0.1, schedule="uniform"), 0.5),
        (Masking(ratio=0.9, ratio_end=0.1, schedule="cosine_law"), 0.1 + 0.8 * (1 - 2 / np.pi)),
    ],
)
def test_the_mean_ratio_is_that_over_training_or_over_the_draws(masking, mean):
    assert masking.mean_ratio == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("progress", [0, 0.4, 1])
def test_without_an_end_the_ratio_stays(schedule, progress):
    masking = overridden(Masking(), ["ratio=0.4", "ratio_end=none", f"schedule={schedule}"])
    assert masking.ratio_at(progress) == pytest.approx(0.4)


def test_rows_that_draw_their_ratio_lie_evenly_between_the_two():
    batch = wide(3000, [1] * 198)
    masking = Masking(ratio=0.5, ratio_end=0.1, schedule="uniform")
    result = masking.apply(batch, masking.ratio_at(0.7), 0, 0, VOCABULARY)
    share = asked(result).sum(axis=1) / 200
    assert result.places.shape[1] == 100
    assert share.min() == pytest.approx(0.1, abs=0.01)
    assert share.max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.histogram(share, 4, (0.1, 0.5))[0] - 750).max() < 150


def test_rows_that_draw_by_the_cosine_law_ask_0_36_of_their_tokens_on_average():
    """The share 1 - cos(pi u / 2) lies below s for u below 2 acos(1 - s) / pi, and its mean is 1 - 2 / pi."""
    batch = wide(3000, [1] * 198)
    masking = Masking(ratio=0.999, ratio_end=0.001, schedule="cosine_law")
    result = masking.apply(batch, masking.ratio_at(0.7), 0, 0, VOCABULARY)
    share = asked(result).sum(axis=1) / 200
    assert result.places.shape[1] == 200
    assert share.mean() == pytest.approx(1 - 2 / np.pi, abs=0.02)
    for below in (0.1, 0.25, 0.5, 0.75):
        assert (share <= below).mean() == pytest.approx(2 / np.pi * np.arccos(1 - below), abs=0.03)


@settings(max_examples=50)
@given(st.integers(8, 2048), ratios)
def test_the_places_of_a_row_depend_on_its_length_and_the_ratio_alone(row_length, ratio):
    assert 1 <= place_count(row_length, ratio) <= row_length
    assert abs(place_count(row_length, ratio) - ratio * row_length) <= 1


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ratio=1.2", r"masking.ratio=1.2: the share of masked tokens lies between 0 and 1, e.g. masking.ratio=0.3"),
        ("ratio=0", r"masking.ratio=0.0: the share"),
        ("ratio_end=-0.5", r"masking.ratio_end=-0.5: .*e.g. masking.ratio_end=0.3"),
        ("mask_share=1.5", r"masking.mask_share=1.5: a share lies between 0 and 1"),
        ("random_share=0.5", r"masking.mask_share=0.8 and masking.random_share=0.5 add up to more than 1: lower one"),
        ("schedule=linea", r"unknown masking schedule 'linea'; did you mean 'linear'\?"),
        ("selection=whole_words", r"unknown selection 'whole_words'; did you mean 'whole_word'\?"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_the_mend(setting, words):
    with pytest.raises(SettingError, match=words):
        overridden(Masking(), [setting])


@pytest.mark.parametrize(
    ("selection", "setting", "words"),
    [
        ("span", "stop=0", "stop=0.0: a probability"),
        ("span", "longest=0", "at least 1 word"),
        ("frequency_weighted", "power=-1", r"masking.selection.power=-1.0: a number from 0 to 2, e.g. 0.5"),
        ("frequency_weighted", "least=0", r"masking.selection.least=0: at least 1, e.g. 10"),
        (
            "part_of_speech_weighted",
            "weights=NOUN",
            r"weights: 'NOUN' is no TAG:WEIGHT; e.g. masking.selection.weights=",
        ),
        ("part_of_speech_weighted", "weights=NOUN:2,ADP:0", r"the weight of ADP must be above 0"),
    ],
)
def test_a_selection_that_cannot_be_is_refused(selection, setting, words):
    with pytest.raises(SettingError, match=words):
        overridden(Masking(), [f"selection={selection}", f"selection.{setting}"])


@pytest.mark.parametrize("selection", SELECTIONS)
def test_settings_come_back_from_json(selection):
    masking = overridden(Masking(), [f"selection={selection}", "ratio=0.2", "static=true"])
    assert from_dict(Masking, to_dict(masking)) == masking


def test_shares_that_fit_only_together_can_be_set_in_either_order():
    for assigned in (["mask_share=1", "random_share=0"], ["random_share=0.9", "mask_share=0.1"]):
        shares = dict(assignment.split("=") for assignment in assigned)
        masking = overridden(Masking(), assigned)
        assert (masking.mask_share, masking.random_share) == (
            float(shares["mask_share"]),
            float(shares["random_share"]),
        )


def test_a_ratio_alone_can_be_set():
    assert overridden(Masking(), ["ratio=0.1"]).ratio_at(0) == 0.1

"""What generation promises: every blank filled, nothing else touched, the asked order, and the same text again."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.generation.blanks import Blank
from unmask.generation.drawing import Drawing, Grams, nucleus
from unmask.generation.generate import Step, generate
from unmask.generation.orders import ORDERS, Blocks, Candidates
from unmask.generation.plans import PLANS, counts, shared
from unmask.generation.writing import added, written
from unmask.models import Model
from unmask.tokens.training import TokenizerSettings, train_tokenizer

# ---------------------------------------------------------------- how many at each step


@given(st.sampled_from(sorted(PLANS)), st.integers(1, 300), st.integers(1, 300))
def test_a_plan_fills_all_blanks_and_at_least_one_at_each_step(plan: str, blanks: int, steps: int) -> None:
    found = counts(plan, blanks, steps)
    assert len(found) == min(steps, blanks)
    assert sum(found) == blanks
    assert min(found) >= 1


def test_the_linear_plan_fills_as_many_at_every_step() -> None:
    assert counts("linear", 64, 8) == [8] * 8
    assert counts("linear", 5, 2) in ([2, 3], [3, 2])


def test_the_cosine_plan_leaves_the_share_of_maskgit_still_blank() -> None:
    left = 256 - np.cumsum(counts("cosine", 256, 8))
    expected = [256 * math.cos(math.pi / 2 * step / 8) for step in range(1, 9)]
    assert np.abs(left - expected).max() <= 0.5


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 100))
def test_steps_are_shared_by_size_and_every_part_gets_one(sizes: list[int], more: int) -> None:
    steps = min(len(sizes) + more, sum(sizes))
    found = shared(steps, sizes)
    assert sum(found) == steps
    assert min(found) >= 1
    if len(set(sizes)) == 1:
        assert max(found) - min(found) <= 1


# ---------------------------------------------------------------- which ones


def candidates(probabilities: list[list[float]], drawn: list[int]) -> Candidates:
    scores = torch.tensor([probabilities]).log()
    return Candidates(scores, torch.tensor([drawn]), torch.arange(len(drawn))[None], torch.tensor([[0.3, 0.9, 0.5]]))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("confidence", [2, 0, 1]),  # drawn with 0.9, 0.5, 0.1
        ("entropy", [1, 2, 0]),
        ("random", [1, 2, 0]),
        ("left_to_right", [0, 1, 2]),
        ("blocks", [2, 0, 1]),
    ],
)
def test_each_order_ranks_the_blanks_by_what_it_is_named_for(order: str, expected: list[int]) -> None:
    found = candidates([[0.5, 0.5, 0.0], [0.0, 0.1, 0.9], [0.9, 0.09, 0.01]], drawn=[0, 1, 0])
    if order == "entropy":  # ln 2 = 0.69, 0.33, 0.36
        assert torch.special.entr(found.log_probabilities.exp()).sum(2)[0].argsort().tolist() == expected
    ranked = ORDERS.load(order)().priorities(found).argsort(dim=1, descending=True)
    assert ranked[0].tolist() == expected


def filled_order(model: Model, prompt: str, **settings) -> list[list[int]]:
    steps: list[Step] = []
    generate(model, prompt, watch=steps.append, **settings)
    assert [step.number for step in steps] == list(range(1, steps[0].of + 1))
    return [sorted(step.new[0].tolist()) for step in steps]


def test_left_to_right_fills_from_left_to_right(bert: Model) -> None:
    assert filled_order(bert, "the cat", tokens=6, order="left_to_right", steps=3) == [[3, 4], [5, 6], [7, 8]]


def test_a_block_is_full_before_the_next_begins(bert: Model) -> None:
    found = filled_order(bert, "the", tokens=10, order=Blocks(4), steps=6)
    places = [place for step in found for place in step]
    assert sorted(places[:4]) == [2, 3, 4, 5]
    assert sorted(places[4:8]) == [6, 7, 8, 9]
    assert sorted(places[8:]) == [10, 11]


def test_the_surest_blank_is_filled_first_and_the_others_are_asked_again(bert: Model) -> None:
    """Temperature 0 and a token at each step, beside transformers itself."""
    from transformers import AutoModelForMaskedLM

    [made] = generate(bert, "the [MASK:3] on", temperature=0)
    stock = AutoModelForMaskedLM.from_pretrained(bert.path).eval()
    row, allowed = [2, 5, 4, 4, 4, 9, 3], range(5, bert.vocabulary_size)
    total = 0.0
    while 4 in row:
        with torch.no_grad():
            scores = stock(input_ids=torch.tensor([row])).logits[0][:, allowed].log_softmax(-1)
        blank = [place for place, token in enumerate(row) if token == 4]
        place = max(blank, key=lambda place: float(scores[place].max()))
        row[place] = allowed[int(scores[place].argmax())]
        total += float(scores[place].max())
    assert made.text == bert.tokenizer.decode(row)
    assert made.mean_log_probability == pytest.approx(total / 3, rel=1e-4)


# ---------------------------------------------------------------- what is in view


def rows_asked(monkeypatch, model: Model, prompt: str, **settings) -> list[list[int]]:
    """The rows that the model was asked about, one sample."""
    rows, predict = [], Model.predict

    def watched(self, tokens, *others):
        rows.append(tokens[0].tolist())
        return predict(self, tokens, *others)

    monkeypatch.setattr(Model, "predict", watched)
    generate(model, prompt, **settings)
    return rows


def test_a_text_goes_on_from_left_to_right_with_one_blank_in_view(bert: Model, monkeypatch) -> None:
    rows = rows_asked(monkeypatch, bert, "the cat", tokens=4)
    assert [len(row) for row in rows] == [4, 5, 6, 8]  # [CLS] the cat [MASK]; the last one with [SEP]
    assert [row.count(4) for row in rows] == [1, 1, 1, 1]
    assert rows[0] == [2, 5, 6, 4]
    assert rows[-1][-2:] == [4, 3]


def test_as_many_blanks_are_in_view_as_asked_for(bert: Model, monkeypatch) -> None:
    rows = rows_asked(monkeypatch, bert, "the", tokens=6, order="left_to_right", steps=3, ahead=1)
    assert [row.count(4) for row in rows] == [3, 3, 2]
    blocks = rows_asked(monkeypatch, bert, "the", tokens=6, order=Blocks(2), ahead=0)
    assert [row.count(4) for row in blocks] == [2, 1, 2, 1, 2, 1]
    everything = rows_asked(monkeypatch, bert, "the", tokens=6, order="left_to_right")
    assert [row.count(4) for row in everything] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("prompt", ["the [MASK:3] cat", "the ___ cat [MASK:3]"])
def test_between_given_texts_all_blanks_are_in_view_and_the_surest_comes_first(bert: Model, prompt: str) -> None:
    usual, asked = (generate(bert, prompt, order=order, samples=4) for order in (None, "confidence"))
    assert usual == asked
    with pytest.raises(SettingError, match=r"^ahead=0: text stands behind a blank, so all blanks are in view; leave"):
        generate(bert, prompt, ahead=0, samples=4)


def test_a_model_of_masked_diffusion_sees_all_blanks(bert: Model) -> None:
    run = {"objective": {"name": "masked_diffusion"}}
    learned = replace(bert, run=run)
    assert generate(learned, "the", tokens=6, samples=4) == generate(
        bert, "the", tokens=6, samples=4, order="confidence"
    )
    assert generate(learned, "the", tokens=6, samples=4) != generate(bert, "the", tokens=6, samples=4)


# ---------------------------------------------------------------- what is drawn


def test_special_tokens_are_never_written(bert: Model, roberta: Model, albert: Model) -> None:
    for model in (bert, roberta, albert):
        steps: list[Step] = []
        generate(model, "", tokens=12, samples=30, temperature=5.0, steps=2, watch=steps.append)
        written_tokens = torch.cat([step.tokens.gather(1, step.new).flatten() for step in steps]).tolist()
        assert len(written_tokens) == 12 * 30
        assert not set(written_tokens) & set(model.tokenizer.special_ids.tolist())


def test_draws_follow_the_probabilities_at_the_temperature() -> None:
    scores = torch.tensor([0.5, 0.0, 0.3, 0.2]).log().expand(20_000, 4)
    for temperature in (1.0, 0.5):
        chances = torch.from_numpy(np.random.default_rng(0).random(20_000))
        drawn = Drawing(temperature).drawn(scores, chances)
        expected = np.array([0.5, 0.0, 0.3, 0.2]) ** (1 / temperature)
        shares = np.bincount(drawn.numpy(), minlength=4) / 20_000
        assert shares == pytest.approx(expected / expected.sum(), abs=0.015)
        assert shares[1] == 0


def test_the_largest_random_number_draws_a_token_that_has_a_probability() -> None:
    scores = torch.tensor([[0.1] * 10 + [0.0] * 5]).log()
    assert int(Drawing().drawn(scores, torch.tensor([1 - 2.0**-53], dtype=torch.float64))) == 9


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=12), st.floats(0.05, 0.99))
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(weights: list[float], top_p: float) -> None:
    shares = torch.tensor(weights, dtype=torch.float64)
    shares = shares / shares.sum()
    kept = nucleus(shares, top_p)
    expected, total = set(), 0.0
    for number in sorted(range(len(weights)), key=lambda number: -float(shares[number])):
        if total >= top_p - 1e-12:
            break
        expected.add(number)
        total += float(shares[number])
    found = set(kept.nonzero().flatten().tolist())
    assert len(found) == len(expected)
    assert float(kept.sum()) == pytest.approx(total)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.integers(1, 4),
    st.data(),
)
def test_the_tokens_that_repeat_an_n_gram_are_those_that_make_one_stand_twice(row, length, data) -> None:
    """0 is the blank; brute force over all tokens."""
    place = data.draw(st.integers(0, len(row) - 1))
    row[place] = 0
    found = Grams(row, length, 0).repeating(place)
    before = repeats(row, length)
    for token in (1, 2, 3):
        tried = [*row[:place], token, *row[place + 1 :]]
        assert (token in found) == (repeats(tried, length) > before)


def repeats(row: list[int], length: int) -> int:
    grams = [tuple(row[start : start + length]) for start in range(len(row) - length + 1)]
    known = Counter(gram for gram in grams if 0 not in gram)
    return sum(count - 1 for count in known.values())


@pytest.mark.parametrize("steps", [1, 3, 14])
def test_no_n_gram_stands_twice_also_when_many_are_filled_at_once(bert: Model, steps: int) -> None:
    seen: list[Step] = []
    generate(bert, "the", tokens=14, samples=5, steps=steps, no_repeat=2, watch=seen.append)
    for row in seen[-1].tokens.tolist():
        pairs = list(pairwise(row))
        assert len(set(pairs)) == len(pairs)


# ---------------------------------------------------------------- the same again


def test_a_sample_is_the_same_however_many_are_made_and_another_seed_gives_another(bert: Model, monkeypatch) -> None:
    def texts(**settings):
        return [each.text for each in generate(bert, "the cat", tokens=8, steps=4, **settings)]

    many = texts(samples=5)
    assert texts(samples=2) == many[:2]
    assert len(set(many)) > 1
    assert texts(samples=5, seed=1) != many
    monkeypatch.setattr("unmask.generation.generate.LOGITS_AT_ONCE", 1)
    assert texts(samples=5) == many


# ---------------------------------------------------------------- the text


def test_given_text_stays_as_it_was_written(bert: Model) -> None:
    [made] = generate(bert, "The  CAT", tokens=3, suffix=" on A mat!")
    assert made.text.startswith("The  CAT ")
    assert made.text.endswith(" on A mat!")
    [(start, end)] = made.spans
    assert made.text[start:end] == made.fillings[0]
    assert len(made.fillings[0].strip()) > 0


def test_words_beside_a_blank_do_not_grow_together(bert: Model) -> None:
    row = [2, *map(bert.tokenizer.id, ["the", "cat", "##s", "mat"]), 3]
    whole, [(start, end)] = written(bert.tokenizer, "theMAT", [Blank(3, 3, 2)], row, [[2, 3]])
    assert whole == "the cats MAT"
    assert whole[start:end] == " cats"


def test_chinese_is_written_without_spaces(bert: Model) -> None:
    row = [2, *map(bert.tokenizer.id, [*"天空是蓝色的", "cat", "空"]), 3]
    whole, spans = written(bert.tokenizer, "天空是。", [Blank(3, 3, 5)], row, [[4, 5, 6, 7, 8]])
    assert whole == "天空是蓝色的 cat 空。"
    assert spans == [(3, 12)]
    [made] = generate(bert, "天空[MASK:2]。")
    assert made.text.startswith("天空")
    assert made.text.endswith("。")


def test_byte_level_words_keep_their_own_spaces(roberta: Model) -> None:
    encoded = roberta.tokenizer.encode(["the cat on a"])[0].ids.tolist()
    row = [2, *encoded, 3]
    assert "".join(added(roberta.tokenizer, row, place, place + 1) for place in range(len(row))) == "the cat on a"


def test_bytes_that_are_no_character_are_left_out() -> None:
    tokenizer = train_tokenizer([Document("d", "a b c", "s")], TokenizerSettings(kind="bpe", vocabulary_size=300))
    ids = tokenizer.encode(["蓝"])[0].ids.tolist()
    assert len(ids) == 3
    assert added(tokenizer, ids, 0, 2) == ""
    assert added(tokenizer, ids, 0, 3) == "蓝"
    assert added(tokenizer, ids, 2, 3) == "蓝"


def test_several_blanks_are_filled_where_they_stand(bert: Model) -> None:
    [made] = generate(bert, "the [MASK:2] sat on ___ mat")
    first, second = made.fillings
    assert made.text == f"the {first.strip()} sat on {second.strip()} mat"


def test_a_model_writes_by_itself(bert: Model) -> None:
    assert bert.generate("the cat", tokens=4)[0].text == generate(bert, "the cat", tokens=4)[0].text


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("prompt", "settings", "words"),
    [
        ("the", {"tokens": 0}, "tokens=0: a whole number from 1"),
        ("the", {"samples": 0}, "samples=0: a whole number from 1"),
        ("the", {"ahead": -1}, "ahead=-1: a whole number from 0"),
        ("the", {"ahead": 2, "order": "entropy"}, r"ahead=2: any blank may be the next.* \(order left_to_right or"),
        ("the", {"steps": 0}, "steps=0: a whole number from 1"),
        ("the", {"temperature": -1}, "temperature=-1: 0 or more"),
        ("the", {"top_p": 0}, "top_p=0: more than 0 and at most 1"),
        ("the", {"no_repeat": -1}, "no_repeat=-1: a whole number from 0"),
        ("the", {"order": "confidense"}, "unknown order 'confidense'; did you mean 'confidence'"),
        ("the", {"plan": "square"}, "unknown plan 'square'"),
        ("the", {"tokens": 9, "order": Blocks(3), "steps": 2}, "steps=2: 3 blocks need a step each: take 3 steps"),
        ("the ___", {"tokens": 3}, r"says? how long they are \(\[MASK:20\]\): leave tokens out"),
        ("the ___", {"suffix": "mat"}, "leave it out, or the prompt's blanks"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(bert: Model, prompt: str, settings: dict, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        generate(bert, prompt, **settings)


def test_a_block_of_no_token_is_refused() -> None:
    with pytest.raises(SettingError, match="block=0: a whole number from 1"):
        Blocks(0)


def test_more_than_the_model_reads_is_refused(bert: Model) -> None:
    with pytest.raises(DataError, match="has 103 tokens, the model reads 24 at most: shorten the text or its blanks"):
        generate(bert, "the", tokens=100)

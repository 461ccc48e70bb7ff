"""Extending a tokenizer: old tokens keep their numbers, new text gets shorter, and every reader agrees."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.errors import SettingError
from unmask.tokens.extension import extended, extends, pieces_of_new
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_on_sample, train_tokenizer

OLD = ["The dog barks loudly, and the owls hoot at night. Nobody heard a patient tensor.\n"] * 6
NEW = ["Hypertension: the patient's hypertension needs hydrochlorothiazide. 高血压 高血压\n"] * 5 + [
    "Hypertensive patients, hypotension, and thiazides; naïve hypertensions.\n"
] * 4
KINDS = {"wordpiece": 20, "bpe": 50, "unigram": 50}
"""How many tokens each kind gets: enough for the longer words."""


def trained(kind: str, **given) -> Tokenizer:
    """Trained on the old text; it knows the letters of the new one, which it has read backwards."""
    size = 300 if kind == "bpe" else 120
    made = TokenizerSettings(**{"kind": kind, "vocabulary_size": size, "minimum_frequency": 1} | given)
    texts = [*OLD, NEW[0][::-1], NEW[-1][::-1]]
    return train_tokenizer([Document(str(n), text, "s") for n, text in enumerate(texts)], made)


PAIRS = {kind: (tokenizer := trained(kind), extended(tokenizer, NEW, count)) for kind, count in KINDS.items()}


@pytest.fixture(scope="module", params=KINDS)
def pair(request) -> tuple[Tokenizer, Tokenizer]:
    """A tokenizer of the old text, and itself with more tokens."""
    return PAIRS[request.param]


def test_old_tokens_keep_their_numbers_and_new_ones_stand_behind_them(pair):
    old, new = pair
    assert new.vocabulary_size - old.vocabulary_size in KINDS.values()
    assert [new.token(i) for i in range(old.vocabulary_size)] == [old.token(i) for i in range(old.vocabulary_size)]
    assert new.special_ids.tolist() == old.special_ids.tolist()
    assert extends(new, old)
    assert not extends(old, new)
    assert not extends(old, old)


def test_new_text_takes_fewer_tokens_and_says_the_same(pair):
    old, new = pair
    before, after = (sum(map(len, tokenizer.encode(NEW))) for tokenizer in pair)
    assert after < 0.7 * before
    for text in [*OLD, *NEW]:
        [one], [other] = old.encode([text]), new.encode([text])
        assert new.decode(other.ids).lower() == old.decode(one.ids).lower()
        if text.isascii():  # where words stand between blanks, no token reaches into the next one
            assert new.word_starts(text, other).sum() == old.word_starts(text, one).sum()


def test_a_frequent_word_of_the_new_text_becomes_one_token(pair):
    _, new = pair
    [encoded] = new.encode([" hypertension"])
    assert len([i for i in encoded.ids if new.token(i).strip("Ġ▁")]) == 1


def test_the_pieces_of_a_new_token_spell_it(pair):
    old, new = pair
    pieces = pieces_of_new(old, new)
    assert sorted(pieces) == list(range(old.vocabulary_size, new.vocabulary_size))
    for number, ids in pieces.items():
        assert len(ids) > 1
        spelled = old.token(ids[0]) + "".join(old.token(i).removeprefix("##") for i in ids[1:])
        assert spelled == new.token(number)


def test_stock_transformers_reads_the_extended_folder_and_writes_the_same_tokens(pair, tmp_path):
    from transformers import AutoTokenizer

    _, new = pair
    new.save(tmp_path)
    stock = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*OLD, *NEW]:
        assert stock(text, add_special_tokens=False)["input_ids"] == new.encode([text])[0].ids.tolist()
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint == new.fingerprint


@given(st.lists(st.sampled_from([*"aehnoprsty 高血压.-ï", "hyper", "tension", " thiazide", "[MASK]"]), max_size=30))
@settings(max_examples=60)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_becomes_unknown_that_was_not_before(kind, parts):
    old, new = PAIRS[kind]
    text = "".join(parts)
    one, other = (tokenizer.encode([text], literal=True)[0] for tokenizer in (old, new))
    assert (other.ids == new.unknown_id).sum() <= (one.ids == old.unknown_id).sum()
    assert len(other.ids) <= len(one.ids) or kind == "wordpiece"
    assert other.ends.max(initial=0) == one.ends.max(initial=0)


def test_pairs_are_joined_as_byte_pair_encoding_joins_them():
    """Counted anew for each pair, over all words: the definition."""
    old = trained("bpe", vocabulary_size=261)  # bytes alone
    new = extended(old, NEW, 25)
    words = Counter(
        tuple(p.value for p in old.backend.model.tokenize(word)) for text in NEW for word in chunks(old, text)
    )
    expected = []
    for _ in range(25):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, often in words.items():
            for two in pairwise(word):
                pairs[two] += often
        best = min(pairs, key=lambda two: (-pairs[two], two))
        expected.append("".join(best))
        merged: Counter[tuple[str, ...]] = Counter()
        for word, often in words.items():
            merged[tuple("\0".join(word).replace("\0".join(best), "".join(best)).split("\0"))] += often
        words = merged
    assert [new.token(i) for i in range(261, new.vocabulary_size)] == expected


def chunks(tokenizer: Tokenizer, text: str) -> list[str]:
    backend = tokenizer.backend
    return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))]


def test_tokens_added_beside_the_model_keep_their_numbers(tmp_path):
    old = trained("bpe")
    old.backend.add_tokens(["<name>", "<date>"])
    new = extended(old.over(old.backend), NEW, 10)
    new.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.id("<name>") == 300
    assert again.id("<date>") == 301
    assert again.vocabulary_size == 312
    assert 300 in again.encode(["a <name> b"])[0].ids


def test_only_what_occurs_often_enough_becomes_a_token():
    old = trained("wordpiece")
    assert extended(old, ["hypertensive"], 50).vocabulary_size == old.vocabulary_size
    assert extended(old, ["hypertensive"], 50, minimum=1).vocabulary_size > old.vocabulary_size


@pytest.mark.parametrize("kind", ["word", "character"])
def test_a_tokenizer_without_pieces_cannot_be_extended(kind):
    with pytest.raises(
        SettingError, match=r"tokenizer.new_tokens=9: a WordLevel tokenizer cannot be extended, WordPiece"
    ):
        extended(trained(kind), NEW, 9)


def test_preparation_extends_the_tokenizer_it_is_given(tmp_path):
    old = trained("wordpiece")
    old.save(tmp_path / "old")
    made = TokenizerSettings(folder=str(tmp_path / "old"), new_tokens=12)
    assert train_on_sample(NEW, made).fingerprint == extended(old, NEW, 12).fingerprint
    with pytest.raises(
        SettingError, match=r"tokenizer.new_tokens=12 adds to a tokenizer: name it with tokenizer.folder"
    ):
        TokenizerSettings(new_tokens=12)


def test_a_store_of_an_extended_tokenizer_holds_its_tokens(tmp_path):
    from unmask.tokens.build import prepare

    old = trained("wordpiece")
    old.save(tmp_path / "old")
    (tmp_path / "new.txt").write_text("".join(f"{text}{n}\n\n" for n, text in enumerate(NEW * 4)))
    chosen = TokenizerSettings(folder=str(tmp_path / "old"), new_tokens=12)
    store = prepare([str(tmp_path / "new.txt")], tmp_path / "store", tokenizer=chosen, workers=1, progress=False)
    assert store.vocabulary_size == old.vocabulary_size + 12
    assert store.token_counts[old.vocabulary_size :].sum() > 0

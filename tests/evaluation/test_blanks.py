"""Blanks: which words are asked depends on the text alone, and a blanked word leaves nothing of itself behind."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.evaluation.blanks import chosen_words, make_blanks
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.words import word_spans

KINDS = ("wordpiece", "bpe", "unigram", "word", "character")
ENGLISH = (
    "The old harbour lies below the town, and every boat that leaves it passes the lighthouse. "
    "Fishermen's wives waited there in winter; children counted the sails, one after another, until evening came. "
    "Nobody remembers who built the wall, but the stones are older than the church.\n\n"
    "In spring the river carries wood and sand; the millers open their gates, and the wheels begin to turn again. "
)
CHINESE = "老港口在城下，每一条船都要经过灯塔。冬天，渔夫的妻子在那里等候。谁也不记得是谁筑的墙，石头比教堂还老。"
DOCUMENTS = [Document(f"d{n}", (ENGLISH + CHINESE * (n % 2)) * (n + 1), "s") for n in range(6)]


@lru_cache
def tokenizer(kind: str) -> Tokenizer:
    size = {"word": 2000, "character": 500}.get(kind, 320)
    return train_tokenizer(DOCUMENTS, TokenizerSettings(kind=kind, vocabulary_size=size, minimum_frequency=1))


def asked(blanks) -> set[tuple[str, int, int]]:
    """The words asked, as (text, start, end)."""
    places = zip(blanks.documents.tolist(), blanks.spans.tolist(), strict=True)
    return {(blanks.texts[document], *span) for document, span in places}


def test_every_tokenizer_is_asked_for_the_same_words():
    words = {kind: asked(make_blanks(tokenizer(kind), DOCUMENTS[::2], 64)) for kind in KINDS}
    for kind in KINDS:
        assert words[kind] == words["character"]
    everything = sum(len(word_spans(document.text)) for document in DOCUMENTS[::2])
    assert 0.1 < len(words["bpe"]) / everything < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_of_chinese_every_chosen_character_is_asked_though_tokens_may_hold_several(kind):
    blanks = make_blanks(tokenizer(kind), [Document("x", CHINESE * 5, "s")], 64)
    spans = word_spans(CHINESE * 5)
    chosen = spans[chosen_words("x", spans[:, 0], 0.15)]
    hidden = {place for start, end in blanks.spans.tolist() for place in range(start, end)}
    assert hidden >= {place for start, end in chosen.tolist() for place in range(start, end)}
    assert kind not in ("wordpiece", "character") or blanks.spans.tolist() == chosen.tolist()


@pytest.mark.parametrize("row_length", [8, 20, 512])
def test_the_words_asked_do_not_depend_on_the_row_length_or_on_company(row_length):
    together = make_blanks(tokenizer("wordpiece"), DOCUMENTS, row_length)
    alone = [asked(make_blanks(tokenizer("wordpiece"), [document], 64)) for document in DOCUMENTS[::-1]]
    assert asked(together) == set().union(*alone)


def test_words_are_chosen_by_document_and_offset():
    starts = np.arange(0, 40_000, 4)
    share = [chosen_words(name, starts, 0.15) for name in ("a", "b")]
    assert abs(share[0].mean() - 0.15) < 0.015
    assert abs((share[0] & share[1]).mean() - 0.15**2) < 0.01
    assert (chosen_words("a", starts[::2], 0.15) == share[0][::2]).all()
    assert chosen_words("a", np.array([7]), 0.001).tolist() == [True]  # a document asks for one word at least


@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from([*ENGLISH.split(), *CHINESE, "\n"]), min_size=1, max_size=60).map(" ".join),
    st.integers(8, 40),
    st.floats(0.05, 0.9),
)
def test_each_token_of_a_chosen_word_is_masked_and_no_other(kind, text, row_length, share):
    """Against loops over the offsets that the tokenizer gives."""
    if not text.strip():
        return
    document, made = Document("x", text, "s"), tokenizer(kind)
    blanks = make_blanks(made, [document], row_length, share)
    (encoded,) = made.encode([text])
    spans = word_spans(text)
    chosen = [span for span, yes in zip(spans, chosen_words("x", spans[:, 0], share), strict=True) if yes]
    ids, masked, numbers = [], [], []
    for token, start, end in zip(encoded.ids, encoded.starts, encoded.ends, strict=True):
        over = [number for number, (a, b) in enumerate(chosen) if a < end and start < b]
        ids.append(int(token))
        masked.append(bool(over))
        numbers += over[:1]

    inner = (blanks.groups > 0) & (blanks.tokens != made.cls_id) & (blanks.tokens != made.sep_id)
    assert (blanks.tokens[inner] == np.where(masked, made.mask_id, ids)).all()
    assert blanks.targets.tolist() == [token for token, hit in zip(ids, masked, strict=True) if hit]
    assert blanks.words.tolist() == np.unique(numbers, return_inverse=True)[1].tolist()
    assert blanks.characters.tolist() == [int(chosen[n][1] - chosen[n][0]) for n in np.unique(numbers)]
    assert (blanks.tokens[blanks.rows, blanks.columns] == made.mask_id).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_framed_and_cut_at_word_starts(kind):
    made = tokenizer(kind)
    blanks = make_blanks(made, DOCUMENTS, 24)
    lengths = (blanks.groups > 0).sum(axis=1)
    assert (blanks.tokens[:, 0] == made.cls_id).all()
    assert (blanks.tokens[np.arange(len(lengths)), lengths - 1] == made.sep_id).all()
    assert (blanks.groups == (np.arange(24) < lengths[:, None])).all()
    for word in range(len(blanks.spans)):
        assert len(set(blanks.rows[blanks.words == word].tolist())) == 1


def test_a_word_longer_than_a_row_is_cut_and_nothing_is_lost():
    text = "harbour" * 9
    blanks = make_blanks(tokenizer("character"), [Document("x", text, "s")], 16)
    assert len(blanks) == len(text)
    assert (blanks.words == 0).all()
    assert len(set(blanks.rows.tolist())) > 1
    assert blanks.characters.tolist() == [len(text)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_tokens_give_the_text_back(kind):
    documents = DOCUMENTS[::2] if kind == "bpe" else DOCUMENTS  # bytes of two Han characters may share a token
    blanks = make_blanks(tokenizer(kind), documents, 64)
    restored = blanks.restored(np.arange(len(blanks.spans)), blanks.targets)
    assert restored == [document.text for document in documents]


def test_other_tokens_stand_in_the_place_of_the_words_they_replace():
    made = tokenizer("word")
    blanks = make_blanks(made, [Document("x", "the town and the river", "s")], 16, share=0.9)
    river = made.encode(["river"])[0].ids[0]
    said = blanks.restored(np.arange(len(blanks.spans)), np.full(len(blanks), river))[0].split()
    assert len(said) == 5
    assert said.count("river") >= len(blanks)


def test_a_word_that_cannot_be_written_is_left_as_it_is():
    made = tokenizer("word")
    texts = [Document(f"x{n}", "the zyx town", "s") for n in range(30)]
    blanks = make_blanks(made, texts, 16, share=0.9)
    assert made.unknown_id in blanks.tokens
    assert made.unknown_id not in blanks.targets
    assert {blanks.texts[d][a:b] for d, (a, b) in zip(blanks.documents, blanks.spans, strict=True)} == {"the", "town"}


def test_a_limit_takes_the_beginnings_of_documents_drawn_by_hash_until_it_is_reached():
    many = [Document(f"m{n}", ENGLISH * 8, "s") for n in range(200)]
    limited = make_blanks(tokenizer("bpe"), many, 64, limit_tokens=3000)
    tokens = (limited.groups > 0).sum() - 2 * len(limited.groups)
    assert 3000 <= tokens < 3000 + 62
    each = 150 + 62  # a twentieth, and the rest of its last row
    assert len(limited.texts) >= 3000 // each
    assert all((ENGLISH * 8).startswith(text) for text in limited.texts)
    assert max(len(made.ids) for made in tokenizer("bpe").encode(list(limited.texts))) <= each
    again = make_blanks(tokenizer("bpe"), many[::-1], 64, limit_tokens=3000)
    assert (again.targets == limited.targets).all()


def test_a_limit_asks_for_the_words_that_are_asked_without_it():
    whole, limited = (make_blanks(tokenizer("bpe"), DOCUMENTS[3:4], 64, limit_tokens=limit) for limit in (None, 120))
    rows = len(limited.groups)
    assert 0 < rows < len(whole.groups)
    assert (limited.tokens == whole.tokens[:rows]).all()
    assert (limited.targets == whole.targets[: np.searchsorted(whole.rows, rows)]).all()
    assert DOCUMENTS[3].text.startswith(limited.texts[0])


@pytest.mark.parametrize("share", [0, 1, 1.5])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(
        SettingError, match=f"share={share}: the share of blanked words lies between 0 and 1, e.g. 0.15"
    ):
        make_blanks(tokenizer("bpe"), DOCUMENTS, 64, share)


def test_a_row_too_short_is_refused():
    with pytest.raises(SettingError, match="row_length=3: a row needs at least 8 tokens"):
        make_blanks(tokenizer("bpe"), DOCUMENTS, 3)


@pytest.mark.parametrize("documents", [[], [Document("x", "", "s")], [Document("x", " \n ", "s")]])
def test_text_without_words_is_refused(documents):
    with pytest.raises(DataError, match="no words to blank in the text to evaluate on: give some that has words"):
        make_blanks(tokenizer("bpe"), documents, 64)

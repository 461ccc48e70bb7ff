"""Words weighted by part of speech: what a word weighs, however it is cut into tokens, and how often it is drawn."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from unmask.config import overridden
from unmask.corpus.documents import Document
from unmask.errors import SettingError
from unmask.masking import IGNORE, Masking
from unmask.masking.selections.part_of_speech_weighted import (
    PartOfSpeechWeighted,
    WordWeights,
    last_columns,
    weights_of,
)
from unmask.tokens import TOKENIZERS
from unmask.tokens.lexicon import Lexicon
from unmask.tokens.rows import RowBatch, Vocabulary, positions
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.words import word_spans

SENTENCES = [
    "The quarrelsome neighbour remembered the extraordinary thunderstorm.",
    "A dog (the quiet one) remembered nothing, and the neighbour's dog barked.",
    "我们 remembered 天安门 quietly, the dog barked at the thunderstorm.",
]
TAGGED = """The/DET the/DET a/DET A/DET quarrelsome/ADJ extraordinary/ADJ quiet/ADJ neighbour/NOUN thunderstorm/NOUN
dog/NOUN remembered/VERB barked/VERB at/ADP and/CCONJ ./PUNCT ,/PUNCT (/PUNCT )/PUNCT 我/PRON 天/NOUN quietly/ADV"""
WEIGHTS = "NOUN:4,VERB:3,DET:0.5,ADJ:2,PUNCT:0.25"


@pytest.fixture(scope="module")
def tagged(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tagged") / "tagged.txt"
    path.write_text(TAGGED, encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=sorted(set(TOKENIZERS) - {"existing"}))
def tokenizer(request):
    """One of each kind, with so few tokens that long words fall apart."""
    text = " ".join(SENTENCES * 3)
    settings = TokenizerSettings(kind=request.param, vocabulary_size=300)
    return train_tokenizer([Document("1", text, "a")], settings)


def row_of(tokenizer, text: str) -> RowBatch:
    """A text as one row without a frame."""
    [encoded] = tokenizer.encode([text], literal=True)
    words = np.cumsum(tokenizer.word_starts(text, encoded))
    return RowBatch(np.zeros(1, np.int64), encoded.ids[None].astype(np.int64), np.ones_like(words)[None], words[None])


@pytest.mark.parametrize("text", SENTENCES)
def test_a_word_of_the_tagged_text_has_the_weight_of_its_tag_however_it_is_cut(tokenizer, tagged, text):
    """Against a look-up word by word in the text itself."""
    lexicon = Lexicon.read(str(tagged))
    weights = weights_of(lexicon, WEIGHTS)
    batch = row_of(tokenizer, text)
    found = WordWeights.of(lexicon, weights, tokenizer).at(batch.tokens, batch.words)[0]
    spans = [text[start:end] for start, end in word_spans(text)]
    compared = 0
    for number, word in enumerate(spans, start=1):
        here = found[batch.words[0] == number]
        assert len(set(here)) == 1, word
        if word in lexicon.forms and (here.size == 1 or word.isascii()):
            assert here[0] == weights[lexicon.forms[word]], word
            compared += 1
    assert compared >= 6


def test_a_word_of_several_tokens_that_is_not_listed_goes_by_the_ending_of_the_last():
    lexicon = Lexicon(("NOUN", "VERB"), {"barking": "VERB", "dog": "NOUN"}, {"ing": "VERB", "": "NOUN"})
    text = "walk walk walk walking talking dog dog barking barking"
    made = train_tokenizer([Document("1", text, "a")], TokenizerSettings(kind="wordpiece", vocabulary_size=60))
    batch = row_of(made, "gaing")
    assert batch.tokens.shape[1] > 1
    assert made.texts[batch.tokens[0, -1]].endswith("ing")
    weights = WordWeights.of(lexicon, {"NOUN": 1.0, "VERB": 7.0}, made)
    assert (weights.at(batch.tokens, batch.words) == 7.0).all()


def test_of_a_noun_and_a_preposition_the_noun_is_masked_by_its_share_of_their_weights(tmp_path):
    """One of two words of a row is masked; weights 3 and 1/2, so the first has 6/7."""
    path = tmp_path / "tagged.txt"
    path.write_text("dog/NOUN at/ADP", encoding="utf-8")
    tokenizer = train_tokenizer([Document("1", "dog at " * 20, "a")], TokenizerSettings(vocabulary_size=300))
    one = row_of(tokenizer, "dog at")
    count = 6000
    batch = RowBatch(
        np.arange(count), *(np.repeat(part, count, axis=0) for part in (one.tokens, one.groups, one.words))
    )
    selection = PartOfSpeechWeighted(tagged=str(path), weights="NOUN:3,ADP:0.5")
    masked = Masking(selection=selection).apply(batch, 0.5, 0, 0, Vocabulary.of(tokenizer))
    hit = masked.targets != IGNORE
    assert (hit.sum(axis=1) == 1).all()
    assert hit[:, 0].mean() == pytest.approx(6 / 7, abs=4.5 * np.sqrt(6 / 49 / count))


def test_units_end_before_the_next_begins():
    units = np.array([[0, 1, 1, 2, 0, 0], [3, 3, 3, 3, 3, 3]])
    assert last_columns(units).tolist() == [[0, 2, 2, 3, 5, 5], [5] * 6]
    assert positions(units)[0].tolist() == [0, 0, 1, 0, 0, 1]


def test_a_name_of_the_weights_stands_for_all_tags_that_begin_with_it_and_the_longest_counts():
    lexicon = Lexicon(("nn", "nns", "np", "in"), {}, {"": "nn"})
    assert weights_of(lexicon, "n:2,np:0.5") == {"nn": 2, "nns": 2, "np": 0.5, "in": 1}


def test_tags_that_the_text_does_not_have_are_named_with_those_it_has(tagged):
    with pytest.raises(SettingError, match=r"no tag of the tagged text begins with 'XYZ'; it has DET, NOUN, PUNCT"):
        _ = PartOfSpeechWeighted(tagged=str(tagged), weights="XYZ:2").fingerprint


def test_without_a_tagged_text_the_setting_that_is_needed_is_named():
    masking = overridden(Masking(), ["selection=part_of_speech_weighted"])
    with pytest.raises(SettingError, match=r"masking.selection.tagged=FILE \(CoNLL-U, or word/TAG\) is needed"):
        _ = masking.fingerprint


def test_words_are_drawn_alike_by_every_process_that_reads_the_same_file(tagged):
    """A second vocabulary stands for a second process: nothing of the first is used again."""
    text = " ".join(random.Random(0).choices(SENTENCES, k=6))
    made = train_tokenizer([Document("1", text, "a")], TokenizerSettings(vocabulary_size=300))
    batch = row_of(made, text)
    masking = Masking(selection=PartOfSpeechWeighted(tagged=str(tagged), weights=WEIGHTS))
    one, other = (masking.apply(batch, 0.3, 2, 5, Vocabulary.of(made)).targets for _ in range(2))
    assert (one == other).all()

"""Whole-word masks of Chinese: the words that a segmenter found when the text was tokenised."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.config import overridden
from unmask.corpus.settings import CorpusSettings
from unmask.masking import IGNORE, Masking
from unmask.tokens.build import prepare
from unmask.tokens.rows import Rows
from unmask.tokens.training import TokenizerSettings

WORDS = ["北京", "天安门", "图书馆", "学习", "中文"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Lines of words with a comma between, each short enough for a row of its own."""
    random = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("chinese") / "zh.txt"
    path.write_text("\n".join("，".join(random.choice(WORDS, 15)) for _ in range(80)), encoding="utf-8")
    return path


@pytest.mark.parametrize(("segmenter", "units"), [("jieba", {*WORDS, "，"}), (None, {*"".join(WORDS), "，"})])
def test_whole_words_of_chinese_are_those_of_the_segmenter(text, tmp_path, segmenter, units):
    """Without one each character is a word."""
    store = prepare(
        [str(text)],
        tmp_path / "store",
        corpus=CorpusSettings(documents="lines"),
        tokenizer=TokenizerSettings(vocabulary_size=200, segmenter=segmenter),
        progress=False,
        workers=1,
    )
    rows = Rows(store, "train", 64, "document")
    taken, decode = rows.take(np.arange(rows.distinct)), store.tokenizer().decode
    masking = overridden(Masking(), ["selection=whole_word"])
    targets = masking.apply(taken, 0.3, 0, 0, rows.vocabulary).targets
    found = set()
    for of_row, words in zip(targets, taken.words, strict=True):
        for word in np.unique(words[of_row != IGNORE]):
            unit = of_row[words == word]
            assert (unit != IGNORE).all()  # the whole word
            found.add(decode(unit.tolist()).replace(" ", ""))
    assert found == units

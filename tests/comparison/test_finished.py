"""Finished models of two tokenizers are asked for the same words, and their figures are what they say."""

import math

import pytest

from unmask.comparison import compare_models
from unmask.comparison.finished import explained, some_sentences, table_rows, word_answers
from unmask.corpus.documents import Document
from unmask.errors import DataError, SettingError
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.masked import score_blanks
from unmask.models import load
from unmask.tokens.training import TokenizerSettings, train_tokenizer

TEXT = "The boat left the harbour at dawn. Nobody saw it go. The keeper wrote a line into his book.\n" * 6


@pytest.fixture(scope="module")
def harbour(tmp_path_factory):
    """A text, and BERTs with random weights that cut it into words and into characters."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("harbour")
    (folder / "text.txt").write_text(TEXT)
    sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    for kind in ("word", "character"):
        documents = [Document("d", TEXT, "s"), Document("e", TEXT, "s")]
        settings = TokenizerSettings(kind=kind, vocabulary_size=60, minimum_frequency=1)
        tokenizer = train_tokenizer(documents, settings)
        torch.manual_seed(0)
        config = BertConfig(vocab_size=tokenizer.vocabulary_size, max_position_embeddings=512, **sizes)
        BertForMaskedLM(config).save_pretrained(folder / kind)
        tokenizer.save(folder / kind, row_limit=512)
    return folder


def test_all_are_asked_the_same_words_whatever_their_tokens_are(harbour):
    texts = [Document("d", TEXT, "s")]
    words, characters = (word_answers(load(harbour / kind), texts) for kind in ("word", "character"))
    assert set(words) == set(characters)
    assert {TEXT[start:end] for _, start, end in words} <= set(TEXT.replace(".", " .").split())
    assert max(nats for nats, _ in characters.values()) > 2 * max(nats for nats, _ in words.values())


def test_the_figures_are_those_of_evaluate_and_score(harbour):
    found = {one.name.rpartition("/")[2]: one for one in compare_models(
        [harbour / "word", harbour / "character"], harbour / "text.txt"
    )}  # fmt: skip
    assert found["word"].words == found["character"].words > 5
    from unmask.evaluation.documents import documents

    texts = list(documents(harbour / "text.txt"))
    for kind, one in found.items():
        model = load(harbour / kind)
        figures = score_blanks(make_blanks(model.tokenizer, texts, 512), model.predict)
        assert one.bits_per_character == pytest.approx(figures["bits_per_character"], rel=1e-5)
        assert one.word_accuracy == pytest.approx(figures["word_accuracy"])
        sentences = some_sentences(texts, 1000)
        scores = model.score(sentences, metric="within_word_l2r")
        bits = -sum(score.total for score in scores) / math.log(2) / sum(map(len, sentences))
        assert one.pll_bits_per_character == pytest.approx(bits, rel=1e-5)
        assert one.sentences == len(sentences)


def test_the_best_stands_first_and_the_table_says_what_it_counts(harbour):
    found = compare_models([harbour / "character", harbour / "word"], harbour / "text.txt", sentences=3)
    assert found[0].name.endswith("word")
    titles, rows = table_rows(found)
    assert titles == ["bits/character\nof blanks", "of text", "words\nright", "size"]
    assert all(len(row) == 5 for row in rows)
    assert explained(found).startswith(f"the same {found[0].words} blanked words and 3 sentences for all")


def test_what_cannot_be_compared_is_refused(harbour, tmp_path):
    with pytest.raises(SettingError, match=r"^which models\? unmask compare --models MODEL MODEL --data TEXTS$"):
        compare_models([], harbour / "text.txt")
    (tmp_path / "other.txt").write_text("東京 東京 東京")
    with pytest.raises(DataError, match=r"no words to blank|no blanked word that every tokenizer can write"):
        compare_models([harbour / "word"], tmp_path / "other.txt")

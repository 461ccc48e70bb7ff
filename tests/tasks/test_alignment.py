"""Words and pieces: every word is answered at a piece of its own, which holds its first character."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from unmask.corpus.documents import Document
from unmask.tasks.alignment import aligned
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.words import word_spans

TEXT = "Don't you like the film in 北京市, which was 3 hours long? 我们都喜欢它。 The film's end!"


def trained(kind):
    documents = [Document("0", f"{TEXT} " * 20, "x")]
    return train_tokenizer(documents, TokenizerSettings(kind=kind, vocabulary_size=400))


@pytest.fixture(scope="module", params=["wordpiece", "bpe", "unigram"])
def tokenizer(request):
    return trained(request.param)


def pieces_of(tokenizer, text, spans):
    [encoded] = tokenizer.encode([text], literal=True)
    return encoded, aligned(tokenizer, text, np.array(spans, np.int32).reshape(-1, 2), encoded)


def test_where_words_and_pieces_agree_the_text_is_encoded_as_in_pretraining(tokenizer):
    encoded, found = pieces_of(tokenizer, "the film was long", word_spans("the film was long"))
    assert found.ids.tolist() == encoded.ids.tolist()
    starts = tokenizer.word_starts("the film was long", encoded)
    assert found.first.tolist() == np.flatnonzero(starts).tolist() or len(encoded) > starts.sum()
    assert len(set(found.first.tolist())) == 4


@given(st.data())
def test_no_two_words_share_a_piece_wherever_words_are_cut(tokenizer, data):
    characters = [number for number, character in enumerate(TEXT) if not character.isspace()]
    cuts = sorted(data.draw(st.sets(st.sampled_from(characters), min_size=1, max_size=40)))
    spans = [(a, _end(a, b)) for a, b in zip(cuts, [*cuts[1:], len(TEXT)], strict=True)]
    _, found = pieces_of(tokenizer, TEXT, spans)
    assert (found.first >= 0).all()
    assert (np.diff(found.first) > 0).all()


def _end(start, stop):
    """Without the blanks behind a word, as every reader gives words."""
    return start + len(TEXT[start:stop].rstrip())


def test_a_piece_over_two_tagged_words_is_parted():
    vocabulary = {"[UNK]": 0, "北": 1, "京": 2, "北京": 3, "人": 4, "[MASK]": 5}
    backend = Backend(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=""))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece(prefix="")
    tokenizer = Tokenizer(backend, {"mask": "[MASK]", "unk": "[UNK]"})
    encoded, found = pieces_of(tokenizer, "北京人", [(0, 1), (1, 2), (2, 3)])
    assert encoded.ids.tolist() == [3, 4]
    assert found.ids.tolist() == [1, 2, 4]
    assert found.first.tolist() == [0, 1, 2]


def test_a_word_that_the_tokenizer_leaves_out_has_no_piece():
    tokenizer = trained("wordpiece")
    _, found = pieces_of(tokenizer, "the \u200b film", [(0, 3), (4, 5), (6, 10)])
    assert found.first[0] == 0
    assert found.first[1] == -1 or found.first[1] > 0
    assert found.first[2] > 0

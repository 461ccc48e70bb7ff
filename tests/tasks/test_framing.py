"""Rows are those that the tokenizer's own code would make; nothing of a text is lost between windows."""

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, processors

from unmask.errors import ModelError
from unmask.tasks.framing import cut, frame_of, padding_of, shares, windows
from unmask.tokens.tokenizer import Tokenizer


def word_level(special, template=None):
    names = [*special, "a", "b", "c", "the"]
    backend = tokenizers.Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, unk_token=names[0]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens(list(special))
    if template is not None:
        single, pair = template
        ids = [(name, names.index(name)) for name in special]
        backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
    return backend


ROBERTA = ("<s> $A </s>", "<s> $A </s> </s> $B </s>")
BERT = ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")


@pytest.mark.parametrize(
    ("special", "template"), [(("<unk>", "<s>", "</s>"), ROBERTA), (("[UNK]", "[CLS]", "[SEP]"), BERT)]
)
def test_a_row_is_what_the_post_processor_makes_of_the_texts(special, template):
    backend = word_level(special, template)
    tokenizer = Tokenizer(backend, {}, masks=False)
    frame = frame_of(tokenizer)
    first, second = (tokenizer.encode([text])[0].ids for text in ("a b", "c the a"))
    alone, pair = backend.encode("a b"), backend.encode("a b", "c the a")
    for expected, found in ((alone, frame.row(first)), (pair, frame.row(first, second))):
        assert found[0].tolist() == expected.ids
        assert found[1].tolist() == expected.type_ids
    assert frame.room(10, False) == 10 - (len(alone) - 2)
    assert frame.room(10, True) == 10 - (len(pair) - 5)


def test_without_a_post_processor_the_named_tokens_are_taken():
    names = ("[UNK]", "[CLS]", "[SEP]")
    tokenizer = Tokenizer(word_level(names), {"cls": "[CLS]", "sep": "[SEP]"}, masks=False)
    assert frame_of(tokenizer).row(np.array([3]), np.array([4]))[0].tolist() == [1, 3, 2, 4, 2]


def test_a_decoder_gets_nothing_around_one_text_and_its_end_token_between_two():
    end = "<|endoftext|>"
    tokenizer = Tokenizer(word_level((end,)), {"cls": end, "sep": end}, masks=False)
    frame = frame_of(tokenizer)
    assert frame.row(np.array([1, 2]))[0].tolist() == [1, 2]
    assert frame.row(np.array([1]), np.array([2]))[0].tolist() == [1, 0, 2]
    assert padding_of(tokenizer, decoder=True) == 0


def test_a_decoder_without_padding_and_end_is_refused():
    with pytest.raises(ModelError, match=r"neither a padding nor an end token: add one to tokenizer_config.json"):
        padding_of(Tokenizer(word_level(("<unk>",)), {}, masks=False), decoder=True)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 40))
def test_a_pair_is_cut_to_the_room_from_its_longer_text(first, second, room):
    kept = cut(first, second, room)
    assert sum(kept) == min(room, first + second)
    assert kept[0] <= first
    assert kept[1] <= second
    if first < second and kept != (first, second):
        assert kept[0] == first or abs(kept[0] - kept[1]) <= 1


@given(st.integers(1, 300), st.integers(4, 50))
def test_windows_cover_a_text_and_answer_for_each_token_once(length, size):
    spans = windows(length, size)
    assert all(0 < stop - start <= size for start, stop in spans)
    answered = [token for low, high in shares(spans) for token in range(low, high)]
    assert answered == list(range(length))
    assert all(start <= low <= high <= stop for (start, stop), (low, high) in zip(spans, shares(spans), strict=True))

"""Encoding by remembered units gives the tokens of the tokenizer itself."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.tokens import TOKENIZERS, units
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.units import Encoder

TEXT = "The quick fox doesn't jump, does it?\n我爱北京。The café  jumps (twice)!\n" * 9
MIXED = st.text(
    st.sampled_from("aThe fox  \n\t'sé e\u0301我爱。，\u3000\xa0\u0301\x85\x1c\x0b\u200d0²_!?▁Ġ👍\u2028\ufa0e"),
    max_size=40,
)


@pytest.fixture(scope="module", params=[(kind, low) for kind in TOKENIZERS for low in (False, True)], ids=str)
def tokenizer(request) -> Tokenizer:
    kind, lowercase = request.param
    made = TokenizerSettings(kind=kind, vocabulary_size=320, lowercase=lowercase)
    return train_tokenizer([SimpleNamespace(id="a", text=TEXT)], made)


@settings(deadline=None)
@given(
    texts=st.lists(MIXED | st.text(max_size=20) | st.sampled_from(["", "[MASK] [SEP]", TEXT]), min_size=1, max_size=5)
)
def test_a_batch_has_the_tokens_and_offsets_of_each_text_encoded_alone(tokenizer, texts):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]  # tokenizers take no lone surrogates
    encoded, lengths = Encoder(tokenizer).encode(texts)
    expected = tokenizer.encode(texts, literal=True)
    assert lengths.tolist() == [len(item) for item in expected]
    first = 0
    for text, item, stop in zip(texts, expected, np.cumsum(lengths), strict=True):
        assert encoded.ids[stop - len(item) : stop].tolist() == item.ids.tolist()
        assert encoded.starts[stop - len(item) : stop].tolist() == (item.starts + first).tolist()
        assert encoded.ends[stop - len(item) : stop].tolist() == (item.ends + first).tolist()
        first += len(text) + 1


def test_what_was_forgotten_is_learned_again(monkeypatch):
    tokenizer = train_tokenizer([SimpleNamespace(id="a", text=TEXT)], TokenizerSettings(vocabulary_size=320))
    monkeypatch.setattr(units, "KEPT", 3)
    monkeypatch.setattr(units, "_LONGEST", 4)
    encoder = Encoder(tokenizer)
    for text in (TEXT, "The jumps", TEXT):
        assert encoder.encode([text])[0].ids.tolist() == tokenizer.encode([text])[0].ids.tolist()


def test_text_without_blanks_has_the_same_tokens_too(tokenizer):
    texts = ["我爱北京。The" * 30, "", "我爱" * 40]
    encoded, lengths = Encoder(tokenizer).encode(texts)
    expected = tokenizer.encode(texts, literal=True)
    assert lengths.tolist() == [len(item) for item in expected]
    assert encoded.ids.tolist() == [i for item in expected for i in item.ids]
    assert encoded.ends[-1] == len("\n".join(texts))


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "unigram", "word"])
def test_our_own_pipelines_are_known_to_part_at_blanks(kind):
    tokenizer = train_tokenizer([SimpleNamespace(id="a", text=TEXT)], TokenizerSettings(kind=kind, vocabulary_size=320))
    pipeline = json.loads(tokenizer.backend.to_str())
    assert units._pattern(pipeline) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"added_tokens": [{"special": False, "content": "e f"}]},
        {"normalizer": {"type": "Strip"}},
        {"pre_tokenizer": {"type": "Metaspace"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        {"pre_tokenizer": None},
    ],
)
def test_other_pipelines_are_run_on_whole_texts(change):
    tokenizer = train_tokenizer([SimpleNamespace(id="a", text=TEXT)], TokenizerSettings(vocabulary_size=320))
    assert units._pattern(json.loads(tokenizer.backend.to_str()) | change) is None

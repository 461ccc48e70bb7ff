"""Tokenizers of every kind: offsets, word starts, special tokens, and folders that transformers reads."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import DataError, ModelError, SettingError
from unmask.tokens import TOKENIZERS
from unmask.tokens import tokenizer as module
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings, check_tokenizer, sample, train_tokenizer
from unmask.tokens.words import word_spans

ENGLISH = "The quick brown fox doesn't jump over the lazy dog, does it? Yes: it jumps (twice)!\n"
CHINESE = "我爱北京天安门。他说：“好！”然后走了，天黑了。\n"
DOCUMENTS = [SimpleNamespace(id=str(n), text=(ENGLISH + CHINESE) * 3 + f"Number {n}.") for n in range(20)]
KINDS = list(TOKENIZERS)


def small(kind: str, **settings) -> Tokenizer:
    return train_tokenizer(DOCUMENTS, TokenizerSettings(kind=kind, vocabulary_size=400, **settings))


@pytest.fixture(scope="module", params=KINDS)
def trained(request) -> Tokenizer:
    return small(request.param)


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.token(i) for i in tokenizer.encode([text])[0].ids]


# ---------------------------------------------------------------- every kind


def test_the_vocabulary_keeps_its_size_and_begins_with_the_special_tokens(trained):
    assert trained.vocabulary_size <= 400
    assert trained.special_ids.tolist() == [0, 1, 2, 3, 4]
    ids = (trained.pad_id, trained.unknown_id, trained.cls_id, trained.sep_id, trained.mask_id)
    assert ids == (0, 1, 2, 3, 4)


def test_tokens_cover_all_but_blanks_and_point_at_their_text(trained):
    [encoded] = trained.encode([ENGLISH])
    assert encoded.ids.dtype == encoded.starts.dtype == encoded.ends.dtype == np.int32
    covered = np.zeros(len(ENGLISH), bool)
    for start, end in zip(encoded.starts, encoded.ends, strict=True):
        covered[start:end] = True
    assert all(covered[i] or ENGLISH[i].isspace() for i in range(len(ENGLISH)))


@settings(deadline=None)
@given(data=st.data())
def test_every_word_start_is_held_by_the_first_token_that_reaches_it(trained, data):
    text = data.draw(st.text(st.sampled_from("aTheé 我爱。,'’\n\u3000x(👍\u0301"), max_size=30))
    [encoded] = trained.encode([text])
    flags = trained.word_starts(text, encoded)
    assert flags.dtype == bool
    assert flags.tolist() == held(trained, text, encoded)


def held(tokenizer: Tokenizer, text: str, encoded) -> list[bool]:
    """The same, a token at a time: a token is true when it reaches a start that no token before it reached."""
    starts, reached, flags = {int(a) for a, _ in word_spans(text)}, set(), []
    for number, start, end in zip(encoded.ids, encoded.starts, encoded.ends, strict=True):
        blank = not tokenizer.backend.decode([number], skip_special_tokens=False).strip()
        mine = set() if blank else starts.intersection(range(start, end)) - reached
        reached |= mine
        flags.append(bool(mine))
    return flags


def test_every_word_of_plain_text_has_one_start(trained):
    [encoded] = trained.encode([ENGLISH])
    words = len(word_spans(ENGLISH))
    assert words - 2 <= trained.word_starts(ENGLISH, encoded).sum() <= words  # bpe has ")!" as one token


def test_text_comes_back_from_its_ids(trained):
    [encoded] = trained.encode([ENGLISH])
    assert "".join(trained.decode(encoded.ids).split()) == "".join(ENGLISH.split())


def test_a_special_token_in_a_text_is_one_unless_the_text_is_taken_literally(trained):
    [marked], [literal] = trained.encode(["a [MASK] b"]), trained.encode(["a [MASK] b"], literal=True)
    assert (marked.ids == trained.mask_id).sum() == 1
    assert not np.isin(literal.ids, [trained.mask_id, trained.sep_id]).any()
    assert (trained.encode(["a [MASK] b"])[0].ids == marked.ids).all()


BLANKS = st.sampled_from([" ", "\n", "\n    ", "\n\n\t\t", "  ", " \n"])
SIGNS = st.sampled_from(["", ".", ":", "!)"])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_text_with_a_masked_word_has_the_tokens_that_it_has_with_the_word(trained, data):
    words = data.draw(st.lists(st.sampled_from(["the", "dog", "jumps", "twice", "天安门"]), min_size=1, max_size=5))
    pieces = [word + data.draw(SIGNS) + data.draw(BLANKS) for word in words]
    masked = data.draw(st.integers(0, len(words) - 1))
    before, text = "".join(pieces[:masked]), "".join(pieces)
    start, end = len(before), len(before) + len(words[masked])
    [whole] = trained.encode([text])
    left = trained.encode_beside(before, behind=False, before=True)
    right = trained.encode_beside(text[end:], behind=True, before=False)
    takes_space = trained.backend.get_added_tokens_decoder()[trained.mask_id].lstrip
    alone = [trained.token(i) in ("▁", "Ġ") for i in whole.ids] & (whole.ends == start) & bool(takes_space)
    elsewhere = ((whole.ends <= start) & ~alone) | (whole.starts >= end)
    assert [*left.ids, *right.ids] == whole.ids[elsewhere].tolist()
    assert [*left.starts, *(right.starts + end)] == whole.starts[elsewhere].tolist()
    assert [*left.ends, *(right.ends + end)] == whole.ends[elsewhere].tolist()


def test_between_two_masks_there_is_no_token_for_the_space_that_the_second_word_carries(trained):
    spaces = trained.encode_beside(" ", behind=True, before=True).ids.tolist()
    assert spaces == ([trained.id(" ")] if trained.id(" ") else [])


def test_the_same_documents_in_any_order_give_the_same_tokenizer(trained):
    kind = next(k for k in KINDS if small(k).fingerprint == trained.fingerprint)
    again = train_tokenizer(DOCUMENTS[::-1], TokenizerSettings(kind=kind, vocabulary_size=400))
    assert again.backend.to_str() == trained.backend.to_str()


def test_a_saved_folder_is_loaded_again_as_it_was(trained, tmp_path):
    trained.save(tmp_path, row_limit=77)
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint == trained.fingerprint
    assert again.special == trained.special
    again.save(tmp_path / "twice")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_transformers_reads_the_folder_and_gives_the_same_ids_framed(trained, tmp_path):
    from transformers import AutoTokenizer

    trained.save(tmp_path, row_limit=77)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    [ours] = trained.encode(["The quick [MASK] fox"])
    framed = [trained.cls_id, *ours.ids.tolist(), trained.sep_id]
    assert theirs("The quick [MASK] fox")["input_ids"] == framed
    pair = theirs("The fox", "The dog")
    assert [i for i in pair["input_ids"] if i in (2, 3)] == [2, 3, 3]
    assert (theirs.mask_token, theirs.mask_token_id, theirs.model_max_length) == ("[MASK]", 4, 77)
    assert theirs.decode(ours.ids, skip_special_tokens=True).split() == trained.decode(ours.ids).split()


def test_a_long_text_in_pieces_has_the_tokens_of_the_whole(trained, monkeypatch):
    text = (ENGLISH + CHINESE + "\n  ") * 10 + "end"
    [whole] = trained.encode([text])
    monkeypatch.setattr(module, "PIECE", 50)
    assert len(module._cuts(text)) > 5
    [pieces, short] = trained.encode([text, "The fox"])
    for name in ("ids", "starts", "ends"):
        assert (getattr(pieces, name) == getattr(whole, name)).all()
    assert len(short) == len(trained.encode(["The fox"])[0])


def test_the_checks_describe_what_the_tokenizer_does(trained):
    checks = check_tokenizer(trained, [ENGLISH, CHINESE])
    assert checks["round_trip"] == 1.0
    assert checks["unknown_rate"] == 0.0
    ids = [i for item in trained.encode([ENGLISH, CHINESE]) for i in item.ids]
    size = len((ENGLISH + CHINESE).encode())
    assert checks["bytes_per_token"] == pytest.approx(size / len(ids), abs=1e-3)
    assert 0 < checks["frequent_words_whole"] <= 1


# ---------------------------------------------------------------- each kind's own


def test_wordpiece_keeps_chinese_characters_apart_and_accents_on():
    tokenizer = small("wordpiece")
    assert tokens(tokenizer, "我爱The") == ["我", "爱", "The"]
    accents = [SimpleNamespace(id="a", text="café résumé " * 9)]
    kept = train_tokenizer(accents, TokenizerSettings(vocabulary_size=99))
    assert kept.id("café") is not None
    folded = train_tokenizer(accents, TokenizerSettings(vocabulary_size=99, lowercase=True))
    assert tokens(folded, "CAFÉ") == ["cafe"]


def test_bpe_knows_every_character_and_its_mask_swallows_the_blank_before_it():
    tokenizer = small("bpe")
    text = "żółw 👍 ᚠ"
    assert tokenizer.decode(tokenizer.encode([text])[0].ids) == text
    assert tokens(tokenizer, "The [MASK] fox")[:2] == ["The", "[MASK]"]


def test_character_tokens_are_characters():
    assert tokens(small("character"), "The fox") == list("The fox")


def test_unseen_words_are_unknown_and_counted():
    tokenizer = small("word")
    assert tokens(tokenizer, "The zebra") == ["The", "[UNK]"]
    assert check_tokenizer(tokenizer, ["The zebra"])["unknown_rate"] == 0.5
    assert check_tokenizer(tokenizer, ["The zebra"])["round_trip"] == 0.0


def test_a_rare_character_gets_no_place_of_its_own():
    text = "the fox " * 50 + "ß"
    tokenizer = train_tokenizer([SimpleNamespace(id="a", text=text)], TokenizerSettings(vocabulary_size=64))
    assert tokenizer.id("ß") is None
    assert tokenizer.id("x") is not None or tokenizer.id("##x") is not None


# ---------------------------------------------------------------- the sample


@given(st.integers(1, 60_000), st.randoms(use_true_random=False))
def test_the_sample_is_bounded_and_does_not_depend_on_the_order(characters, random):
    documents = [SimpleNamespace(id=str(n), text=f"{n} word " * n * 20) for n in range(1, 30)]
    chosen = sample(documents, characters)
    size, total = sum(map(len, chosen)), sum(len(d.text) for d in documents)
    assert min(characters, total) <= size <= min(total, characters + 8400)
    random.shuffle(documents)
    assert sample(documents, characters) == chosen


def test_no_text_is_refused():
    with pytest.raises(DataError, match="no text to train a tokenizer on; give a source that holds text"):
        train_tokenizer([SimpleNamespace(id="a", text=" \n")], TokenizerSettings())


# ---------------------------------------------------------------- other people's folders


def test_a_folder_in_bert_layout_is_loaded(tmp_path):
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    theirs = BertTokenizer.from_pretrained(str(tmp_path))
    theirs.save_pretrained(tmp_path / "saved")
    ours = Tokenizer.load(tmp_path / "saved")
    assert (ours.mask_id, ours.cls_id, ours.sep_id, ours.pad_id) == (4, 2, 3, 0)
    assert tokens(ours, "The foxes") == ["the", "fox", "##es"]


def test_special_tokens_are_found_as_objects_or_by_their_usual_names(tmp_path):
    small("bpe", special_tokens=("<pad>", "<unk>", "<s>", "</s>", "<mask>")).save(tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"mask_token": {"content": "<mask>"}}))
    (tmp_path / "tokenizer_config.json").unlink()
    again = Tokenizer.load(tmp_path)
    assert (again.pad_id, again.unknown_id, again.cls_id, again.sep_id, again.mask_id) == (0, 1, 2, 3, 4)


def test_a_tokenizer_without_a_mask_is_refused(tmp_path):
    import tokenizers

    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, "a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="no mask token; give one that was made for a masked language model"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no tokenizer: tokenizer.json is needed"),
        ({"tokenizer.json": "{"}, "tokenizer.json cannot be read .*; save the tokenizer again"),
    ],
)
def test_a_folder_without_a_usable_tokenizer_is_refused(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        Tokenizer.load(tmp_path)


def test_a_missing_folder_is_refused():
    with pytest.raises(ModelError, match=r"nowhere: no such folder; give a Hugging Face folder"):
        Tokenizer.load("nowhere")


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"kind": "wordpeice"}, r"unknown tokenizer 'wordpeice'; did you mean 'wordpiece'\?"),
        ({"vocabulary_size": 3}, "tokenizer.vocabulary_size=3: at least 16 is needed"),
        ({"kind": "bpe", "vocabulary_size": 100}, "tokenizer.vocabulary_size=100: bpe needs at least 261"),
        ({"minimum_frequency": 0}, "tokenizer.minimum_frequency=0: 1 or more is needed"),
        ({"sample_characters": 10}, "tokenizer.sample_characters=10: 1000 or more is needed"),
        ({"special_tokens": ("a", "b", "c", "d", "d")}, "five different names are needed"),
        ({"segmenter": "jiba"}, "unknown segmenter 'jiba'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_the_mend(given_settings, message):
    with pytest.raises(SettingError, match=message):
        TokenizerSettings(**given_settings)

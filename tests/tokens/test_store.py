"""The store keeps exactly what was put in, and refuses what was cut short or altered."""

import itertools
import json
import shutil
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unmask.corpus import Document
from unmask.errors import DataError
from unmask.tokens import store as module
from unmask.tokens.store import Store, fingerprint_of
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.tokens.writing import ShardWriter, StoreWriter, dtype_for

TEXTS = ["The quick fox.", "A lazy dog jumps. Twice!", "It is 天黑了。"]


@pytest.fixture(scope="module")
def tokenizer():
    documents = [SimpleNamespace(id="a", text=" ".join(TEXTS) * 9)]
    return train_tokenizer(documents, TokenizerSettings(vocabulary_size=99))


@pytest.fixture(scope="module")
def original(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "store"
    writer = StoreWriter(folder, tokenizer)
    for name, split in (("b", "train"), ("a", "train"), ("c", "validation"), ("empty", "validation")):
        with writer.shard(name, split, f"source-{name}") as shard:
            for text in TEXTS if name != "empty" else ():
                [encoded] = tokenizer.encode([text])
                shard.add(encoded.ids, tokenizer.word_starts(text, encoded), np.array([0]))
    weights = {f"source-{name}": 2.0 for name in ("a", "b", "c", "empty")}
    validation = [Document(str(n), text, "source-c") for n, text in enumerate(TEXTS)]
    return writer.finish(weights, validation, {"seen": 3})


@pytest.fixture
def store(original, tmp_path):
    shutil.copytree(original.folder, tmp_path / "store")
    return Store.open(tmp_path / "store")


def test_shards_hold_the_tokens_of_their_documents_in_order(store, tokenizer):
    expected = [encoded.ids.tolist() for encoded in tokenizer.encode(TEXTS)]
    for shard in (*store.shards("train"), *store.shards("validation")):
        starts = shard.document_starts
        documents = [shard.tokens[a:b].tolist() for a, b in itertools.pairwise(starts)]
        assert documents == expected
        assert len(shard) == len(shard.tokens) == shard.document_starts[-1]
        assert shard.sentence_starts.tolist() == starts[:-1].tolist()


def test_shards_stand_in_the_order_of_their_names_and_empty_ones_are_left_out(store):
    assert [shard.name for shard in store.shards("train")] == ["a", "b"]
    assert [(s.name, s.split, s.source, s.weight) for s in store.shards("validation")] == [
        ("c", "validation", "source-c", 2.0)
    ]


def test_token_counts_are_those_of_the_training_split(store, tokenizer):
    ids = np.concatenate([encoded.ids for encoded in tokenizer.encode(TEXTS)])
    assert (store.token_counts == 2 * np.bincount(ids, minlength=tokenizer.vocabulary_size)).all()


def test_validation_texts_tokenizer_and_report_come_back(store, tokenizer):
    assert [(d.id, d.text, d.source) for d in store.documents()] == [
        (str(n), text, "source-c") for n, text in enumerate(TEXTS)
    ]
    assert store.tokenizer().fingerprint == tokenizer.fingerprint == store.manifest["tokenizer"]
    assert store.vocabulary_size == tokenizer.vocabulary_size
    assert store.report == {"seen": 3}
    assert store.count("documents", "train") == 6


def test_what_is_mapped_cannot_be_written(store):
    with pytest.raises(ValueError, match="read-only"):
        store.shards("train")[0].tokens[0] = 1


@settings(deadline=None, max_examples=30)
@given(documents=st.lists(arrays.arrays(bool, st.integers(1, 40)), min_size=1, max_size=6), data=st.data())
def test_word_starts_at_any_places_are_the_bits_that_were_added(tmp_path_factory, documents, data):
    folder = tmp_path_factory.mktemp("shard") / "one"
    with ShardWriter(folder, "<u2") as writer:
        for bits in documents:
            writer.add(np.arange(len(bits)), bits, np.array([0]))
    whole = np.concatenate(documents)
    shard = module.Shard(folder, "one", "train", "s", 1.0, "<u2", writer.counts)
    places = data.draw(
        arrays.arrays(
            np.int64, st.tuples(st.integers(1, 3), st.integers(0, 9)), elements=st.integers(0, len(whole) - 1)
        )
    )
    assert (shard.word_starts(places) == whole[places]).all()
    assert shard.counts == {"documents": len(documents), "sentences": len(documents), "words": int(whole.sum()),
                            "tokens": len(whole)}  # fmt: skip


def test_sentences_always_start_with_their_document(tmp_path):
    with ShardWriter(tmp_path / "one", "<u2") as writer:
        writer.add(np.arange(5), np.ones(5, bool), np.array([2, 4]))
        writer.add(np.arange(0), np.ones(0, bool), np.array([], int))
        writer.add(np.arange(3), np.ones(3, bool), np.array([0, 1]))
    shard = module.Shard(tmp_path / "one", "one", "train", "s", 1.0, "<u2", writer.counts)
    assert shard.sentence_starts.tolist() == [0, 2, 4, 5, 6]
    assert shard.document_starts.tolist() == [0, 5, 8]


def test_ids_take_two_bytes_until_they_need_four():
    assert (dtype_for(65_536), dtype_for(65_537)) == ("<u2", "<u4")


def test_a_shard_that_was_not_closed_in_order_does_not_stand_under_its_name(tmp_path):
    with suppress(ValueError), ShardWriter(tmp_path / "two", "<u2") as writer:
        writer.add(np.arange(5), np.ones(5, bool), np.array([0]))
        raise ValueError
    assert not (tmp_path / "two").exists()


# ---------------------------------------------------------------- what is refused

FILES = ["tokens.bin", "word_starts.bin", "document_starts.bin", "sentence_starts.bin"]
EVERY_FILE = [f"shards/a/{name}" for name in FILES]
EVERY_FILE += ["validation.jsonl.zst", "token_counts.bin", "tokenizer/tokenizer.json"]


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_file_that_is_cut_short_altered_or_missing_is_refused_by_name(store, name):
    path = store.folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=rf"{name} is cut short \(.* bytes\); prepare the store again"):
        Store.open(store.folder)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=rf"{name} was altered \(its hash differs\); prepare the store again"):
        Store.open(store.folder)
    path.unlink()
    with pytest.raises(DataError, match=rf"{name} is missing; prepare the store again"):
        Store.open(store.folder)


def test_a_large_store_is_hashed_in_full_only_on_demand(store, monkeypatch):
    monkeypatch.setattr(module, "_HASHED_WHOLE", 10)
    monkeypatch.setattr(module, "_SMALL", 10)
    path = store.folder / "token_counts.bin"
    path.write_bytes(b"\1" + path.read_bytes()[1:])
    Store.open(store.folder)
    with pytest.raises(DataError, match=r"token_counts.bin was altered"):
        Store.open(store.folder, verify=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is not the manifest of a token store; give a folder made by unmask prepare"),
        ({"version": 99}, "has format version 99, this unmask reads 1; prepare the store again"),
        ({"dtype": "<u4"}, "manifest.json was altered; prepare the store again"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(store, change, message):
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        Store.open(store.folder)


def test_a_manifest_cut_short_is_refused(store):
    path = store.folder / "manifest.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"manifest.json is cut short or altered; prepare the store again"):
        Store.open(store.folder)


def test_a_folder_that_is_no_store_is_refused_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(DataError, match=r"gone: no such store; make it with: unmask prepare SOURCE --to .*gone"):
        Store.open(tmp_path / "gone")
    with pytest.raises(DataError, match=r"is no store, it holds no manifest.json; make one with: unmask prepare"):
        Store.open(tmp_path)


def test_training_texts_and_unknown_splits_are_refused(store):
    with pytest.raises(DataError, match="keeps the texts of its validation documents only, not of 'train'"):
        store.documents("train")
    with pytest.raises(DataError, match=r"unknown split 'training'; did you mean 'train'\?"):
        store.shards("training")


def test_the_fingerprint_follows_the_content(store):
    assert store.fingerprint == fingerprint_of(store.manifest)
    assert fingerprint_of(store.manifest | {"dtype": "<u4"}) != store.fingerprint

"""prepare: from files to a store, in stages that survive a kill; the same bytes however many work at it."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from unmask.corpus import CorpusSettings, Document
from unmask.errors import DataError, Stopped, UnmaskError
from unmask.tokens import build, summary, tokenising
from unmask.tokens.build import build_tokenizer, prepare
from unmask.tokens.sentences import sentence_starts
from unmask.tokens.store import Store
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings
from unmask.tokens.words import segmenter, word_spans

SMALL = TokenizerSettings(vocabulary_size=600)
NOUNS = ["fox", "dog", "cat", "owl", "hen", "cow", "pig", "bee", "ant", "elk"]
VERBS = ["sees", "hears", "likes", "finds", "fears"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """Two jsonl files in English and one txt in Chinese, all documents different."""
    folder = tmp_path_factory.mktemp("texts")
    random = np.random.default_rng(0)
    for name in ("one.jsonl", "two.jsonl"):
        lines = [json.dumps({"id": f"{n}", "text": english(random)}) for n in range(80)]
        (folder / name).write_text("\n".join(lines))
    (folder / "three.txt").write_text(
        "。\n".join("".join(random.choice(list("天地玄黄宇宙洪荒日月"), 12)) for _ in range(400))
    )
    return folder


def english(random: np.random.Generator) -> str:
    sentences = (f"The {random.choice(NOUNS)} {random.choice(VERBS)} {random.integers(9999)}." for _ in range(12))
    return " ".join(sentences)


def quiet(texts: Path, to: Path, **settings) -> Store:
    settings = {"tokenizer": SMALL, "workers": 1, "progress": False} | settings
    return prepare([str(texts)], to, **settings)


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory) -> Store:
    return quiet(texts, tmp_path_factory.mktemp("made") / "store")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- what is made


def test_validation_shards_hold_the_tokens_words_and_sentences_of_the_validation_texts(made):
    tokenizer, shards = made.tokenizer(), made.shards("validation")
    tokens = np.concatenate([shard.tokens for shard in shards])
    words = np.concatenate([shard.word_starts(np.arange(len(shard))) for shard in shards])
    documents = list(made.documents())
    encoded = tokenizer.encode([document.text for document in documents])
    assert (tokens == np.concatenate([item.ids for item in encoded])).all()
    pairs = list(zip(documents, encoded, strict=True))
    assert (words == np.concatenate([tokenizer.word_starts(d.text, item) for d, item in pairs])).all()
    assert sum(len(shard.sentence_starts) for shard in shards) == sum(len(sentence_starts(d.text)) for d in documents)


def test_nothing_is_lost_between_corpus_report_and_shards(made):
    report = made.report
    corpus = report["corpus"]
    assert corpus["documents_in"] == corpus["documents_kept"] + sum(corpus["dropped"].values())
    kept = {split: made.count("documents", split) for split in ("train", "validation")}
    assert corpus["documents_kept"] == sum(kept.values())
    assert corpus["validation_documents"] == kept["validation"] == len(list(made.documents()))
    assert corpus["characters"] == report["train"]["characters"] + report["validation"]["characters"]
    assert report["train"]["tokens"] == made.token_counts.sum()


def test_the_work_folder_is_gone_when_the_store_stands(made):
    assert [path.name for path in made.folder.parent.iterdir()] == ["store"]


def test_two_workers_write_the_bytes_of_one(texts, made, tmp_path):
    assert files(quiet(texts, tmp_path / "store", workers=2).folder) == files(made.folder)


def test_sources_keep_their_tags_and_weights(texts, tmp_path):
    sources = [f"en={texts}/one.jsonl@2.5", f"zh={texts}/three.txt"]
    store = prepare(sources, tmp_path / "store", tokenizer=SMALL, progress=False, workers=1)
    assert {(shard.source, shard.weight) for shard in store.shards("train")} == {("en", 2.5), ("zh", 1.0)}


def test_chinese_words_follow_the_segmenter(texts, tmp_path):
    random = np.random.default_rng(1)
    lines = ("，".join(random.choice(["北京", "天安门", "图书馆", "学习", "中文"], 30)) for _ in range(60))
    (tmp_path / "zh.txt").write_text("\n".join(lines))
    corpus, counts = CorpusSettings(documents="lines"), {}
    for name in (None, "jieba"):
        settings = TokenizerSettings(vocabulary_size=200, segmenter=name)
        store = quiet(tmp_path / "zh.txt", tmp_path / f"store-{name}", corpus=corpus, tokenizer=settings)
        counts[name] = store.count("words", "validation")
        assert counts[name] == sum(len(word_spans(d.text, segmenter(name))) for d in store.documents())
        assert store.manifest["segmenter"] == name
    assert counts["jieba"] == 59 * len(list(store.documents()))  # 30 words with a comma between
    assert counts[None] > 1.3 * counts["jieba"]


def test_an_existing_tokenizer_is_used_as_it_is(texts, made, tmp_path):
    settings = TokenizerSettings(folder=str(made.folder / "tokenizer"))
    store = quiet(texts, tmp_path / "store", tokenizer=settings)
    assert store.tokenizer().fingerprint == made.tokenizer().fingerprint


def test_documents_without_tokens_are_counted_as_dropped(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join([*(f"fox number {n}" for n in range(60)), "\ufe0e"]))
    corpus = CorpusSettings(documents="paragraphs", near_duplicates=0, control_characters=False)
    store = quiet(
        tmp_path / "a.txt", tmp_path / "store", corpus=corpus, tokenizer=TokenizerSettings(vocabulary_size=99)
    )
    report = store.report["corpus"]
    assert report["documents_in"] == report["documents_kept"] + sum(report["dropped"].values())
    assert report["documents_kept"] == store.count("documents", "train") + store.count("documents", "validation")


def test_a_tokenizer_alone_is_trained_checked_and_saved(texts, made, tmp_path):
    checks = build_tokenizer([str(texts)], tmp_path / "t", tokenizer=SMALL, workers=1, progress=False)
    assert checks["round_trip"] == 1.0
    assert Tokenizer.load(tmp_path / "t").fingerprint == made.tokenizer().fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    with pytest.raises(DataError, match="choose another --to, or remove it first"):
        build_tokenizer([str(texts)], tmp_path / "t", progress=False)


# ---------------------------------------------------------------- again, and after a kill


def test_a_store_of_the_same_is_used_again_and_this_is_said(texts, made, capsys, monkeypatch):
    monkeypatch.setattr(build, "collect", lambda *a, **k: pytest.fail("collected again"))
    again = quiet(texts, made.folder)
    assert again.fingerprint == made.fingerprint
    assert "it is used again" in " ".join(capsys.readouterr().err.split())


def test_a_store_of_something_else_is_never_overwritten(texts, made):
    before = files(made.folder)
    message = r"made of other sources or settings; choose another --to, or remove it first"
    with pytest.raises(DataError, match=message):
        quiet(texts, made.folder, tokenizer=TokenizerSettings(vocabulary_size=601))
    assert files(made.folder) == before
    assert not made.folder.with_name("store.work").exists()


def test_a_folder_that_is_no_store_is_never_overwritten(texts, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"exists and is no store of these sources; choose another --to"):
        quiet(texts, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failure_in_the_middle_keeps_the_finished_shards_and_the_next_run_goes_on(texts, made, tmp_path, monkeypatch):
    written: list[str] = []
    whole = tokenising.tokenise

    def second_fails(task):
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(task)
        written.append(task.shard.name)

    monkeypatch.setattr(build, "tokenise", second_fails)
    message = r"the disk is full: free some space; what is finished is kept in .*store.work; run the same command again"
    with pytest.raises(Stopped, match=message):
        quiet(texts, tmp_path / "store")
    assert not (tmp_path / "store").exists()

    def only_the_others(task):
        assert task.shard.name not in written
        whole(task)

    monkeypatch.setattr(build, "tokenise", only_the_others)
    assert files(quiet(texts, tmp_path / "store").folder) == files(made.folder)


def test_an_interruption_is_one_line_that_says_how_to_go_on(texts, tmp_path, monkeypatch):
    def interrupted(*a, **k):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "collect", interrupted)
    with pytest.raises(
        Stopped, match=r"interrupted: what is finished is kept in .*; run the same command again to go on"
    ):
        quiet(texts, tmp_path / "store")


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(texts, made, tmp_path):
    call = f"from unmask.tokens.build import *; prepare([{str(texts)!r}], {str(tmp_path / 'store')!r}, workers=1, "
    call += "tokenizer=TokenizerSettings(vocabulary_size=600), progress=False)"
    for moment in ("tokens-*", "tokens-*/store/shards/*"):
        process = subprocess.Popen([sys.executable, "-c", call], env=os.environ | {"PYTHONPATH": "src"})
        while process.poll() is None and not list((tmp_path / "store.work").glob(moment)):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert files(quiet(texts, tmp_path / "store").folder) == files(made.folder)
    assert not (tmp_path / "store.work").exists()


def test_two_preparations_of_one_store_do_not_meet(texts, tmp_path):
    with (
        build._alone(tmp_path / "store.work"),
        pytest.raises(DataError, match="another process is preparing this store"),
    ):
        quiet(texts, tmp_path / "store")


def test_a_place_that_cannot_be_written_is_one_line(texts, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnmaskError, match=r"cannot be made \(Not a directory\); choose a --to in a folder you own"):
        quiet(texts, tmp_path / "file" / "store")


# ---------------------------------------------------------------- what is shown


def test_the_table_has_every_figure(made):
    rows = {row[0]: row[1:] for row in summary.rows(made.report)}
    tokens = made.count("tokens", "train") + made.count("tokens", "validation")
    assert rows["tokens"][0] == f"{tokens:,}"
    assert rows["tokens per word"][0] == f"{tokens / made.report['corpus']['words']:.2f}"
    size = made.report["train"]["bytes"] + made.report["validation"]["bytes"]
    assert rows["bytes per token"][0] == f"{size / tokens:.2f}"
    assert rows["documents kept"][2] == f"{made.count('documents', 'validation'):,}"
    assert rows["encodings (files)"][0] == "utf-8 3"


def test_an_unfit_tokenizer_is_pointed_out(made):
    report = json.loads(json.dumps(made.report))
    report["tokenizer"]["checks"] |= {"unknown_rate": 0.2}
    assert any("20.0% of the tokens are unknown: raise tokenizer.vocabulary_size" in n for n in summary.notes(report))


def test_progress_is_plain_lines_where_nobody_watches(texts, tmp_path, capsys):
    prepare([str(texts)], tmp_path / "store", tokenizer=SMALL, workers=1)
    shown = capsys.readouterr().err
    for stage in ("read ...", "train the tokenizer ...", "tokenise ...", "tokens per word"):
        assert stage in shown


def test_batches_keep_every_document_in_order():
    documents = [Document(str(n), "x" * size, "s") for n, size in enumerate([5, 400_000, 3, 200_000, 100_000, 1])]
    made = list(tokenising.batches(documents))
    assert [document for batch in made for document in batch] == documents
    assert [len(batch) for batch in made] == [2, 3, 1]

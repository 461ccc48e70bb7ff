"""Every reader: what it makes of a file, however compressed, and what it says of one that cannot be read."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from unmask.corpus import CorpusSettings, Document, Problem, Source, collect, parts
from unmask.corpus.readers import READERS
from unmask.errors import DataError, UnmaskError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.compress(data[:30]) + zstandard.compress(data[30:]),
}
TEXTS = ['One, "quoted"; text.', "第二篇文章", "Third\tone", "", "Fünf"]


def jsonl() -> bytes:
    return "".join(json.dumps({"id": 1, "text": text}, ensure_ascii=False) + "\n" for text in TEXTS).encode()


def table() -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([["id", "text"], *([1, text] for text in TEXTS)])
    return stream.getvalue().encode()


def tabs() -> bytes:
    return "\n".join(["id\ttext", *("1\t" + text.replace("\t", " ") for text in TEXTS)]).encode()


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS, "id": range(len(TEXTS))}), stream, row_group_size=2)
    return stream.getvalue()


def lines() -> bytes:
    return "\n".join(TEXTS).encode()


FORMATS = {"jsonl": jsonl, "csv": table, "tsv": tabs, "parquet": parquet, "txt": lines}


def read(path: Path, **settings: object) -> list[Document | Problem]:
    found = parts([Source(str(path), "t")], CorpusSettings(**settings))  # type: ignore[arg-type]
    return [item for part in found for item in READERS.load(part.reader)().read(part)]


def error_of(path: Path, **settings: object) -> str:
    with pytest.raises(UnmaskError) as caught:
        collect([Source(str(path))], CorpusSettings(**settings), path.parent / "work", workers=1)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_table_is_read_the_same_however_it_is_compressed(tmp_path: Path, form: str, compression: str) -> None:
    path = tmp_path / f"a.{form}{compression}"
    path.write_bytes(COMPRESS[compression](FORMATS[form]()))
    found = read(path, documents="lines")
    wanted = [text.replace("\t", " ") for text in TEXTS] if form == "tsv" else TEXTS
    assert [item.text for item in found if isinstance(item, Document)] == wanted
    assert len({item.id for item in found if isinstance(item, Document)}) == len(TEXTS)
    assert {item.source for item in found if isinstance(item, Document)} == {"t"}


def test_a_text_is_a_document_a_file_a_paragraph_or_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n  \r\n\nthree\n")
    assert read(path, documents="paragraphs") == [
        Document("t/a.txt:1", "one\ntwo", "t"),
        Document("t/a.txt:5", "three", "t"),
    ]
    assert [d.text for d in read(path, documents="lines")] == ["one", "two", "  ", "", "three"]  # type: ignore[union-attr]
    assert read(path) == [Document("t/a.txt", "one\r\ntwo\r\n  \r\n\nthree\n", "t")]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-32", "gb18030", "shift_jis"])
@pytest.mark.parametrize("form", ["txt", "jsonl", "csv"])
def test_other_encodings_are_detected_and_said(tmp_path: Path, encoding: str, form: str) -> None:
    text = {
        "cp1252": "Die Größe der Häuser überraschte fünf Gäste, die über den Fluss in die Stadt gekommen waren. ",
        "shift_jis": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    }.get(encoding, "我们在这里学习中文，今天的天气非常好，大家都去公园里散步。")
    body = {
        "txt": text * 20,
        "jsonl": json.dumps({"text": text * 20}, ensure_ascii=False),
        "csv": f'text\n"{text * 20}"\n',
    }
    path = tmp_path / f"a.{form}"
    path.write_bytes(body[form].encode(encoding))
    collected = collect([Source(str(path))], CorpusSettings(validation_share=0), tmp_path / "w", workers=1)
    (document,) = collected.parts[0].documents("train")
    assert document.text == (text * 20).strip()
    (said,) = collected.report.encodings
    assert said != "utf-8"
    assert said in collected.report.notes[0]


def test_an_encoding_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("straße".encode("cp1252"))
    (document,) = read(path, encoding="cp1252")
    assert document == Document("t/a.txt", "straße", "t")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" + bytes(100), b"%PDF-1.4 \xff\xfe", bytes(range(256)) * 9])
def test_a_binary_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    message = error_of(path)
    assert message.startswith(f"{path} is a binary file, not text")
    assert "convert it to .txt or .jsonl" in message


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "parquet"])
def test_a_wrong_column_is_answered_with_those_that_exist(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    path.write_bytes(FORMATS[form]())
    message = error_of(path, column="body")
    assert "no column 'body' (it has: " in message
    assert "id" in message
    assert "text" in message
    assert "corpus.column=NAME" in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", "not JSON"),
        ("[1, 2]", "a JSON value that is no object"),
        ('{"text": 5}', "column 'text' holds no text but int"),
        ('{"body": "x"}', "no column 'text'"),
        ('{"text": "\xff"}', "not JSON"),
    ],
)
def test_an_unreadable_line_stops_unless_it_may_be_skipped(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "good"}\n\n' + line.encode("latin-1") + b'\n{"text": "better"}\n')
    message = error_of(path, encoding="utf-8")
    assert message.startswith(f"{path}:3: {words}")
    assert "corpus.skip_unreadable=true" in message
    settings = CorpusSettings(skip_unreadable=True, encoding="utf-8", validation_share=0)
    report = collect([Source(str(path))], settings, tmp_path / "w", workers=1).report
    assert report.documents_in == 3
    assert report.documents_kept == 2
    assert report.dropped == {"unreadable_line": 1}
    assert report.problems[0].where == f"{path}:3"
    assert report.notes[-1] == "1 unreadable lines were skipped"


def test_a_row_of_the_wrong_length_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;text\n1;"two\nlines"\n2;x;y\n3\n4;last\n')
    found = read(path)
    assert found == [
        Document("t/a.csv:2", "two\nlines", "t"),
        Problem(f"{path}:4", "unreadable_line", "3 cells where the header has 2"),
        Problem(f"{path}:5", "unreadable_line", "1 cells where the header has 2"),
        Document("t/a.csv:6", "last", "t"),
    ]


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("form", ["jsonl", "parquet", "txt"])
def test_a_compressed_file_cut_short_is_refused(tmp_path: Path, form: str, compression: str) -> None:
    data = b"".join(json.dumps({"text": str(n)}).encode() + b"\n" for n in range(20_000))
    whole = COMPRESS[compression](parquet() * 50 if form == "parquet" else data)
    path = tmp_path / f"a.{form}{compression}"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    message = error_of(path)
    assert f"{path} is damaged or cut short" in message
    assert "get or make it again" in message


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    assert f"{path}: no parquet file, or one cut short" in error_of(path)


def test_text_that_stops_being_utf8_far_inside_is_refused_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"plain words\n" * 50_000 + "straße".encode("latin-1")))
    message = error_of(path)
    assert f"{path} is not utf-8 all through (byte 0xdf" in message
    assert "corpus.encoding=cp1252" in message


def test_the_hub_reader_streams_the_training_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "my-set"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(jsonl())
    (part,) = parts([Source(f"hf:{folder}", "h")], CorpusSettings())
    found = list(READERS.load("hub")().read(part))
    assert found == [Document(f"h:{number}", text, "h") for number, text in enumerate(TEXTS, 1)]
    (wrong,) = parts([Source(f"hf:{folder}")], CorpusSettings(column="body"))
    with pytest.raises(DataError, match=r"no column 'body' \(it has: id, text\)"):
        list(READERS.load("hub")().read(wrong))
    (absent,) = parts([Source(f"hf:{tmp_path / 'absent'}")], CorpusSettings())
    with pytest.raises(DataError, match=r"hf:.*absent cannot be loaded"):
        list(READERS.load("hub")().read(absent))


def test_every_reader_on_the_menu_says_whether_it_reads_text() -> None:
    for name in READERS:
        assert isinstance(READERS.load(name).textual, bool)

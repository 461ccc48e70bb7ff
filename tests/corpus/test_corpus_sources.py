"""What a person may name as a source, and how it is cut into parts."""

import io
import sys
from pathlib import Path

import pytest

from unmask.corpus import CorpusSettings, Source, parts
from unmask.corpus import sources as sources_module
from unmask.corpus.readers import READERS
from unmask.corpus.sources import ignored, standard_input
from unmask.errors import DataError, MissingExtra, SettingError

SETTINGS = CorpusSettings()


def write(path: Path, text: str = "some text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("texts/*.jsonl", Source("texts/*.jsonl", "texts", 1.0)),
        ("wiki=texts/*.jsonl.zst@2.0", Source("texts/*.jsonl.zst", "wiki", 2.0)),
        ("notes.txt.gz@.5", Source("notes.txt.gz", "notes", 0.5)),
        ("hf:owner/name:config", Source("hf:owner/name:config", "name", 1.0)),
        ("web=hf:owner/name@3", Source("hf:owner/name", "web", 3.0)),
        ("-", Source("-", "stdin", 1.0)),
        ("python-docs", Source("python-docs", "python-docs", 1.0)),
        ("me@home.txt", Source("me@home.txt", "me-home", 1.0)),
    ],
)
def test_a_source_is_tag_what_and_weight(text: str, source: Source) -> None:
    assert Source.parse(text) == source


def test_a_path_that_exists_is_taken_as_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path / "a=b@2")
    assert Source.parse(str(path)).what == str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a=x.txt@0", "weight 0 cannot be used; a weight above 0 is needed"),
        ("a=x.txt@-1", "weight -1 cannot be used"),
        ("", "a source is empty: name a file"),
    ],
)
def test_a_source_that_cannot_be_says_why(text: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Source.parse(text)


def test_a_folder_is_read_sorted_with_all_below_and_without_what_is_hidden_or_unknown(tmp_path: Path) -> None:
    for name in (
        "b.txt",
        "a/z.jsonl.gz",
        "a/c.MD",
        ".git/x.txt",
        "a/.hidden.txt",
        "picture.png",
        "table.tsv.xz",
        "plain",
    ):
        write(tmp_path / name)
    source = Source(str(tmp_path), "all")
    found = [(part.name, part.reader) for part in parts([source], SETTINGS)]
    assert found == [
        ("all/a/c.MD", "txt"),
        ("all/a/z.jsonl.gz", "jsonl"),
        ("all/b.txt", "txt"),
        ("all/table.tsv.xz", "csv"),
    ]
    assert ignored(source) == {".png": 1, "plain": 1}


def test_a_glob_names_its_files_below_its_fixed_folder(tmp_path: Path) -> None:
    for name in ("x/1.txt", "x/y/2.txt", "x/3.md"):
        write(tmp_path / name)
    found = parts([Source(f"{tmp_path}/x/**/*.txt", "t")], SETTINGS)
    assert [part.name for part in found] == ["t/1.txt", "t/y/2.txt"]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("notez.txt", "no such file or folder; did you mean .*notes.txt"),
        ("qqqqqqqq/none.txt", "no such file or folder; check the path"),
        ("*.parquet", "no file matches; put a pattern in quotes"),
        ("empty", "no file to read in this folder; .txt, .* are known"),
    ],
)
def test_a_source_without_files_says_so(tmp_path: Path, what: str, words: str) -> None:
    write(tmp_path / "notes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=words):
        parts([Source(str(tmp_path / what))], SETTINGS)


def test_no_source_and_contradicting_sources_are_refused(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.txt"))
    with pytest.raises(SettingError, match="no source is given"):
        parts([], SETTINGS)
    with pytest.raises(SettingError, match="'a' has two weights: give each its own tag"):
        parts([Source(path), Source(path, "a", 2.0)], SETTINGS)
    with pytest.raises(SettingError, match=r"a.txt is named by two sources: name it once"):
        parts([Source(path), Source(path)], SETTINGS)


def test_files_of_one_name_under_one_tag_get_names_of_their_own(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "a.txt") for folder in ("x", "y")]
    assert [part.name for part in parts([Source(str(path)) for path in paths], SETTINGS)] == ["a/a.txt", "a/a.txt~2"]


def test_datasets_are_refused_when_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"datasets is needed to read hf: sources: pip install 'unmask\[hub\]'"):
        parts([Source("hf:owner/name")], SETTINGS)


def test_standard_input_is_kept_as_a_file_of_the_kind_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, suffix in (('{"text": "x"}\n', ".jsonl"), ("plain\n", ".txt")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        source = standard_input(Source("-"), tmp_path)
        assert Path(source.what).suffix == suffix
        assert Path(source.what).read_text() == text
        assert source.tag == "stdin"


@pytest.mark.parametrize(("name", "documents"), [("a.jsonl", "file"), ("a.txt", "lines"), ("a.txt", "paragraphs")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_large_file_in_ranges_reads_as_it_does_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, documents: str, end: str
) -> None:
    line = '{{"text": "{0}"}}' if name == "a.jsonl" else "{0}"
    lines = [("" if number % 3 == 1 else line.format(f"{number} " + "é" * (number % 50))) for number in range(90_000)]
    path = tmp_path / name
    path.write_bytes(end.join(lines).encode())
    settings = CorpusSettings(documents=documents)
    (whole,) = parts([Source(str(path))], settings)
    monkeypatch.setattr(sources_module, "PART_BYTES", 1 << 20)
    ranges = parts([Source(str(path))], settings)
    assert len(ranges) >= 3
    assert sum(part.size for part in ranges) == path.stat().st_size
    read = READERS.load(whole.reader)().read
    assert [item for part in ranges for item in read(part)] == list(read(whole))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"documents": "words"}, "corpus.documents=words: one of file, paragraphs, lines is needed"),
        ({"encoding": "klingon"}, "corpus.encoding=klingon is not known: use auto"),
        ({"near_duplicates": 0.1}, "corpus.near_duplicates=0.1: 0 .* or a similarity from 0.3 to 1 is needed"),
        ({"validation_share": 0.5}, "corpus.validation_share=0.5: a share from 0 to 0.2 is needed"),
        ({"minimum_characters": 0}, "corpus.minimum_characters=0: at least 1 is needed"),
        ({"column": ""}, "corpus.column= is empty"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: dict, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        CorpusSettings(**setting)

"""Collecting: nothing is silently lost, and the result depends on the sources and the settings alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmask.corpus import Collected, CollectProgress, CorpusSettings, Source, collect
from unmask.corpus.cleaning import clean
from unmask.errors import DataError

VOCABULARY = [f"word{number}" for number in range(2000)]


def words(seed: int, count: int = 60) -> list[str]:
    return random.Random(seed).choices(VOCABULARY, k=count)


def write(path: Path, texts: list[str]) -> Source:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Source(str(path))


def kept(collected: Collected, split: str) -> list[str]:
    return [document.text for part in collected.parts for document in part.documents(split)]  # type: ignore[arg-type]


def everything(collected: Collected) -> list[str]:
    return [
        document.id
        for part in collected.parts
        for split in ("train", "validation")
        for document in part.documents(split)
    ]


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["", " \x00", "a", "A", "a b c", "一二三四五六七八"]) | st.text(max_size=30), max_size=30),
    st.booleans(),
    st.sampled_from([0.0, 0.8]),
)
def test_documents_in_are_those_kept_and_those_dropped(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], exact: bool, near: float
) -> None:
    folder = tmp_path_factory.mktemp("c")
    source = write(folder / "a.jsonl", ["something that is always there", *texts])
    chosen = CorpusSettings(exact_duplicates=exact, near_duplicates=near)
    collected = collect([source], chosen, folder / "w", workers=1)
    report = collected.report
    assert report.documents_in == len(texts) + 1
    assert report.documents_in == report.documents_kept + sum(report.dropped.values())
    ids = everything(collected)
    assert len(set(ids)) == len(ids) == report.documents_kept
    cleaned = Counter(clean(text, chosen) for text in ["something that is always there", *texts])
    assert report.dropped.get("empty", 0) == cleaned[""]
    del cleaned[""]
    assert report.dropped.get("exact_duplicate", 0) == (sum(cleaned.values()) - len(cleaned) if exact else 0)
    assert set(kept(collected, "train")) | set(kept(collected, "validation")) <= set(cleaned)
    assert report.characters == sum(map(len, kept(collected, "train") + kept(collected, "validation")))


def test_the_first_of_near_copies_is_kept_and_other_texts_are(tmp_path: Path) -> None:
    original, other = words(1, 200), words(2, 200)
    near = [*original[:100], "changed", *original[101:]]  # shingles: 191 shared of 201, a similarity of 0.95
    far = [*original[:120], *words(3, 80)]
    texts = [" ".join(text) for text in (original, other, near, far)]
    collected = collect(
        [write(tmp_path / "a.jsonl", texts)], CorpusSettings(validation_share=0), tmp_path / "w", workers=1
    )
    assert kept(collected, "train") == [texts[0], texts[1], texts[3]]
    assert collected.report.dropped == {"near_duplicate": 1}


def test_chinese_near_copies_are_found_without_spaces(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + number) for number in random.Random(0).sample(range(5000), 400))
    source = write(tmp_path / "a.jsonl", [text, text[:200] + "新" + text[201:], text[::-1]])
    report = collect([source], CorpusSettings(validation_share=0), tmp_path / "w", workers=1).report
    assert report.dropped == {"near_duplicate": 1}
    assert report.words == 800
    assert report.scripts == {"han": 1.0}


def test_a_near_copy_across_the_split_leaves_the_training_side(tmp_path: Path) -> None:
    base = [words(number) for number in range(600)]
    copies = [[*text[:50], "x", *text[51:]] for text in base]  # kept as duplicates, because that is off
    source = write(tmp_path / "a.jsonl", [" ".join(text) for text in base + copies])
    collected = collect([source], CorpusSettings(near_duplicates=0), tmp_path / "w", workers=1)
    held = {tuple(text.split()[:50]) for text in kept(collected, "validation")}
    trained = {tuple(text.split()[:50]) for text in kept(collected, "train")}
    assert len(held) >= 50
    assert not held & trained
    assert collected.report.dropped["near_duplicate_of_validation"] >= 40
    assert collected.report.validation_ngram_overlap == 0


def test_the_overlap_is_the_share_of_held_out_13_grams_in_training(tmp_path: Path) -> None:
    shared = words(0, 100)
    texts = [[*shared, *words(number, 300)] for number in range(1, 400)]
    settings = CorpusSettings(near_duplicates=0)
    collected = collect(
        [write(tmp_path / "a.jsonl", [" ".join(t) for t in texts])], settings, tmp_path / "w", workers=1
    )
    sides = []
    for split in ("train", "validation"):
        split_texts = [text.split() for text in kept(collected, split)]
        sides.append({tuple(text[i : i + 13]) for text in split_texts for i in range(len(text) - 12)})
    true = len(sides[0] & sides[1]) / len(sides[1])
    assert collected.report.validation_ngram_overlap == pytest.approx(true, abs=0.02)


def test_the_split_follows_the_text_whatever_stands_around_it(tmp_path: Path) -> None:
    texts = [" ".join(words(number)) for number in range(2000)]
    one = collect([write(tmp_path / "a.jsonl", texts)], CorpusSettings(), tmp_path / "w", workers=1)
    two = collect([write(tmp_path / "b.jsonl", texts[::-1])], CorpusSettings(), tmp_path / "w", workers=1)
    assert set(kept(one, "validation")) == set(kept(two, "validation"))
    assert one.report.validation_documents == pytest.approx(100, abs=35)
    assert not one.report.notes


def test_a_small_corpus_holds_out_fifty_documents_and_says_so(tmp_path: Path) -> None:
    texts = [" ".join(words(number)) for number in range(400)]
    report = collect([write(tmp_path / "a.jsonl", texts)], CorpusSettings(), tmp_path / "w", workers=1).report
    assert report.validation_documents == 50
    assert report.notes == ["12.5% of the documents are held out instead of 5.0%, to have enough"]


CODE = "def f(x):\n    if x:\n\treturn x\n    return g(x)\n"


@pytest.mark.parametrize(
    ("text", "settings", "told"),
    [
        (CODE, {}, True),
        (CODE, {"whitespace": False}, False),
        ("One line.\n    Another.\nA third.\nThe last.\n", {}, False),
        ("No line ends", {}, False),
    ],
)
def test_indentation_that_cleaning_takes_away_is_told_of(tmp_path: Path, text: str, settings: dict, told: bool) -> None:
    cleaning = CorpusSettings(validation_share=0, **settings)
    collected = collect([write(tmp_path / "a.jsonl", [text])], cleaning, tmp_path / "w", workers=1)
    words = "75% of the lines were indented, as in source code, and cleaning took that away: corpus.whitespace=false"
    assert any(note.startswith(words) for note in collected.report.notes) == told
    assert kept(collected, "train") == [text if settings else clean(text, cleaning)]


def test_a_huge_document_is_split_by_section_so_that_some_can_be_held_out(tmp_path: Path) -> None:
    blocks = [" ".join(words(number, 90)) for number in range(1000)]
    (tmp_path / "book.txt").write_text("\n\n".join(blocks))
    collected = collect([Source(str(tmp_path / "book.txt"))], CorpusSettings(), tmp_path / "w", workers=1)
    report = collected.report
    assert report.validation_documents >= 50 or report.validation_words >= 0.19 * report.words
    assert report.validation_words <= 0.2 * report.words
    assert report.words == 90_000
    assert "few documents: 1 were cut into sections of about" in report.notes[0]
    assert sorted(
        b for text in kept(collected, "train") + kept(collected, "validation") for b in text.split("\n\n")
    ) == sorted(blocks)


def test_a_tiny_corpus_says_that_little_is_held_out(tmp_path: Path) -> None:
    report = collect([write(tmp_path / "a.jsonl", ["one", "two"])], CorpusSettings(), tmp_path / "w", workers=1).report
    assert report.documents_kept == 2
    assert "only 0 documents (0 words) are held out, not 50 documents or 200,000 words" in report.notes[-1]


@pytest.mark.parametrize("texts", [[], ["", " \n "]])
def test_a_corpus_without_text_is_refused(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(
        DataError, match=r"a.jsonl: no text to train on \((2 empty|the files are empty)\); add documents"
    ):
        collect([write(tmp_path / "a.jsonl", texts)], CorpusSettings(), tmp_path / "w", workers=1)


def test_one_worker_or_two_write_the_same_bytes(tmp_path: Path) -> None:
    sources = [
        write(tmp_path / f"{name}.jsonl", [" ".join(words(seed + n)) for n in range(150)])
        for seed, name in enumerate("abcd")
    ]
    made = [collect(sources, CorpusSettings(), tmp_path / str(count), workers=count) for count in (1, 2)]
    assert files_below(tmp_path / "1") == files_below(tmp_path / "2")
    assert asdict(made[0].report) == asdict(made[1].report)
    assert made[0].fingerprint == made[1].fingerprint
    assert everything(made[0]) == everything(made[1])


def test_a_worker_s_error_arrives_as_one_line(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{name}.jsonl", ["text"]) for name in "ab"]
    (tmp_path / "b.jsonl").write_text("{broken\n")
    with pytest.raises(DataError, match=r"b.jsonl:1: not JSON .*corpus.skip_unreadable=true"):
        collect(sources, CorpusSettings(), tmp_path / "w", workers=2)


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{name}.jsonl", [" ".join(words(n)) for n in range(50)]) for name in "ab"]
    seen: list[CollectProgress] = []
    collect(sources, CorpusSettings(validation_share=0), tmp_path / "w", workers=1, progress=seen.append)
    total = sum(Path(source.what).stat().st_size for source in sources)
    assert [(p.stage, p.bytes_done) for p in seen][-1] == ("decide", total)
    assert all(p.bytes_total == total for p in seen)
    done = [p.bytes_done for p in seen]
    assert done == sorted(done)


PROGRAM = """
import sys
from pathlib import Path
from unmask.corpus import CorpusSettings, Source, collect
if __name__ == "__main__":
    collect([Source(sys.argv[1], "t")], CorpusSettings(documents="lines"), Path(sys.argv[2]), workers=1)
"""


def test_a_killed_run_does_not_redo_what_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(3):  # together more than one bundle
        lines = (" ".join(random.Random(number * 1000 + n).choices(VOCABULARY, k=1000)) for n in range(800))
        (texts / f"{number}.txt").write_text("\n".join(lines))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(program), str(texts), str(tmp_path / "killed")], env=environment)
    deadline = time.monotonic() + 60
    while not (finished := list((tmp_path / "killed").rglob("tally.json"))) or ".partial" in str(finished[0]):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in finished}
    chosen = CorpusSettings(documents="lines")
    resumed = collect([Source(str(texts), "t")], chosen, tmp_path / "killed", workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    whole = collect([Source(str(texts), "t")], chosen, tmp_path / "whole", workers=1)
    assert files_below(tmp_path / "killed") == files_below(tmp_path / "whole")
    assert asdict(resumed.report) == asdict(whole.report)
    assert len(list((tmp_path / "whole").rglob("tally.json"))) > 1


def test_other_settings_or_changed_files_are_collected_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = collect([write(path, ["one text"])], CorpusSettings(), tmp_path / "w", workers=1)
    other = collect([Source(str(path))], CorpusSettings(nfc=False), tmp_path / "w", workers=1)
    changed = collect([write(path, ["another text"])], CorpusSettings(), tmp_path / "w", workers=1)
    assert len({made.fingerprint for made in (first, other, changed)}) == 3
    assert kept(changed, "train") == ["another text"]

"""The doctor finds in a source what was put there, and nothing in a sound one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from unmask.doctor import Diagnosis, diagnose
from unmask.errors import DataError

WORDS = [
    f"{a}{b}" for a in ("sun", "moon", "river", "stone", "cloud", "field") for b in ("light", "rise", "bed", "side")
]


def sentence(chance: random.Random, length: int = 12) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(length))


def texts(count: int, seed: int = 0, lines: int = 6) -> list[str]:
    chance = random.Random(seed)
    return ["\n".join(sentence(chance) for _ in range(lines)) for _ in range(count)]


def write(folder: Path, contents: list[str], encoding: str = "utf-8") -> Path:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(contents):
        (folder / f"{number:04d}.txt").write_text(text, encoding=encoding)
    return folder


def levels(diagnosis: Diagnosis, words: str) -> list[str]:
    found = [finding.level for finding in diagnosis.findings if words in finding.what]
    assert found, [finding.what for finding in diagnosis.findings]
    return found


def test_a_sound_source_is_counted_and_not_complained_about(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path / "texts", texts(60)))
    assert found.kind == "source"
    assert found.figures["documents"] == 60
    assert found.figures["words"] == 60 * 6 * 12
    assert found.figures["scripts"] == {"latin": 1.0}
    assert levels(found, "copies of others") == ["ok"]
    assert levels(found, "lines that stood there before") == ["ok"]
    assert levels(found, "UTF-8") == ["ok"]


def test_copies_of_documents_are_found_by_their_share(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path / "texts", texts(30) + texts(10)))
    assert levels(found, "25.0% of its documents are copies") == ["warning"]


def test_lines_that_repeat_are_quoted(tmp_path: Path) -> None:
    licence = "Licensed under the terms of the licence that stands in every file of this folder."
    found = diagnose(write(tmp_path / "texts", [f"{text}\n{licence}" for text in texts(40, lines=2)]))
    [what] = [finding.what for finding in found.findings if "lines that stood there before" in finding.what]
    assert levels(found, "lines that stood there before") == ["warning"]
    assert '"Licensed under the terms of the licence that stand" 40 times' in what


def test_little_text_is_said_to_be_little(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path / "texts", texts(5)))
    assert levels(found, "5 documents, 360 words") == ["warning"]
    assert "only 5 documents" in " ".join(finding.what for finding in found.findings)


def test_encodings_other_than_utf_8_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "texts", texts(3))
    (folder / "french.txt").write_bytes(("Été à la forêt, où naît le rêve déjà passé. " * 60).encode("utf-16"))
    assert levels(diagnose(folder), "1 utf-16") == ["note"]


def test_scripts_are_told_apart(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path / "texts", ["天空是蓝色的，河水很清。" * 200] * 2))
    assert found.figures["scripts"]["han"] == 1.0
    assert found.figures["tokens_per_word"] <= 1.5


def test_a_binary_file_is_named_and_the_others_are_examined(tmp_path: Path) -> None:
    folder = write(tmp_path / "texts", texts(3))
    (folder / "picture.txt").write_bytes(b"\x89PNG\r\n\x00\x00\x01")
    found = diagnose(folder)
    assert levels(found, "picture.txt is a binary file") == ["warning"]
    assert found.figures["documents"] == 3


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one good line"}\n{"text": broken\n{"text": "another good line"}\n')
    found = diagnose(tmp_path / "a.jsonl")
    assert levels(found, "1 lines cannot be read, e.g. ") == ["warning"]
    assert found.figures["documents"] == 2


def test_a_source_without_text_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    found = diagnose(tmp_path / "empty.txt")
    assert levels(found, "there is no text in it") == ["warning"]
    assert not found.healthy


def test_short_documents_are_noted(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path / "texts", [f"{text[:30]}" for text in texts(60)]))
    assert levels(found, "words or fewer") == ["note"]


def test_a_source_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        diagnose(tmp_path / "nowhere")


def test_a_large_source_is_judged_from_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth is read; the counts come out within a tenth of the truth."""
    from unmask.doctor import sources

    folder = write(tmp_path / "texts", texts(40, lines=40))
    whole = diagnose(folder).figures
    monkeypatch.setattr(sources, "SAMPLE_PARTS", 5)
    found = diagnose(folder).figures
    assert found["sampled_share"] == pytest.approx(1 / 8)
    assert found["words"] == pytest.approx(whole["words"], rel=0.1)


def test_a_file_of_which_only_the_beginning_is_read_is_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unmask.corpus import CorpusSettings, Source, parts
    from unmask.doctor import sources

    content = "\n".join(texts(4000))
    (tmp_path / "long.txt").write_text(content)
    monkeypatch.setattr(sources, "SAMPLE_CHARACTERS", len(content) // 4)
    [part] = parts([Source(str(tmp_path / "long.txt"))], CorpusSettings(documents="lines"))
    sample = sources.sampled([part])
    words = sum(len(text.split()) for text in sample.texts)
    assert words < 0.3 * len(content.split())
    # Files are read ahead by up to a megabyte, which counts as read: a large share of this file of 2 MB.
    assert words / sample.share == pytest.approx(len(content.split()), rel=0.2)


def test_findings_are_plain_json_warnings_first(tmp_path: Path) -> None:
    import json

    told = json.loads(json.dumps(diagnose(write(tmp_path / "texts", texts(5))).to_dict()))
    order = [finding["level"] for finding in told["findings"]]
    assert order == sorted(order, key=["warning", "note", "ok"].index)
    assert set(told["findings"][0]) == {"level", "what", "mend"}
    assert all(finding["mend"] for finding in told["findings"] if finding["level"] == "warning")

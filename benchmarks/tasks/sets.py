"""The data sets of the proofs: their files below DATA/tasks, how much of each is taken, and how unmask is told of them.

Figures are those of `test`, which neither trains nor chooses: where the labels of a test file are hidden, its dev file
takes its place, and what chooses the checkpoint is drawn from the training file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.tasks.cutting import FORMS, Units, chosen, count_of, drawn

GLUE = "en/glue"
XQUAD = "multi/xquad/xquad.{}.json.gz"
LANGUAGES = ("en", "de", "es", "ru", "ar", "zh")
SPLITS = ("train", "validation", "test")
SMOKE, SMOKE_ARTICLES = (1_500, 12, 12), (4, 1, 1)
"""How much is taken when nothing but the way is tried."""


@dataclass(frozen=True)
class Set:
    """A data set. take: how many units for training, for choosing the checkpoint, and for the figures; None for all."""

    task: str
    figure: str
    form: str
    train: str
    validation: str | None
    """None: drawn from train"""
    test: str | None
    """None: drawn from train"""
    take: tuple[int | None, int | None, int | None]
    settings: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """files of the same articles in several languages: train and test have {} in their names"""
    fold: tuple[int, int] | None = None
    """(number, of how many): cross-validation over the units of train"""


def _glue(name: str, figure: str, take: Any, *settings: str, form: str = "table", own: bool = False) -> Set:
    """A task of GLUE; own: whether dev is used to choose the checkpoint, as there is a test file with labels."""
    folder = f"{GLUE}/{name}"
    dev, test = f"{folder}/dev.tsv.gz", f"{folder}/test.tsv.gz"
    task = "regression" if name == "STS-B" else "classification"
    files = (f"{folder}/train.tsv.gz", dev, test) if own else (f"{folder}/train.tsv.gz", None, dev)
    return Set(task, figure, form, *files, take, settings)


def _xquad(fold: int, folds: int) -> Set:
    return Set(
        "question_answering", "f1", "articles", XQUAD.format("en"), None, None, (None, 4, None),
        ("data.row_length=256",), fold=(fold, folds),
    )  # fmt: skip


FOLDS = 3
SETS: dict[str, Set] = {
    "sst2": _glue("SST-2", "accuracy", (20_000, 1_000, None)),
    "sst2-all": _glue("SST-2", "accuracy", (None, 1_000, None)),
    "stsb": _glue("STS-B", "spearman", (None, None, None), own=True),
    "stsb-vectors": replace(_glue("STS-B", "spearman", (None, None, None), own=True), task="embeddings"),
    "cola": _glue(
        "CoLA", "matthews", (None, 800, None), "data.text=4", "data.label=2", "task.metric=matthews", form="lines"
    ),
    "mrpc": _glue("MRPC", "accuracy", (None, None, None), own=True),
    "rte": _glue("RTE", "accuracy", (None, 250, None)),
    "imdb": Set(
        "classification", "accuracy", "lines", "en/imdb/train.jsonl.zst", None, "en/imdb/test.jsonl.zst",
        (5_000, 1_000, 3_000), ("task.long=windows", "data.row_length=256"),
    ),
    "conll2003": Set(
        "token_classification", "f1", "sentences", "en/conll2003/eng.train.txt.gz", "en/conll2003/eng.testa.txt.gz",
        "en/conll2003/eng.testb.txt.gz", (8_000, 1_500, None),
    ),
    "ewt": Set(
        "token_classification", "accuracy", "sentences", "en/ud-ewt/en_ewt-ud-train.conllu.gz",
        "en/ud-ewt/en_ewt-ud-dev.conllu.gz", "en/ud-ewt/en_ewt-ud-test.conllu.gz", (8_000, 1_000, None),
    ),
    "chnsenticorp": Set(
        "classification", "accuracy", "table", "zh/chnsenticorp/train.tsv.gz", None, "zh/chnsenticorp/dev.tsv.gz",
        (3_600, 500, None), ("data.row_length=256",),
    ),
    "cluener": Set(
        "token_classification", "f1", "lines", "zh/cluener/train.jsonl.gz", None, "zh/cluener/dev.jsonl.gz",
        (6_000, 500, None),
    ),
    "peoples-daily": Set(
        "token_classification", "accuracy", "tagged lines", "zh/peoples-daily-199801.txt.zst", None, None,
        (3_000, 400, 1_000), ("data.row_length=256",),
    ),
    "subjqa": Set(
        "question_answering", "f1", "lines", "en/subjqa/train.jsonl.gz", "en/subjqa/dev.jsonl.gz",
        "en/subjqa/test.jsonl.gz", (2_000, 300, 600), ("data.row_length=256",),
    ),
    **{f"xquad-{fold}": _xquad(fold, FOLDS) for fold in range(FOLDS)},
    "xquad-languages": Set(
        "question_answering", "f1", "articles", XQUAD, None, XQUAD, (None, 4, 8), ("data.row_length=256",),
        languages=LANGUAGES,
    ),
    "cmrc2018": Set(
        "question_answering", "f1", "paragraphs", "zh/cmrc2018/cmrc2018_dev.json.gz", None,
        "zh/cmrc2018/cmrc2018_trial.json.gz", (700, 40, 100), ("data.row_length=256",),
    ),
    "multi30k": Set(
        "sequence_to_sequence", "chrf", "en-de", "multi/multi30k/train", "multi/multi30k/val",
        "multi/multi30k/test_2016_flickr", (15_000, 200, 300), ("data.text=en", "data.label=de", "task.length=48"),
    ),
    "aeslc": Set(
        "sequence_to_sequence", "rouge1", "lines", "en/aeslc/train.jsonl.gz", "en/aeslc/dev.jsonl.gz",
        "en/aeslc/test.jsonl.gz", (3_000, 150, 300),
        ("data.text=body", "data.label=subject", "task.length=24", "task.metric=rouge1", "data.row_length=256"),
    ),
    "functions": Set(
        "sequence_to_sequence", "chrf", "lines", "code/train.jsonl", None, "code/held-out.jsonl", (4_000, 150, 200),
        ("task.length=128", "data.row_length=384"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The files of a set as they were cut: settings that name them, and how many examples they hold."""

    settings: tuple[str, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)


def made(wanted: Set, root: Path, to: Path, smoke: bool = False) -> Files:
    """The files of a set below the folder `to`, cut out of those below `root`, or found there from before."""
    record, asked = to / "set.json", json.loads(json.dumps(asdict(wanted) | {"smoke": smoke}))
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        if known["set"] == asked:
            return Files(tuple(known["settings"]), known["sizes"])
    to.mkdir(parents=True, exist_ok=True)
    parts = _parts(wanted, root, smoke)
    form = FORMS[wanted.form](wanted.train)
    paths = {name: str(form.write(to / name, units)) for name, units in parts.items()}
    tests = {name.removeprefix("test."): path for name, path in paths.items() if name.startswith("test")}
    test = tests["test"] if "test" in tests else ",".join(f"{name}:{path}" for name, path in tests.items())
    settings = (f"data.train={paths['train']}", f"data.validation={paths['validation']}", f"data.test={test}")
    sizes = {name: count_of(units.units) for name, units in parts.items()}
    record.write_text(json.dumps({"set": asked, "settings": settings, "sizes": sizes}), encoding="utf-8")
    return Files(settings, sizes)


def _parts(wanted: Set, root: Path, smoke: bool) -> dict[str, Units]:
    """train, validation and test, or a test.LANGUAGE for each."""
    read, take = FORMS[wanted.form](wanted.train).read, _taken(wanted, smoke)
    if wanted.languages:
        return _of_languages({name: read(str(root / wanted.train.format(name))) for name in wanted.languages}, take)
    if wanted.fold is not None:
        return _of_fold(read(str(root / wanted.train)), wanted.fold, take)
    files = {name: read(str(root / path)) for name in SPLITS if (path := getattr(wanted, name)) is not None}
    sizes = dict(zip(SPLITS, take, strict=True))
    inside = [name for name in SPLITS if name not in files or name == "train"]
    numbers = drawn(len(files["train"].units), *(sizes[name] for name in inside))
    parts = {name: chosen(files["train"], each) for name, each in zip(inside, numbers, strict=True)}
    for name in files.keys() - {"train"}:
        [each] = drawn(len(files[name].units), sizes[name])
        parts[name] = chosen(files[name], each)
    return {name: parts[name] for name in SPLITS}


def _taken(wanted: Set, smoke: bool) -> tuple[int | None, ...]:
    if not smoke:
        return wanted.take
    few = SMOKE_ARTICLES if wanted.form in ("articles", "paragraphs") else SMOKE
    return tuple(min(some, size or some) for some, size in zip(few, wanted.take, strict=True))


def _of_languages(files: Mapping[str, Units], take: Sequence[int | None]) -> dict[str, Units]:
    """The first language trains; the articles that test are the same in every language, and not among those that
    train."""
    first = next(iter(files.values()))
    learned, choosing, testing = drawn(len(first.units), *take)
    parts = {"train": chosen(first, learned), "validation": chosen(first, choosing)}
    return parts | {f"test.{name}": chosen(each, testing) for name, each in files.items()}


def _of_fold(whole: Units, fold: tuple[int, int], take: Sequence[int | None]) -> dict[str, Units]:
    """One part tests, the others train; what chooses the checkpoint is drawn from these."""
    number, folds = fold
    testing = set(range(number, len(whole.units), folds))
    rest = chosen(whole, (each for each in range(len(whole.units)) if each not in testing))
    learned, choosing = drawn(len(rest.units), *take[:2])
    parts = {"train": chosen(rest, learned), "validation": chosen(rest, choosing)}
    return parts | {"test": chosen(whole, sorted(testing)[: take[2]])}

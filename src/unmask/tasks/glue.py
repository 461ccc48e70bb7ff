"""GLUE: a model is fine-tuned for each task whose files are there and scored on its dev.tsv (Wang et al. 2019).

    Glue(seeds=3).judge("runs/wiki", "glue/")["average"]

One setting for all tasks, and the figure of the last step, as nothing is chosen on the examples that score it: the sane
protocol of Geiping and Goldstein 2022, section 5 (5 epochs in batches of 16; the learning rate goes by the model's
width). Main figures: Matthews' correlation for CoLA, F1 for MRPC and QQP, Spearman's for STS-B, accuracy for the
others; the average is their mean. MNLI is its matched half; WNLI is left out, as Devlin et al. 2019 do.

A folder keeps a list of legs, one a task and seed, and a suite that was stopped goes on with it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from unmask import console, stages
from unmask.config import overridden, require, to_dict
from unmask.corpus.files import COMPRESSIONS, text_lines
from unmask.errors import DataError, ModelError, SettingError, Stopped
from unmask.tasks.finetuning import finetune, resume, together
from unmask.tasks.settings import Finetuning
from unmask.tasks.texts import markdown

LEGS, TABLE = "glue.json", "glue.md"
SETTING = ("training.epochs=5", "training.batch_size=16", "training.evaluations=1")
SUFFIXES = (".tsv", ".jsonl", ".csv")
MAJORITY, TFIDF = "most frequent label", "TF-IDF"
# What legs differ in: it cannot be set for all.
_OF_A_LEG = ("name", "model", "seed", "task", "data.train", "data.validation", "data.test")
_COLUMNS = ("data.text", "data.second", "data.label")


class GlueTask(NamedTuple):
    """A task of GLUE: ours, its main figure, and its columns where they have names of their own."""

    task: str
    figure: str
    settings: tuple[str, ...] = ()
    dev: str = "dev"


TASKS: Mapping[str, GlueTask] = {
    "CoLA": GlueTask("classification", "matthews"),
    "SST-2": GlueTask("classification", "accuracy"),
    "MRPC": GlueTask("classification", "f1"),
    "STS-B": GlueTask("regression", "spearman"),
    "QQP": GlueTask("classification", "f1", ("data.label=is_duplicate",)),
    "MNLI": GlueTask("classification", "accuracy", ("data.label=gold_label",), "dev_matched"),
    "QNLI": GlueTask("classification", "accuracy"),
    "RTE": GlueTask("classification", "accuracy"),
}


@dataclass(frozen=True)
class Glue:
    """GLUE's own .tsv files, fine-tuned for and scored."""

    sample: int | None = None
    """not used: data.examples=N among the settings reads less"""
    to: str | Path | None = None
    """the folder of the legs; none: runs/MODEL-glue"""
    seeds: int = 3
    settings: Sequence[str] = field(default=())
    """section.field=value of a fine-tuning run, for all tasks"""

    takes_folder: ClassVar = True
    """it is given the model's name, not the model"""

    def __post_init__(self) -> None:
        require(self.sample is None, "--sample is of suites of questions; for glue set data.examples=N")
        require(self.seeds > 0, f"seeds={self.seeds}: 1 or more are needed")
        for setting in self.settings:
            name = setting.partition("=")[0]
            if name.startswith("task.") or name in (*_OF_A_LEG, *_COLUMNS):
                raise SettingError(f"{setting}: the tasks of glue have their own; set what is the same for all of them")

    def judge(self, model: str | Path, data: str | Path) -> dict[str, Any]:
        """The figures of a model on the tasks in a folder: `average` over tasks and its spread over seeds, `tasks` with
        all figures of each, `baselines`.

        DataError where no task is there, SettingError where the folder of legs is of another suite.
        """
        folder = Path(self.to or Path("runs") / f"{Path(model).name}-glue")
        runs = list(self._planned(str(model), Path(data), folder))
        record = self._record(folder, runs)
        for number, (name, run) in enumerate(runs, start=1):
            key = f"{name}-{run.seed}"
            if record["legs"][key] is None:
                record["legs"][key] = _run(run, folder / key)
                stages.write_json(folder / LEGS, record)
                _without_weights(folder / key)
                value = record["legs"][key]["figures"][TASKS[name].figure]
                console.say(f"{key}: {TASKS[name].figure} {value:.4f} ({number} of {len(runs)} legs)")
        figures = {"suite": "glue", "model": str(model), **summary(record["legs"]), "folder": str(folder)}
        (folder / TABLE).write_text("\n".join([*markdown(*rows(figures)), ""]), encoding="utf-8")
        return figures

    def _planned(self, model: str, data: Path, folder: Path) -> Iterator[tuple[str, Finetuning]]:
        """A run for each task that is there, seed by seed."""
        for seed in range(self.seeds):
            for name, files in found(data).items():
                task = TASKS[name]
                run = Finetuning(name=f"{name}-{seed}", model=model, seed=seed)
                own = [f"task={task.task}", *files, *SETTING, *self.settings]
                yield name, replace(overridden(run, own), seed=seed).checked()

    def _record(self, folder: Path, runs: Sequence[tuple[str, Finetuning]]) -> dict[str, Any]:
        """The list of legs as it was left, or a new one; SettingError where it is of other legs."""
        wanted = {f"{name}-{run.seed}": to_dict(run) for name, run in runs}
        path = folder / LEGS
        if not path.exists():
            if folder.exists() and any(folder.iterdir()):
                raise SettingError(f"{folder} exists already and holds no {LEGS}: take another folder with --to")
            folder.mkdir(parents=True, exist_ok=True)
            record = {"runs": wanted, "legs": dict.fromkeys(wanted)}
            stages.write_json(path, record)
            return record
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            before, legs = record["runs"], record["legs"]
        except (ValueError, KeyError) as error:
            raise ModelError(f"{path} cannot be read ({error}); remove it, or take another folder with --to") from None
        for key in before.keys() & wanted.keys():
            if json.loads(json.dumps(wanted[key])) != before[key]:
                raise SettingError(
                    f"{folder} was made with other settings ({key}): take another folder with --to, or remove it"
                )
        # More seeds or tasks go on with those that are done.
        return {"runs": wanted, "legs": {key: legs.get(key) for key in wanted}}


# ---------------------------------------------------------------- files


def found(data: Path) -> dict[str, list[str]]:
    """The tasks of a folder, with the settings that name their files; those without labels to learn from are told of.

    DataError where there is none.
    """
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; --data takes the folder with those of GLUE: CoLA, SST-2, ...")
    folders = {_plain(path.name): path for path in sorted(data.iterdir()) if path.is_dir()}
    result = {}
    for name, task in TASKS.items():
        folder = folders.get(_plain(name))
        if folder is None:
            continue
        train, dev = _file(folder, "train"), _file(folder, task.dev)
        if train is None or dev is None:
            console.warn(f"{name} is left out: {folder} has no {'train' if train is None else task.dev}.tsv")
            continue
        columns = _cola(train) if name == "CoLA" else task.settings
        result[name] = [f"data.train={train}", f"data.validation={dev}", *columns]
    if not result:
        raise DataError(f"{data} holds no task of GLUE: folders such as CoLA with train.tsv and dev.tsv are needed")
    return result


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _file(folder: Path, stem: str) -> Path | None:
    names = (f"{stem}{suffix}{packed}" for suffix in SUFFIXES for packed in ("", *COMPRESSIONS))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _cola(path: Path) -> tuple[str, ...]:
    """CoLA's own files have no header: its source, the label, the author's mark, the sentence."""
    cells = next(text_lines(str(path)), "").split("\t")
    return ("data.text=4", "data.label=2") if len(cells) == 4 and cells[1] in ("0", "1") else ()


# ---------------------------------------------------------------- legs


def _run(run: Finetuning, folder: Path) -> dict[str, Any]:
    """The figures of one leg, begun or gone on with."""
    try:
        done = resume(folder) if (folder / "run.json").is_file() else finetune(run, folder)
    except Stopped:
        raise Stopped(f"stopped in {folder.name}, which is saved; run the same command again to go on") from None
    return {"figures": done.figures["validation"], "baselines": done.baselines}


def _without_weights(folder: Path) -> None:
    """Leave the settings, the metrics and the report of a leg: a model for each would fill the disk."""
    for name in ("checkpoints", "model"):
        shutil.rmtree(folder / name, ignore_errors=True)


def summary(legs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What finished legs (TASK-SEED: figures, baselines) came to: means, spreads (n - 1) over seeds, averages."""
    names = [name for name in TASKS if any(key.rpartition("-")[0] == name for key in legs)]
    of = {name: [leg for key, leg in legs.items() if key.rpartition("-")[0] == name] for name in names}
    main = np.array([[leg["figures"][TASKS[name].figure] for leg in of[name]] for name in names])
    tasks = {name: {"figure": TASKS[name].figure} | together([leg["figures"] for leg in of[name]]) for name in names}
    simple = {label: {name: _simple(of[name][0], name, label) for name in names} for label in (MAJORITY, TFIDF)}
    averages = main.mean(0)
    return {
        "average": float(averages.mean()),
        "average_spread": float(averages.std(ddof=1)) if len(averages) > 1 else 0.0,
        "seeds": main.shape[1],
        "tasks": tasks,
        "baselines": {label: each | {"average": float(np.mean(list(each.values())))} for label, each in simple.items()},
    }


def _simple(leg: Mapping[str, Any], name: str, label: str) -> float:
    """The main figure of a simple answerer; a constant number has no correlation, which counts as 0."""
    found = next((figures for known, figures in leg["baselines"].items() if known.startswith(label)), {})
    return float(np.nan_to_num(found.get(TASKS[name].figure, 0.0)))


def rows(figures: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table, in percent: the model with its spreads, and the simple answerers."""
    tasks = figures["tasks"]
    header = ["", *(f"{name} ({each['figure']})" for name, each in tasks.items()), "average"]
    own = [_percent(each[each["figure"]], each[f"{each['figure']}_spread"]) for each in tasks.values()]
    made = [[Path(figures["model"]).name, *own, _percent(figures["average"], figures["average_spread"])]]
    for label, each in figures["baselines"].items():
        made.append([label, *(_percent(each[name]) for name in (*tasks, "average"))])
    return header, made


def _percent(value: float, spread: float | None = None) -> str:
    return f"{100 * value:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")

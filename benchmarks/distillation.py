"""Is a student that learns from a teacher better than the same one trained alone, for the same time on the clock?

distilled    starts from the teacher's layers and learns from its answers (`unmask distill`)
started      starts from the same layers and then learns from the text alone
alone        starts from random weights and learns from the text alone

    python -m benchmarks.distillation TEACHER SETTING=VALUE --store STORE --minutes 30 --seeds 0,1

All have the same architecture, rows, masks and minutes (the teacher's forward pass is paid from the student's), take
turns, and are asked for the same held-out blanks. Without --store they learn from the teacher's own; --recipe names a
student other than the teacher with half its layers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, rounds, started

CONTESTANTS = ["distilled", "started", "alone"]
FIGURES = ("loss", "unigram_loss", "token_accuracy", "word_accuracy", "bits_per_character")


def main(words: list[str] | None = None) -> None:
    """Train every contestant with every seed, one after the other, and keep the results."""
    settings = vars(_parser().parse_intermixed_args(words))
    runs: dict[str, list[dict]] = {name: [] for name in CONTESTANTS}
    for seed in settings["seeds"]:
        for name, (run,) in rounds("benchmarks.distillation", CONTESTANTS, 1, settings | {"seed": seed}).items():
            runs[name].append(run)
    print(keep("distillation", settings | {"teacher_figures": _known(settings["teacher"])}, runs, summary(runs)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distillation")
    parser.add_argument("teacher", help="run folder of the teacher")
    parser.add_argument("changes", nargs="*", metavar="SETTING=VALUE", help="for all contestants")
    parser.add_argument("--store", help="the teacher's own unless said")
    parser.add_argument("--recipe", help="the student's; the teacher with half its layers unless said")
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, for each contestant and seed")
    parser.add_argument("--seeds", type=_numbers, default=[0, 1], help="parted by commas")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def summary(runs: dict[str, list[dict]]) -> dict[str, Any]:
    """Means over seeds, and by how many nats each contestant's loss is under that of `alone`, seed by seed."""
    means = {
        name: {figure: statistics.fmean(run[figure] for run in some) for figure in (*FIGURES, "tokens")}
        for name, some in runs.items()
    }
    gains = {
        f"{name} under alone": [alone["loss"] - run["loss"] for run, alone in zip(some, runs["alone"], strict=True)]
        for name, some in runs.items()
        if name != "alone"
    }
    return {"means": means, "nats": gains}


def contestant(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The held-out figures of one contestant after its minutes, and how many tokens it read."""
    import unmask
    from unmask import console
    from unmask.config import changed
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.recipes import RECIPES
    from unmask.recipes.distillation import student

    console.set_quiet(True)
    recipe = None if settings["recipe"] is None else RECIPES.load(settings["recipe"])()
    store = [] if settings["store"] is None else [f"data.store={settings['store']}"]
    given = [f"training.minutes={settings['minutes']}", f"seed={settings['seed']}", *store, *settings["changes"]]
    run = student(settings["teacher"], recipe, given)
    if name == "started":
        alone = {"soft_weight": 0.0, "hard_weight": 1.0, "hidden_weight": 0.0, "relation_weight": 0.0}
        run = changed(run, objective=alone)
    elif name == "alone":
        run = changed(run, objective=MaskedLanguageModeling())
    with tempfile.TemporaryDirectory() as folder:
        outcome = unmask.pretrain(run, Path(folder) / name)
        last = (Path(folder) / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    spent = {key: json.loads(last)[key] for key in ("step", "tokens", "seconds")}
    return {figure: outcome.figures[figure] for figure in FIGURES} | spent


def _known(teacher: str) -> dict[str, Any] | None:
    """The teacher's own held-out figures, where its folder has them."""
    path = Path(teacher) / "model" / "figures.json"
    if not path.is_file():
        return None
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return {figure: figures[figure] for figure in FIGURES}


if __name__ == "__main__":
    if "--contestant" in sys.argv:
        started(CONTESTANTS, contestant, main)
    else:
        main()

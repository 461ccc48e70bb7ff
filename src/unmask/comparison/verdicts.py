"""What is known of a finished leg: the held-out figures of its run, how fast and how large it was, and BLiMP.

A judge needs only the finished run folder, through `models.load`. Every leg has a file, COMPARISON/legs/NAME-SEED.json,
with the settings it was made with, so that nothing is done twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask import console, stages
from unmask.comparison.legs import Leg, refuse_other
from unmask.config import to_dict
from unmask.distributed import World
from unmask.errors import DataError, ModelError, Stopped
from unmask.evaluation.minimal_pairs import Blimp
from unmask.report.curves import read_metrics, series
from unmask.run import saved
from unmask.tokens.store import Store

RUNS, LEGS = "runs", "legs"

Train = Callable[[Path], Any]
"""Takes a run folder and finishes its run."""


@dataclass(frozen=True)
class MinimalPairs:
    """How grammar is asked for: the folder of BLiMP's files, and pairs of each paradigm (all by default)."""

    data: Path
    sample: int | None = None

    def judge(self, model: Any) -> dict[str, Any]:
        """`accuracy`, and by `field`, of a loaded model or of what predicts like one."""
        found = Blimp(sample=self.sample).judge(model, self.data)
        return {"sample": self.sample, "accuracy": found["accuracy"], "field": found["field"]}


def adoptable(leg: Leg, store: Store, to: Path) -> None:
    """SettingError when the folder or the file of this leg's name was made with other settings."""
    for path in (to / RUNS / leg.key / "run.json", to / LEGS / f"{leg.key}.json"):
        if path.exists():
            refuse_other(saved(path), _store_of(path), leg.run, store.fingerprint, path)


def finished(leg: Leg, to: Path, train: Train) -> Path:
    """The run folder of a leg, trained to its end: begun, gone on with, or taken as it is."""
    folder = to / RUNS / leg.key
    if (folder / "model" / "figures.json").is_file():
        return folder
    try:
        if not (folder / "run.json").is_file():
            stages.started(leg.run, folder, World())
        console.say(f"[bold]{leg.key}[/bold]")
        train(folder)
    except Stopped:
        raise Stopped(f"stopped in {leg.key}, which is saved; run the same command again to go on") from None
    return folder


def judged(leg: Leg, store: Store, to: Path, train: Train, pairs: MinimalPairs | None) -> dict[str, Any]:
    """The verdict on a leg, from its file where it is known; trained first where it must be."""
    path = to / LEGS / f"{leg.key}.json"
    verdict = read(path)
    if verdict is None:
        folder = finished(leg, to, train)
        verdict = {"run": to_dict(leg.run), "environment": {"store": store.fingerprint}} | measured(folder)
        write(path, verdict)
    if wanting(verdict, pairs):
        from unmask.models import load

        assert pairs is not None
        verdict["blimp"] = pairs.judge(load(to / RUNS / leg.key))
        write(path, verdict)
    return verdict


def wanting(verdict: Mapping[str, Any], pairs: MinimalPairs | None) -> bool:
    """Whether minimal pairs are asked for that the verdict does not know of."""
    return pairs is not None and (verdict.get("blimp") or {}).get("sample", "none") != pairs.sample


def measured(folder: Path) -> dict[str, Any]:
    """What a finished run folder says of itself: `figures` on held-out text, parameters, tokens and minutes, the
    median of tokens a second, bytes of memory at the peak (None where the run did not record them)."""
    known = json.loads((folder / "model" / "figures.json").read_text(encoding="utf-8"))
    records = read_metrics(folder)
    return {
        "figures": known["figures"],
        "parameters": _parameters(folder),
        "steps": records[-1]["step"],
        "tokens": records[-1]["tokens"],
        "minutes": records[-1]["seconds"] / 60,
        "tokens_per_second": float(np.median(series(records, "step", "tokens_per_second")[1])),
        "peak_memory": known.get("peak_memory"),
    }


def _parameters(folder: Path) -> int:
    from unmask.models import load

    return sum(parameter.numel() for parameter in load(folder).module.parameters())


def same_blanks(verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    """DataError unless all were asked the same tokens: as many of them, and of the same frequencies."""
    first, *others = verdicts
    asked = {key: verdict["figures"] for key, verdict in verdicts.items()}
    for key in others:
        same = asked[key]["masked_tokens"] == asked[first]["masked_tokens"]
        if not (same and math.isclose(asked[key]["unigram_loss"], asked[first]["unigram_loss"], rel_tol=1e-9)):
            raise DataError(f"{key} and {first} were not asked the same blanks: train {key} again, without its folder")


# ---------------------------------------------------------------- on disk


def read(path: Path) -> dict[str, Any] | None:
    """The content of a leg's file, None where there is none; ModelError when it is damaged."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged ({error}): remove it, and it is made again") from None


def write(path: Path, content: Any) -> None:
    """All of it or nothing, in a folder that is made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stages.write_json(path, content)


def _store_of(path: Path) -> str | None:
    """The fingerprint of the store that a run or a leg was made from, None where it had not been opened yet."""
    return (read(path) or {}).get("environment", {}).get("store")

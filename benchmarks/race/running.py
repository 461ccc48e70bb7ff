"""One leg after another, each kept as JSON when it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measuring import about, apart
from benchmarks.race.legs import SEARCH, Course, Leg, best_settings, file_of, tuned
from benchmarks.race.track import Clock, Contestant, Track
from unmask.errors import SettingError

RunLeg = Callable[[Leg, Course], dict[str, Any]]


def race(legs: Sequence[Leg], course: Course, to: Path, run: RunLeg | None = None) -> None:
    """Run the legs that are not done yet, one process after another, and keep each in `to`/legs.

    `run` takes a leg to its record: in a process of its own unless said otherwise. SettingError for a leg that was run
    on another text.
    """
    for number, leg in enumerate(legs, 1):
        path = file_of(leg, to)
        if (known := record_in(path)) is not None:
            _same_text(known, course, path)
            continue
        if not leg.settings:
            leg = tuned(leg, best_settings(records(to), course)) if leg.contestant == "B" else leg
        print(f"{number} of {len(legs)}  {leg.key}", flush=True)
        made = about() | {"leg": asdict(leg), "store": fingerprint(course)} | (run or in_a_process)(leg, course)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        print(f"    held-out loss {made['figures']['loss']:.3f} after {made['steps']:,} steps", flush=True)


def in_a_process(leg: Leg, course: Course) -> dict[str, Any]:
    """Run a leg in a process of its own, its clock from the moment the process is started."""
    given = {"leg": asdict(leg), "course": course.as_dict(), "began": time.time()}
    return apart("benchmarks.race", leg.contestant, given)


def contestant(settings: Mapping[str, Any]) -> dict[str, Any]:
    """In that process: train, and what came of it."""
    leg = Leg(**settings["leg"])
    course = Course(**{**settings["course"], "search": tuple(map(tuple, settings["course"]["search"]))})
    return here(leg, course, settings["began"])


def here(leg: Leg, course: Course, began: float | None = None) -> dict[str, Any]:
    """Run a leg in this process; began: when that was started, in seconds of `time.time`."""
    track = Track(course, 60 * leg.minutes, Clock(time.time() if began is None else began))
    return track.finish(trained_by(leg)(leg, track))


def trained_by(leg: Leg) -> Contestant:
    """What trains a contestant; what it needs is imported when it starts, on its own time."""
    if leg.contestant == "A":
        from benchmarks.race.trainer import train_a

        return train_a
    if leg.contestant in ("B", SEARCH):
        from benchmarks.race.trainer import train_b

        return train_b
    if leg.contestant == "C":
        from benchmarks.race.clone import train

        return train
    from benchmarks.race.ours import train

    return train


def records(to: Path) -> list[dict[str, Any]]:
    """All legs that are done, by the names of their files."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((to / "legs").glob("*.json"))]


def record_in(path: Path) -> dict[str, Any] | None:
    """A leg that is done, None for one that is not."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def fingerprint(course: Course) -> str:
    """That of the store."""
    from unmask.tokens.store import read_manifest

    return read_manifest(Path(course.store))["fingerprint"]


def _same_text(known: Mapping[str, Any], course: Course, path: Path) -> None:
    if known["store"] != fingerprint(course):
        raise SettingError(f"{path} was run on another text: take another folder with --to, or remove it")

"""The legs one after the other: those that are done are passed over, those that fail are told of."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.measuring import about
from benchmarks.tasks.legs import Leg, Place
from benchmarks.tasks.sets import SETS
from unmask import console, stages
from unmask.errors import Stopped, UnmaskError


def chosen(legs: Sequence[Leg], patterns: Sequence[str]) -> list[Leg]:
    """The legs whose name or table fits one of the patterns; exits when a pattern fits none."""
    for pattern in patterns:
        if not any(_fits(leg, pattern) for leg in legs):
            tables = ", ".join(dict.fromkeys(leg.table for leg in legs))
            raise SystemExit(f"error: no leg is called '{pattern}'; --plan shows them, and the tables are {tables}")
    return [leg for leg in legs if any(_fits(leg, pattern) for pattern in patterns)]


def _fits(leg: Leg, pattern: str) -> bool:
    return fnmatch(leg.name, pattern) or leg.table == pattern


def record_of(leg: Leg, place: Place) -> Path:
    """Where what a leg came to is kept."""
    return place.to / "legs" / f"{leg.name}.json"


def asked_of(leg: Leg, place: Place) -> dict[str, Any]:
    """All that a leg's figures depend on, as JSON has it."""
    assert is_dataclass(leg)
    settings = {name: value for name, value in asdict(leg).items() if name != "guess"}
    data = {"data": asdict(SETS[settings["set"]])} if "set" in settings else {}
    return _as_json(settings | data | {"all": place.settings, "smoke": place.smoke})


def _as_json(settings: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(settings))


def known(leg: Leg, place: Place) -> dict[str, Any] | None:
    """The record of a leg that is done; exits when it was done with other settings.

    A setting that its record does not know came later and stood at its default then.
    """
    path = record_of(leg, place)
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    defaults = _as_json({field.name: field.default for field in fields(leg) if field.default is not MISSING})
    if defaults | record["settings"] != defaults | asked_of(leg, place):
        raise SystemExit(f"error: {path} was made with other settings: remove it, or take another folder with --to")
    return record


def all_done(legs: Sequence[Leg], place: Place) -> list[str]:
    """Do what is not done yet; the names of the legs that failed. Exits with 75 when one was stopped."""
    waiting = [leg for leg in legs if known(leg, place) is None]
    print(f"{len(legs) - len(waiting)} of {len(legs)} legs are done", flush=True)
    console.set_quiet(True)
    failed = []
    for number, leg in enumerate(waiting, start=1):
        print(f"leg {number} of {len(waiting)}: {leg.name}, about {_clock(leg.guess)}", flush=True)
        if (lack := leg.missing(place)) is not None:
            print(f"  passed over: it waits for {lack}", flush=True)
            continue
        try:
            done(leg, place)
        except Stopped as stopped:
            print(f"  {stopped}; the same command goes on", flush=True)
            raise SystemExit(Stopped.exit_code) from None
        except (UnmaskError, OSError, RuntimeError, ValueError, KeyError) as error:
            print(f"  failed: {type(error).__name__}: {error}", flush=True)
            failed.append(leg.name)
    return failed


def done(leg: Leg, place: Place) -> dict[str, Any]:
    """Do one leg and keep what it came to."""
    started = time.monotonic()
    found = leg.run(place)
    told = {"leg": leg.name, "table": leg.table, "seconds": round(time.monotonic() - started, 1), "guess": leg.guess}
    record = about() | told | {"settings": asked_of(leg, place)} | found
    record_of(leg, place).parent.mkdir(parents=True, exist_ok=True)
    stages.write_json(record_of(leg, place), record)
    print(f"  {_clock(record['seconds'])}: {_told(found['figures'])}", flush=True)
    return record


def shown(legs: Sequence[Leg], place: Place) -> str:
    """The legs with their guesses, and what of them is done."""
    lines = []
    for leg in legs:
        record = known(leg, place)
        state = f"done in {_clock(record['seconds'])}" if record else f"about {_clock(leg.guess)}"
        lines.append(f"{leg.table:<11} {leg.name:<34} {state}")
    left = sum(leg.guess for leg in legs if known(leg, place) is None)
    return "\n".join([*lines, f"{len(legs)} legs; about {_clock(left)} to go"])


def _clock(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if seconds >= 90 else f"{seconds:.0f} s"


def _told(figures: dict[str, Any]) -> str:
    """The figures of a set of examples, or of all."""
    last = list(figures.values())[-1]
    flat = last if isinstance(last, dict) else figures
    return ", ".join(f"{name} {value:.4f}" for name, value in flat.items() if isinstance(value, float))

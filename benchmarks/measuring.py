"""What every benchmark shares: a contestant is a process of its own, rounds are interleaved, medians are quoted.

Shared machines are noisy: contestants take turns (A B C, A B C, ...), and a ratio is the median of the ratios within
rounds, so that a slow minute hits both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def rounds(module: str, contestants: list[str], count: int, settings: dict[str, Any]) -> dict[str, list[dict]]:
    """Run `python -m module --contestant NAME --settings JSON` for each contestant in turn, `count` times over.

    Each process prints one JSON object as its last line; the objects are returned by contestant, in order.
    """
    results: dict[str, list[dict]] = {name: [] for name in contestants}
    for number in range(count):
        for name in contestants:
            results[name].append(apart(module, name, settings))
            figures = {key: value for key, value in results[name][-1].items() if not isinstance(value, list)}
            print(f"round {number + 1} of {count}  {name:<22} {figures}", flush=True)
    return results


def apart(module: str, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What one contestant prints as its last line, run as `python -m module --contestant NAME --settings JSON`."""
    command = [sys.executable, "-m", module, "--contestant", name, "--settings", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: {name} failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def started(
    contestants: list[str],
    contestant: Callable[[str, dict[str, Any]], dict],
    main: Callable[..., None],
    options: Sequence[str] = (),
) -> None:
    """What a benchmark's module does as a program: be one contestant when `rounds` says so, else measure them all.

    options: numbers that may be given as --NAME, and are given to `main` by name.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--contestant", choices=contestants)
    parser.add_argument("--settings", type=json.loads)
    for name in options:
        parser.add_argument(f"--{name}", type=int)
    given = vars(parser.parse_args())
    if given["contestant"]:
        print(json.dumps(contestant(given["contestant"], given["settings"])))
    else:
        main(**{name: given[name] for name in options if given[name] is not None})


def ratio(results: dict[str, list[dict]], ours: str, peer: str, figure: str) -> dict[str, float]:
    """Ours over the peer within each round: median, lowest, highest."""
    pairs = [a[figure] / b[figure] for a, b in zip(results[ours], results[peer], strict=True)]
    return {"median": statistics.median(pairs), "min": min(pairs), "max": max(pairs)}


def keep(name: str, settings: dict[str, Any], results: dict[str, Any], summary: dict[str, Any]) -> Path:
    """Write results/NAME.json: settings, every run, the summary, and where and at which commit it was measured."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    described = about() | {"settings": settings, "summary": summary, "runs": results}
    path.write_text(json.dumps(described, indent=2) + "\n")
    print(json.dumps(summary, indent=2))
    return path


def named(folder: str | Path) -> str:
    """What a result says of a model's folder, wherever that lies: its last two parts."""
    return "/".join(Path(folder).resolve().parts[-2:])


def about() -> dict[str, Any]:
    """Where, when and at which commit something was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain", "src"], capture_output=True, text=True).stdout.strip()
    return {
        "date": date.today().isoformat(),
        "commit": commit + ("+changes" if changed else ""),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": versions(),
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "tokenizers", "datasets", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # not every benchmark needs every peer
            continue
    return found

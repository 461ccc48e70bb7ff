"""The proofs of fine-tuning on real data, as one list of legs that continues where it stopped.

    python -m benchmarks tasks --data DATA --plan                     what would be done, and how long it may take
    python -m benchmarks tasks --data DATA --to runs/tasks            do it; the same again goes on
    python -m benchmarks tasks --data DATA --only worth 'xquad-*'     tables or legs by name
    python -m benchmarks tasks --data DATA --smoke --to runs/smoke    every leg with a handful of examples
    python -m benchmarks tasks --tables docs/tasks.md                 the tables of what is done

Each leg is one pretraining, fine-tuning or scoring (`plan.py`), kept as TO/legs/NAME.json with commit, machine, seed,
seconds and figures when it is done. A leg that fails is told of and the next one begins. Encoders stand in
--encoders: one that is there already, finished, is taken as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(given: Sequence[str]) -> None:
    """Do what is asked; exits with 1 when a leg failed, with 75 when it was stopped."""
    from benchmarks.tasks import tables
    from benchmarks.tasks.legs import Place, minutes_set
    from benchmarks.tasks.plan import planned
    from benchmarks.tasks.running import all_done, chosen, shown

    asked = _parser().parse_args(given)
    if asked.tables is None and not asked.data:
        sys.exit("error: --data FOLDER (that of text/ and tasks/) is needed, or UNMASK_DATA")
    place = Place(
        Path(asked.data or "."), asked.to, asked.encoders or asked.to / "encoders", tuple(asked.set or ()), asked.smoke
    )
    minutes = {name: float(value) for name, _, value in (word.partition("=") for word in asked.minutes)}
    legs = [minutes_set(leg, minutes) for leg in planned(range(asked.seeds))]
    if asked.tables is not None:
        return tables.write(asked.to, asked.tables, keep=True)
    legs = chosen(legs, asked.only)
    if asked.plan:
        return print(shown(legs, place))
    failed = all_done(legs, place)
    tables.write(asked.to, asked.to / "tasks.md")
    if failed:
        sys.exit(f"error: {len(failed)} legs failed: {', '.join(failed)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks tasks")
    parser.add_argument("--data", default=os.environ.get("UNMASK_DATA"), metavar="FOLDER", help="of text/ and tasks/")
    parser.add_argument("--to", type=Path, default=Path("runs/tasks"), metavar="FOLDER", help="of records and runs")
    parser.add_argument("--encoders", type=Path, metavar="FOLDER", help="of our encoders; TO/encoders by default")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="legs or tables, by name")
    parser.add_argument("--minutes", nargs="+", default=[], metavar="ENCODER=MINUTES", help="of pretraining")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=[], metavar="SETTING=VALUE", help="for every fine-tuning")
    parser.add_argument("--plan", action="store_true", help="show the legs, do nothing")
    parser.add_argument("--smoke", action="store_true", help="a handful of examples and three steps for every leg")
    parser.add_argument("--tables", type=Path, metavar="FILE", help="write the tables of what is done, do nothing else")
    return parser

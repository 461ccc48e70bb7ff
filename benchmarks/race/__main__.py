"""`python -m benchmarks.race`: see the package."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from unmask.errors import DataError, UnmaskError


def main(words: Sequence[str]) -> None:
    """Run the race, or write down what came of it; be one contestant where that is asked."""
    given = _parser().parse_args(words)
    if given.contestant:
        from benchmarks.race.running import contestant

        print(json.dumps(contestant(given.settings)))
        return
    if not given.tables:
        _race(given)
    from benchmarks.race.tables import write_tables

    write_tables(given.to, given.docs)


def _race(given: argparse.Namespace) -> None:
    from benchmarks.race import legs as plan
    from benchmarks.race.clone import MODEL, code_of
    from benchmarks.race.rows import grouped, prepared
    from benchmarks.race.running import race

    legs = _legs(given)
    if any(leg.contestant == "C" for leg in legs):
        code_of(given.clone, MODEL)  # refused before hours are spent
    store = prepared(given.texts or _wikipedia(), given.words)
    rows = grouped(store, plan.ROW_LENGTH)
    clone = None if given.clone is None else str(Path(given.clone).resolve())
    course = plan.Course(
        str(Path(store.folder).resolve()), str(rows.resolve()), clone, search_minutes=given.search_minutes
    )
    race(plan.with_search(legs, course), course, given.to)


def _legs(given: argparse.Namespace) -> list:
    from benchmarks.race import legs as plan

    if not (given.only or given.minutes or given.seeds or given.size):
        return plan.whole_race(clone=given.clone is not None)
    contestants = given.only.split(",") if given.only else plan.MAIN
    size, minutes = given.size or plan.SEARCH_SIZE, given.minutes or plan.MAIN_MINUTES
    return plan.planned(contestants, size, minutes, given.seeds or plan.SEEDS)


def _wikipedia() -> list[str]:
    """The Wikipedia part of the shared corpora."""
    found = sorted(map(str, Path(os.environ.get("UNMASK_DATA", ".")).glob("text/en/wikipedia-*.jsonl.zst")))
    if not found:
        raise DataError("which text? name files or a folder, or set UNMASK_DATA to the folder of the shared corpora")
    return found


def _parser() -> argparse.ArgumentParser:
    from benchmarks.measuring import RESULTS
    from benchmarks.race.legs import SEARCH_MINUTES
    from benchmarks.race.rows import WORDS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description="Held-out loss against the clock.")
    parser.add_argument("texts", nargs="*", help="files or folders; by default the Wikipedia part of UNMASK_DATA")
    parser.add_argument("--to", type=Path, default=RESULTS / "race", help="where legs are kept and continued")
    parser.add_argument("--only", help="these contestants: A, B, C, ours, ours-auto, or any recipe; parted by commas")
    parser.add_argument("--minutes", type=float, help="of each leg")
    parser.add_argument("--seeds", type=int, help="legs of each contestant")
    parser.add_argument("--size", help="LAYERSxWIDTH, e.g. 12x384")
    parser.add_argument("--clone", help="folder of a clone of ltgoslo/gpt-bert, for C")
    parser.add_argument("--words", type=int, default=WORDS, help="size of the vocabulary")
    parser.add_argument("--search-minutes", type=float, default=SEARCH_MINUTES, help="of each leg of B's search")
    parser.add_argument("--tables", action="store_true", help="run nothing, write the tables and the picture")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of performance.md")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UnmaskError as error:
        sys.exit(f"error: {error}")

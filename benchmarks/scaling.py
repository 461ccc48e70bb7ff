"""The runs from which `unmask pretrain auto` knows what a size is worth, and the check of what it chooses.

law      sizes by tokens on one text: the runs that the law is fitted to, with those of the check that are long
other    some of them on another text: never fitted to, they say what an expected loss is worth elsewhere
rules    batches and learning rates beside those that the rules give
check    `auto` and sizes picked by hand, by the clock, 3, 10 and once 30 minutes, with the machine to themselves

    python -m benchmarks.scaling --store stores/wiki-en                  the law's runs, an hour of two cores
    python -m benchmarks.scaling --store stores/docs --group other
    python -m benchmarks.scaling_fit --store stores/wiki-en --other stores/docs      law.json, docs/scaling.md
    python -m benchmarks.scaling --store stores/wiki-en --group check

Budgets of the first three are tokens, so other work on the machine costs time and changes no figure. A leg is a
process of its own and a file of its own in results/scaling/; legs that have theirs are passed over, so a stopped
command goes on where it was. `--only 2x128,4x192` takes the legs whose names begin so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measuring import RESULTS, about, rounds

MODULE, FOLDER = "benchmarks.scaling", RESULTS / "scaling"
MILLION = 1_000_000
LAW = {
    (2, 128): (0.25, 0.5, 1, 2, 4, 8, 16),
    (4, 192): (0.5, 1, 2, 4, 8),
    (6, 256): (1, 2, 4),
    (8, 384): (0.5, 1),
}
"""Millions of tokens by size."""
OTHER = {(2, 128): (1,), (4, 192): (2,), (6, 256): (4,)}
RULES = {
    "batch": [{"training": {"batch_size": rows}} for rows in (8, 16, 32, 64)],
    "adam": [{"optimizer": {"adam_learning_rate": rate}} for rate in (1.5e-3, 3e-3, 6e-3)],
    "muon": [{"optimizer": {"learning_rate": rate}} for rate in (0.01, 0.04)],
}
LONGER = {"batch": [{"training": {"batch_size": rows}} for rows in (32, 176)]}
RULED = {(2, 128, 1): RULES, (4, 192, 2): RULES, (4, 192, 4): LONGER}
PICKED = ((2, 128), (4, 192), (6, 256), (8, 384), (12, 384))
CHECKED = {3: PICKED, 10: PICKED, 30: PICKED[:3]}
"""The sizes beside recipe auto, by minutes: once for half an hour, beside those that come into question."""
FIGURES = ("loss", "unigram_loss", "token_accuracy", "word_accuracy", "masked_tokens")


def legs(group: str, store: str) -> dict[str, dict[str, Any]]:
    """What each leg of a group is trained with, by its name, the cheapest first."""
    made = {f"{group}-{Path(store).name}-{name}": {"store": store} | leg for name, leg in _planned(group)}
    return dict(sorted(made.items(), key=lambda item: _cost(item[1])))


def _planned(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if group in ("law", "other"):
        for (layers, width), budgets in (LAW if group == "law" else OTHER).items():
            for millions in budgets:
                yield _by_tokens(layers, width, millions)
    elif group == "rules":
        for (layers, width, millions), rules in RULED.items():
            name, leg = _by_tokens(layers, width, millions)
            for rule, changes in rules.items():
                for change in changes:
                    (value,) = next(iter(change.values())).values()
                    yield f"{name}-{rule}-{value:g}", leg | {"change": change}
    else:
        for minutes, sizes in CHECKED.items():
            for layers, width in sizes:
                yield f"{layers}x{width}-{minutes}min", {"layers": layers, "width": width, "minutes": minutes}
            yield f"auto-{minutes}min", {"auto": True, "minutes": minutes}


def _by_tokens(layers: int, width: int, millions: float) -> tuple[str, dict[str, Any]]:
    name = f"{layers}x{width}-{millions:g}M"
    return name, {"layers": layers, "width": width, "tokens": round(millions * MILLION)}


def _cost(leg: Mapping[str, Any]) -> float:
    """By which legs are ordered: about the operations, or the minutes."""
    return leg["minutes"] if "minutes" in leg else leg["tokens"] * leg["layers"] * leg["width"] ** 2


# ---------------------------------------------------------------- one leg


def trained(leg: Mapping[str, Any]) -> dict[str, Any]:
    """Train a leg in this process: its figures, and what it was."""
    import unmask
    from unmask import console

    console.set_quiet(True)
    run, expected = _decided(leg) if leg.get("auto") else (_run(leg), None)
    with tempfile.TemporaryDirectory() as folder:
        outcome = unmask.pretrain(run, Path(folder) / "run")
        records = (Path(folder) / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(records[-1])
    return {
        "layers": run.architecture.layers,
        "width": run.architecture.width,
        "rows": run.training.batch_size,
        "seed": run.seed,
        "expected": expected,
        **{figure: outcome.figures[figure] for figure in FIGURES},
        **{key: last[key] for key in ("step", "tokens", "seconds", "flops")},
    }


def _decided(leg: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The run that recipe auto makes of a leg, and what it expects."""
    from unmask.config import changed
    from unmask.recipes.auto import auto
    from unmask.scaling import choose

    minutes, final = {"minutes": float(leg["minutes"])}, {"final_tokens": leg["final_tokens"]}
    choice = choose(changed(auto(), data={"store": leg["store"]}, training=minutes, evaluation=final))
    return choice.run, choice.record


def _run(leg: Mapping[str, Any]) -> Any:
    """The run of a leg: sizes by hand take the batch and the rates that the rules give them."""
    from unmask.config import changed
    from unmask.recipes.modernbert import modernbert
    from unmask.scaling.sizes import Size, rows

    size, run = Size(leg["layers"], leg["width"]), modernbert()
    run = changed(
        run,
        data={"store": leg["store"]},
        architecture=size.architecture,
        optimizer=size.optimizer,
        evaluation={"final_tokens": leg["final_tokens"]},
    )
    if "minutes" in leg:
        run = changed(run, training={"minutes": float(leg["minutes"])})
        return changed(run, training={"batch_size": _rows_by_clock(run, size)})
    count = rows(leg["tokens"], run.data.row_length)
    run = changed(run, training={"tokens": leg["tokens"], "batch_size": count, "evaluations": 0})
    return changed(run, **leg.get("change", {}))


def _rows_by_clock(run: Any, size: Any) -> int:
    """The batch that the rule gives a size for the tokens it will read, by a measurement of the machine."""
    from unmask.scaling.candidates import Plan, paced
    from unmask.scaling.speed import Setup, measured
    from unmask.tokens.store import Store
    from unmask.training.precision import chosen_device

    store = Store.open(run.data.store)
    speed = measured(Setup.of(run, store, chosen_device(run.training.device)))
    return paced(size, speed, Plan.of(run, store)).rows


# ---------------------------------------------------------------- all legs


def main(words: list[str] | None = None) -> None:
    """Train the legs of a group that have no file yet."""
    parser = _parser()
    given = parser.parse_args(words)
    if given.contestant is not None:
        print(json.dumps(trained(given.settings)))
        return
    if given.store is None:
        parser.error("which store? --store STORE")
    for name, leg in legs(given.group, given.store).items():
        short = name.removeprefix(f"{given.group}-{Path(given.store).name}-")
        if short.startswith(tuple(given.only.split(","))) and not (FOLDER / f"{name}.json").is_file():
            _kept(name, leg | {"final_tokens": given.final_tokens})


def _kept(name: str, leg: Mapping[str, Any]) -> None:
    """Train a leg in a process of its own and keep what came of it."""
    (result,) = rounds(MODULE, [name], 1, dict(leg))[name]
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(about() | {"leg": {**leg, "store": Path(leg["store"]).name}, "result": result}, indent=2)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--store", help="a prepared store")
    parser.add_argument("--group", choices=["law", "other", "rules", "check"], default="law")
    parser.add_argument("--only", default="", help="beginnings of the legs' names, parted by commas; all by default")
    parser.add_argument("--final-tokens", type=int, default=100_000, help="held-out tokens of a leg's figures")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])

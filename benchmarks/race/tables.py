"""What came of the race: tables and a picture a size, between two marks of docs/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.race.legs import PEERS, SEARCH
from benchmarks.race.ours import OURS
from benchmarks.race.running import records
from unmask.errors import DataError
from unmask.report.comparison import Curve, mean_curve, plot_losses

PAGE = "performance.md"
BEGIN, END = "<!-- race: written by python -m benchmarks.race --tables -->", "<!-- end of the race -->"
NAMES = {
    "A": "A: Trainer, BERT, run_mlm.py",
    "B": "B: Trainer, ModernBERT, tuned",
    "C": "C: GPT-BERT",
    "ours-auto": "ours, size by auto",
}
CLAIM = 0.2
"""Nats under the unigram line where A must end for a ratio to it to mean anything."""

Group = tuple[str, float]
"""A contestant and its minutes."""


def write_tables(to: Path, docs: Path) -> None:
    """Write the pictures beside the page, and the tables into it; DataError where no leg is done."""
    made = records(to)
    if not made:
        raise DataError(f"{to} holds no finished leg: run python -m benchmarks.race TEXTS first")
    page = docs / PAGE
    text = page.read_text(encoding="utf-8") if page.is_file() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{BEGIN}\n{_written(made, docs)}\n{END}{after}", encoding="utf-8")
    print(f"{page} and its pictures are written from {len(made)} legs")


def _written(made: Sequence[Mapping[str, Any]], docs: Path) -> str:
    raced = [record for record in made if record["leg"]["contestant"] != SEARCH]
    parts = [_of_size(size, _grouped(raced, size), docs) for size in sorted({each["leg"]["size"] for each in raced})]
    return "\n\n".join([*parts, *_search([record for record in made if record["leg"]["contestant"] == SEARCH])])


def _grouped(made: Iterable[Mapping[str, Any]], size: str) -> dict[Group, list[Mapping[str, Any]]]:
    """The legs of a size, seeds together, the longer and the better ones first."""
    groups: dict[Group, list[Mapping[str, Any]]] = {}
    for record in made:
        if record["leg"]["size"] == size:
            groups.setdefault((record["leg"]["contestant"], record["leg"]["minutes"]), []).append(record)
    return dict(sorted(groups.items(), key=lambda item: (-item[0][1], _loss(item[1]))))


def _loss(seeds: Sequence[Mapping[str, Any]]) -> float:
    """The median held-out loss over seeds, of all held-out text that is asked."""
    return statistics.median(record["figures"]["loss"] for record in seeds)


# ---------------------------------------------------------------- a size


def _of_size(size: str, groups: Mapping[Group, Sequence[Mapping[str, Any]]], docs: Path) -> str:
    first = next(iter(groups.values()))[0]
    unigram = first["figures"]["unigram_loss"]
    where = f"{first['machine']['processor']}, {first['machine']['cores']} cores"
    commits = ", ".join(sorted({each["commit"] for seeds in groups.values() for each in seeds}))
    lines = [
        f"### Layers x width {size}",
        "\n\n".join(_pictures(size, groups, unigram, docs)),
        f"{where}; {_versions(first)}; commit {commits}. Unigram line {unigram:.3f}. Losses in nats for each masked "
        "token, medians over seeds; the spread is from the lowest to the highest.",
        _table(groups),
        "\n".join(f"- {line}" for line in _verdicts(groups, unigram)),
    ]
    return "\n\n".join(line for line in lines if line)


def _pictures(
    size: str, groups: Mapping[Group, Sequence[Mapping[str, Any]]], unigram: float, docs: Path
) -> Iterator[str]:
    """The race itself, and families beside ours where there are any, each drawn and shown."""
    families = [group for group in groups if group[0] not in (*PEERS, *OURS)]
    race = [group for group in groups if group not in families]
    # Families beside what ours comes to in the same time.
    same = [group for group in race if group[0] in OURS and group[1] in {minutes for _, minutes in families}]
    for name, title, drawn in (
        (f"race-{size}", f"Held-out loss against the clock, {size}", race),
        (f"race-{size}-families", f"Other objectives, {size}", [*same, *families] if families else []),
    ):
        longest = max((minutes for _, minutes in drawn), default=0.0)
        curves = {_name(group, longest): [_curve(each) for each in groups[group]] for group in drawn}
        if plot_losses(curves, {"unigram line": unigram}, docs / f"{name}.png", title):
            yield f"![{title}]({name}.png)"


def _versions(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {record['versions'][name]}" for name in ("torch", "transformers"))


def _name(group: Group, longest: float) -> str:
    contestant, minutes = group
    name = NAMES.get(contestant, contestant)
    return name if minutes == longest else f"{name}, {minutes:.3g} min"


def _curve(record: Mapping[str, Any]) -> Curve:
    points = record["curve"]
    return np.array([each["seconds"] for each in points]), np.array([each["loss"] for each in points])


def _table(groups: Mapping[Group, Sequence[Mapping[str, Any]]]) -> str:
    head = [
        "| contestant | minutes | seeds | loss | spread | accuracy | parameters | steps | tokens/s | rows/step |",
        f"| --- |{' ---: |' * 9}",
    ]
    return "\n".join([*head, *(_row(group, seeds) for group, seeds in groups.items())])


def _row(group: Group, seeds: Sequence[Mapping[str, Any]]) -> str:
    def median(of: str) -> float:
        return statistics.median(record[of] for record in seeds)

    losses = [record["figures"]["loss"] for record in seeds]
    accuracy = statistics.median(record["figures"]["token_accuracy"] for record in seeds)
    cells = [
        NAMES.get(group[0], group[0]),
        f"{group[1]:.3g}",
        len(seeds),
        f"{_loss(seeds):.3f}",
        f"{max(losses) - min(losses):.3f}",
        f"{100 * accuracy:.1f} %",
        f"{median('parameters') / 1e6:.1f} M",
        f"{median('steps'):,.0f}",
        f"{median('tokens_per_second'):,.0f}",
        _rows_in_a_step(seeds[0]["settings"]),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _rows_in_a_step(settings: Mapping[str, Any]) -> str:
    return str(settings.get("batch", settings.get("per_device_train_batch_size")))


# ---------------------------------------------------------------- what it says


def _verdicts(groups: Mapping[Group, Sequence[Mapping[str, Any]]], unigram: float) -> list[str]:
    """Sentences that the figures bear out: ours against B at its end, and where A stands."""
    found = []
    b = max((group for group in groups if group[0] == "B"), key=lambda group: group[1], default=None)
    if b is not None:
        found += [_against_b(group, groups[group], b, groups[b]) for group in groups if group[0] not in ("A", "B")]
    for group, seeds in groups.items():
        if group[0] == "A":
            under = unigram - _loss(seeds)
            claim = "" if under >= CLAIM else "; no ratio to it is claimed"
            found.append(f"A ends {abs(under):.2f} nats {'under' if under > 0 else 'above'} the unigram line{claim}.")
    return found


def _against_b(group: Group, seeds: Sequence[Mapping[str, Any]], b: Group, of_b: Sequence[Mapping[str, Any]]) -> str:
    """How a contestant's loss stands to that of B at its end, and when it got there."""
    difference = _loss(seeds) - _loss(of_b)
    goal = float(mean_curve([_curve(each) for each in of_b])[1][-1])
    reached = seconds_to(mean_curve([_curve(each) for each in seeds]), goal)
    when = "does not get there" if reached is None else f"is there after {reached:,.0f} s"
    side = "under" if difference <= 0 else "above"
    return (
        f"{group[0]} in {group[1]:.3g} minutes ends {abs(difference):.3f} nats {side} what B comes to in {b[1]:.3g}, "
        f"and {when}."
    )


def seconds_to(curve: Curve, goal: float) -> float | None:
    """When a curve first is at or below a loss, between two points by a straight line; None where it never is."""
    xs, ys = curve
    below = np.flatnonzero(ys <= goal)
    if not len(below):
        return None
    n = int(below[0])
    if n == 0:
        return float(xs[0])
    share = (ys[n - 1] - goal) / (ys[n - 1] - ys[n])
    return float(xs[n - 1] + share * (xs[n] - xs[n - 1]))


def _search(made: Sequence[Mapping[str, Any]]) -> list[str]:
    """The held-out losses of B's search, rates down and batches across, a table for each length of it."""
    tables = []
    for size, minutes in sorted({(each["leg"]["size"], each["leg"]["minutes"]) for each in made}):
        losses = {
            (each["leg"]["settings"]["learning_rate"], each["leg"]["settings"]["batch"]): each["figures"]["loss"]
            for each in made
            if (each["leg"]["size"], each["leg"]["minutes"]) == (size, minutes)
        }
        rates, batches = sorted({rate for rate, _ in losses}), sorted({batch for _, batch in losses})
        lines = [
            f"| learning rate | {' | '.join(f'{batch} rows' for batch in batches)} |",
            f"| ---: |{' ---: |' * len(batches)}",
        ]
        for rate in rates:
            cells = (f"{losses[rate, batch]:.3f}" if (rate, batch) in losses else "" for batch in batches)
            lines.append(f"| {rate:g} | {' | '.join(cells)} |")
        tables.append(f"B's search, {size}, {minutes:g} minutes each:\n\n" + "\n".join(lines))
    return tables

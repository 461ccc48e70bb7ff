"""The tables of docs/performance.md, made from benchmarks/results: `python -m benchmarks.tables`.

In the page a table stands between `<!-- NAME -->` and `<!-- /NAME -->`; all else is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.measuring import RESULTS

PAGE = RESULTS.parents[1] / "docs" / "performance.md"
_MARKED = re.compile(r"<!-- (?P<name>[\w-]+) -->\n.*?<!-- /(?P=name) -->", re.DOTALL)


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def filled(page: str, results: Path) -> str:
    """The page with the table of each result between its marks."""

    def section(found: re.Match[str]) -> str:
        name = found["name"]
        path = results / f"{name}.json"
        body = table(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else _not_yet(name)
        return f"<!-- {name} -->\n{body}\n<!-- /{name} -->"

    return _MARKED.sub(section, page)


def table(result: dict[str, Any]) -> str:
    """The figures of a result as Markdown, and where they were measured."""
    summary, about = result["summary"], result["machine"]
    grids = {name: points for name, points in summary.items() if _is_grid(points)}
    rows = _leaves({name: value for name, value in summary.items() if name not in grids})
    parts = [_grid(name, points) for name, points in grids.items()]
    if rows:
        parts.append("\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]))
    where = f"{result['date']}, commit {result['commit']}, {about['processor']}, {about['cores']} cores"
    return "\n\n".join([*parts, where])


def _is_grid(points: Any) -> bool:
    """Whether a figure is several points that have the same numbers each."""
    if not points or not isinstance(points, dict) or not all(isinstance(point, dict) for point in points.values()):
        return False
    (columns, *others) = [list(point) for point in points.values()]
    scalars = all(isinstance(value, (int, float)) for point in points.values() for value in point.values())
    return scalars and "median" not in columns and all(other == columns for other in others)


def _grid(name: str, points: dict[str, dict[str, Any]]) -> str:
    """A row for each point, a column for each of its numbers."""
    columns = list(next(iter(points.values())))
    lines = [
        f"| {name.replace('_', ' ')} | {' | '.join(column.replace('_', ' ') for column in columns)} |",
        "|---" + "|---:" * len(columns) + "|",
        *(
            f"| {point} | {' | '.join(_shown(value) for value in values.values())} |"
            for point, values in points.items()
        ),
    ]
    return "\n".join(lines)


def _not_yet(name: str) -> str:
    return f"Not measured yet: `python -m benchmarks {name}`."


def _leaves(summary: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Each figure by the names that lead to it; a ratio is one figure, and a dict of numbers alone one line."""
    rows = []
    for name, value in summary.items():
        here = (*path, name.replace("_", " "))
        if isinstance(value, dict) and set(value) != {"median", "min", "max"}:
            rows += _leaves(value, here)
        else:
            rows.append((": ".join(here), _shown(value)))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"**{_shown(value['median'])} times** ({_shown(value['min'])} to {_shown(value['max'])})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        if 0.99 < value < 1:
            return f"{value:.5f}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


if __name__ == "__main__":
    main()

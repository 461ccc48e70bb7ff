"""Fit the law to the legs that `benchmarks/scaling.py` has kept: law.json of the package, and docs/scaling.md.

    python -m benchmarks.scaling_fit --store stores/wiki-en --other stores/docs

--store is the text of the law's legs, --other (may be left out) another on which the law is only tried. The lines of
each text are counted anew. docs/scaling.md keeps its words; the part between its two marks is written again, and so is
the picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.scaling import FOLDER, PICKED

DOCS = Path(__file__).parent.parent / "docs"
LONG = 10
"""Minutes from which a run of the check counts among the law's: no other is as long."""
BEGIN, END = "<!-- runs -->\n", "<!-- end of runs -->\n"


def main(words: list[str] | None = None) -> None:
    """Fit, and write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling_fit")
    parser.add_argument("--store", required=True, help="the store of the law's legs")
    parser.add_argument("--other", help="a store of other text with legs of its own")
    given = parser.parse_args(words)
    from unmask.scaling.fit import FILE

    data = fitted(given.store, given.other)
    FILE.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    picture(data, DOCS / "scaling.png")
    page = DOCS / "scaling.md"
    page.write_text(written(page.read_text(encoding="utf-8"), tables(data) + checks(given.store)), encoding="utf-8")
    print(json.dumps({"law": data["law"], "error": data["error"]}, indent=2))


def fitted(store: str, other: str | None) -> dict[str, Any]:
    """What law.json holds."""
    from unmask.scaling.fit import report
    from unmask.scaling.law import Law, Point, Scale, residuals, root_mean_square

    def points(text: dict[str, Any], runs: list[dict[str, Any]]) -> list[Point]:
        return [
            Point(Scale(run["parameters"], run["tokens"], text["tokens"]), _lines(text), run["loss"]) for run in runs
        ]

    text, runs = described(store), by_size([*kept("law", store), *kept("check", store)])
    data = report(points(text, runs), runs, {"text": text})
    if other is not None:
        text, runs = described(other), kept("other", other)
        off = residuals(Law(**data["law"]), points(text, runs))
        data["error"]["other"] = round(root_mean_square(off), 4)
        runs = [run | {"expected": round(run["loss"] - one, 4)} for run, one in zip(runs, off, strict=True)]
        data["other"] = {"text": text, "runs": runs}
    return data


def kept(group: str, store: str) -> list[dict[str, Any]]:
    """The legs of a group on a store that are done; of those by the clock the long ones."""
    from unmask.scaling.sizes import Size

    runs = []
    for path in FOLDER.glob(f"{group}-{Path(store).name}-*.json"):
        leg = json.loads(path.read_text(encoding="utf-8"))
        result, minutes = leg["result"], leg["leg"].get("minutes")
        if minutes is not None and minutes < LONG:
            continue
        size = Size(result["layers"], result["width"])
        runs.append(
            {"size": str(size), "parameters": size.parameters, "commit": leg["commit"], "minutes": minutes}
            | {key: result[key] for key in ("tokens", "rows", "seed")}
            | {"loss": round(result["loss"], 4)}
        )
    if not runs and group != "check":
        raise SystemExit(f"error: no legs of {store} in {FOLDER}: python -m benchmarks.scaling --store {store}")
    return by_size(runs)


def by_size(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By parameters and tokens."""
    return sorted(runs, key=lambda run: (run["parameters"], run["tokens"]))


def described(store: str) -> dict[str, Any]:
    """The name, the tokens and the lines of a text, as recipe auto counts them."""
    from unmask.recipes.modernbert import modernbert
    from unmask.scaling.lines import lines_of
    from unmask.tokens.store import Store

    opened = Store.open(store)
    lines = lines_of(opened, modernbert())
    rounded = {name: round(value, 4) for name, value in lines._asdict().items()}
    return {"name": Path(store).name, "tokens": opened.count("tokens", "train")} | rounded


def _lines(text: dict[str, Any]) -> Any:
    from unmask.scaling.law import Lines

    return Lines(unigram=text["unigram"], ngram=text["ngram"])


# ---------------------------------------------------------------- the page


def written(page: str, part: str) -> str:
    """A page with the part between its marks written anew."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + part + END + rest.partition(END)[2]


def tables(data: dict[str, Any]) -> str:
    """The law, its error, and the runs, as Markdown."""
    law, error, text = data["law"], data["error"], data["text"]
    sizes, tokens = [run["size"] for run in data["runs"]], [run["tokens"] / 1e6 for run in data["runs"]]
    parts = [
        f"height = {law['level']:g} - {law['gain']:g} ln R + {law['size_cost']:g} N^-{law['size_power']:g} "
        f"R^{law['size_growth']:g}, N in millions of parameters, R = {law['start']:g} + millions of tokens.\n",
        f"Error in nats (root of the mean square): {error['fitted']:.3f} for the {len(data['runs'])} runs it is fitted "
        f"to, {error['left_out']:.3f} for each of them when it is left out of the fit.\n",
        f"Seen: {sizes[0]} to {sizes[-1]}, {min(tokens):.2f} to {max(tokens):.2f} M tokens, one seed each. All else is "
        "extrapolated.\n",
        _text_line(text),
        _table(data["runs"], left_out=True),
    ]
    if "other" in data:
        parts += [
            f"Other text, never fitted to: error {error['other']:.3f} nats.\n",
            _text_line(data["other"]["text"]),
            _table(data["other"]["runs"], left_out=False),
        ]
    return "\n".join(parts)


def checks(store: str) -> str:
    """Recipe auto and the sizes picked by hand, a column for each time, as Markdown; nothing where none has run."""
    losses: dict[str, dict[float, str]] = {}
    for path in FOLDER.glob(f"check-{Path(store).name}-*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        leg, result = record["leg"], record["result"]
        size, said = f"{result['layers']}x{result['width']}", f"{result['loss']:.3f}"
        if leg.get("auto"):
            said += f" ({size}; {result['expected']['loss']:.2f} expected)"
        losses.setdefault("auto" if leg.get("auto") else size, {})[leg["minutes"]] = said
    if not losses:
        return ""
    order = [name for name in ("auto", *(f"{layers}x{width}" for layers, width in PICKED)) if name in losses]
    minutes = sorted({time for name in order for time in losses[name]})
    lines = [
        "\nBy the clock, `auto` and sizes picked by hand (`--group check`):\n",
        f"| | {' | '.join(f'{time:g} minutes' for time in minutes)} |",
        "|---" + "|---:" * len(minutes) + "|",
        *(f"| {name} | {' | '.join(losses[name].get(time, '') for time in minutes)} |" for name in order),
    ]
    return "\n".join(lines) + "\n"


def _text_line(text: dict[str, Any]) -> str:
    return (
        f"`{text['name']}`: {text['tokens'] / 1e6:.1f} M training tokens, unigram line {text['unigram']:.3f}, "
        f"n-gram line {text['ngram']:.3f}.\n"
    )


def _table(runs: list[dict[str, Any]], left_out: bool) -> str:
    heads = ["size", "parameters", "budget", "tokens", "rows a step", "loss", "expected"] + left_out * ["when left out"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for run in runs:
        budget = "tokens" if run["minutes"] is None else f"{run['minutes']:g} min"
        cells = [run["size"], f"{run['parameters'] / 1e6:.2f} M", budget, f"{run['tokens'] / 1e6:.2f} M"]
        cells.append(str(run["rows"]))
        cells += [f"{run[key]:.3f}" for key in ["loss", "expected"] + left_out * ["left_out"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def picture(data: dict[str, Any], path: Path) -> None:
    """Loss against tokens: the runs as points, the law as lines, a colour for each size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from unmask.scaling.law import Law, Scale

    law, text = Law(**data["law"]), data["text"]
    figure, axes = plt.subplots(figsize=(7, 4.5))
    tokens = np.geomspace(min(run["tokens"] for run in data["runs"]), max(run["tokens"] for run in data["runs"]), 50)
    for size, parameters in sorted({(run["size"], run["parameters"]) for run in data["runs"]}, key=lambda one: one[1]):
        some = [run for run in data["runs"] if run["size"] == size]
        points = axes.scatter([run["tokens"] / 1e6 for run in some], [run["loss"] for run in some], label=size)
        curve = law.loss(Scale(parameters, tokens, text["tokens"]), _lines(text))
        axes.plot(tokens / 1e6, curve, color=points.get_facecolor()[0])
    axes.axhline(text["ngram"], color="grey", linestyle=":", label="n-grams")
    axes.set_xscale("log", base=2)
    axes.set(xlabel="tokens read (millions)", ylabel="held-out loss (nats a token)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()

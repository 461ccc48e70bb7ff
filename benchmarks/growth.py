"""What work costs as it grows: seconds and peak memory, one thing made larger while all others stay.

corpus        preparation of 1, 10 and 100 % of the documents of $UNMASK_DATA/text/en; left out without it
row_length    a training step of ModernBERT, 128 to 8,192 tokens a row, always as many tokens in a step
words         a step against the size of the vocabulary
size          a step against layers and width

Each point is a process of its own, so that its peak memory is its own. The table and the picture (docs/growth.png)
have beside it what would be linear: double the cost where work doubles.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, rounds, started
from benchmarks.preparation import Memory, files_in, prepared, texts_in, train_tokenizer
from benchmarks.tables import PAGE

SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 512, "words": 16_384, "row_length": 512, "tokens": 8192,
    "ratio": 0.15, "steps": 5, "warmup": 2, "seed": 0,
}  # fmt: skip
ROWS = (128, 256, 512, 1024, 2048, 4096, 8192)
WORDS = (4096, 16_384, 65_536)
SIZES = {"4x128": (4, 128), "6x256": (6, 256), "12x384": (12, 384), "16x512": (16, 512)}
SHARES = (0.01, 0.1, 1.0)
WORKERS = 2
POINTS = {
    "corpus": [f"{share:g}" for share in SHARES],
    "row_length": [str(length) for length in ROWS],
    "words": [str(words) for words in WORDS],
    "size": list(SIZES),
}
CONTESTANTS = [f"{axis}={point}" for axis, points in POINTS.items() for point in points]


def main(settings: dict[str, Any] | None = None, contestants: list[str] | None = None) -> None:
    """Measure all points, keep the results and draw them."""
    settings, wanted = settings or SETTINGS, contestants or CONTESTANTS
    texts = os.environ.get("UNMASK_DATA")
    if not texts:
        print("growth: preparation is left out, UNMASK_DATA does not name the folder of the corpora")
        wanted = [name for name in wanted if not name.startswith("corpus=")]
    with tempfile.TemporaryDirectory() as work:
        given = settings
        if any(name.startswith("corpus=") for name in wanted):
            given = settings | {"texts": f"{texts}/text/en", "tokenizer": f"{work}/tokenizer", "workers": WORKERS}
            train_tokenizer(given)
        runs = rounds("benchmarks.growth", wanted, 1, given)
    summary = {axis: _points(axis, runs) for axis in POINTS if _points(axis, runs)}
    path = keep("growth", settings, runs, summary)
    draw(summary, PAGE.parent / "growth.png")
    print(path)


def _points(axis: str, runs: dict[str, list[dict]]) -> dict[str, dict[str, float]]:
    named = {point: runs.get(f"{axis}={point}") for point in POINTS[axis]}
    return {point: found[0] for point, found in named.items() if found}


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """Work, seconds and peak memory of one point in this process."""
    axis, _, point = name.partition("=")
    return _preparation(float(point), settings) if axis == "corpus" else _step(axis, point, settings)


def _step(axis: str, point: str, settings: dict[str, Any]) -> dict[str, float]:
    import torch

    from benchmarks.steps import median_step, training_step
    from unmask.architectures.modernbert import ModernBert
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.training.memory import peak_memory
    from unmask.training.optimizers.muon import Muon

    settings = settings | changed(axis, point)
    settings |= {"batch": settings["tokens"] // settings["row_length"]}
    torch.manual_seed(settings["seed"])
    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    objective = MaskedLanguageModeling().build(ModernBert(**sizes).build(settings["words"]), settings["words"])
    parameters = sum(parameter.numel() for parameter in objective.parameters())
    found = median_step(training_step(objective, Muon(), settings), settings)
    work = {"size": parameters}.get(axis) or settings[axis]
    memory = peak_memory(torch.device("cpu")) or 0
    return {"work": work, "seconds": found["step_seconds"], "peak_memory_mb": round(memory / 1e6, 1)}


def changed(axis: str, point: str) -> dict[str, int]:
    """The settings that a point has otherwise."""
    if axis != "size":
        return {axis: int(point)}
    layers, width = SIZES[point]
    return {"layers": layers, "width": width, "heads": width // 64, "feedforward": 2 * width}


def _preparation(share: float, settings: dict[str, Any]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        part, size = Path(folder) / "part.jsonl", 0
        with part.open("w", encoding="utf-8") as lines:
            for number, text in enumerate(texts_in(files_in(settings["texts"]))):
                if number % round(1 / share) == 0:
                    lines.write(json.dumps({"text": text}) + "\n")
                    size += len(text.encode())
        with Memory() as memory:
            begun = time.perf_counter()
            prepared([str(part)], settings, Path(folder))
            seconds = time.perf_counter() - begun
    return {"work": round(size / 1e6, 2), "seconds": seconds, "peak_memory_mb": round(memory.peak / 1e6, 1)}


AXES = {
    "corpus": "corpus, MB of text",
    "row_length": "row, tokens (step of as many tokens)",
    "words": "vocabulary, words",
    "size": "model, parameters",
}


def draw(summary: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Time above, memory below, a column for each thing that grows, all scales logarithmic from zero cost up."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot, ticker

    figure, grid = pyplot.subplots(2, len(summary), figsize=(3.2 * len(summary), 5), squeeze=False, sharex="col")
    for column, (axis, points) in enumerate(summary.items()):
        work = [point["work"] for point in points.values()]
        for row, (figure_name, label) in enumerate((("seconds", "seconds"), ("peak_memory_mb", "peak memory, MB"))):
            axes, values = grid[row][column], [point[figure_name] for point in points.values()]
            axes.plot(work, values, "o-", color="tab:blue", label="measured")
            axes.plot(work, [values[0] * each / work[0] for each in work], ":", color="gray", label="linear")
            axes.set(xscale="log", yscale="log", ylim=(min(values) / 3, max(values) * 3))
            axes.set_xticks(work, [_short(each) for each in work], rotation=90 if len(work) > 4 else 0)
            axes.xaxis.set_minor_locator(ticker.NullLocator())
            axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:,g}")
            axes.yaxis.set_minor_locator(ticker.NullLocator())
            axes.spines[["top", "right"]].set_visible(False)
            if column == 0:
                axes.set_ylabel(label)
        grid[1][column].set_xlabel(AXES[axis])
    grid[0][0].legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _short(work: float) -> str:
    """An amount of work as a tick says it: 8 M of parameters, 16,384 words, 1.4 MB."""
    return f"{work / 1e6:.0f} M" if work >= 1e6 else f"{work:,.0f}" if work >= 10 else f"{work:g}"


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main)

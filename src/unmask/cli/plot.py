"""`unmask plot`: the learning curves of one or several runs, as a picture and in the terminal."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask import console
from unmask.cli.options import Quiet, evaluating, examples

NAME = "plot"
EXAMPLES = examples("unmask plot runs/demo", "unmask plot runs/a runs/b --x tokens --to curves.png")


class Axis(StrEnum):
    """What the curves run over."""

    seconds = "seconds"
    steps = "steps"
    tokens = "tokens"


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE.png", help="The picture; in the first run's report/ by default."),
    ] = None,
    x: Annotated[Axis, typer.Option("--x", help="The horizontal axis.")] = Axis.steps,
    quiet: Quiet = False,
) -> None:
    """Draw learning curves."""
    from unmask.report.curves import plot, terminal

    name = "learning-curve.png" if len(runs) == 1 else "comparison.png"
    picture = plot(runs, to or runs[0] / "report" / name, x.value)
    if not console.quiet():
        print(terminal(runs, x.value))
    console.console().print(f"[dim]picture[/dim]  {picture}")
    console.next_step(evaluating(runs[0]))

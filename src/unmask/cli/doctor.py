"""`unmask doctor`: what is wrong with a text source, a token store, or a run, and how to mend it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from unmask import console
from unmask.cli.options import Json, Quiet, examples

NAME = "doctor"
EXAMPLES = examples("unmask doctor my-texts/", "unmask doctor stores/wiki", "unmask doctor runs/demo --json")
_MARKS = {"ok": "[green]ok[/green]", "note": "[cyan]note[/cyan]", "warning": "[yellow]warning[/yellow]"}


def command(
    target: Annotated[str, typer.Argument(metavar="SOURCE|STORE|RUN", help="What to look at.")],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find what is wrong with a source, a store, or a run."""
    from unmask.doctor import diagnose

    diagnosis = diagnose(target)
    if as_json:
        console.print_json(diagnosis.to_dict())
    else:
        _show(diagnosis)
    console.next_step(diagnosis.next_step)


def _show(diagnosis: Any) -> None:
    out = console.console()
    for finding in diagnosis.findings:
        out.print(f"{_MARKS[finding.level]}  {escape(finding.what)}")
        if finding.mend:
            out.print(f"    [dim]{escape(finding.mend)}[/dim]")

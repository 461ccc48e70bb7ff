"""What a person sees on the terminal: one console for words and tables (stderr stays for errors and progress).

Plain lines when standard output is no terminal or NO_COLOR is set; nothing but results with `--quiet`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_state = {"quiet": False}


def set_quiet(quiet: bool) -> None:
    """Silence notices and progress in this process, or let them be heard again."""
    _state["quiet"] = quiet


def quiet() -> bool:
    """Whether only results are wanted."""
    return _state["quiet"]


def console() -> Console:
    """The console for standard output; made on use, so that a test's captured stream is honoured."""
    return _console(sys.stdout)


def progress_console() -> Console:
    """The console for progress bars and notices: standard error, so that results can be piped."""
    return _console(sys.stderr, quiet=_state["quiet"])


def live(stream: TextIO) -> bool:
    """Whether a stream can be drawn upon again and again: a terminal whose owner has not asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(message: str) -> None:
    """A notice for a person (rich markup allowed), silenced by --quiet."""
    progress_console().print(message)


def warn(message: str) -> None:
    """Something the person should know that does not stop the work."""
    progress_console().print(f"[yellow]note:[/yellow] {message}")


def counted(number: int, thing: str) -> str:
    """1 output, 2 outputs."""
    return f"{number:,} {thing}" + "s" * (number != 1)


def next_step(command: str) -> None:
    """The next useful command, the last line of every verb."""
    # Never broken into lines: it is there to be copied.
    progress_console().print(f"[dim]next:[/dim] [bold]{escape(command)}[/bold]", soft_wrap=True)


def complain(kind: str, message: str) -> None:
    """What stopped the work, on one line of standard error; not silenced by --quiet."""
    line = " ".join(message.split())
    _console(sys.stderr).print(f"[bold red]{kind}:[/bold red] {escape(line)}", soft_wrap=True)


def print_json(value: Any) -> None:
    """A result for a program: JSON on standard output and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    """A table of figures: the first column is text, the others are right-aligned."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made


def _console(stream: TextIO, quiet: bool = False) -> Console:
    # Elsewhere than on a terminal a line stays one line, however long: logs are searched, not looked at.
    return Console(
        file=stream,
        highlight=False,
        quiet=quiet,
        soft_wrap=not stream.isatty(),
        color_system="auto" if live(stream) else None,
    )

"""Options that several verbs share, and the telling apart of `section.field=value` from other words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import typer

from unmask import console

_ASSIGNMENT = re.compile(r"[a-z_]+(\.[a-z_0-9]+)+=")


def _quieten(value: bool) -> bool:
    if value:
        console.set_quiet(True)
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", metavar="", callback=_quieten, help="Results only: no progress, no notices.")
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print the result as JSON.")]


def separated(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Words that are no settings, and the `section.field=value` ones, each in their order."""
    plain: list[str] = []
    settings: list[str] = []
    for word in words:
        (settings if _ASSIGNMENT.match(word) else plain).append(word)
    return plain, settings


def examples(*lines: str) -> str:
    """The end of a help page: examples, each kept on a line of its own."""
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)

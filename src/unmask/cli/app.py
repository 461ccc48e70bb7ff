"""The verbs of `unmask`. Their modules are light: what is heavy is imported when a verb runs."""

from __future__ import annotations

from typing import Annotated

import typer

import unmask
from unmask.cli import (
    adapt,
    compare,
    distill,
    doctor,
    embed,
    evaluate,
    explain,
    fill,
    finetune,
    generate,
    listing,
    plot,
    predict,
    prepare,
    pretrain,
    probe,
    score,
    tokenizer,
)
from unmask.cli.options import Quiet

app = typer.Typer(
    help="From raw text to a masked language model you can trust.",
    epilog="Start here:  unmask pretrain demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS = (
    pretrain,
    adapt,
    distill,
    prepare,
    tokenizer,
    evaluate,
    fill,
    generate,
    score,
    explain,
    probe,
    compare,
    finetune,
    predict,
    embed,
    plot,
    doctor,
    listing,
)

for verb in VERBS:
    app.command(name=verb.NAME, epilog=verb.EXAMPLES)(verb.command)


def _version(value: bool) -> None:
    if value:
        print(f"unmask {unmask.__version__}")
        raise typer.Exit


@app.callback()
def top(
    quiet: Quiet = False,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What is common to all verbs."""

"""Options that several verbs share, and the telling apart of `section.field=value` from other words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.tasks.application import Application

_ASSIGNMENT = re.compile(r"[a-z_]+(\.[a-z_0-9]+)+=")


def _quieten(value: bool) -> bool:
    if value:
        console.set_quiet(True)
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", metavar="", callback=_quieten, help="Results only: no progress, no notices.")
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print the result as JSON.")]

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A run, a Hugging Face folder, or a hub name.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")]

Again = Annotated[bool, typer.Option("--again", metavar="", help="Where the folder exists, take the next free name.")]
Resume = Annotated[Path | None, typer.Option("--resume", metavar="RUN", help="Go on with a run folder.")]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar="", help="Print the resolved settings, train nothing.")]

Cloze = Annotated[
    str | None, typer.Option("--cloze", metavar="PROMPT", help="Ask any masked LM by a blank: 'It was [MASK].'")
]
Labels = Annotated[
    str | None, typer.Option("--labels", metavar="L:WORD+WORD,...", help="The words of each label in the blank.")
]
Calibrate = Annotated[
    str,
    typer.Option(
        "--calibrate", metavar="context|texts|none", help="Free --cloze of what empty texts or all texts get."
    ),
]


def separated(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Words that are no settings, and the `section.field=value` ones, each in their order."""
    plain: list[str] = []
    settings: list[str] = []
    for word in words:
        (settings if _ASSIGNMENT.match(word) else plain).append(word)
    return plain, settings


def application(model: str, cloze: str | None, labels: str | None, calibrate: str) -> Application:
    """A fine-tuned model, or with --cloze and --labels a masked language model that is asked by a prompt."""
    from unmask.tasks.application import Application

    if cloze is None and labels is None:
        return Application.load(model)
    if cloze is None or labels is None:
        raise SettingError('--cloze and --labels go together: --cloze "It was [MASK]." --labels good:great,bad:poor')
    from unmask.tasks.cloze import zero_shot

    return zero_shot(model, cloze, labels, calibrate)


def question(samples: Sequence[Sequence[str]]) -> str:
    """A text with blanks to try, quoted for a shell: the shortest of the samples when one fits a line."""
    texts = [" ".join(masked.split()) for masked, _ in samples]
    text = min((text for text in texts if len(text) <= 60), key=len, default="A day of [MASK] and ___.")
    return quote(text) if set(text) & set('"$`\\!') else f'"{text}"'


def filling(name: str | Path) -> str:
    """The command that fills the blanks of a text: of one that a run of ours was judged by, so in its language."""
    kept = [path for folder in ("model", ".") if (path := Path(name) / folder / "figures.json").is_file()]
    samples = json.loads(kept[0].read_text(encoding="utf-8"))["samples"] if kept else []
    return f"unmask fill {name} {question(samples)}"


def asking(name: str | Path) -> str:
    """The command that asks a fine-tuned model."""
    from unmask.tasks.folders import task_of

    return f"unmask predict {name} {task_of(name).question}"


def evaluating(name: str | Path) -> str:
    """The command that measures a model: a fine-tuned one on a file of examples."""
    from unmask.tasks.folders import application_folder, task_of

    return f"unmask evaluate {name}" + ("" if application_folder(name) is None else f" --data {task_of(name).file}")


def few_shot(model: str, cloze: str, labels: str) -> str:
    """The command that trains the same question on examples."""
    return f"unmask finetune {model} cloze task.prompt={quote(cloze)} task.words={quote(labels)} data.train=few.tsv"


def examples(*lines: str) -> str:
    """The end of a help page: examples, each kept on a line of its own."""
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)

"""`unmask distill`: a smaller model that answers like a larger one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.options import Again, DryRun, Json, Quiet, examples
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.run import Run

NAME = "distill"
EXAMPLES = examples(
    "unmask distill runs/wiki training.minutes=30",
    "unmask distill runs/wiki bert-mini training.minutes=30 --to runs/small",
    "unmask distill runs/wiki objective.layers=0,2,5 training.steps=2000",
    "unmask distill FOLDER bert data.source=texts/ training.minutes=30",
)


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEACHER [RECIPE] SETTING=VALUE",
            help="A model, the student's recipe (else half the teacher's layers), then settings.",
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="RUN", help="Run folder; runs/NAME by default.")] = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a smaller model to answer like a larger one, its teacher."""
    from unmask.cli.pretrain import next_free, plan, train

    teacher, recipe, settings = told_apart(words or [])

    from unmask.recipes.distillation import student
    from unmask.run import settled

    run = settled(student(teacher, recipe, settings))
    folder = to or Path("runs") / run.name
    folder = next_free(folder) if again else folder
    if dry_run:
        return plan(run, folder, as_json)
    train(run, folder, as_json)


def told_apart(words: list[str]) -> tuple[str, Run | None, list[str]]:
    """The teacher, the run of the recipe or run.json behind it if any, and the settings."""
    from unmask.cli.pretrain import resolved

    if not words or "=" in words[0]:
        raise SettingError("which teacher? unmask distill TEACHER [RECIPE] section.field=value, e.g. runs/demo")
    teacher, *others = words
    recipe = resolved(others[:1]) if others and "=" not in others[0] else None
    return teacher, recipe, others if recipe is None else others[1:]

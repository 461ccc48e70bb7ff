"""`unmask pretrain`: a recipe, a run or a model to go on from, settings changed by name, and a model at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask import console
from unmask.cli.options import Again, DryRun, Json, Quiet, Resume, examples, question
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.run import Run
    from unmask.stages import Outcome

NAME = "pretrain"
EXAMPLES = examples(
    "unmask pretrain demo",
    "unmask pretrain auto data.source=texts/ training.minutes=30",
    "unmask pretrain modernbert data.source=texts/ training.minutes=30 --to runs/a",
    "unmask pretrain runs/a/run.json training.steps=2000 seed=2 --to runs/b",
    "unmask pretrain runs/a data.source=other-texts/ training.minutes=30",
    "unmask pretrain --resume runs/a",
)


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE SETTING=VALUE", help="A recipe, a run.json or a model folder to go on from; then settings."
        ),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="RUN", help="Run folder; runs/RECIPE by default.")] = None,
    again: Again = False,
    resume: Resume = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a masked language model from a recipe."""
    if resume is not None:
        _refuse_beside_resume(words, to, again, dry_run)
        return train(None, resume, as_json)
    run = resolved(words or [])
    folder = to or Path("runs") / run.name
    folder = next_free(folder) if again else folder
    expected = None
    if run.auto:
        run, expected = decided(run, None if dry_run else folder)
    if dry_run:
        return plan(run, folder, as_json)
    train(run, folder, as_json, expected)


def resolved(words: list[str]) -> Run:
    """The Run that a recipe's name, a run.json or a model folder and the settings after it describe.

    SettingError when they ask for another architecture than that of the model it starts from.
    """
    from unmask.config import overridden
    from unmask.recipes import RECIPES, named

    if not words or "=" in words[0]:
        raise SettingError(f"which recipe? unmask pretrain RECIPE section.field=value (known: {', '.join(RECIPES)})")
    name, *assignments = words
    run = overridden(named(name), assignments)
    if run.start.model is not None:
        _refuse_another_architecture(run, assignments)
    return run


def _refuse_another_architecture(run: Run, assignments: list[str]) -> None:
    from unmask.models import resolved as folder_of
    from unmask.start.folder import architecture_of

    asked = [text for text in assignments if text.partition("=")[0].strip().split(".")[0] == "architecture"]
    if asked and run.architecture != architecture_of(folder_of(str(run.start.model))):
        raise SettingError(
            f"{asked[0]}: the architecture is that of the model to start from, {run.start.model}; leave the setting out"
        )


def next_free(folder: Path) -> Path:
    """The folder itself when there is none yet, else `folder-2`, `folder-3`, ...: the first that does not exist."""
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _refuse_beside_resume(words: list[str] | None, to: Path | None, again: bool, dry_run: bool) -> None:
    if words or to or again or dry_run:
        raise SettingError("--resume goes on with a run as it was saved: give the run folder and nothing else")


def decided(run: Run, folder: Path | None) -> tuple[Run, dict[str, Any]]:
    """Recipe auto with everything decided, and what is expected of it; shown before it starts in `folder`."""
    from unmask.cli.choice import lines
    from unmask.scaling import choose
    from unmask.stages import require_free

    if folder is not None:
        require_free(folder)
    choice = choose(run)
    for line in lines(choice):
        console.say(line)
    return choice.run, choice.record


def train(run: Run | None, folder: Path, as_json: bool, expected: Mapping[str, Any] | None = None) -> None:
    """Train a run into a folder, or go on with what is there when there is no run; then say what came of it.

    expected: what `unmask.scaling` expects of it, kept in run.json.
    """
    from unmask.distributed import world
    from unmask.run import pretrain, resume
    from unmask.training.display import Display

    display = Display() if world().first else None
    try:
        outcome = resume(folder, display) if run is None else pretrain(run, folder, display, expected)
    finally:
        if display is not None:
            display.close()
    if display is not None:
        if expected is not None:
            console.say(f"before training a loss of {expected['loss']:.2f} was expected")
        _report(outcome, as_json)


def _report(outcome: Outcome, as_json: bool) -> None:
    from unmask.cli.figures import figures_tables, filled_blanks

    model = outcome.folder / "model"
    if as_json:
        console.print_json({**outcome.figures, "model": str(model)})
    else:
        out = console.console()
        out.print("", figures_tables(outcome.figures, title="on held-out documents"))
        if outcome.samples:
            out.print("", filled_blanks(outcome.samples))
        out.print(f"\n[bold]model[/bold]  {model}")
    console.next_step(f"unmask fill {outcome.folder} {question(outcome.samples)}")


def plan(run: Run, folder: Path, as_json: bool) -> None:
    """Print every setting of a run, and train nothing."""
    from unmask.config import described, to_dict
    from unmask.recipes import RECIPES
    from unmask.run import settled

    run = settled(run)
    if as_json:
        console.print_json(to_dict(run))
    else:
        rows = [[path, value] for path, value, _ in described(run)]
        console.console().print(console.table(f"{run.name}, to {folder}", ["setting", "value"], rows))
    recipe = f" {run.name}" if run.name in RECIPES else ""
    console.next_step(f"the same without --dry-run; what each setting means: unmask list settings{recipe}")

"""`unmask finetune`: an encoder, a task, its examples, and a model that answers at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask import console
from unmask.cli.options import DryRun, Json, Quiet, Resume, asking, examples
from unmask.errors import SettingError

if TYPE_CHECKING:
    from rich.table import Table

    from unmask.tasks.publishing import Published
    from unmask.tasks.searching import Searched
    from unmask.tasks.settings import Finetuning

NAME = "finetune"
EXAMPLES = examples(
    "unmask finetune runs/demo classification data.train=train.tsv",
    "unmask finetune runs/demo regression data.train=sts.tsv --seeds 3",
    "unmask finetune gpt2 token_classification data.train=ner.conll",
    "unmask finetune runs/demo question_answering data.train=squad.json",
    "unmask finetune gpt2 regression data.train=a.tsv --search training.epochs=2,4",
    "unmask finetune --resume runs/demo-classification",
)


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL TASK SETTING=VALUE", help="What is tuned, what for, then settings."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="RUN", help="Run folder; runs/MODEL-TASK by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs with seeds of their own; mean and spread.")] = 1,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="SETTING=A,B", help="Try all values; may be given several times."),
    ] = None,
    resume: Resume = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune an encoder or a decoder for a task."""
    if resume is not None:
        if words or to or dry_run or search or seeds > 1:
            raise SettingError("--resume goes on with a run as it was saved: give the run folder and nothing else")
        return _train(None, resume, 1, [], as_json)
    run = resolved(words or [])
    if dry_run:
        return _plan(run.checked(), as_json)
    _train(run, to or Path("runs") / run.name, seeds, search or [], as_json)


def resolved(words: list[str]) -> Finetuning:
    """The Finetuning that a model, a task and the settings after them describe; or a run.json, and settings."""
    from unmask.config import overridden
    from unmask.tasks import TASKS
    from unmask.tasks.settings import Finetuning

    if words and words[0].endswith(".json"):
        from unmask.tasks.finetuning import saved

        return overridden(saved(Path(words[0])), words[1:])
    if len(words) < 2 or "=" in words[0] or "=" in words[1]:
        raise SettingError(f"which model, for what? unmask finetune MODEL TASK data.train=FILE ({', '.join(TASKS)})")
    model, task, *assignments = words
    TASKS[task]  # before anything is imported for nothing
    run = Finetuning(model=model, name=f"{Path(model).name}-{task}")
    return overridden(run, [f"task={task}", *assignments])


def _train(run: Finetuning | None, folder: Path, seeds: int, wanted: list[str], as_json: bool) -> None:
    """Fine-tune, or go on with what a folder holds when there is no run; then tell what came of it."""
    from unmask.distributed import world
    from unmask.tasks.finetuning import finetune, resume
    from unmask.tasks.folders import SEARCH
    from unmask.tasks.searching import resume_search, search
    from unmask.training.display import Display

    display = Display() if world().first else None
    found, searched = None, None
    try:
        if run is None and (folder / SEARCH).is_file():
            searched = resume_search(folder, display)
        elif run is None:
            found = resume(folder, display)
        elif wanted:
            searched = search(run, wanted, folder, display, seeds)
        else:
            found = finetune(run, folder, display, seeds)
    finally:
        if display is not None:
            display.close()
    if display is None:
        return
    if searched is not None:
        _report_search(searched, as_json)
    elif found is not None:
        _report(found, as_json)


def _report_search(found: Searched, as_json: bool) -> None:
    """A row for each leg, the best first."""
    if as_json:
        legs = [{**leg.values, "figures": done.figures, "run": str(done.folder)} for leg, done in found.legs.items()]
        console.print_json({"legs": legs, "run": str(found.folder)})
    else:
        figures = {leg: done.figures["validation"] for leg, done in found.legs.items()}
        first = next(iter(found.legs))
        names = [name for name in figures[first] if not name.endswith("_spread")]
        rows = [[*leg.values.values(), *(_cell(each, name) for name in names)] for leg, each in figures.items()]
        header = [*first.values, *names]
        title = f"on validation examples, by {found.best.aim.replace('_', ' ')}"
        console.console().print("", console.table(title, [name.replace("_", " ") for name in header], rows))
        console.console().print("", results(found.best.figures, found.best.baselines, "the best"))
        console.console().print(f"\n[bold]run[/bold]  {found.folder}")
    console.next_step(asking(found.folder))


def _report(outcome: Published, as_json: bool) -> None:
    if as_json:
        console.print_json({**outcome.figures, "baselines": outcome.baselines, "run": str(outcome.folder)})
    else:
        console.console().print("", results(outcome.figures, outcome.baselines))
        console.console().print(f"\n[bold]run[/bold]  {outcome.folder}")
    console.next_step(asking(outcome.folder))


def results(figures: dict, baselines: dict, title: str = "on held-out examples") -> Table:
    """A row for each set of held-out examples, with the spread over seeds if there are several, and the baselines."""
    last = list(figures)[-1]
    names = [name for name in figures[last] if not name.endswith("_spread")]
    rows = [[name, *(_cell(each, key) for key in names)] for name, each in figures.items()]
    of = f" ({last})" if len(figures) > 1 else ""
    rows += [[f"{name}{of}", *(_cell(each, key) for key in names)] for name, each in baselines.items()]
    title += ", mean ± spread over seeds" if len(names) < len(figures[last]) else ""
    return console.table(title, ["", *(name.replace("_", " ") for name in names)], rows)


def _cell(figures: dict, name: str) -> str:
    if name not in figures:
        return "–"
    spread, value = figures.get(f"{name}_spread"), figures[name]
    if spread is not None:
        return f"{value:.3f} ± {spread:.3f}"  # so that four figures have room
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _plan(run: Finetuning, as_json: bool) -> None:
    from unmask.config import described, to_dict

    if as_json:
        console.print_json(to_dict(run))
    else:
        made = console.table(run.name, ["setting", "value", "meaning"], [list(row) for row in described(run)])
        for column in made.columns[1:]:
            column.justify = "left"
        console.console().print(made)
    console.next_step("the same without --dry-run")

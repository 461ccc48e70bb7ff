"""`unmask compare`: several recipes under one budget, or finished models, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, examples, filling
from unmask.errors import SettingError

if TYPE_CHECKING:
    from unmask.comparison.table import Comparison

NAME = "compare"
EXAMPLES = examples(
    "unmask compare modernbert lstm cbow data.store=stores/a training.minutes=5",
    "unmask compare bert gru data.store=a training.tokens=5e6 --seeds 2 --to b",
    "unmask compare mae b=mae b:masking.ratio=0.75 data.store=a training.steps=9",
    "unmask compare bert data.store=a training.minutes=5 --blimp blimp --sample 50",
    "unmask compare --models runs/a bert-base-uncased --data my-texts/",
)


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE SETTING=VALUE", help="Recipes or run.json files, settings; or finished models."),
    ] = None,
    to: Annotated[
        Path, typer.Option("--to", metavar="COMPARISON", help="Its folder; the same command goes on there.")
    ] = Path("comparisons/comparison"),
    seeds: Annotated[int, typer.Option(min=1, help="How often each recipe is trained.")] = 1,
    models: Annotated[
        bool, typer.Option("--models", metavar="", help="The words are finished models, of any tokenizer.")
    ] = False,
    data: Annotated[str | None, typer.Option(metavar="TEXTS|STORE", help="What finished models are judged on.")] = None,
    blimp: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Judge by BLiMP's minimal pairs too.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Pairs of each paradigm of BLiMP; all by default.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", metavar="", help="Rows of unigram and n-gram fillers.")
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train recipes under one budget and compare them, or compare finished models."""
    if sample is not None and blimp is None:
        raise SettingError("--sample is drawn from BLiMP: name its folder with --blimp FOLDER")
    if models:
        return _models(words or [], data, blimp, sample, as_json)
    if data is not None:
        raise SettingError("--data goes with --models; recipes are trained and judged on data.store=STORE")
    from unmask.comparison import PICTURE, TEXT, compare

    made = compare(words or [], to, seeds=seeds, blimp=blimp, sample=sample, baselines=baselines)
    if as_json:
        console.print_json(made.as_dict())
    else:
        show(made)
        kept = [str(to / name) for name in (TEXT, PICTURE) if (to / name).exists()]
        console.console().print(f"\n[dim]kept as[/dim]  {', '.join(kept)}")
    console.next_step(filling(_best(made, to)))


def _best(made: Comparison, to: Path) -> Path:
    """The run folder of the best recipe, that of its first seed."""
    from unmask.comparison.verdicts import RUNS

    best = next(row.name for row in made.rows if "tokens_per_second" in row.figures)
    return next(to / RUNS / key for key in made.legs if key.rpartition("-")[0] == best)


def show(made: Comparison) -> None:
    """The table at 80 columns, and a line on what it says."""
    from unmask.comparison.table import NARROW, SHOWN, columns, explained, written

    names = columns(made, NARROW)
    rows = [[row.name, *(written(row, name, spread=name == NARROW[0]) for name in names)] for row in made.rows]
    table = console.table("", ["", *(_title(SHOWN[name][0]) for name in names)], rows)
    table.title, table.collapse_padding = None, True
    console.console().print(table)
    console.console().print(f"[dim]{explained(made)}[/dim]")


def _title(title: str) -> str:
    """A title over two lines where it has two words, so that figures decide how wide a column is."""
    return title.replace(" ", "\n")


def _models(words: list[str], data: str | None, blimp: Path | None, sample: int | None, as_json: bool) -> None:
    from unmask.comparison import compare_models

    settings = [word for word in words if "=" in word]
    if settings:
        raise SettingError(f"{settings[0]}: finished models have no settings; leave it out")
    if not words:
        raise SettingError("which models? unmask compare --models MODEL MODEL --data TEXTS")
    if data is None:
        raise SettingError("which text? name what the models are judged on: --data TEXTS or a store")
    found = compare_models(words, data, blimp=blimp, sample=sample)
    if as_json:
        console.print_json([one.as_dict() for one in found])
    else:
        _show_models(found)
    console.next_step(f"unmask evaluate {words[0]} --data {data}")


def _show_models(found: list[Any]) -> None:
    from unmask.comparison.finished import explained, table_rows

    titles, rows = table_rows(found)
    table = console.table("", ["", *titles], rows)
    table.title, table.collapse_padding = None, True
    console.console().print(table)
    console.console().print(f"[dim]{explained(found)}[/dim]")

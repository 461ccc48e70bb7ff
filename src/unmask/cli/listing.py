"""`unmask list`: every menu with its entries, and every setting of a recipe with what it means."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask import console
from unmask.cli.options import Json, Quiet, examples
from unmask.errors import SettingError
from unmask.menu import Menu, unknown

NAME = "list"
EXAMPLES = examples(
    "unmask list", "unmask list recipes", "unmask list settings modernbert", "unmask list settings regression"
)

MENUS = Menu(
    "menu",
    {
        "recipes": "unmask.recipes:RECIPES",
        "readers": "unmask.corpus.readers:READERS",
        "tokenizers": "unmask.tokens:TOKENIZERS",
        "segmenters": "unmask.tokens:SEGMENTERS",
        "selections": "unmask.masking.selections:SELECTIONS",
        "mask_schedules": "unmask.masking.schedules:SCHEDULES",
        "architectures": "unmask.architectures:ARCHITECTURES",
        "objectives": "unmask.objectives:OBJECTIVES",
        "tasks": "unmask.tasks:TASKS",
        "optimizers": "unmask.training.optimizers:OPTIMIZERS",
        "schedules": "unmask.training.schedules:SCHEDULES",
        "metrics": "unmask.metrics:METRICS",
        "pll_metrics": "unmask.evaluation:PLL_METRICS",
        "orders": "unmask.generation.orders:ORDERS",
        "plans": "unmask.generation.plans:PLANS",
        "suites": "unmask.evaluation:SUITES",
    },
)


def command(
    what: Annotated[
        str | None, typer.Argument(metavar="[MENU|settings]", help=f"One of {', '.join(MENUS)}, or settings.")
    ] = None,
    recipe: Annotated[str, typer.Argument(metavar="[RECIPE|TASK]", help="Whose settings; demo by default.")] = "demo",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What can be chosen: recipes, architectures, readers, ... and all settings."""
    if what == "settings":
        return _settings(recipe, as_json)
    chosen = [what] if what is not None else list(MENUS)
    entries = {name: dict(entries_of(name)) for name in chosen}
    if as_json:
        console.print_json(entries)
    for name, lines in {} if as_json else entries.items():
        made = console.table(name, ["", ""], [[entry, text] for entry, text in lines.items()])
        made.show_header, made.columns[1].justify = False, "left"
        console.console().print(made, "")
    console.next_step(f"unmask list settings {'TASK' if what == 'tasks' else 'RECIPE'}")


def entries_of(name: str) -> list[tuple[str, str]]:
    """(entry, first line of its docstring) of one menu."""
    menu: Menu = MENUS.load(name)
    return [(entry, first_line(menu[entry])) for entry in menu]


def first_line(entry: str) -> str:
    """The first docstring line of "module:name", read from the source: a list of names need not import torch."""
    module, _, attribute = entry.partition(":")
    if (line := _first_lines(module).get(attribute)) is not None:
        return line
    return (getattr(import_module(module), attribute).__doc__ or "").strip().partition("\n")[0]


@cache
def _first_lines(module: str) -> dict[str, str]:
    """The first docstring line of each class and function that the source of a module defines."""
    spec = find_spec(module)
    if spec is None or not str(spec.origin).endswith(".py"):
        return {}
    body = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")).body
    nodes = [node for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in nodes}


def _settings(recipe: str, as_json: bool) -> None:
    from unmask.config import described

    run, command = _run(recipe)
    rows = list(described(run))
    if as_json:
        console.print_json([{"setting": path, "value": value, "meaning": text} for path, value, text in rows])
    else:
        made = console.table(f"settings of {recipe}", ["setting", "value", "meaning"], [list(row) for row in rows])
        for column in made.columns[1:]:
            column.justify = "left"
        console.console().print(made)
    console.next_step(f"{command} section.field=value")


def _run(name: str) -> tuple[Any, str]:
    """The run of a recipe, or one of fine-tuning for a task, and the command that trains it; SettingError for a name
    that is neither."""
    from unmask.recipes import RECIPES
    from unmask.tasks import TASKS

    if name in RECIPES:
        return RECIPES.load(name)(), f"unmask pretrain {name}"
    if name in TASKS:
        from unmask.config import overridden
        from unmask.tasks.settings import Finetuning

        return overridden(Finetuning(), [f"task={name}"]), f"unmask finetune MODEL {name}"
    raise SettingError(unknown("recipe or task", name, [*RECIPES, *TASKS]))

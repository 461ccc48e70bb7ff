"""The legs of a comparison: recipes under one budget on one store, each with several seeds.

    planned(["modernbert", "lstm", "data.store=store", "training.minutes=5"], seeds=2)
    planned(["mae", "mae-75=mae", "mae-75:masking.ratio=0.75", ...])       two legs of one recipe

What would make the comparison unfair is refused: other budgets, other stores, other questions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from unmask import console
from unmask.config import changed, described, overridden, require
from unmask.errors import SettingError
from unmask.menu import unknown
from unmask.recipes import named
from unmask.run import Run, settled
from unmask.tokens.pairs import PAIRINGS

_NAME = re.compile(r"[\w.-]+")
_PACKING = "data.packing="

SAME: Mapping[str, Callable[[Run], Any]] = {
    "store (data.store)": lambda run: Path(run.data.store or "").resolve(),
    "budget (training.minutes, tokens, flops, steps or epochs)": lambda run: run.training.budget,
    "row length (data.row_length)": lambda run: run.data.row_length,
    "share of blanks (evaluation.share)": lambda run: run.evaluation.share,
    "text to be judged on (evaluation.final_tokens)": lambda run: run.evaluation.final_tokens,
    "text to be judged on while training (evaluation.tokens)": lambda run: run.evaluation.tokens,
}
"""What all legs must share, in words and as a function of their runs."""

# Settings that change nothing of a leg: its name, and how its store was prepared, for the store has a fingerprint.
_INDIFFERENT = ("name", "data.source", "data.store", "data.language", "corpus.", "tokenizer.")


@dataclass(frozen=True)
class Leg:
    """A recipe with one seed: what is trained and judged."""

    name: str
    """names its row of the table"""
    run: Run

    @property
    def key(self) -> str:
        """Names its folder and its file: NAME-SEED."""
        return f"{self.name}-{self.run.seed}"


def planned(words: Sequence[str], seeds: int = 1) -> list[Leg]:
    """The legs that some words describe, seed by seed.

    A word is a recipe, a run.json, NAME=RECIPE (another name for it), section.field=value (for all), or
    NAME:section.field=value (for that one alone). SettingError for what cannot be compared.
    """
    require(seeds > 0, f"seeds={seeds}: 1 or more are needed")
    recipes, shared, own = _read(words)
    runs = {name: _settled(recipe, shared, own[name]) for name, recipe in recipes.items()}
    if not any(word.startswith(_PACKING) for word in shared):
        runs = _in_one_layout(runs)
    runs = {name: _checked(name, run) for name, run in runs.items()}
    _fair(runs)
    return [Leg(name, replace(run, seed=run.seed + number)) for number in range(seeds) for name, run in runs.items()]


def _read(words: Iterable[str]) -> tuple[dict[str, str], list[str], dict[str, list[str]]]:
    """Recipes by the names of their legs, settings for all, settings for one."""
    recipes: dict[str, str] = {}
    shared: list[str] = []
    own: dict[str, list[str]] = defaultdict(list)
    known = {field.name for field in fields(Run)}
    for word in words:
        key, equals, value = word.partition("=")
        name, colon, setting = key.partition(":")
        if colon and equals:
            own[name].append(f"{setting}={value}")
        elif equals and ("." in key or key in known):
            shared.append(word)
        else:
            name = key if equals else _name_of(word)
            require(name not in recipes, f"{name} is named twice: call one otherwise, OTHER={value or word}")
            require(bool(_NAME.fullmatch(name)), f"'{name}' names a folder: letters, digits, . - and _ are possible")
            recipes[name] = value if equals else word
    require(bool(recipes), "which recipes? unmask compare RECIPE RECIPE data.store=STORE training.minutes=5")
    for name in own:
        require(name in recipes, unknown("leg", name, recipes))
    return recipes, shared, own


def _name_of(recipe: str) -> str:
    """The recipe's own name; that of its folder for a run.json and for a model to go on from."""
    path = Path(recipe)
    return path.resolve().parent.name if path.suffix == ".json" else path.name


def _settled(recipe: str, shared: Sequence[str], own: Sequence[str]) -> Run:
    """A recipe with its settings; those who need pairs keep them when all are told another layout."""
    run, settings = named(recipe), [*shared, *own]
    pairs = overridden(run, [word for word in settings if not word.startswith(_PACKING)]).objective.pairs
    kept = [word for word in shared if not (pairs and _packing(word) not in (None, *PAIRINGS))]
    return overridden(run, [*kept, *own])


def _packing(word: str) -> str | None:
    return word.removeprefix(_PACKING) if word.startswith(_PACKING) else None


def _in_one_layout(runs: Mapping[str, Run]) -> dict[str, Run]:
    """A document a row for all where one cannot do otherwise; pairs stay pairs."""
    needing = [name for name, run in runs.items() if not run.architecture.packed_rows]
    changing = [name for name, run in runs.items() if run.data.packing == "packed"]
    if not needing or not changing:
        return dict(runs)
    kept = [name for name, run in runs.items() if run.data.packing in PAIRINGS]
    console.say(
        f"{', '.join(needing)}: a document a row is needed, so that all legs have data.packing=document"
        + (f"; {', '.join(kept)}: pairs are kept" if kept else "")
    )
    return {name: changed(run, data={"packing": "document"}) if name in changing else run for name, run in runs.items()}


def _checked(name: str, run: Run) -> Run:
    """The run as it will be trained; SettingError names the leg whose settings do not fit each other."""
    require(run.data.store is not None, "which store? data.store=STORE; make one with: unmask prepare TEXTS --to STORE")
    try:
        return settled(run)
    except SettingError as error:
        raise SettingError(f"{name}: {error}") from None


def _fair(runs: Mapping[str, Run]) -> None:
    """Refuse legs that would not be asked the same, or not be given the same."""
    (first, one), *others = runs.items()
    for what, of in SAME.items():
        for name, run in others:
            require(
                of(run) == of(one),
                f"{first} and {name} differ in their {what}, {of(one)} and {of(run)}: set it for all",
            )


# ---------------------------------------------------------------- the same leg again


def refuse_other(found: Run, found_store: str | None, wanted: Run, wanted_store: str, where: Path) -> None:
    """SettingError when what stands in `where` is a leg of other settings, or of another store (by fingerprint)."""
    require(
        found_store in (None, wanted_store),
        f"{where} was made from another store than {wanted.data.store}: take another folder with --to, or remove it",
    )
    before, now = settings_of(found), settings_of(wanted)
    for path in sorted(before.keys() | now.keys()):
        require(
            before.get(path) == now.get(path),
            f"{where} was made with {path}={before.get(path, 'none')}, now it is {now.get(path, 'none')}: "
            "take another folder with --to, or remove it",
        )


def settings_of(run: Run) -> dict[str, str]:
    """Every setting that a leg depends on, by its path."""
    return {path: value for path, value, _ in described(run) if not path.startswith(_INDIFFERENT)}

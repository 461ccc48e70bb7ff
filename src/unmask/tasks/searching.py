"""A small search: every combination of the values that some settings are given is trained, and the one that is best on
the validation examples stands for all.

    search(run, ["tuning.learning_rate=1e-4,3e-4", "training.epochs=2,4"], to="runs/sst2-search")

A combination is a *leg*: a run in a folder of its own below, or several seeds of one. search.json says what was asked
and, at the end, what each leg came to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from unmask import console, stages
from unmask.config import from_dict, overridden, require, to_dict
from unmask.tasks.finetuning import finetune, nothing_left, one_process, part_of, resume
from unmask.tasks.folders import SEARCH, SEEDS
from unmask.tasks.publishing import Published
from unmask.tasks.settings import Finetuning

if TYPE_CHECKING:
    from unmask.training.display import Display

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Leg:
    """One combination: `section.field=value` of each setting that is searched."""

    settings: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """The value of each setting, by the name of its field."""
        parts = (assignment.partition("=") for assignment in self.settings)
        return {path.rpartition(".")[2]: value for path, _, value in parts}

    @property
    def name(self) -> str:
        """What its folder is called: learning_rate-1e-4-epochs-2."""
        return _NOT_IN_NAMES.sub("_", "-".join(f"{field}-{value}" for field, value in self.values.items()))

    def run(self, whole: Finetuning) -> Finetuning:
        """The run of this leg; SettingError for a value that cannot be."""
        return replace(overridden(whole, self.settings), name=f"{whole.name}, {self.name}")


@dataclass(frozen=True)
class Searched:
    """A finished search."""

    folder: Path
    legs: dict[Leg, Published]
    """the best one first, by the figure that chooses checkpoints, on the validation examples"""

    @property
    def best(self) -> Published:
        """The run that stands for all."""
        return next(iter(self.legs.values()))


def legs_of(wanted: Sequence[str]) -> list[Leg]:
    """All combinations of `section.field=value,value,...`; SettingError when there is nothing to choose between."""
    choices = []
    for words in wanted:
        path, equals, values = words.partition("=")
        each = dict.fromkeys(value.strip() for value in values.split(",") if value.strip())
        require(
            bool(equals) and len(each) > 1,
            f"--search {words}: a setting and several values are needed, e.g. tuning.learning_rate=1e-4,3e-4",
        )
        choices.append([f"{path.strip()}={value}" for value in each])
    return [Leg(settings) for settings in product(*choices)]


def search(
    run: Finetuning,
    wanted: Sequence[str],
    to: str | Path | None = None,
    display: Display | None = None,
    seeds: int = 1,
) -> Searched:
    """Fine-tune with every combination of `wanted`, each with several seeds if asked, in `to` (default runs/<name>).

    Raises what `unmask.tasks.finetuning.finetune` raises, SettingError for combinations that cannot be, before
    anything is trained; Stopped: `resume_search` goes on.
    """
    for leg in legs_of(wanted):
        leg.run(run).checked()
    one_process("--search")
    folder = Path(to or Path("runs") / run.name)
    stages.make_folder(folder)
    stages.write_json(folder / SEARCH, {"run": to_dict(run), "settings": list(wanted), "seeds": seeds})
    with nothing_left(folder, SEARCH):
        return resume_search(folder, display)


def resume_search(folder: str | Path, display: Display | None = None) -> Searched:
    """Train the legs that are not finished yet; each goes on where it stopped."""
    folder = Path(folder)
    record = json.loads((folder / SEARCH).read_text(encoding="utf-8"))
    run, legs = from_dict(Finetuning, record["run"]), legs_of(record["settings"])
    done: dict[Leg, Published] = {}
    for number, leg in enumerate(legs, start=1):
        console.say(f"leg {number} of {len(legs)}: {', '.join(leg.settings)}")
        with part_of(folder, f"leg {number} of {len(legs)}"):
            done[leg] = _trained(leg.run(run), folder / leg.name, display, record["seeds"])
    ranked = sorted(done, key=lambda leg: _reached(done[leg]), reverse=True)
    told = [{"name": leg.name, "settings": leg.settings, "figures": done[leg].figures} for leg in ranked]
    stages.write_json(folder / SEARCH, record | {"legs": told, "best": ranked[0].name})
    return Searched(folder, {leg: done[leg] for leg in ranked})


def _trained(run: Finetuning, place: Path, display: Display | None, seeds: int) -> Published:
    if (place / "run.json").is_file() or (place / SEEDS).is_file():
        return resume(place, display)
    return finetune(run, place, display, seeds)


def _reached(done: Published) -> float:
    """The figure that the leg is chosen by."""
    return done.figures["validation"][done.aim]

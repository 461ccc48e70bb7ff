"""One dial: from a text, a time and this machine to the size, batch and learning rates that end lowest.

    choice = choose(run)                     run: recipe auto with data.store (or data.source) and training.minutes
    choice.run                               an ordinary Run, with everything decided
    choice.best.loss, choice.error           what it is expected to end at, give or take, in nats
    unmask.pretrain(choice.run, expected=choice.record)

law.py         held-out loss from parameters and tokens, between two lines of the text
fit.py         law.json: its coefficients, and our own runs that they are fitted to (docs/scaling.md)
sizes.py       the sizes there are, and the rules for batch and learning rates
speed.py       how fast this machine trains any of them, by ten seconds of real steps
candidates.py  all of it together: each size with its batch, its tokens and its expected loss
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.config import changed, described, require
from unmask.errors import DataError, SettingError
from unmask.run import Run
from unmask.scaling.law import Lines

if TYPE_CHECKING:
    import torch

    from unmask.scaling.candidates import Candidate
    from unmask.tokens.store import Store

FEWEST_TOKENS = 200_000
"""Tokens of text, and tokens read, below which the law knows nothing: about its smallest run."""
SHORTEST = 1.0
"""Minutes; the measurement alone takes a sixth of one."""
CHOSEN = ("architecture", "objective", "optimizer", "start", "training.batch_", "training.micro_batch")
"""The settings that are decided here, by the beginnings of their names."""
AT_ONCE = {"cpu": 8_192, "cuda": 32_768}
"""Tokens that go through the model together at most, so that memory follows the size of the model and not the batch."""


@dataclass(frozen=True)
class Choice:
    """A run that was decided, and what is expected of it."""

    run: Run
    considered: tuple[Candidate, ...]
    """the sizes that have room for what they would read, the best first"""
    lines: Lines
    unique: int
    """tokens of the training text"""
    error: float
    """the usual error of an expected loss, in nats"""
    extrapolated: bool
    """whether the best is larger, or reads more, than any run that the law was fitted to"""
    device: str

    @property
    def best(self) -> Candidate:
        """What the run is made of."""
        return self.considered[0]

    @property
    def record(self) -> dict[str, Any]:
        """What run.json keeps."""
        return {
            "loss": round(self.best.loss, 4),
            "error": self.error,
            "extrapolated": self.extrapolated,
            "tokens": round(self.best.tokens),
            "step_seconds": float(f"{self.best.step_seconds:.3g}"),
            "lines": {name: round(value, 4) for name, value in self.lines._asdict().items()},
            "considered": {str(one.size): round(one.loss, 4) for one in self.considered},
        }


def choose(run: Run) -> Choice:
    """Decide what recipe `auto` leaves open. Prepares data.source first where there is no store, and measures this
    machine for about ten seconds.

    SettingError for another budget than minutes, too few of them, several processes, or a setting that is decided here;
    DataError for a text too small for the law.
    """
    from unmask.scaling.candidates import Plan, candidates
    from unmask.scaling.fit import known
    from unmask.scaling.lines import lines_of
    from unmask.scaling.speed import Setup, measured
    from unmask.training.precision import chosen_device

    minutes = _checked(run)
    run, store = _stored(run)
    unique = store.count("tokens", "train")
    if unique < FEWEST_TOKENS:
        raise DataError(
            f"{store.folder} holds {unique:,} training tokens, recipe auto knows nothing of texts under "
            f"{FEWEST_TOKENS:,}: give more text, or take another recipe, e.g. unmask pretrain modernbert"
        )
    law, device = known(), chosen_device(run.training.device)
    speed = measured(Setup.of(run, store, device))
    lines = lines_of(store, run)
    considered = [one for one in candidates(law.law, lines, speed, Plan.of(run, store)) if one.tokens >= FEWEST_TOKENS]
    require(
        bool(considered),
        f"training.minutes={minutes:g}: this machine reads fewer than {FEWEST_TOKENS:,} tokens in that time, of which "
        "recipe auto knows nothing: give more minutes",
    )
    best = considered[0]
    beyond = best.size.parameters > law.most_parameters or best.tokens > law.most_tokens
    return Choice(_decided(run, best, device), tuple(considered), lines, unique, law.error, beyond, device.type)


def _checked(run: Run) -> float:
    """The minutes of a run that can be decided; SettingError for one that cannot."""
    from unmask.distributed import world

    require(
        world().size == 1,
        "recipe auto is decided by one process: keep its run with --dry-run --json > run.json, then give run.json to "
        "torchrun",
    )
    asked = {path: value for path, value, _ in described(run) if path.startswith(CHOSEN)}
    for path, value, _ in described(Run()):
        if path in asked and asked[path] != value:
            raise SettingError(f"{path}={asked[path]}: recipe auto decides it; leave it out, or take another recipe")
    minutes = run.training.budget.minutes if run.training.minutes is not None else None
    require(minutes is not None, "recipe auto trains by the clock: training.minutes=30 is needed, and no other budget")
    assert minutes is not None
    require(
        minutes >= SHORTEST,
        f"training.minutes={minutes:g}: recipe auto needs {SHORTEST:g} at least; it measures this machine first",
    )
    return minutes


def _stored(run: Run) -> tuple[Run, Store]:
    """The run with its store, prepared from data.source where there is none."""
    from unmask.stages import prepared
    from unmask.tokens.store import Store

    replace(run, auto=False).checked()
    if run.data.store is not None:
        return run, Store.open(run.data.store)
    assert run.data.source is not None
    store = prepared(run.data.source.split(), run.corpus, run.tokenizer)
    return changed(run, data={"store": str(Path(store.folder).resolve())}), store


def _decided(run: Run, best: Candidate, device: torch.device) -> Run:
    at_once = max(1, AT_ONCE["cpu" if device.type == "cpu" else "cuda"] // run.data.row_length)
    parts = math.ceil(best.rows / at_once)
    return changed(
        replace(run, auto=False),
        architecture=best.size.architecture,
        optimizer=best.size.optimizer,
        training={
            "batch_size": best.rows,
            "micro_batch": None if parts == 1 else math.ceil(best.rows / parts),
        },
    )

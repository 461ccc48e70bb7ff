"""Recipes of ours: what `unmask pretrain RECIPE training.minutes=...` does, with the race's clock."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.race.legs import Leg
    from benchmarks.race.track import Finish, Track
    from unmask.run import Run

OURS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ours": ("modernbert", ()),
    "ours-auto": ("auto", ()),
    "ours-gpu": ("modernbert", ("training.batch_size=256",)),
    "ours-gpu-uncompiled": ("modernbert", ("training.batch_size=256", "training.compile=off")),
}
"""Contestants that are a recipe with settings; any other name is a recipe as it is. `ours` is what a user gets, at the
leg's size; `ours-auto` at the size that fits the time, whatever the leg says; `ours-gpu` has as many rows in a step as
keep a GPU busy."""

NEVER = 1 << 40


def run_of(leg: Leg, store: str) -> Run:
    """The run of a leg: its recipe and settings at the leg's size, its own shape of head and feed-forward kept; where
    the recipe is `auto`, what it decides after its measurement of the machine."""
    from unmask.config import changed, overridden
    from unmask.recipes import named
    from unmask.scaling import choose

    recipe, settings = OURS.get(leg.contestant, (leg.contestant, ()))
    run = changed(
        replace(overridden(named(recipe), settings), seed=leg.seed),
        data={"store": store},
        training={"minutes": leg.minutes, "evaluations": 0, "checkpoint_every": NEVER},
    )
    if run.auto:
        return choose(run).run
    architecture = run.architecture
    sizes = {
        "layers": leg.layers,
        "width": leg.width,
        "heads": max(1, leg.width * architecture.heads // architecture.width),
        "feedforward": leg.width * architecture.feedforward // architecture.width,
    }
    return changed(run, architecture=sizes)


def train(leg: Leg, track: Track) -> Finish:
    """Train until the track is over."""
    from benchmarks import measuring
    from benchmarks.race.track import Finish
    from unmask import stages
    from unmask.config import changed, to_dict
    from unmask.distributed import World
    from unmask.run import ready

    watcher = _Watcher(track)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        stages.started(run_of(leg, track.course.store).checked(), folder, World())
        run, store, _, fit = ready(folder, World(), watcher)  # type: ignore[arg-type]
        with track.clock.stopped():
            watcher.asks(fit, stages.Judge(run, store, _copied(fit.objective), fit.device))
        fit.clock = track.clock.seconds
        track.begin()
        # What is left of the minutes after imports and building, and a step in any case, as with the others.
        fit.settings = replace(fit.settings, minutes=max(track.left, 1.0) / 60)
        spent = fit.run()
    kept = to_dict(changed(run, data={"store": measuring.named(Path(track.course.store))}))
    settings = {"recipe": run.name, "batch": run.training.batch_size, "run": kept}
    return Finish(watcher.predict, fit.masters.weights.numel(), spent.step, spent.tokens, settings)


def _copied(objective: Any) -> Any:
    """The objective in float32 beside the one that learns, to be asked."""
    from copy import deepcopy

    return deepcopy(objective).float().eval()


class _Watcher:
    """Watches `fit` and asks at the marks."""

    def __init__(self, track: Track) -> None:
        self.track = track

    def asks(self, fit: Any, judge: Any) -> None:
        """Whom it asks: judge predicts by a copy of what fit trains."""
        self.weights, self.judge = fit.masters.views, judge

    def start(self, *given: Any, **named: Any) -> None: ...
    def message(self, text: str) -> None: ...
    def evaluation(self, *given: Any) -> None: ...

    def step(self, record: Mapping[str, Any]) -> None:
        self.track.step(self.predict, record["step"], record["tokens"])

    def predict(self, *asked: Any) -> Any:
        """Logits of the float32 weights as they are now."""
        for name, parameter in self.judge.model.named_parameters():
            parameter.data.copy_(self.weights[name])
        return self.judge.predict(*asked)

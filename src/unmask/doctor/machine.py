"""How long the recipes take on this machine: its measured speed, and the arithmetic of a model.

A step costs about 6 operations a weight and token (2 forward, 4 backward; Kaplan et al. 2020, section 2.1), and 12 a
layer, channel and visible token for attention; the vocabulary projection runs on the masked places only, and the
encoder of a masked autoencoder on the others only. Training reaches about half of what plain matrix products reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from unmask.doctor.diagnosis import Finding

REACHED = 0.5
"""The share of the speed of plain matrix products that training reaches, about."""

SHOWN = ("demo", "modernbert", "bert", "lstm", "mae")
"""The recipes a person is told of, one of a kind; `--json` has the others as well."""


@dataclass(frozen=True)
class Estimate:
    """A recipe on this machine: its speed, how long it trains, and how often it sees the text in that time."""

    recipe: str
    parameters: int
    tokens_per_second: float
    seconds: float
    passes: float

    @property
    def finding(self) -> Finding:
        """The estimate as a sentence; a warning when the text goes by so often that it is learned by heart."""
        passes = "one pass" if self.passes == 1 else f"{self.passes:,.{0 if self.passes >= 10 else 2}f} passes"
        what = (
            f"recipe {self.recipe}: about {duration(self.seconds)} for {passes} over the text "
            f"({self.parameters / 1e6:.1f} M parameters, {self.tokens_per_second:,.0f} tokens/s)"
        )
        if self.passes > 40:
            return Finding("warning", what, "more than 40 passes teach it by heart: give more text or less time")
        return Finding("note", what)


def estimates(tokens: int, vocabulary_size: int | None = None) -> list[Estimate]:
    """Each recipe on a text of so many tokens; a recipe without budget of its own makes one pass, `auto`, which is
    decided when it is run, is left out.

    Without `vocabulary_size` the recipe's own is taken.
    """
    from unmask.recipes import RECIPES

    peak, runs = _peak(), {name: RECIPES.load(name)() for name in RECIPES}
    settled = {name: run for name, run in runs.items() if not run.auto}
    return [_estimate(name, run, max(1, tokens), vocabulary_size, peak) for name, run in settled.items()]


def operations_per_token(run: Any, vocabulary_size: int) -> tuple[float, int]:
    """Floating-point operations to train on one token, on average over training, and the parameters of the model."""
    import torch

    with torch.device("meta"):
        objective = run.objective.build(run.architecture.build(vocabulary_size), vocabulary_size)
    parameters = sum(weight.numel() for weight in objective.parameters())
    width, length, ratio = objective.encoder.width, run.data.row_length, run.masking.mean_ratio
    embedding = vocabulary_size * width
    asked = ratio * embedding  # tied to the embedding, and asked at the masked places only
    read = 1 - ratio if run.objective.gaps else 1.0  # of the tokens, by the encoder
    encoder = sum(weight.numel() for weight in objective.encoder.parameters()) - embedding
    above = parameters - embedding - encoder
    attends = hasattr(run.architecture, "heads")
    attention = 12 * run.architecture.layers * width * length * read**2 if attends else 0
    return 6.0 * (encoder * read + above + asked) + attention, parameters


def findings(estimates: Iterable[Estimate]) -> list[Finding]:
    """What a person is told of estimates: those of SHOWN."""
    return [estimate.finding for estimate in estimates if estimate.recipe in SHOWN]


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    whole = max(1, round(seconds))
    return f"{whole} second{'s' if whole > 1 else ''}"


def _estimate(name: str, run: Any, tokens: int, vocabulary_size: int | None, peak: float) -> Estimate:
    cost, parameters = operations_per_token(run, vocabulary_size or run.tokenizer.vocabulary_size)
    speed = REACHED * peak / cost
    settings = run.training
    if settings.minutes:
        seconds = settings.minutes * 60
    elif settings.flops:
        seconds = settings.flops / (REACHED * peak)
    elif settings.steps:
        seconds = settings.steps * settings.mean_batch * run.data.row_length / speed
    else:
        seconds = (settings.tokens or (settings.epochs or 1) * tokens) / speed
    return Estimate(name, parameters, speed, seconds, round(seconds * speed / tokens, 3))


def _peak() -> float:
    from unmask.training.precision import chosen_device, chosen_dtype
    from unmask.training.throughput import peak_flops

    device = chosen_device("auto")
    return peak_flops(device, chosen_dtype("auto", device))

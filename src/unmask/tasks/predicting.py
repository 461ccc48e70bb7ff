"""Logits of many rows, in batches of about one length.

Shapes: B rows, T tokens, K places asked, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from unmask.tasks.features import ROUND_UP, Feature, Loss, by_length, collated

TOKENS = 8192
"""Tokens that go through a model at once, padding included."""


def logits_of(
    module: Any,
    features: Sequence[Feature],
    pad_id: int,
    device: torch.device | str,
    done: Callable[[int], None] | None = None,
    tokens: int = TOKENS,
) -> list[np.ndarray]:
    """The logits (K,L) float32 of each feature, in their order. module: a labeller; done: told how many rows are ready
    after each batch; tokens: so many go through the model at once, padding included."""
    # Nothing is gained by few shapes on a processor when each is met once; padding costs.
    multiple = 1 if torch.device(device).type == "cpu" else ROUND_UP
    result: list[np.ndarray] = [np.zeros((0, 0), np.float32)] * len(features)
    for numbers in by_length(features, tokens):
        chosen = [features[number] for number in numbers]
        with torch.inference_mode():
            logits = collated(chosen, numbers, pad_id, multiple).to(device).through(module).float().cpu().numpy()
        for number, feature, row in zip(numbers, chosen, logits, strict=True):
            result[number] = row[: len(feature.places)]
        if done is not None:
            done(len(numbers))
    return result


def loss_of(loss: Loss, features: Sequence[Feature], logits: Sequence[np.ndarray]) -> float:
    """The mean loss over everything that the features ask: as `TaskObjective.counts` has it."""
    total, count = 0.0, 0
    for feature, row in zip(features, logits, strict=True):
        targets = torch.from_numpy(feature.targets)[None]
        total += float(loss(torch.from_numpy(np.ascontiguousarray(row))[None], targets))
        count += len(feature.places) if feature.targets.ndim == 1 else 1
    return total / max(1, count)

"""A model as it stands before any pretraining: its architecture with random weights. What pretraining is worth shows
beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from unmask import weights as folders
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.weights.labelled import Labeller

_INNER = ("module", "encoder")
"""Where the modules of tasks that wrap a model hold it."""


@torch.no_grad()
def draw_weights(module: Any, folder: Path) -> None:
    """Draw all weights of a task's module anew, head included, as its class starts them (seed torch first). folder:
    where its configuration stands."""
    if isinstance(module, Labeller):
        fresh = Labeller(folders.new_encoder(folder), module.kind, module.labels, module.pooling)
    elif isinstance(module, MaskedObjective):
        fresh = folders.new_objective(folder)
    elif hasattr(module, "save_pretrained"):  # a class of transformers
        fresh = type(module)(module.config)
    elif not any(hasattr(module, name) for name in _INNER):
        fresh = folders.new_encoder(folder)
    else:
        return draw_weights(next(getattr(module, name) for name in _INNER if hasattr(module, name)), folder)
    module.load_state_dict(fresh.state_dict())

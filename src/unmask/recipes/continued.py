"""Going on with a model that was trained before, on other text. Not on the menu: it begins with a folder."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import PurePath
from typing import Any

from unmask.config import from_dict
from unmask.models import resolved, run_beside
from unmask.run import Data, Run
from unmask.start import Start
from unmask.start.folder import architecture_of
from unmask.training.optimizers.adamw import AdamW
from unmask.training.settings import Training

# Between all of the former peak, from which the new text is learned fastest and the old forgotten most, and none of it
# (Gupta et al. 2023, "Continual Pre-Training of Large Language Models: How to (re)warm your model?").
SHARE_OF_PEAK = 0.3
# For models whose training is not known, all of which Adam has trained.
_OPTIMIZER = AdamW(learning_rate=1e-4)
_INSIDE_A_RUN = re.compile(r"model|checkpoints|step-\d+|\.+|")


def continued(model: str) -> Run:
    """Masked language modelling from a model folder (or a Hub name) on; say data.source and training.minutes.

    The learning rate is warmed up again: to 0.3 of the peak of the run that made the model, else to 1e-4 by AdamW.
    A step has the same number of rows throughout.
    """
    folder = resolved(model)
    architecture = architecture_of(folder)
    return Run(
        name=f"{name_of(model)}-continued",
        start=Start(model=model),
        data=Data(
            row_length=min(Data.row_length, architecture.positions),
            packing="packed" if architecture.packed_rows else "document",
        ),
        architecture=architecture,
        optimizer=_lowered(run_beside(folder)),
        training=Training(),  # as many rows from the first step on: what few can teach is known
    )


def name_of(model: str) -> str:
    """The name of a model: that of its run for runs/NAME/model or runs/NAME/checkpoints/step-7, else of its folder."""
    return next((part for part in reversed(PurePath(model).parts) if not _INSIDE_A_RUN.fullmatch(part)), "model")


def _lowered(before: dict[str, Any] | None) -> Any:
    """The optimizer of the run that made a model, at a share of its peak."""
    if before is None:
        return _OPTIMIZER
    optimizer = from_dict(Run, {"optimizer": before["optimizer"]}).optimizer
    rates = [field.name for field in fields(optimizer) if field.name.endswith("learning_rate")]
    return replace(optimizer, **{name: float(f"{SHARE_OF_PEAK * getattr(optimizer, name):.6g}") for name in rates})

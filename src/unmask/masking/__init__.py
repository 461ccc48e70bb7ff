"""Which tokens a model must restore: which units (`selections/`), how many (`schedules`), and how (`corruption`).

    Masking(ratio=0.3, ratio_end=0.15)                    30 % at the start of training, 15 % at its end
    masked = masking.apply(rows, ratio, epoch, seed, vocabulary)

Every choice is a pure function of (seed, epoch, row number, position); how many are masked follows the ratio alone.
The names below are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.masking.corruption import IGNORE
    from unmask.masking.settings import Masked, Masking
    from unmask.masking.units import place_count

_HOMES = {"IGNORE": "corruption", "Masked": "settings", "Masking": "settings", "place_count": "units"}

__all__ = ["IGNORE", "Masked", "Masking", "place_count"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"unmask.masking.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'unmask.masking' has no attribute '{name}'")

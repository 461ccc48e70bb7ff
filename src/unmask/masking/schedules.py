"""How the share of masked tokens moves through training: functions (ratio, ratio_end, progress in [0, 1]) -> ratio."""

from __future__ import annotations

import math

from unmask.menu import Menu

SCHEDULES = Menu(
    "masking schedule",
    {name: f"unmask.masking.schedules:{name}" for name in ("constant", "linear", "cosine", "uniform")},
)


def constant(ratio: float, ratio_end: float, progress: float) -> float:
    """`ratio` from the first step to the last."""
    return ratio


def linear(ratio: float, ratio_end: float, progress: float) -> float:
    """Straight from `ratio` to `ratio_end` (Ankner et al. 2023, "Dynamic Masking Rate Schedules")."""
    return ratio + (ratio_end - ratio) * progress


def cosine(ratio: float, ratio_end: float, progress: float) -> float:
    """Half a cosine: slow at both ends, fast in the middle."""
    return ratio_end + (ratio - ratio_end) * (1 + math.cos(math.pi * progress)) / 2


def uniform(ratio: float, ratio_end: float, progress: float) -> float:
    """The same interval all the way: each row draws its own ratio below this highest one (see `Masking.apply`)."""
    return max(ratio, ratio_end)

"""How the share of masked tokens moves through training: functions (ratio, ratio_end, progress in [0, 1]) -> ratio.

With the schedules in `DRAWS` each row draws its own share instead, by the same law from the first step to the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from unmask.menu import Menu

if TYPE_CHECKING:
    import numpy as np

SCHEDULES = Menu(
    "masking schedule",
    {name: f"unmask.masking.schedules:{name}" for name in ("constant", "linear", "cosine", "uniform", "cosine_law")},
)


def _by_cosine(draws: np.ndarray) -> np.ndarray:
    import numpy as np  # here, so that the menu above can be read without

    return 1 - np.cos(np.pi / 2 * draws)


DRAWS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"uniform": lambda draws: draws, "cosine_law": _by_cosine}
"""Schedules with which each row draws its own share: draws in [0, 1) -> the place in [0, 1) between the two ratios."""


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
    """Each row draws its own ratio, all between the two equally likely; this is the highest."""
    return max(ratio, ratio_end)


def cosine_law(ratio: float, ratio_end: float, progress: float) -> float:
    """Each row draws its own ratio, low ones more often; this is the highest.

    It lies 1 - cos(pi u / 2) of the way up for u uniform, 0.36 on average (cf. Kosmopoulou et al. 2025, "Masked
    Diffusion Language Models with Frequency-Informed Training").
    """
    return max(ratio, ratio_end)

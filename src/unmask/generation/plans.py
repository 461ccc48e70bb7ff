"""How many blanks are filled at each step of iterative unmasking: a plan says what share is still blank.

`linear` fills as many at every step; `cosine` begins with few, when little is known, and ends with many (Chang et al.
2022, MaskGIT, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from unmask.errors import SettingError
from unmask.menu import Menu

PLANS = Menu("plan", {name: f"unmask.generation.plans:{name}" for name in ("linear", "cosine")})


def linear(done: float) -> float:
    """The same number at every step."""
    return 1 - done


def cosine(done: float) -> float:
    """Few at first and many in the end: a quarter of a cosine is still blank."""
    return math.cos(math.pi / 2 * done)


def counts(plan: str, blanks: int, steps: int) -> list[int]:
    """How many of `blanks` places are filled at each step: at least one, all of them in the end.

    At most as many steps are taken as there are blanks.
    """
    left, steps = PLANS.load(plan), min(steps, blanks)
    filled = [0]
    for step in range(1, steps + 1):
        wanted = blanks - round(blanks * left(step / steps))
        filled.append(max(filled[-1] + 1, min(wanted, blanks - (steps - step))))
    return [after - before for before, after in pairwise(filled)]


def shared(steps: int, sizes: Sequence[int]) -> list[int]:
    """Steps divided among parts in proportion to their sizes, at least one for each; SettingError for too few."""
    if steps < len(sizes):
        raise SettingError(
            f"steps={steps}: {len(sizes)} blocks need a step each: take {len(sizes)} steps or longer blocks"
        )
    given, behind, total = [], 0, sum(sizes)
    for number, size in enumerate(sizes):
        behind += size
        left = len(sizes) - number - 1
        wanted = round(steps * behind / total) - sum(given)
        given.append(max(1, min(wanted, steps - sum(given) - left)))
    return given

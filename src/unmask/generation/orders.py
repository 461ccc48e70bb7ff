"""Which of the places that are still blank are filled next: a menu of orders.

Shapes: B samples, R places still blank in a sample, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unmask.config import require
from unmask.menu import Menu

if TYPE_CHECKING:
    from torch import Tensor

_HERE = "unmask.generation.orders"
ORDERS = Menu(
    "order",
    {
        "confidence": f"{_HERE}:Confidence",
        "entropy": f"{_HERE}:Entropy",
        "random": f"{_HERE}:Random",
        "left_to_right": f"{_HERE}:LeftToRight",
        "blocks": f"{_HERE}:Blocks",
    },
)


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the model would write into the places that are still blank."""

    log_probabilities: Tensor
    """(B,R,V), of what may be written"""
    drawn: Tensor
    """(B,R): the token that each place would get"""
    numbers: Tensor
    """(B,R): which of all the blanks a place is, 0 the leftmost"""
    uniforms: Tensor
    """(B,R): a random number of each place, from 0 to 1, the same at every step"""


class Order(ABC):
    """What all orders share: `priorities(candidates) -> (B,R)`, the highest are filled first."""

    def parts(self, blanks: int) -> list[range]:
        """Blanks that are filled before the next part begins: here all of them together."""
        return [range(blanks)]

    def last(self, part: range, first: int, count: int) -> int:
        """The last blank that a step of `count` may fill in a part whose first open one is `first`."""
        return part[-1]

    @abstractmethod
    def priorities(self, found: Candidates) -> Tensor:
        """How soon each place is filled: (B,R)."""


@dataclass(frozen=True)
class Confidence(Order):
    """Where the drawn token has the highest probability (Chang et al. 2022, MaskGIT, section 3.2)."""

    def priorities(self, found: Candidates) -> Tensor:
        return found.log_probabilities.gather(2, found.drawn[..., None]).squeeze(2)


@dataclass(frozen=True)
class Entropy(Order):
    """Where the model hesitates least, whatever was drawn there."""

    def priorities(self, found: Candidates) -> Tensor:
        import torch

        return -torch.special.entr(found.log_probabilities.exp()).sum(2)


@dataclass(frozen=True)
class Random(Order):
    """In an order drawn once for each sample, as masked diffusion is trained (Sahoo et al. 2024, MDLM)."""

    def priorities(self, found: Candidates) -> Tensor:
        return found.uniforms


@dataclass(frozen=True)
class LeftToRight(Order):
    """From the first blank to the last."""

    def priorities(self, found: Candidates) -> Tensor:
        return -found.numbers

    def last(self, part: range, first: int, count: int) -> int:
        return first + count - 1


@dataclass(frozen=True)
class Blocks(Confidence):
    """Blocks from left to right, by confidence inside each (Nie et al. 2025, LLaDA, section 2.4)."""

    length: int = 16
    """blanks in a block"""

    def __post_init__(self) -> None:
        require(self.length > 0, f"block={self.length}: a whole number from 1 is needed")

    def parts(self, blanks: int) -> list[range]:
        return [range(first, min(first + self.length, blanks)) for first in range(0, blanks, self.length)]

"""GPUs: which device computes, and what passes between a GPU and the processor without either waiting for the other.

torch is imported where it is used: the core must start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def best_device() -> str:
    """The GPU of this process where there is one ("cuda:0"), else "cpu"."""
    import torch

    # With its number: another thread of a process that computes on the second GPU would take the first one.
    return f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"


def runs_ahead(device: torch.device) -> bool:
    """Whether a device is told what to compute and computes it later, so that reading a number means waiting."""
    return device.type == "cuda"


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on a device; on its way from the processor to a GPU nobody waits for it."""
    import torch

    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        # From pageable memory the copy would wait for all that the GPU was told before.
        return tensor.contiguous().pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Underway:
    """Numbers that a device may still be computing: on their way at once, waited for when they are read."""

    def __init__(self, numbers: Tensor) -> None:
        """numbers (N,): must not be changed until they are read."""
        import torch

        self._numbers, self._arrived = numbers, None
        if runs_ahead(numbers.device):
            self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self._numbers.copy_(numbers, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def read(self) -> list[float]:
        """The numbers."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._numbers.tolist()

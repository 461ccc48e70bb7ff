"""How fast a step is, and how fast this machine could be."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

# Fixed matrix products, (rows, inner, columns): the shapes of a mid-sized encoder's layers.
_PRODUCTS = ((2048, 2048, 2048), (4096, 1024, 1024), (8192, 512, 1024))
_ROUNDS = 5


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in plain matrix products: the best of five rounds of fixed shapes."""
    best = 0.0
    for rows, inner, columns in _PRODUCTS:
        left = torch.randn(rows, inner, device=device, dtype=dtype)
        right = torch.randn(inner, columns, device=device, dtype=dtype)
        for _ in range(_ROUNDS):
            _wait(device)
            start = time.perf_counter()
            torch.mm(left, right)
            _wait(device)
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def counted_flops(work: Callable[[], object]) -> int:
    """The floating-point operations of the matrix products that `work` really runs, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

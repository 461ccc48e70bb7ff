"""Several processes that train one model: each takes its part of the global batch, gradients are added.

Loss and gradients are sums divided by the global count, so the number of processes does not change the mathematics.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from unmask.distributed import World, world

PATIENCE = timedelta(hours=2)
"""How long processes wait for one another: the first one evaluates alone. torchrun ends them when one of them dies."""


@contextmanager
def process_group() -> Iterator[World]:
    """Join the others that torchrun or srun started (NCCL for what is on GPUs, gloo for the rest); alone, nothing
    happens."""
    me = world()
    if me.size == 1 or dist.is_initialized():
        yield me
        return
    if torch.cuda.is_available():
        # A scheduler that shows each process its own GPU alone calls all of them 0.
        torch.cuda.set_device(me.local_rank % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    dist.init_process_group(backend, rank=me.rank, world_size=me.size, timeout=PATIENCE)
    try:
        yield me
    finally:
        dist.destroy_process_group()


def share(count: int, me: World) -> range:
    """Which of `count` rows are this process's: neighbours, as even as possible."""
    return range(count * me.rank // me.size, count * (me.rank + 1) // me.size)


def added(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def agreed(value: float) -> float:
    """The first process's number, on all of them: clocks differ, decisions must not."""
    if not dist.is_initialized():
        return value
    tensor = torch.tensor(value, dtype=torch.float64)  # a GPU would have to be waited for
    dist.broadcast(tensor, 0)
    return float(tensor)


def same(module: nn.Module) -> None:
    """Give all processes the weights of the first one."""
    if dist.is_initialized():
        for parameter in module.parameters():
            dist.broadcast(parameter.data, 0)


def together() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()

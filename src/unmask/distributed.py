"""Who am I among how many: read in this one place, from torchrun's variables, Slurm's, or neither."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """This process among all. `rank` 0 writes; `size` 1 means that there is nobody else."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0


def world() -> World:
    """The world as torchrun (RANK, WORLD_SIZE, LOCAL_RANK) or srun (SLURM_PROCID, ...) describes it."""
    if "RANK" in os.environ:
        rank, size, local = (os.environ.get(n, d) for n, d in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0")))
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        rank, size, local = (os.environ[n] for n in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"))
    else:
        return World()
    return World(int(rank), int(size), int(local))

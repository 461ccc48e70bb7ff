"""Whole training steps of ours, for the benchmarks that measure them: from a masked batch to updated weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

MASK = 4


def masked_batch(settings: dict[str, Any]) -> Any:
    """One batch of random tokens, `ratio` of each row masked; every row asks the same number of places."""
    import torch

    from unmask.batches import IGNORE, Batch

    B, T = settings["batch"], settings["row_length"]
    tokens = torch.randint(5, settings["words"], (B, T))
    count = round(settings["ratio"] * T)
    places = torch.stack([torch.randperm(T)[:count].sort().values for _ in range(B)])
    targets = torch.full((B, T), IGNORE).scatter(1, places, tokens.gather(1, places))
    return Batch(
        numbers=torch.arange(B),
        inputs=tokens.scatter(1, places, MASK),
        targets=targets,
        groups=torch.ones(B, T, dtype=torch.long),
        positions=torch.arange(T).expand(B, T),
        places=places,
        maskable=torch.full((B,), T),
        ratio=settings["ratio"],
    )


def training_step(objective: Any, optimizer: Any, settings: dict[str, Any]) -> Callable[[], object]:
    """A step of an objective in bf16 with float32 masters, always on the same batch, `micro_batch` rows at a time where
    the settings say so. optimizer: its settings."""
    import torch

    from unmask.training.memory import keep_large_blocks
    from unmask.training.precision import Masters

    keep_large_blocks()
    masters = Masters(objective, torch.bfloat16)
    update = optimizer.build(masters, objective)
    batch = masked_batch(settings)
    count, width = objective.counts(batch)["masked"], settings.get("micro_batch", len(batch))

    def step() -> None:
        for start in range(0, len(batch), width):
            (objective(batch.part(start, start + width))["masked"] / count).backward()
            masters.collect(first=start == 0)
        update.step(1.0)
        masters.publish()

    return step


def median_step(step: Callable[[], object], settings: dict[str, Any]) -> dict[str, float]:
    """The median of `steps` after `warmup` others, and the tokens of the rows that it trains on in a second."""
    seconds = []
    for _ in range(settings["warmup"] + settings["steps"]):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[settings["warmup"] :])
    return {"step_seconds": median, "tokens_per_second": settings["batch"] * settings["row_length"] / median}

"""Whole training steps for the benchmarks that measure them: from a masked batch to updated weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MASK = 4


@dataclass(frozen=True)
class Step:
    """A training step, always on the same batch: `learn` gives the weights gradients, `update` changes them by it."""

    learn: Callable[[], object]
    update: Callable[[], object]

    def __call__(self) -> None:
        self.learn()
        self.update()


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


def training_step(objective: Any, optimizer: Any, settings: dict[str, Any]) -> Step:
    """A step of an objective of ours in bf16 with float32 masters, `micro_batch` rows at a time where the settings say
    so. optimizer: its settings."""
    import torch

    from unmask.training.memory import keep_large_blocks
    from unmask.training.precision import Masters

    keep_large_blocks()
    masters = Masters(objective, torch.bfloat16)
    optimizing = optimizer.build(masters, objective)
    batch = masked_batch(settings)
    count, width = objective.counts(batch)["masked"], settings.get("micro_batch", len(batch))

    def learn() -> None:
        for start in range(0, len(batch), width):
            (objective(batch.part(start, start + width))["masked"] / count).backward()
            masters.collect(first=start == 0)

    def update() -> None:
        optimizing.step(1.0)
        masters.publish()

    return Step(learn, update)


def stock_modernbert(settings: dict[str, Any], *, sparse: bool) -> Any:
    """A fresh ModernBertForMaskedLM of transformers; sparse: logits at the asked places alone."""
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    config = ModernBertConfig(
        vocab_size=settings["words"],
        hidden_size=settings["width"],
        intermediate_size=settings["feedforward"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        sparse_prediction=sparse,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        cls_token_id=None,
        sep_token_id=None,
    )
    return ModernBertForMaskedLM(config).train()


def median_step(step: Callable[[], object], settings: dict[str, Any]) -> dict[str, float]:
    """The median of `steps` after `warmup` others, and the tokens of the rows that it trains on in a second."""
    seconds = []
    for _ in range(settings["warmup"] + settings["steps"]):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[settings["warmup"] :])
    return {"step_seconds": median, "tokens_per_second": settings["batch"] * settings["row_length"] / median}


def share_of_peak(step: Step, seconds: float) -> dict[str, float]:
    """How much of this processor's speed in bf16 a step uses that takes so many seconds, the optimizer's included.

    Counted are the operations of the model's matrix products that really run, forward and backward, attention and the
    head at the asked places with them; what the optimizer multiplies is not. The peak is the best of fixed products,
    five times each, measured now.
    """
    import torch

    from unmask.training.throughput import counted_flops, peak_flops

    peak = peak_flops(torch.device("cpu"), torch.bfloat16)
    operations = counted_flops(step.learn)
    return {"flops": operations, "peak_flops": peak, "peak_share": operations / seconds / peak}

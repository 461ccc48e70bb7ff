"""Training throughput beside stock `ModernBertForMaskedLM`: the same layers, width, words, rows, batch and masks.

stock         the stock class under bf16 autocast with torch's AdamW, as it comes: logits for every position
stock-sparse  the same with `sparse_prediction=True`
ours-adamw    our step (bf16 weights, float32 masters, projection at the masked places) with AdamW
ours-muon     our default optimizer, its orthogonalisation included

A step is everything from a masked batch to updated weights.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started
from benchmarks.steps import masked_batch, median_step, training_step

CONTESTANTS = ["stock", "stock-sparse", "ours-adamw", "ours-muon"]
SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 512, "words": 16_384,
    "row_length": 128, "ratio": 0.15, "steps": 8, "warmup": 3, "seed": 0,
}  # fmt: skip
BATCHES = (16, 64)
ROUNDS = 3


def main() -> None:
    """Measure all contestants at both batch sizes and keep the results."""
    results, summary = {}, {}
    for batch in BATCHES:
        runs = rounds("benchmarks.throughput", CONTESTANTS, ROUNDS, SETTINGS | {"batch": batch})
        results[f"batch {batch}"] = runs
        speeds = {name: statistics.median(run["tokens_per_second"] for run in runs[name]) for name in CONTESTANTS}
        ratios = {
            f"{ours} / {peer}": ratio(runs, ours, peer, "tokens_per_second")
            for ours in CONTESTANTS[2:]
            for peer in CONTESTANTS[:2]
        }
        summary[f"batch {batch}"] = {"tokens_per_second": speeds, "ratios": ratios}
    print(keep("throughput", SETTINGS | {"batches": BATCHES, "rounds": ROUNDS}, results, summary))


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """The median step of one contestant in this process."""
    import torch

    torch.manual_seed(settings["seed"])
    step = _stock(settings, sparse=name == "stock-sparse") if name.startswith("stock") else _ours(name, settings)
    return median_step(step, settings)


def _ours(name: str, settings: dict[str, Any]) -> Callable[[], object]:
    from unmask.architectures.modernbert import ModernBert
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.training.optimizers.adamw import AdamW
    from unmask.training.optimizers.muon import Muon

    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    model = MaskedLanguageModeling().build(ModernBert(**sizes).build(settings["words"]), settings["words"])
    return training_step(model, Muon() if name == "ours-muon" else AdamW(), settings)


def _stock(settings: dict[str, Any], *, sparse: bool) -> Callable[[], object]:
    import torch
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    config = ModernBertConfig(
        vocab_size=settings["words"],
        hidden_size=settings["width"],
        intermediate_size=settings["feedforward"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        sparse_prediction=sparse,
        pad_token_id=0,
    )
    model = ModernBertForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch = masked_batch(settings)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=batch.inputs, attention_mask=batch.groups, labels=batch.targets).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main)

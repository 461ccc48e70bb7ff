"""Training throughput beside stock `ModernBertForMaskedLM`: the same layers, width, words, rows, batch and masks.

stock         the stock class under bf16 autocast with torch's AdamW, as it comes: logits for every position
stock-sparse  the same with `sparse_prediction=True`
ours-adamw    our step (bf16 weights, float32 masters, projection at the masked places) with AdamW
ours-muon     our default optimizer, its orthogonalisation included

A step is everything from a masked batch to updated weights. `peak_share` is what the operations of the model (see
`steps.share_of_peak`) come to in the time of the whole step, of the fastest that this processor multiplies in bf16.

    python -m benchmarks.throughput                                      6 layers of 256, 2k and 8k tokens a step
    python -m benchmarks.throughput --layers 12 --width 384 --batch 128 --steps 2      16k tokens a step
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started
from benchmarks.steps import Step, masked_batch, median_step, share_of_peak, stock_modernbert, training_step

CONTESTANTS = ["stock", "stock-sparse", "ours-adamw", "ours-muon"]
SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 512, "words": 16_384,
    "row_length": 128, "ratio": 0.15, "steps": 8, "warmup": 3, "seed": 0,
}  # fmt: skip
BATCHES = (16, 64)
ROUNDS = 3


def main(
    layers: int = SETTINGS["layers"],
    width: int = SETTINGS["width"],
    batch: int | None = None,
    steps: int = SETTINGS["steps"],
) -> None:
    """Measure all contestants of a size at one batch size, or at several, and keep the results."""
    sizes = {"layers": layers, "width": width, "heads": max(1, width // 64), "feedforward": 2 * width}
    settings = SETTINGS | sizes | {"steps": steps, "warmup": min(steps, SETTINGS["warmup"])}
    batches = BATCHES if batch is None else (batch,)
    results, summary = {}, {}
    for rows in batches:
        runs = rounds("benchmarks.throughput", CONTESTANTS, ROUNDS, settings | {"batch": rows})
        medians = {
            figure: {name: statistics.median(run[figure] for run in runs[name]) for name in CONTESTANTS}
            for figure in ("tokens_per_second", "peak_share")
        }
        ratios = {
            f"{ours} / {peer}": ratio(runs, ours, peer, "tokens_per_second")
            for ours in CONTESTANTS[2:]
            for peer in CONTESTANTS[:2]
        }
        results[f"batch {rows}"], summary[f"batch {rows}"] = runs, medians | {"ratios": ratios}
    name = "throughput" if settings == SETTINGS and batch is None else f"throughput-{layers}x{width}"
    print(keep(name, settings | {"batches": batches, "rounds": ROUNDS}, results, summary))


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """The median step of one contestant in this process, and the share of the peak that it comes to."""
    import torch

    torch.manual_seed(settings["seed"])
    step = _stock(settings, sparse=name == "stock-sparse") if name.startswith("stock") else _ours(name, settings)
    measured = median_step(step, settings)
    return measured | share_of_peak(step, measured["step_seconds"])


def _ours(name: str, settings: dict[str, Any]) -> Step:
    from unmask.architectures.modernbert import ModernBert
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.training.optimizers.adamw import AdamW
    from unmask.training.optimizers.muon import Muon

    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    model = MaskedLanguageModeling().build(ModernBert(**sizes).build(settings["words"]), settings["words"])
    return training_step(model, Muon() if name == "ours-muon" else AdamW(), settings)


def _stock(settings: dict[str, Any], *, sparse: bool) -> Step:
    import torch

    model = stock_modernbert(settings, sparse=sparse)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch = masked_batch(settings)

    def learn() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=batch.inputs, attention_mask=batch.groups, labels=batch.targets).loss
        loss.backward()

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return Step(learn, update)


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main, ("layers", "width", "batch", "steps"))

"""Training throughput of the text masked autoencoder beside masked language modelling: the same ModernBERT encoder,
words, rows, batch and optimizer.

mlm-15   masked language modelling, 15 % of the tokens asked
mae-50   the masked autoencoder with a decoder of one layer, 50 % of the tokens left out
mae-75   the same, 75 %
narrow   the same, 75 %, its decoder half as wide as the encoder

Tokens a second are those of the rows, masked or not. A step is everything from a masked batch to updated weights, with
the batch size and the optimizer that runs have by default.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started
from benchmarks.steps import MASK, median_step, training_step

BASELINE = "mlm-15"
RATIOS = {BASELINE: 0.15, "mae-50": 0.5, "mae-75": 0.75, "narrow": 0.75}
SETTINGS = {
    "words": 16_384, "row_length": 512, "batch": 64, "micro_batch": 16,
    "steps": 2, "warmup": 1, "seed": 0,
}  # fmt: skip
SIZES = {
    "12x384": {"layers": 12, "width": 384, "heads": 6, "feedforward": 768},
    "6x256": {"layers": 6, "width": 256, "heads": 4, "feedforward": 512},
}
ROUNDS = 3


def main(settings: dict[str, Any] | None = None, sizes: dict[str, dict[str, int]] | None = None) -> None:
    """Measure all contestants at both sizes and keep the results."""
    settings, sizes = settings or SETTINGS, sizes or SIZES
    results, summary = {}, {}
    for name, size in sizes.items():
        runs = rounds("benchmarks.masked_autoencoder", list(RATIOS), ROUNDS, settings | size)
        speeds = {each: statistics.median(run["tokens_per_second"] for run in runs[each]) for each in RATIOS}
        others = [each for each in RATIOS if each != BASELINE]
        ratios = {f"{each} / {BASELINE}": ratio(runs, each, BASELINE, "tokens_per_second") for each in others}
        results[name], summary[name] = runs, {"tokens_per_second": speeds, "ratios": ratios}
    print(keep("masked_autoencoder", settings | {"sizes": sizes, "rounds": ROUNDS}, results, summary))


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """The median step of one contestant in this process."""
    import torch

    from unmask.architectures.modernbert import ModernBert
    from unmask.objectives.masked_autoencoding import MaskedAutoencoding
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.training.optimizers.muon import Muon

    torch.manual_seed(settings["seed"])
    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    encoder = ModernBert(**sizes).build(settings["words"])
    decoder = {"decoder_width": sizes["width"] // 2, "decoder_heads": sizes["heads"]} if name == "narrow" else {}
    kind = MaskedLanguageModeling() if name == BASELINE else MaskedAutoencoding(decoder_layers=1, **decoder)
    objective = kind.build(encoder, settings["words"], mask_id=MASK)
    settings = settings | {"ratio": RATIOS[name]}
    return median_step(training_step(objective, Muon(), settings), settings)


if __name__ == "__main__":
    started(list(RATIOS), contestant, main)

"""Vectors of texts of mixed length beside sentence-transformers: the same BERT with random weights, the same texts.

ours                        `embed`: rows by length, as many in a batch as fit a number of tokens
sentence-transformers       its `encode`, batches of 32 by length; by stock classes in its way where it is not installed
...-bf16                    the same with matrices (ours) or all weights (theirs) in bfloat16

Lengths are drawn log-normally, as those of sentences and passages are. In float32 the contestants must agree to 1e-4
before their texts a second are compared.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started
from benchmarks.scoring import make_model

CONTESTANTS = ["ours", "sentence-transformers", "ours-bf16", "sentence-transformers-bf16"]
SETTINGS = {
    "layers": 6, "width": 384, "heads": 12, "feedforward": 1536, "words": 16_384,
    "texts": 400, "median": 24, "spread": 1.0, "longest": 400, "warmup": 20, "batch": 32, "seed": 0,
}  # fmt: skip
ROUNDS = 3
AGREE = 1e-4


def main(settings: dict[str, Any] | None = None, count: int = ROUNDS) -> None:
    """Measure all contestants and keep the results; refused when their vectors differ."""
    settings = settings or SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), settings)
        runs = rounds("benchmarks.embedding", CONTESTANTS, count, settings | {"model": folder})
    apart = max(abs(a - b) for a, b in zip(*(runs[name][0]["sample"] for name in CONTESTANTS[:2]), strict=True))
    if apart > AGREE:
        raise SystemExit(f"error: the vectors of sentence-transformers differ from ours by {apart:.5f}")
    speeds = {name: statistics.median(run["texts_per_second"] for run in runs[name]) for name in runs}
    pairs = ((f"ours{kind}", f"sentence-transformers{kind}") for kind in ("", "-bf16"))
    ratios = {f"{ours} / {peer}": ratio(runs, ours, peer, "texts_per_second") for ours, peer in pairs}
    print(keep("embedding", settings | {"rounds": count}, runs, {"texts_per_second": speeds, "ratios": ratios}))


def save(folder: Path, settings: dict[str, Any]) -> None:
    """A sentence-transformers folder of a BERT with random weights: mean pooling, length 1."""
    from unmask.tasks.embedder import EmbeddingModel

    with tempfile.TemporaryDirectory() as stock:
        make_model(Path(stock), settings)
        model = EmbeddingModel.load(stock)
        model.save(folder, model.module.state_dict())


def texts_of(settings: dict[str, Any]) -> list[str]:
    """Texts of random words."""
    draw = random.Random(settings["seed"])
    lengths = [settings["median"] * draw.lognormvariate(0, settings["spread"]) for _ in range(settings["texts"])]
    words = [min(settings["longest"], max(3, round(length))) for length in lengths]
    return [" ".join(f"w{draw.randrange(5, settings['words'])}" for _ in range(count)) for count in words]


def contestant(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One contestant's texts a second, and a few numbers of its vectors to compare them by."""
    texts = texts_of(settings)
    encode = (ours if name.startswith("ours") else theirs)(settings, name.endswith("-bf16"))
    encode(texts[: settings["warmup"]])
    started_at = time.perf_counter()
    vectors = encode(texts)
    took = time.perf_counter() - started_at
    return {"texts_per_second": len(texts) / took, "sample": [float(number) for number in vectors[:8, :4].ravel()]}


def ours(settings: dict[str, Any], low: bool) -> Callable[[list[str]], Any]:
    """`EmbeddingModel.embed`."""
    import torch

    from unmask.tasks.embedder import EmbeddingModel
    from unmask.training.precision import Masters

    model = EmbeddingModel.load(settings["model"])
    if low:
        Masters(model.module, torch.bfloat16)  # leaves the matrices in bfloat16
    return model.embed


def theirs(settings: dict[str, Any], low: bool) -> Callable[[list[str]], Any]:
    """`SentenceTransformer.encode`, or what it does with stock classes."""
    import torch

    if find_spec("sentence_transformers") is None:
        return stock(settings, low)
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(settings["model"], device="cpu")
    model = model.to(torch.bfloat16) if low else model
    return lambda texts: model.encode(texts, batch_size=settings["batch"], convert_to_tensor=True).float().numpy()


def stock(settings: dict[str, Any], low: bool) -> Callable[[list[str]], Any]:
    """Batches of texts sorted by length in characters, padded, the mean over their tokens."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    model = AutoModel.from_pretrained(settings["model"], dtype=torch.bfloat16 if low else torch.float32).eval()

    def encode(texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
        found: list[Any] = [None] * len(texts)
        for start in range(0, len(order), settings["batch"]):
            chosen = order[start : start + settings["batch"]]
            given = tokenizer([texts[number] for number in chosen], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                hidden = model(**given)[0].float()
            mask = given["attention_mask"][..., None]
            means = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).numpy()
            for number, vector in zip(chosen, means, strict=True):
                found[number] = vector
        return np.stack(found)

    return encode


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main)

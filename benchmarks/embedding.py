"""Vectors of texts of mixed length beside sentence-transformers: the same encoder, the same texts.

ours                        `embed`: rows by length, as many in a batch as fit a number of tokens
sentence-transformers       its `encode`, batches of 32 by length; by stock classes in its way where it is not installed
...-bf16                    the same with matrices (ours) or all weights (theirs) in bfloat16

Lengths in words are log-normal. The encoder is a BERT with random weights and its words are w5, w6, ...; with
$UNMASK_EMBEDDER it is that one (a folder of sentence-transformers), and the texts are the beginnings of documents of
$UNMASK_DATA/text/en. In float32 the contestants must agree to 1e-5, and our vectors in bf16 have a cosine of 0.999 with
those of float32, before texts a second are compared.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import texts
from benchmarks.measuring import keep, named, ratio, rounds, started
from benchmarks.scoring import make_model

CONTESTANTS = ["ours", "sentence-transformers", "ours-bf16", "sentence-transformers-bf16"]
PAIRS = [CONTESTANTS[:2], CONTESTANTS[2:], (CONTESTANTS[2], CONTESTANTS[1])]
"""In float32, in bf16, and our bf16 beside what the peer does unless it is told otherwise."""
SETTINGS = {
    "layers": 6, "width": 384, "heads": 12, "feedforward": 1536, "words": 16_384,
    "texts": 400, "median": 24, "spread": 1.0, "longest": 400, "warmup": 20, "batch": 32, "seed": 0,
}  # fmt: skip
ROUNDS = 3
AGREE, COSINE = 1e-5, 0.999
SHOWN = 16
"""Texts whose vectors are compared."""


def main(settings: dict[str, Any] | None = None, count: int = ROUNDS) -> None:
    """Measure all contestants and keep the results; refused when their vectors differ."""
    settings = settings or SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        given = settings | prepared(Path(folder), settings)
        runs = rounds("benchmarks.embedding", CONTESTANTS, count, given)
    found = alike({name: runs[name][0]["vectors"] for name in CONTESTANTS})
    runs = {name: [{"texts_per_second": run["texts_per_second"]} for run in runs[name]] for name in runs}
    speeds = {name: statistics.median(run["texts_per_second"] for run in runs[name]) for name in runs}
    ratios = {f"{ours} / {peer}": ratio(runs, ours, peer, "texts_per_second") for ours, peer in PAIRS}
    summary = {"texts_per_second": speeds, "ratios": ratios} | found
    print(keep("embedding", settings | {"rounds": count, "model": given["about"]}, runs, summary))


def alike(vectors: dict[str, list[list[float]]]) -> dict[str, float]:
    """How far the contestants' vectors are from ours in float32; the program ends when that is too far."""
    import numpy as np

    ours, theirs, low = (np.array(vectors[name]) for name in CONTESTANTS[:3])
    apart = float(np.abs(ours - theirs).max())
    cosine = float(((ours * low).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(low, axis=1)).min())
    if apart > AGREE or cosine < COSINE:
        raise SystemExit(f"error: vectors differ by {apart:.6f}; in bf16 the lowest cosine is {cosine:.5f}")
    return {"largest difference in fp32": apart, "lowest cosine in bf16": cosine}


def prepared(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Encoder and texts for all contestants: where they are, and what they are."""
    draw, model = random.Random(settings["seed"]), os.environ.get("UNMASK_EMBEDDER")
    wanted = texts.lengths(*(settings[name] for name in ("texts", "median", "spread", "longest")), draw)
    if model is None:
        save(folder / "model", settings)
        rows = texts.made(wanted, settings["words"], draw)
    else:
        rows = texts.beginnings(wanted, Path(os.environ["UNMASK_DATA"]) / "text" / "en")
    (folder / "texts.json").write_text(json.dumps([" ".join(words) for words in rows]), encoding="utf-8")
    place = {"model": model or str(folder / "model"), "place": str(folder / "texts.json")}
    return place | {"about": named(model) if model else "random weights"}


def save(folder: Path, settings: dict[str, Any]) -> None:
    """A sentence-transformers folder of a BERT with random weights: mean pooling, length 1."""
    from unmask.tasks.embedder import EmbeddingModel

    with tempfile.TemporaryDirectory() as stock:
        make_model(Path(stock), settings)
        model = EmbeddingModel.load(stock)
        folder.mkdir()
        model.save(folder, model.module.state_dict())


def contestant(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One contestant's texts a second, the encoder warm, and the first of its vectors."""
    given = json.loads(Path(settings["place"]).read_text(encoding="utf-8"))
    encode = (ours if name.startswith("ours") else theirs)(settings, name.endswith("-bf16"))
    encode(given[: settings["warmup"]])
    started_at = time.perf_counter()
    vectors = encode(given)
    took = time.perf_counter() - started_at
    return {"texts_per_second": len(given) / took, "vectors": vectors[:SHOWN].tolist()}


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

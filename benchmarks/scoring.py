"""Pseudo-log-likelihoods beside minicons: the same stock BERT with random weights, the same sentences, float32.

ours             `model.score`: rows by length, the projection at the asked places alone
minicons         its MaskedLMScorer, a sentence at a time
minicons-batch   the same, 16 sentences at a time
loop             the stock class in a plain loop: a sentence's rows together, logits for every position

The sentences are made of random words, 4 to 24 tokens long. The contestants print the mean of their scores, and are
compared in sentences a second only when those agree to 1e-3.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started

PEERS = ["minicons", "minicons-batch", "loop"]
SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 1024, "words": 16_384,
    "sentences": 200, "shortest": 4, "longest": 24, "warmup": 20, "seed": 0,
}  # fmt: skip
ROUNDS = 3
BATCH = 16
AGREE = 1e-3


def main(settings: dict[str, Any] | None = None, count: int = ROUNDS) -> None:
    """Measure all contestants and keep the results; refused when their scores differ."""
    settings = settings or SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), settings)
        runs = rounds("benchmarks.scoring", ["ours", *PEERS], count, settings | {"model": folder})
    for name in PEERS:
        apart = abs(runs[name][0]["mean_score"] - runs["ours"][0]["mean_score"])
        if apart > AGREE:
            raise SystemExit(f"error: the mean score of {name} differs from ours by {apart:.5f}")
    speeds = {name: statistics.median(run["sentences_per_second"] for run in runs[name]) for name in runs}
    ratios = {f"ours / {peer}": ratio(runs, "ours", peer, "sentences_per_second") for peer in PEERS}
    print(keep("scoring", settings | {"rounds": count}, runs, {"sentences_per_second": speeds, "ratios": ratios}))


def make_model(folder: Path, settings: dict[str, Any]) -> None:
    """A BertForMaskedLM with random weights and a tokenizer whose words are w5, w6, ..."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    torch.manual_seed(settings["seed"])
    config = BertConfig(
        vocab_size=settings["words"],
        hidden_size=settings["width"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=settings["feedforward"],
    )
    BertForMaskedLM(config).save_pretrained(folder)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"w{number}" for number in range(len(special), settings["words"]))]
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(folder)


def sentences(settings: dict[str, Any], count: int, seed: int) -> list[str]:
    """Random words, sentences of every length between the shortest and the longest."""
    draw = random.Random(seed)
    lengths = [draw.randint(settings["shortest"], settings["longest"]) for _ in range(count)]
    return [" ".join(f"w{draw.randrange(5, settings['words'])}" for _ in range(length)) for length in lengths]


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """Sentences a second of one contestant in this process, the model loaded and warm, and its mean score."""
    scorer = {"ours": _ours, "loop": _loop}.get(name, _minicons)
    totals = scorer(settings["model"], BATCH if name.endswith("batch") else 1)
    totals(sentences(settings, settings["warmup"], settings["seed"] + 1))
    texts = sentences(settings, settings["sentences"], settings["seed"])
    started = time.perf_counter()
    scores = totals(texts)
    seconds = time.perf_counter() - started
    return {"sentences_per_second": len(texts) / seconds, "mean_score": statistics.fmean(scores)}


Totals = Callable[[list[str]], list[float]]
"""From texts to their pseudo-log-likelihoods in nats."""


def _ours(folder: str, batch: int) -> Totals:
    from unmask import console, load

    console.set_quiet(True)
    model = load(folder)
    return lambda texts: [scored.total for scored in model.score(texts)]


def _minicons(folder: str, batch: int) -> Totals:
    from minicons.scorer import MaskedLMScorer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.batch_encode_plus = tokenizer.__call__  # minicons 0.3 calls it by a name that transformers 5 dropped
    scorer = MaskedLMScorer(folder, "cpu", tokenizer=tokenizer)

    def totals(texts: list[str]) -> list[float]:
        some = (texts[first : first + batch] for first in range(0, len(texts), batch))
        return [score for one in some for score in scorer.sequence_score(one, reduction=lambda x: x.sum(0).item())]

    return totals


def _loop(folder: str, batch: int) -> Totals:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()

    def total(text: str) -> float:
        ids = torch.tensor(tokenizer(text)["input_ids"])
        places = torch.arange(1, len(ids) - 1)
        rows = ids.repeat(len(places), 1)
        rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
        with torch.inference_mode():
            logits = model(input_ids=rows).logits[torch.arange(len(places)), places]
        return float(logits.log_softmax(-1).gather(1, ids[places][:, None]).sum())

    return lambda texts: [total(text) for text in texts]


if __name__ == "__main__":
    started(["ours", *PEERS], contestant, main)

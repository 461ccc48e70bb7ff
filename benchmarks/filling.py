"""Blanks filled and words scored in texts of mixed length, beside the fill-mask pipeline: the same stock BERT, float32.

ours             `model.fill`: rows by length, as many in a batch as fit a number of tokens, the projection at the asked
                 places alone
pipeline         transformers' pipeline("fill-mask"), a text at a time
pipeline-batch   the same, 32 texts at a time in the order they come in

filling          a blank in the middle of each text, the five likeliest words
scoring          every word of some shorter texts masked in turn, and how likely it is: ours `model.score`, the pipeline
                 asked for the words of the text as `targets`

Lengths in words are log-normal. The model has random weights and its words are w5, w6, ...; with $UNMASK_MODEL it is
that one (a run or folder of a BERT with [MASK]), and the texts are the beginnings of documents of $UNMASK_DATA/text/en.
Contestants must give the same answers before they are compared by speed.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import texts
from benchmarks.measuring import keep, named, ratio, rounds, started
from benchmarks.scoring import make_model

PEERS = ["pipeline", "pipeline-batch"]
SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 1024, "words": 16_384,
    "texts": 400, "scored": 12, "median": 24, "spread": 1.0, "longest": 250, "warmup": 16, "top": 5, "seed": 0,
}  # fmt: skip
ROUNDS = 3
BATCH = 32
CLOSE, SAME = 1e-3, 0.99
"""How far log-probabilities may lie apart, and the share of likeliest words that must be equal: some are near ties."""


def main(settings: dict[str, Any] | None = None, count: int = ROUNDS) -> None:
    """Measure all contestants and keep the results; refused when their answers differ."""
    settings = settings or SETTINGS
    with tempfile.TemporaryDirectory() as folder:
        given = settings | prepared(Path(folder), settings)
        runs = rounds("benchmarks.filling", ["ours", *PEERS], count, given)
    for name in PEERS:
        refuse(name, runs["ours"][0], runs[name][0])
    plain = {name: [{key: run[key] for key in FIGURES} for run in runs[name]] for name in runs}
    summary = {
        figure: {
            "speeds": {name: statistics.median(run[figure] for run in plain[name]) for name in plain},
            "ratios": {f"ours / {peer}": ratio(plain, "ours", peer, figure) for peer in PEERS},
        }
        for figure in FIGURES
    }
    print(keep("filling", settings | {"rounds": count, "model": given["about"]}, plain, summary))


FIGURES = ("texts_per_second", "scored_words_per_second")


def refuse(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """End the program when a peer answers otherwise than we do."""
    apart = max(abs(a - b) for a, b in zip(ours["scores"], theirs["scores"], strict=True))
    same = statistics.fmean(a == b for a, b in zip(ours["answers"], theirs["answers"], strict=True))
    if apart > CLOSE or same < SAME:
        raise SystemExit(f"error: {name} answers otherwise: log-probabilities differ by {apart:.5f}, {same:.1%} equal")


def prepared(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Model and texts for all contestants: where they are, and what they are."""
    draw, model = random.Random(settings["seed"]), os.environ.get("UNMASK_MODEL")
    wanted = lengths_of(settings, draw)
    if model is None:
        make_model(folder / "model", settings)
        rows, model, about = texts.made(wanted, settings["words"], draw), str(folder / "model"), "random weights"
    else:
        from transformers import AutoTokenizer

        from unmask.models import resolved

        about, model = named(model), str(resolved(model))
        vocabulary = AutoTokenizer.from_pretrained(model).get_vocab()
        known = {word for word in vocabulary if word.isalpha()}  # one token each: the pipeline scores no others
        rows = texts.beginnings(wanted, Path(os.environ["UNMASK_DATA"]) / "text" / "en", known)
    place = folder / "texts.json"
    place.write_text(json.dumps(rows), encoding="utf-8")
    return {"model": model, "place": str(place), "about": about}


def lengths_of(settings: dict[str, Any], draw: random.Random) -> list[int]:
    """Words in each text, those to be scored first, which are no longer than the median."""
    drawn = (settings["median"], settings["spread"])
    scored = texts.lengths(settings["scored"], *drawn, settings["median"], draw)
    return scored + texts.lengths(settings["texts"], *drawn, settings["longest"], draw)


def masked(words: list[str], place: int, mask: str = "[MASK]") -> str:
    """A text with one of its words masked."""
    return " ".join([*words[:place], mask, *words[place + 1 :]])


def contestant(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Texts filled and words scored in a second by one contestant in this process, the model warm; and its answers."""
    rows = json.loads(Path(settings["place"]).read_text(encoding="utf-8"))
    scored, filled = rows[: settings["scored"]], rows[settings["scored"] :]
    blanks = [masked(words, len(words) // 2) for words in filled]
    fill, score = ours(settings) if name == "ours" else theirs(settings, BATCH if name.endswith("batch") else 1)
    fill(blanks[: settings["warmup"]])
    score(scored[:1])
    clock = [time.perf_counter()]
    answers = fill(blanks)
    clock.append(time.perf_counter())
    scores = score(scored)
    clock.append(time.perf_counter())
    return {
        "texts_per_second": len(blanks) / (clock[1] - clock[0]),
        "scored_words_per_second": sum(map(len, scored)) / (clock[2] - clock[1]),
        "answers": [token for row in answers for token in row],
        "scores": [score for row in scores for score in row],
    }


Fill = Callable[[list[str]], list[list[int]]]
"""From texts with a blank to the ids of the likeliest tokens there."""
Score = Callable[[list[list[str]]], list[list[float]]]
"""From the words of texts to the log-probability of each, masked alone."""


def ours(settings: dict[str, Any]) -> tuple[Fill, Score]:
    """`model.fill` and `model.score`."""
    from unmask import console, load

    console.set_quiet(True)
    model = load(settings["model"])

    def fill(blanks: list[str]) -> list[list[int]]:
        return [[each["token"] for each in found] for found in model.fill(blanks, top_k=settings["top"])]

    def score(rows: list[list[str]]) -> list[list[float]]:
        return [[word.score for word in each.words] for each in model.score([" ".join(words) for words in rows])]

    return fill, score


def theirs(settings: dict[str, Any], batch: int) -> tuple[Fill, Score]:
    """The pipeline, `batch` rows at a time."""
    import math

    from transformers import logging, pipeline

    logging.set_verbosity_error()
    ask = pipeline("fill-mask", settings["model"], device="cpu")

    def fill(blanks: list[str]) -> list[list[int]]:
        return [[each["token"] for each in found] for found in ask(blanks, top_k=settings["top"], batch_size=batch)]

    def score(rows: list[list[str]]) -> list[list[float]]:
        return [of_text(words) for words in rows]

    def of_text(words: list[str]) -> list[float]:
        targets = list(dict.fromkeys(words))
        asked = [masked(words, place) for place in range(len(words))]
        found = ask(asked, targets=targets, top_k=len(targets), batch_size=batch)
        found = [found] if isinstance(found[0], dict) else found
        chosen = [
            next(each["score"] for each in answers if each["token"] == token)
            for token, answers in zip(ask.tokenizer.convert_tokens_to_ids(words), found, strict=True)
        ]
        return [math.log(value) for value in chosen]

    return fill, score


if __name__ == "__main__":
    started(["ours", *PEERS], contestant, main)

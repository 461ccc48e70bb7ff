"""Text by iterative unmasking from several checkpoints, at several numbers of steps, judged by a model of its own.

    python -m benchmarks.generation --models plain=runs/bert diffusion=runs/diffusion --judge runs/modernbert \
        --text held-out.txt --steps 4 16 64 --orders confidence random

perplexity   pseudo-perplexity by the judge, which none of the contestants should be: low where text is likely, and also
             where it says the same again and again; so it counts only beside
entropy      of the words of a text, in nats, the mean over texts (Dieleman et al. 2022, CDCD; Sahoo et al. 2024, MDLM)
distinct-n   different n-grams of words over all of them, in all texts together (Li et al. 2016)

With `--text` the first words of its lines stand in the table too, as long as the texts that are made: what real text
has. The first text of each row is kept beside its figures, as `text`.
It is not run by `python -m benchmarks`, which has no checkpoints.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep

FIGURES = ("perplexity", "entropy", "distinct_1", "distinct_2", "distinct_3", "seconds")


def main(given: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Make texts with every model, order and number of steps, judge them, print the table and keep the results."""
    from unmask import load

    asked = _parser().parse_args(given)
    judge, table = load(asked.judge), {}
    if asked.text:
        table["real text"] = judged(judge, real_texts(judge, asked.text, asked.tokens, asked.samples))
    settings = {
        name: getattr(asked, name) for name in ("tokens", "samples", "temperature", "top_p", "no_repeat", "seed")
    }
    for named in asked.models:
        name, _, path = named.rpartition("=")
        model = load(path)
        for order in asked.orders:
            for steps in asked.steps:
                started = time.perf_counter()
                chosen = None if order == "usual" else order
                made = model.generate(asked.prompt, order=chosen, steps=steps, **settings)
                seconds = time.perf_counter() - started
                row = f"{name or Path(path).name} {order} {steps}"
                table[row] = judged(judge, [each.text for each in made]) | {"seconds": seconds / asked.samples}
                print(row, {key: round(table[row][key], 3) for key in FIGURES}, table[row]["text"], flush=True)
    if asked.keep:
        keep("generation", vars(asked), {}, table)
    else:
        print(shown(table))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation")
    parser.add_argument("--models", nargs="+", required=True, metavar="NAME=MODEL")
    parser.add_argument("--judge", required=True, metavar="MODEL")
    parser.add_argument("--text", metavar="FILE", help="real text, one document on a line")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 16, 64])
    parser.add_argument("--orders", nargs="+", default=["usual", "confidence", "random"], help="usual: the model's own")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--no-repeat", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/generation.json")
    return parser


def real_texts(judge: Any, file: str, tokens: int, count: int) -> list[str]:
    """The first `tokens` tokens, by the judge's tokenizer, of `count` lines that have as many."""
    texts = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        encoded = judge.tokenizer.encode([line], literal=True)[0]
        if len(encoded) >= tokens and len(texts) < count:
            texts.append(line[: int(encoded.ends[tokens - 1])])
    return texts


def judged(judge: Any, texts: Sequence[str]) -> dict[str, Any]:
    """The figures of some texts, and the first of them; those without a word say nothing and are left out."""
    from unmask.evaluation.pseudo_likelihood import pseudo_perplexity

    texts = [text for text in texts if text.strip()]
    spoken = [words_of(text) for text in texts]
    figures = {
        "perplexity": pseudo_perplexity(judge.score(list(texts))),
        "entropy": statistics.fmean(entropy(words) for words in spoken),
    }
    return figures | {f"distinct_{n}": distinct(spoken, n) for n in (1, 2, 3)} | {"text": texts[0]}


def words_of(text: str) -> list[str]:
    """The words of a text, punctuation too, in lower case: the same whatever a tokenizer makes of them."""
    from unmask.tokens.words import word_spans

    return [text[start:end].lower() for start, end in word_spans(text)]


def entropy(words: Sequence[str]) -> float:
    """Of the frequencies of the words, in nats."""
    return -math.fsum(count / len(words) * math.log(count / len(words)) for count in Counter(words).values())


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Different n-grams over all n-grams of all texts."""
    grams = [tuple(words[start : start + n]) for words in texts for start in range(len(words) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def shown(table: dict[str, dict[str, Any]]) -> str:
    """The table as text."""
    wide = max(map(len, table))
    lines = [f"{'':{wide}} " + " ".join(f"{name:>10}" for name in FIGURES)]
    for row, figures in table.items():
        cells = [f"{figures[name]:10.3f}" if name in figures else " " * 10 for name in FIGURES]
        lines.append(f"{row:{wide}} " + " ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Ten million words, a pass or more over them, and BLiMP: `python -m benchmarks babylm --data DATA`.

The size of BabyLM's strict-small track (Warstadt et al. 2023), on other text: DATA/text/en has encyclopedia and books,
where BabyLM's words are for the most part speech, of children and of films. Words are counted as there, by blanks.
BLiMP is judged by pseudo-log-likelihoods on the files of DATA/blimp, every pair unless `--sample N` takes so many of
each paradigm. What is prepared or trained is not done again; the figures go to benchmarks/results/babylm.json.

    python -m benchmarks babylm --data DATA                                  one pass, 6 layers of 256
    python -m benchmarks babylm --data DATA --epochs 10 --size 12x448 --vocabulary 16384      for a GPU
    python -m benchmarks babylm --data DATA --recipe hybrid objective.until=0.5
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep
from benchmarks.preparation import texts_in

SHARES = {"wikipedia-2015-*.jsonl.zst": 0.5, "books-*.jsonl.zst": 0.4, "brown.jsonl.zst": 0.1}
"""Of the words, by the files they are from."""
WORDS = 10_000_000
FIGURES = ("loss", "unigram_loss", "perplexity", "word_accuracy", "bits_per_character")


def main(given: Sequence[str] | None = None) -> dict[str, Any]:
    """Prepare, train, judge, and keep what came of it."""
    import torch

    import unmask
    from unmask.config import overridden
    from unmask.recipes import RECIPES

    asked = _parser().parse_args(given)
    if not asked.data:
        raise SystemExit("error: --data FOLDER (that of text/ and tasks/) is needed, or UNMASK_DATA")
    store = _store(Path(asked.data), asked.to, asked.words, asked.vocabulary)
    layers, width = map(int, asked.size.split("x"))
    settings = [
        *(f"architecture.layers={layers}", f"architecture.width={width}", f"architecture.heads={max(1, width // 64)}"),
        *(f"architecture.feedforward={2 * width}", f"data.store={store}", f"training.epochs={asked.epochs:g}"),
        *(f"seed={asked.seed}", *asked.settings),
    ]
    run = overridden(RECIPES.load(asked.recipe)(), settings)
    folder = asked.to / f"{asked.recipe}-{asked.size}-{asked.epochs:g}-{asked.seed}"
    outcome = unmask.resume(folder) if (folder / "run.json").is_file() else unmask.pretrain(run, folder)
    last = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    blimp = unmask.evaluate(folder, Path(asked.data) / "blimp", suite="blimp", sample=asked.sample)
    summary = {
        "words": asked.words,
        "epochs": asked.epochs,
        "parameters": _parameters(folder / "model"),
        "minutes of training": last["seconds"] / 60,
        "tokens": last["tokens"],
        **{name: outcome.figures[name] for name in FIGURES if name in outcome.figures},
        "BLiMP, percent": {
            name: 100 * value for name, value in ({"all": blimp["accuracy"]} | blimp["linguistics_term"]).items()
        },
        "pairs": blimp["pairs"],
    }
    given = {"recipe": asked.recipe, "size": asked.size, "vocabulary": asked.vocabulary, "seed": asked.seed}
    keep(asked.name, given | {"threads": torch.get_num_threads(), "settings": asked.settings}, {}, summary)
    return summary


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks babylm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("UNMASK_DATA"), metavar="FOLDER", help="of text/ and tasks/")
    parser.add_argument("--to", type=Path, default=Path("runs/babylm"), metavar="FOLDER", help="of text, store and run")
    parser.add_argument("--recipe", default="modernbert")
    parser.add_argument("--size", default="6x256", metavar="LAYERSxWIDTH")
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--words", type=int, default=WORDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, help="pairs of each paradigm; all by default")
    parser.add_argument("--name", default="babylm", help="of the result")
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
    return parser


def _store(data: Path, to: Path, words: int, vocabulary: int) -> Path:
    """The store of so many words, prepared where it does not stand yet."""
    from unmask.tokens.build import prepare
    from unmask.tokens.training import TokenizerSettings

    text = to / f"text-{words}.jsonl"
    if not text.is_file():
        to.mkdir(parents=True, exist_ok=True)
        unfinished = text.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as lines:
            for document in documents(data / "text" / "en", words):
                lines.write(json.dumps({"text": document}, ensure_ascii=False) + "\n")
        unfinished.rename(text)
    store = to / f"store-{words}-{vocabulary}"
    prepare([str(text)], store, tokenizer=TokenizerSettings(vocabulary_size=vocabulary))
    return store.resolve()


def documents(folder: Path, words: int) -> Iterator[str]:
    """The first documents of each kind of text, as many words as its share; the last one is cut."""
    for pattern, share in SHARES.items():
        left = round(share * words)
        for text in texts_in(sorted(map(str, folder.glob(pattern)))):
            if left <= 0:
                break
            count = len(text.split())
            yield text if count <= left else _first_words(text, left)
            left -= count


def _first_words(text: str, count: int) -> str:
    """The lines that hold the first words of a text."""
    kept, seen = [], 0
    for line in text.splitlines():
        if seen >= count:
            break
        kept.append(line)
        seen += len(line.split())
    return "\n".join(kept)


def _parameters(model: Path) -> int:
    """Numbers in the weights of a model folder."""
    from safetensors.torch import load_file

    return sum(weight.numel() for weight in load_file(model / "model.safetensors").values())


if __name__ == "__main__":
    main()

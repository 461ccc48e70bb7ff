"""Preparing a corpus beside `datasets.map` with the same tokenizer, two processes each.

ours-half, ours       clean, deduplicate, split, tokenise and write the store (word and sentence starts included); every
                      second file and all of them, which shows whether memory grows with the corpus
datasets              load the same files, tokenise with `datasets.map(batched=True, num_proc=2)`, write to disk:
                      nothing is cleaned, deduplicated or split
raw-tokenizer         `tokenizers` alone, two threads, on text that is in memory already: the ceiling

Reads $UNMASK_DATA/text/en (jsonl.zst). Peak memory is the proportional set size of the process and all its children.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started

CONTESTANTS = ["ours-half", "ours", "datasets", "raw-tokenizer"]
ROUNDS = 3
WORKERS = 2


def main() -> None:
    """Measure all contestants and keep the results; said and skipped without the corpora."""
    folder = os.environ.get("UNMASK_DATA")
    if not folder:
        print("preparation: skipped, UNMASK_DATA does not name the folder of the corpora")
        return
    with tempfile.TemporaryDirectory() as work:
        settings = {"texts": f"{folder}/text/en", "tokenizer": f"{work}/tokenizer", "workers": WORKERS}
        train_tokenizer(settings)
        runs = rounds("benchmarks.preparation", CONTESTANTS, ROUNDS, settings)
    summary: dict[str, Any] = {
        name: {figure: statistics.median(run[figure] for run in runs[name]) for figure in runs[name][0]}
        for name in CONTESTANTS
    }
    summary["ours / datasets"] = ratio(runs, "ours", "datasets", "megabytes_per_second")
    summary["ours / raw-tokenizer"] = ratio(runs, "ours", "raw-tokenizer", "megabytes_per_second")
    summary["memory, all / half"] = ratio(runs, "ours", "ours-half", "peak_memory_mb")
    print(keep("preparation", {"rounds": ROUNDS, "workers": WORKERS}, runs, summary))


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """Seconds, megabytes of text a second and peak memory of one contestant in this process and its children."""
    files = files_in(settings["texts"])
    files = files[::2] if name == "ours-half" else files
    size = sum(len(text.encode()) for text in texts_in(files)) / 1e6
    work = {"datasets": _datasets, "raw-tokenizer": _raw}.get(name, prepared)
    texts = list(texts_in(files)) if name == "raw-tokenizer" else []
    with tempfile.TemporaryDirectory() as folder, Memory() as memory:
        started = time.perf_counter()
        work(texts if texts else files, settings, Path(folder))
        seconds = time.perf_counter() - started
    return {
        "megabytes": round(size, 1),
        "seconds": round(seconds, 2),
        "megabytes_per_second": round(size / seconds, 3),
        "peak_memory_mb": round(memory.peak / 1e6, 1),
    }


def files_in(texts: str) -> list[str]:
    """The corpora of a folder, Wikipedia first."""
    return sorted(map(str, Path(texts).glob("*.jsonl.zst")), key=lambda path: ("wikipedia" not in path, path))


def texts_in(files: list[str]) -> Iterator[str]:
    """The texts of their documents, one after the other."""
    import zstandard

    for path in files:
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def train_tokenizer(settings: dict[str, Any]) -> None:
    """The tokenizer of all contestants, trained on the first two corpora."""
    from unmask.tokens.build import build_tokenizer

    build_tokenizer(files_in(settings["texts"])[:2], settings["tokenizer"], progress=False)


def prepared(files: list[str], settings: dict[str, Any], folder: Path) -> None:
    """The files prepared below a folder, by a tokenizer that is there already."""
    from unmask.tokens.build import prepare
    from unmask.tokens.training import TokenizerSettings

    tokenizer = TokenizerSettings(folder=settings["tokenizer"])
    prepare(files, folder / "store", tokenizer=tokenizer, workers=settings["workers"], progress=False)


def _datasets(files: list[str], settings: dict[str, Any], folder: Path) -> None:
    from datasets import Dataset, concatenate_datasets, load_dataset
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(settings["tokenizer"])
    cache = str(folder / "cache")
    parts = [load_dataset("json", data_files=file, split="train", cache_dir=cache) for file in files]
    rows = concatenate_datasets([part.select_columns("text") for part in parts if isinstance(part, Dataset)])
    tokenised = rows.map(
        lambda batch: tokenizer(batch["text"], return_special_tokens_mask=True),  # as run_mlm.py does
        batched=True,
        num_proc=settings["workers"],
        remove_columns=rows.column_names,
    )
    tokenised.save_to_disk(str(folder / "tokenised"))


def _raw(texts: list[str], settings: dict[str, Any], folder: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(settings["tokenizer"]) / "tokenizer.json"))
    for start in range(0, len(texts), 64):
        tokenizer.encode_batch(texts[start : start + 64], add_special_tokens=False)


class Memory:
    """The peak of the proportional set size of this process and its children, sampled five times a second."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._over.wait(0.2):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # ended meanwhile
                    continue
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main)

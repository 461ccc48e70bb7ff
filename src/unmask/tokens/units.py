"""Encoding much text: the same tokens as `Tokenizer.encode(texts, literal=True)`, each different word looked up once.

The pipelines of `kinds.py`, and others like them, treat what stands between blanks alone: the tokens of a text are
those of its units one after the other. Words repeat, so nearly all units of a batch are known, and a batch becomes a
dictionary look-up for each unit and a gather over arrays. A pipeline not known to be of this kind is simply run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from unmask.tokens.tokenizer import Encoded, Tokenizer

KEPT = 1 << 18
"""Units that are remembered; when there are more, all are forgotten. Some 50 MB."""
_LONGEST = 40
"""Longer units hardly come again: they are not remembered."""
_LONG = 12
"""Where units are longer than this on average, whole texts are encoded; English has about six characters a unit."""

# Blanks for Python that BERT's normalizer removes: they do not part words there.
_ODD = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
_BETWEEN_BLANKS = re.compile(r"\s*\S+|\s+")
_HAN = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)
_BETWEEN_BLANKS_AND_HAN = re.compile(rf"\s*(?:[{_HAN}]|[^\s{_HAN}]+)|\s+")


class Encoder:
    """Encodes batches with one tokenizer, remembering units."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._pattern = _pattern(json.loads(tokenizer.backend.to_str()))
        self._forget()

    def encode(self, texts: Sequence[str]) -> tuple[Encoded, np.ndarray]:
        """The tokens of all texts, with offsets in "\\n".join(texts), and how many each text has: int64 (texts,)."""
        firsts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])  # of each text in the joined one
        if self._pattern is None or any(map(_ODD.search, texts)):
            return _joined(self.tokenizer.encode(texts, literal=True), firsts)
        units = list(map(self._pattern.findall, texts))
        flat = list(chain.from_iterable(units))
        if sum(map(len, texts)) > _LONG * len(flat):  # text without blanks: its units would hardly come again
            return _joined(self.tokenizer.encode(texts, literal=True), firsts)
        numbers = self._numbers(flat)
        sizes = np.fromiter(map(len, units), np.int64, len(units))
        lengths = np.fromiter(map(len, flat), np.int64, len(flat))
        # A unit starts where the one before ends, and one further on where a line break joins two texts.
        starts = np.cumsum(lengths) - lengths + np.repeat(np.arange(len(texts)), sizes)
        counts = self._counts[numbers]
        before = np.concatenate([[0], np.cumsum(counts)])
        gathered = np.repeat(self._firsts[numbers] - before[:-1], counts) + np.arange(before[-1])
        shift = np.repeat(starts, counts)
        edges = np.concatenate([[0], np.cumsum(sizes)])
        encoded = Encoded(self._ids[gathered], self._starts[gathered] + shift, self._ends[gathered] + shift)
        return encoded, np.diff(before[edges])

    def _numbers(self, units: list[str]) -> np.ndarray:
        """The place of each unit in the tables, which grow by those that are new: int64 (units,)."""
        if len(self._known) > KEPT or len(self._ids) > 8 * KEPT:
            self._forget()
        known = self._known
        new = [unit for unit in dict.fromkeys(units) if unit not in known]
        if new:
            self._learn(new)
        numbers = np.fromiter(map(known.__getitem__, units), np.int64, len(units))
        for unit in new:
            if len(unit) > _LONGEST:
                del known[unit]
        return numbers

    def _learn(self, new: list[str]) -> None:
        """Enter units into the tables. Most are encoded as one text: a text each would cost more than its tokens."""
        if self._pattern is _BETWEEN_BLANKS_AND_HAN:
            self._enter(new, *self._as_one(new, " "))  # a blank more or less changes nothing there
            return
        following = [unit for unit in new if unit[0].isspace() and not unit[-1].isspace()]
        if following:
            self._enter(following, *self._as_one(following, ""))
        if rest := list(set(new).difference(following)):  # the first of a text, and the blanks at its end
            self._enter(rest, *_joined(self.tokenizer.encode(rest, literal=True), np.zeros(len(rest), np.int64)))

    def _as_one(self, units: list[str], lead: str) -> tuple[Encoded, np.ndarray]:
        """The tokens of units put into one text, a `lead` before each, with offsets in their unit; and their counts."""
        [encoded] = self.tokenizer.encode([lead + lead.join(units)], literal=True)
        ends = np.cumsum(np.fromiter(map(len, units), np.int64, len(units)) + len(lead))
        unit = np.searchsorted(ends, encoded.starts, side="right")  # of each token
        shift = np.concatenate([[0], ends])[unit] + len(lead)
        own = Encoded(encoded.ids, encoded.starts - shift, encoded.ends - shift)
        return own, np.bincount(unit, minlength=len(units))

    def _enter(self, units: list[str], encoded: Encoded, counts: np.ndarray) -> None:
        places = range(len(self._counts), len(self._counts) + len(units))
        self._known.update(zip(units, places, strict=True))
        self._firsts = np.concatenate([self._firsts, len(self._ids) + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._ids = np.concatenate([self._ids, encoded.ids])
        self._starts = np.concatenate([self._starts, encoded.starts])
        self._ends = np.concatenate([self._ends, encoded.ends])

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._firsts, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._ids, self._starts, self._ends = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64)


def _joined(parts: list[Encoded], firsts: np.ndarray) -> tuple[Encoded, np.ndarray]:
    counts = np.fromiter(map(len, parts), np.int64, len(parts))
    shift = np.repeat(firsts, counts)
    ids, starts, ends = (np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "starts", "ends"))
    return Encoded(ids, starts + shift, ends + shift), counts


# ---------------------------------------------------------------- which pipelines


def _pattern(pipeline: dict[str, Any]) -> re.Pattern[str] | None:
    """What finds the units of a tokenizer.json's pipeline; None where words may depend on each other."""
    if not all(token["special"] for token in pipeline["added_tokens"]):
        return None  # such tokens are found anywhere in a text, blanks or not
    if not all(map(_keeps_blanks, _steps(pipeline["normalizer"], "normalizers"))):
        return None
    match list(_steps(pipeline["pre_tokenizer"], "pretokenizers")):
        case [{"type": "BertPreTokenizer"}]:
            return _BETWEEN_BLANKS_AND_HAN if _parts_han(pipeline) else None
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            return _BETWEEN_BLANKS
        case [{"type": "Split", "pattern": {"Regex": regex}}, {"type": "Metaspace", "prepend_scheme": "first"}]:
            from unmask.tokens.kinds import APART

            return _BETWEEN_BLANKS if regex == APART else None
    return None


def _steps(stage: dict[str, Any] | None, inner: str) -> Iterator[dict[str, Any]]:
    """A stage of the pipeline without its nesting."""
    if stage is not None:
        if stage["type"] == "Sequence":
            for step in stage[inner]:
                yield from _steps(step, inner)
        else:
            yield stage


def _keeps_blanks(normalizer: dict[str, Any]) -> bool:
    if normalizer["type"] == "Replace":
        return normalizer["pattern"] == {"Regex": r"\s+"} and normalizer["content"] == " "
    return normalizer["type"] in ("NFC", "Lowercase", "BertNormalizer")


def _parts_han(pipeline: dict[str, Any]) -> bool:
    return any(step.get("handle_chinese_chars") for step in _steps(pipeline["normalizer"], "normalizers"))

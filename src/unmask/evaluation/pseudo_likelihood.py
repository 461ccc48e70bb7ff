"""How likely a model finds a text: its pseudo-log-likelihood, every token asked for while the others are visible.

    score(model, "The cat sat.").total                  log-probability in nats, summed over the tokens
    score(model, texts, metric="within_word_l2r")       one Score a text

A metric of the menu PLL_METRICS says what else is hidden while a token is asked for. The frame ([CLS], [SEP]) is
always visible and never asked for; everything in the text is, an unknown token too. A text is literal: "[MASK]" in it
is six characters. Words are those of `tokens.words`; pieces that share a word by their offsets belong together.

A text of n tokens is n rows, each with its own token masked. The rows of all texts go through the model by length, so
that little is padding, and the vocabulary projection runs at the asked places alone. Texts that are the same tokens
are asked for once, and so have the same score to the last bit.

Shapes: B rows in a batch, T tokens in a row, n tokens of one text, N tokens of all texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.errors import DataError
from unmask.evaluation import PLL_METRICS
from unmask.evaluation.blanks import framed, overlapped
from unmask.tokens.batching import BATCH_TOKENS, LOGITS_AT_ONCE, batch_tokens_on, batches
from unmask.tokens.rows import Vocabulary
from unmask.tokens.words import word_spans

if TYPE_CHECKING:
    from unmask.models import Model
    from unmask.tokens.tokenizer import Encoded


def original(word_starts: np.ndarray) -> np.ndarray:
    """The token alone is hidden (Salazar et al. 2020, "Masked Language Model Scoring", section 2)."""
    return np.arange(1, len(word_starts) + 1)


def within_word_l2r(word_starts: np.ndarray) -> np.ndarray:
    """The token and the rest of its word are hidden, so that a word's end does not tell its beginning.

    Kauf and Ivanova 2023, "A Better Way to Do Masked Language Model Scoring": PLL-word-l2r.
    """
    ends = np.append(np.flatnonzero(word_starts), len(word_starts))
    return ends[np.cumsum(word_starts)]


# ---------------------------------------------------------------- what a person gets


@dataclass(frozen=True)
class Piece:
    """A token as its vocabulary spells it, or a word: its characters [start, end) and its log-probability in nats."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Score:
    """A text and how likely a model finds it; log-probabilities in nats, those of tokens sum to those of words."""

    text: str
    tokens: tuple[Piece, ...]
    words: tuple[Piece, ...]

    @property
    def total(self) -> float:
        """The pseudo-log-likelihood of the text: the sum over its tokens."""
        return math.fsum(token.score for token in self.tokens)

    @property
    def mean(self) -> float:
        """The mean over the tokens."""
        return self.total / len(self.tokens)

    @property
    def word_mean(self) -> float:
        """The mean over the words: it does not depend on how many pieces a tokenizer makes of them."""
        return self.total / len(self.words)

    @property
    def pseudo_perplexity(self) -> float:
        """exp(-mean): among how many equally likely tokens the model hesitates."""
        return pseudo_perplexity([self])

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        names = ("total", "mean", "word_mean", "pseudo_perplexity")
        return {"text": self.text} | {name: getattr(self, name) for name in names} | asdict(self)


def pseudo_perplexity(scores: Sequence[Score]) -> float:
    """exp of minus the mean over the tokens of all texts (Salazar et al. 2020, section 2)."""
    loss = -math.fsum(score.total for score in scores) / sum(len(score.tokens) for score in scores)
    return math.exp(loss) if loss < 700 else math.inf


def score(model: Model, text: str | Sequence[str], *, metric: str = "original", batch_tokens: int | None = None) -> Any:
    """How likely the model finds a text (a Score) or several (a list of them); `metric` is on the menu PLL_METRICS.

    `batch_tokens` tokens go through the model together, by default as many as suit its device. Raises SettingError
    for an unknown metric, DataError for a text that is empty or longer than the model reads.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        return []
    encoded = encoded_texts(model, texts)
    starts = word_starts(texts, encoded)
    values = log_probabilities(model, encoded, starts, metric, batch_tokens, label="scoring")
    scores = list(map(partial(_score, model), texts, encoded, starts, values))
    return scores[0] if isinstance(text, str) else scores


def _score(model: Model, text: str, encoded: Encoded, new: np.ndarray, values: np.ndarray) -> Score:
    starts, ends, scored = encoded.starts.tolist(), encoded.ends.tolist(), values.tolist()
    spelled = map(model.tokenizer.token, encoded.ids.tolist())
    first = np.flatnonzero(new).tolist()
    return Score(
        text=text,
        tokens=tuple(map(Piece, spelled, starts, ends, scored)),
        words=tuple(
            _word(text, starts[a:b], ends[a:b], scored[a:b])
            for a, b in zip(first, [*first[1:], len(values)], strict=True)
        ),
    )


def _word(text: str, starts: list[int], ends: list[int], scored: list[float]) -> Piece:
    """The characters that some tokens write, less the blanks around them, and the sum of their scores."""
    start, end = min(starts), max(ends)
    written = text[start:end]
    start += len(written) - len(written.lstrip()) if written.strip() else 0
    return Piece(written.strip(), start, start + len(written.strip()), math.fsum(scored))


# ---------------------------------------------------------------- texts as tokens


def encoded_texts(model: Model, texts: Sequence[str]) -> list[Encoded]:
    """Each text as tokens; DataError names the first that is empty or longer than the model reads."""
    encoded = model.tokenizer.encode(texts, literal=True)
    limit = model.row_limit - Vocabulary.of(model.tokenizer).frame
    for number, (text, tokens) in enumerate(zip(texts, encoded, strict=True), start=1):
        which = f"text {number} of {len(texts)}" if len(texts) > 1 else "the text"
        if not len(tokens):
            raise DataError(f"{which} is empty: give one with words in it")
        if len(tokens) > limit:
            raise DataError(
                f'{which} ("{text[:30].strip()}...") has {len(tokens)} tokens, '
                f"the model reads {limit} at most: score its sentences one by one"
            )
    return encoded


def word_starts(texts: Sequence[str], encoded: Sequence[Encoded]) -> list[np.ndarray]:
    """Whether a new word begins with each token of each text: bool (n,). Tokens that overlap one word are not parted.

    The words of all texts are found at once, in one text with line breaks between them.
    """
    lengths = np.array([len(text) + 1 for text in texts])
    before = np.repeat(np.cumsum(lengths) - lengths, [len(tokens) for tokens in encoded])
    starts, ends = (np.concatenate(side) + before for side in zip(*((e.starts, e.ends) for e in encoded), strict=True))
    first, stop = overlapped(word_spans("\n".join(texts)), starts, ends)
    new = first >= np.concatenate([[0], np.maximum.accumulate(stop)[:-1]])
    return np.split(new, np.cumsum([len(tokens) for tokens in encoded])[:-1])


# ---------------------------------------------------------------- asking the model


def log_probabilities(
    model: Model,
    encoded: Sequence[Encoded],
    word_starts: Sequence[np.ndarray],
    metric: str = "original",
    batch_tokens: int | None = None,
    label: str | None = None,
) -> list[np.ndarray]:
    """The log-probability in nats of every token of every text, from its `word_starts`: float64 (n,) each.

    A softmax in float32 at temperature 1. Texts of the same tokens, hidden in the same way, have equal values. With a
    `label` a progress bar of that name is shown.
    """
    if batch_tokens is None:
        batch_tokens = batch_tokens_on(model.device)
    require(batch_tokens > 0, f"batch_tokens={batch_tokens}: a whole number from 1 is needed, e.g. {BATCH_TOKENS}")
    hidden = PLL_METRICS.load(metric)
    stops = [hidden(starts) for starts in word_starts]
    seen: dict[tuple[bytes, bytes], int] = {}
    same = [
        seen.setdefault((tokens.ids.tobytes(), stop.tobytes()), len(seen))
        for tokens, stop in zip(encoded, stops, strict=True)
    ]
    _, once = np.unique(same, return_index=True)
    questions = _Questions.of(Vocabulary.of(model.tokenizer), [(encoded[n].ids, stops[n]) for n in once])
    values = np.split(_answered(model, questions, batch_tokens, label), np.cumsum(questions.lengths)[:-1])
    return [values[number] for number in same]


@dataclass(frozen=True, eq=False)
class _Questions:
    """Every token of some texts, asked for by itself; the tokens of all texts stand one after the other."""

    vocabulary: Vocabulary
    ids: np.ndarray  # (N,) int64
    stops: np.ndarray  # (N,) up to which place of its text is hidden
    texts: np.ndarray  # (N,) the text of each token
    firsts: np.ndarray  # (texts,) where each text begins
    lengths: np.ndarray  # (texts,) and how many tokens it has

    @classmethod
    def of(cls, vocabulary: Vocabulary, texts: Sequence[tuple[np.ndarray, np.ndarray]]) -> _Questions:
        lengths = np.array([len(ids) for ids, _ in texts])
        return cls(
            vocabulary,
            ids=np.concatenate([ids for ids, _ in texts]).astype(np.int64),
            stops=np.concatenate([stops for _, stops in texts]),
            texts=np.repeat(np.arange(len(texts)), lengths),
            firsts=np.cumsum(lengths) - lengths,
            lengths=lengths,
        )

    @property
    def row_lengths(self) -> np.ndarray:
        """Tokens in the row of each question, the frame included: (N,)."""
        return self.lengths[self.texts] + self.vocabulary.frame

    def rows(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows of some questions: tokens (B,T), groups (B,T), and where each asks (B,)."""
        texts = self.texts[numbers]
        firsts, lengths = self.firsts[texts], self.lengths[texts]
        longest = int(lengths.max()) + self.vocabulary.frame
        tokens, groups = framed(self.ids, firsts, lengths, self.vocabulary, longest)
        columns = numbers - firsts + self.vocabulary.before
        stops = self.stops[numbers] + self.vocabulary.before
        at = np.arange(longest)
        tokens[(at >= columns[:, None]) & (at < stops[:, None])] = self.vocabulary.mask_id
        return tokens, groups, columns


def _answered(model: Model, questions: _Questions, batch_tokens: int, label: str | None) -> np.ndarray:
    """The log-probability of every asked token: float64 (N,)."""
    import torch

    values = np.empty(len(questions.ids))
    lengths = questions.row_lengths
    most = max(1, LOGITS_AT_ONCE // questions.vocabulary.size)
    with _bar(label, int(lengths.sum())) as advance:
        for numbers in batches(lengths, batch_tokens, most):
            tokens, groups, columns = map(torch.from_numpy, questions.rows(numbers))
            logits = model.predict(tokens, groups, torch.arange(len(numbers)), columns).float()
            targets = torch.from_numpy(questions.ids[numbers]).to(logits.device)
            losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
            values[numbers] = -losses.cpu().double().numpy()
            advance(int(lengths[numbers].sum()))
    return values


@contextmanager
def _bar(label: str | None, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar for people while the block lasts, nothing without a label; yields what advances it."""
    from rich.progress import Progress

    from unmask.console import progress_console

    with Progress(console=progress_console(), transient=True, disable=label is None) as progress:
        task = progress.add_task(label or "", total=total)
        yield lambda done: progress.update(task, advance=done)

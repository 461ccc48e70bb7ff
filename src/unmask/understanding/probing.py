"""How much each layer of a model knows of a task: linear probes on frozen hidden states.

    found = probe(model, "en_ewt-ud-dev.conllu")
    found.layers[3].accuracy, found.layers[3].control, found.majority

A logistic regression reads the hidden state of a word's first token, or the mean over a text, in each layer, the
embeddings included (Alain and Bengio 2017). Beside it stand the most frequent label, and a *control task* of the same
form (Hewitt and Liang 2019): every word (or text) keeps a label of its own that was drawn at random. What a probe
learns of that, it learns by heart; accuracy less control is its selectivity.

Shapes: B rows, T tokens, D width, N labelled words or texts.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.console import live, progress_console, warn
from unmask.errors import DataError
from unmask.seeding import text_key, uniforms
from unmask.understanding.labelled import Labelled, read_labelled

if TYPE_CHECKING:
    from unmask.models import Model
    from unmask.tasks.tables import Columns
    from unmask.tokens.tokenizer import Encoded

MOST = 10_000
"""Labelled words or texts that a probe is trained on; a quarter as many test it."""
HELD_OUT = 5
"""One text in so many is for the test, where there is no file for it."""
BATCH = 32
_TURNS = 400  # of the regression; more change nothing in the third digit


@dataclass(frozen=True)
class Layer:
    """What a probe of one layer gets right of the test."""

    number: int
    """0 for the embeddings"""
    accuracy: float
    control: float
    """of the control task"""

    @property
    def selectivity(self) -> float:
        """Accuracy less that of the control task."""
        return self.accuracy - self.control


@dataclass(frozen=True)
class Probed:
    """The layers of a model on one task."""

    of_words: bool
    """whether words are labelled, or whole texts"""
    trained: int
    tested: int
    labels: int
    majority: float
    """the share of the test that has the most frequent label of the training part"""
    layers: tuple[Layer, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return asdict(self) | {"layers": [asdict(each) | {"selectivity": each.selectivity} for each in self.layers]}


def probe(
    model: Model, data: str, *, test: str | None = None, columns: Columns | None = None, most: int = MOST, seed: int = 0
) -> Probed:
    """Probe every layer on the labels of a file (`unmask.understanding.labelled` says which it reads).

    One text in five is held out for the test, by a hash of the text, unless `test` names a file. `most` labels are
    trained on. `columns` says where text and label stand; `seed` draws the control task.

    Raises DataError for files that cannot be read or have a single label, SettingError for settings that cannot be.
    """
    require(most > 1, f"most={most}: at least 2 are needed")
    training, held_out = _parts(read_labelled(data, columns), None if test is None else read_labelled(test, columns))
    known = [_hidden(model, training, most, "training part"), _hidden(model, held_out, max(1, most // 4), "test")]
    (states, labels, names), (test_states, test_labels, test_names) = known
    if len(set(labels)) < 2:
        raise DataError(f"{data} has the one label '{labels[0]}': a probe tells labels apart, give two or more")
    control = control_labels([*names, *test_names], labels, seed)
    drawn, test_drawn = control[: len(names)], control[len(names) :]
    layers = []
    for number, (seen, asked) in enumerate(_tracked(list(zip(states, test_states, strict=True)))):
        accuracy = accuracy_of(seen, labels, asked, test_labels)
        layers.append(Layer(number, accuracy, accuracy_of(seen, drawn, asked, test_drawn)))
    most_frequent = Counter(labels).most_common(1)[0][0]
    return Probed(
        of_words=training[0].spans is not None,
        trained=len(labels),
        tested=len(test_labels),
        labels=len(set(labels)),
        majority=float(np.mean([label == most_frequent for label in test_labels])),
        layers=tuple(layers),
    )


def _parts(found: Sequence[Labelled], test: Sequence[Labelled] | None) -> tuple[list[Labelled], list[Labelled]]:
    """The texts to train on and those to test on, each in an order that does not follow the file's."""
    ordered = sorted(found, key=lambda one: text_key(one.text))
    if test is not None:
        return ordered, sorted(test, key=lambda one: text_key(one.text))
    # The same text twice is on one side.
    parts = [[one for one in ordered if (text_key("test", one.text) % HELD_OUT == 0) == held] for held in (False, True)]
    if not all(parts):
        raise DataError(f"{len(found)} texts are too few to hold some out for a test: give more, or a file for it")
    return parts[0], parts[1]


# ---------------------------------------------------------------- hidden states


def _hidden(
    model: Model, texts: Sequence[Labelled], most: int, part: str
) -> tuple[list[np.ndarray], list[str], list[str]]:
    """The hidden states (N,D) of each layer, the N labels, and what is labelled (a word, a text) by name."""
    chosen, count = [], 0
    for one in texts:
        if count < most:
            chosen.append(one)
            count += len(one.labels)
    encoded = model.tokenizer.encode([one.text for one in chosen], literal=True)
    limit = model.row_limit - sum(each is not None for each in (model.tokenizer.cls_id, model.tokenizer.sep_id))
    asked = [_asked(one, tokens, limit) for one, tokens in zip(chosen, encoded, strict=True)]
    lost = sum(len(one.labels) for one in chosen) - sum(len(each) for each in asked)
    if lost:
        warn(f"{lost} labels of the {part} are left out: behind the {model.row_limit} tokens that the model reads")
    by_text = _states(
        model, [tokens.ids[:limit] for tokens in encoded], [[where for _, where in each] for each in asked]
    )
    layers = [np.concatenate(parts) for parts in zip(*by_text, strict=True)]
    picked = [(one, number) for one, each in zip(chosen, asked, strict=True) for number, _ in each]
    if not picked:
        raise DataError(f"the {part} has no labelled word that the tokenizer reads")
    return layers, [one.labels[number] for one, number in picked], [_name(one, number) for one, number in picked]


def _asked(one: Labelled, tokens: Encoded, limit: int) -> list[tuple[int, slice]]:
    """(number of a label, the tokens whose mean is taken) of a text: a word's first token, or all of them."""
    if one.spans is None:
        return [(0, slice(0, min(limit, len(tokens))))] if len(tokens) else []
    found = []
    for number, (start, end) in enumerate(one.spans.tolist()):
        inside = np.flatnonzero((tokens.ends > start) & (tokens.starts < end) & (tokens.ends > tokens.starts))
        if len(inside) and inside[0] < limit:
            found.append((number, slice(int(inside[0]), int(inside[0]) + 1)))
    return found


def _states(model: Model, rows: Sequence[np.ndarray], asked: Sequence[Sequence[slice]]) -> list[list[np.ndarray]]:
    """For each text its hidden states (n,D) in each layer, at what is asked of it."""
    import torch

    from unmask.understanding.insides import opened

    inside, tokenizer = opened(model), model.tokenizer
    first = [] if tokenizer.cls_id is None else [tokenizer.cls_id]
    last = [] if tokenizer.sep_id is None else [tokenizer.sep_id]
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    found: list[list[np.ndarray]] = [[] for _ in rows]
    for numbers in _tracked([order[start : start + BATCH] for start in range(0, len(order), BATCH)], "reading"):
        framed = [[*first, *rows[number].tolist(), *last] for number in numbers]
        longest = max(map(len, framed))
        tokens = torch.tensor([row + [tokenizer.pad_id] * (longest - len(row)) for row in framed])
        groups = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in framed])
        for state in inside.hidden_states(tokens, groups):
            values = state.numpy()[:, len(first) :]
            for row, number in enumerate(numbers):
                means = [values[row, each].mean(0) for each in asked[number]]
                found[number].append(np.array(means, np.float32).reshape(-1, values.shape[-1]))
    return found


def _name(one: Labelled, number: int) -> str:
    """What is labelled: the word in lower case, or the text."""
    return one.text if one.spans is None else one.text[slice(*one.spans[number])].lower()


# ---------------------------------------------------------------- probes


def accuracy_of(states: np.ndarray, labels: Sequence[str], asked: np.ndarray, expected: Sequence[str]) -> float:
    """The share that a linear probe gets right: trained on states (N,D), asked about others (M,D)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(labels)) == 1:
        return float(np.mean([label == labels[0] for label in expected]))
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_TURNS, tol=1e-3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(states, np.asarray(labels))
    return float(np.mean(regression.predict(asked) == np.asarray(expected)))


def control_labels(names: Sequence[str], labels: Sequence[str], seed: int) -> list[str]:
    """A label for each name, the same wherever the name stands, drawn as often as each of the `labels` occurs."""
    counted = sorted(Counter(labels).items())
    edges = np.cumsum([count for _, count in counted]) / len(labels)
    hashes = np.array([text_key("control", seed, name) for name in names], np.uint64)
    drawn = np.searchsorted(edges, uniforms(hashes), side="right").clip(max=len(counted) - 1)
    return [counted[number][0] for number in drawn]


def _tracked(steps: list[Any], label: str = "probing") -> Any:
    from rich.progress import track

    return track(steps, label, console=progress_console(), transient=True, disable=not live(sys.stderr))

"""What one prediction rests on: `explain(model, "The capital of France is [MASK].")`.

| part | question |
|---|---|
| `integrated_gradients` | which tokens raise the log-probability of the word, from a text of nothing but blanks? |
| `masked` | how much does it fall when a token is hidden behind [MASK]? |
| `left_out` | and when the token is taken out of the text? |
| `rollout` | from where does attention carry what stands at the blank? |
| `lens` | what would be predicted if the model ended after each layer? |

The first three are in nats and positive where a token speaks for the word; the first sums up to what the whole text
brings. Attention says where a model looks, not what moves its prediction (Jain and Wallace 2019).

Shapes: T tokens in the row, frame included, L layers, H heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.config import require
from unmask.errors import DataError, ModelError, SettingError
from unmask.generation.blanks import Blank, find_blanks, row_of
from unmask.generation.writing import added

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.models import Model
    from unmask.tokens.tokenizer import Tokenizer
    from unmask.understanding.attributions import Score

Answer = tuple[str, float]
"""A word and its probability."""


@dataclass(frozen=True)
class Depth:
    """What would be predicted after one layer."""

    answers: tuple[Answer, ...]
    """the likeliest first"""
    probability: float
    """of the word that is explained"""
    rank: int
    """of that word, 1 for the likeliest"""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the probability of one word in one blank rests on, or an answer of a fine-tuned model."""

    text: str
    target: str
    log_probability: float | None
    """of the target, in nats; None where the answer is a number"""
    answers: tuple[Answer, ...]
    tokens: tuple[str, ...]
    """T: the characters of each token of the row, with the spaces before them"""
    places: tuple[int, ...]
    """which of them are the blank, the beginning of the tagged word, the answer; none where all of it is answered"""
    attributions: dict[str, np.ndarray]
    """(T,) each, float64, by the names of the table above"""
    missed: float
    """by how many nats the integrated gradients miss the whole"""
    lens: tuple[Depth, ...]
    """after each layer, the last is the model's own"""
    first_layer: int
    """the number of the first of them: 0 for the embeddings"""
    attention: np.ndarray | None
    """(L,H,T): what the blank looks at"""
    value: float | None = None
    """the number that is explained, where the answer is one"""
    asked: str = ""
    """the tagged word, or "start" or "end" of an answer; empty where there is no choice"""

    @property
    def told(self) -> str:
        """How likely the target is, or the number, as a person reads it."""
        return f"{self.value:.3f}" if self.log_probability is None else percent(self.log_probability)

    @property
    def unit(self) -> str:
        """Of the attributions; empty where they are parts of a number."""
        return "" if self.log_probability is None else "nats"

    def as_dict(self) -> dict[str, Any]:
        """All but the attention of single heads, ready for JSON."""
        names = ("text", "target", "asked", "log_probability", "value", "tokens", "places")
        return {name: getattr(self, name) for name in names} | {
            "answers": _named(self.answers),
            "attributions": {name: values.tolist() for name, values in self.attributions.items()},
            "missed": self.missed,
            "first_layer": self.first_layer,
            "lens": [
                {"answers": _named(each.answers), "probability": each.probability, "rank": each.rank}
                for each in self.lens
            ],
        }


def explain(model: Model, text: str, *, target: str | None = None, blank: int = 1, top_k: int = 5) -> Explanation:
    """What the model's answer at a blank of the text rests on, or `target` if that is given: one token each.

    `blank` says which one, from 1; the others stay blank. A model without attention has no rollout.

    Raises SettingError for a text without that blank or a target of several tokens, DataError for a text too long for
    the model or without a word beside its blanks.
    """
    import torch

    from unmask.understanding.insides import opened

    _check_reads_tokens(model)
    blanks = find_blanks(text, model.tokenizer.mask_token)
    row, place = _asked(model, text, blanks, blank)
    tokens, groups = torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)
    columns = _words(model, row, place)
    logits = model.predict(tokens, groups, torch.tensor([0]), torch.tensor([place]))[0].cpu()
    word = int(_known(model, logits).argmax()) if target is None else _token(model, text, blanks, blank, target)
    inside = opened(model)
    lens = inside.lens(tokens, groups, place)
    attributions, missed = _attributed(model, inside.embedding, tokens[0], place, columns, word)
    attention = inside.attention(tokens, groups)
    if attention is not None:
        from unmask.understanding.attributions import rollout

        attributions["rollout"] = rollout(attention[:, 0])[place].double().numpy()
    return Explanation(
        text=text,
        target=_spelled(model, word),
        log_probability=float(logits.log_softmax(-1)[word]),
        answers=_answers(model, logits, top_k),
        tokens=tuple(shown(model.tokenizer, row, column) for column in range(len(row))),
        places=(place,),
        attributions=attributions,
        missed=missed,
        lens=tuple(_depth(model, each, word) for each in lens if not each.isnan().any()),
        first_layer=sum(bool(each.isnan().any()) for each in lens),
        attention=None if attention is None else attention[:, 0, :, place].numpy(),
    )


# ---------------------------------------------------------------- what is asked


def _asked(model: Model, text: str, blanks: list[Blank], blank: int) -> tuple[tuple[int, ...], int]:
    """The row of a text with its blanks, and the place that is asked."""
    require(1 <= blank <= len(blanks), f"blank={blank}: the text has {len(blanks)}, counted from 1")
    row, places = row_of(model, text, blanks, [each.tokens or 1 for each in blanks])
    several = len(places[blank - 1])
    require(several == 1, f"blank {blank} has {several} tokens: one token is explained at a time, write [MASK]")
    return row, places[blank - 1][0]


def _check_reads_tokens(model: Model) -> None:
    from unmask.architectures.bag_of_words import BagOfWords

    if isinstance(getattr(model.module, "encoder", None), BagOfWords):
        raise ModelError(
            f"{model.path} is a bag of words, where all words nearby count alike: nothing is to be explained"
        )


def _token(model: Model, text: str, blanks: list[Blank], blank: int, target: str) -> int:
    """The token that a word is when it stands in the blank; SettingError when it is none or several."""
    contents: list[int | str] = [each.tokens or 1 for each in blanks]
    contents[blank - 1] = target
    row, places = row_of(model, text, blanks, contents)
    found = [row[place] for place in places[blank - 1]]
    if not found or model.tokenizer.unknown_id in found:
        raise SettingError(f"target '{target}' has characters the tokenizer does not know: give another word")
    if len(found) > 1:
        pieces = " ".join(model.tokenizer.token(token) for token in found)
        raise SettingError(f"target '{target}' is {len(found)} tokens ({pieces}): give a word that is one")
    return found[0]


def _words(model: Model, row: tuple[int, ...], place: int) -> list[int]:
    """The columns whose part is asked: neither the frame nor blanks."""
    frame = {model.tokenizer.cls_id, model.tokenizer.sep_id, model.mask_id}
    columns = [column for column, token in enumerate(row) if token not in frame and column != place]
    if not columns:
        raise DataError("the text has nothing but blanks: a prediction rests on the words beside them")
    return columns


# ---------------------------------------------------------------- the parts


def _attributed(
    model: Model, embedding: Any, tokens: Tensor, place: int, columns: list[int], word: int
) -> tuple[dict[str, np.ndarray], float]:
    """The attributions that ask the model with other rows, and what the integrated gradients miss."""
    import torch

    from unmask.objectives.masked_autoencoding import AutoencoderObjective
    from unmask.understanding.attributions import integrated_gradients, left_out, masked_in_turn

    leaves_out = isinstance(model.module, AutoencoderObjective)  # its encoder reads no blank
    baseline, read = tokens.clone(), torch.ones_like(tokens, dtype=torch.bool)
    baseline[columns] = model.tokenizer.pad_id if leaves_out else model.mask_id
    if leaves_out:
        read = tokens != model.mask_id
    score = word_score(model, word)
    gradients, missed = integrated_gradients(score, embedding, tokens, baseline, [place], read)
    found = {
        "integrated_gradients": gradients,
        "masked": masked_in_turn(score, tokens, [place], columns, model.mask_id),
        "left_out": left_out(score, tokens, [place], columns),
    }
    return {name: values.double().numpy() for name, values in found.items()}, missed


def word_score(model: Model, word: int) -> Score:
    """The log-probability in nats of a token at the one asked place of each row; it can be differentiated."""
    import torch

    from unmask.models import positions

    def score(tokens: Tensor, places: Tensor) -> Tensor:
        groups = torch.ones_like(tokens)
        given = (tokens, groups, positions(groups), torch.arange(len(tokens)), places[:, 0])
        return model.forward(*(each.to(model.device) for each in given)).float().log_softmax(-1)[:, word]

    return score


def _depth(model: Model, logits: Tensor, word: int) -> Depth:
    rank = int((logits > logits[word]).sum()) + 1
    return Depth(_answers(model, logits, 3), float(logits.softmax(-1)[word]), rank)


def _answers(model: Model, logits: Tensor, count: int) -> tuple[Answer, ...]:
    known = _known(model, logits.softmax(-1))
    values, tokens = known.topk(min(count, len(known)))
    return tuple((_spelled(model, token), value) for token, value in zip(tokens.tolist(), values.tolist(), strict=True))


def _known(model: Model, scores: Tensor) -> Tensor:
    """Without the outputs that pad a vocabulary to a round size."""
    return scores[: model.tokenizer.vocabulary_size]


def _spelled(model: Model, token: int) -> str:
    return model.tokenizer.decode([token], keep_special=True).strip() or model.tokenizer.token(token)


def shown(tokenizer: Tokenizer, row: tuple[int, ...], column: int) -> str:
    """The characters of a token in its row; those of the frame by name, with a space between them and the text."""
    token = row[column]
    if token == tokenizer.cls_id:
        return tokenizer.token(token) + " "
    if token == tokenizer.sep_id:
        return " " + tokenizer.token(token)
    return added(tokenizer, row, column, column + 1)


def _named(answers: tuple[Answer, ...]) -> list[dict[str, Any]]:
    return [{"word": word, "probability": value} for word, value in answers]


def percent(log_probability: float) -> str:
    """A probability as a person reads it."""
    share = 100 * math.exp(log_probability)
    return f"{share:.1f} %" if share >= 0.1 else f"{share:.1g} %"

"""What the answer of a fine-tuned model rests on: `explain_answer(Application.load("runs/sst2"), "A fine film.")`.

`unmask.understanding.asked` says for each task which score is explained: a label's or a tag's logit, a number, the sum
of the logits of where an answer starts and ends, a cosine. Its parts are `integrated_gradients` from a text of nothing
but [MASK], `masked` and `left_out` as in `unmask.understanding.explain`; a token at which the answer is read cannot be
left out. A tokenizer without a mask token (GPT-2's) has the last one alone, and of two texts in rows of their own, each
has its parts while the other stays.

Shapes: B rows, T tokens, K places read in a row, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.errors import DataError, ModelError
from unmask.understanding.asked import ASKED, Asked, Wanted
from unmask.understanding.explain import Explanation, shown

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.tasks.application import Application
    from unmask.understanding.attributions import Score


def explain_answer(
    application: Application, text: str, *, target: str | None = None, word: str | None = None, part: str | None = None
) -> Explanation:
    """What the likeliest answer rests on, or `target`: another label, tag, or answer that the text holds.

    `word` says which word's tag, by its letters or its number from 1 (the first that has another tag than O); `part`,
    of an answer in a text, whether its start or its end is explained alone. Two texts, or a question and its text, have
    a tab between.

    Raises ModelError for a model that writes texts, SettingError for what the model or the text has not, DataError for
    a text that is longer than its rows or has a single token.
    """
    from unmask.tasks import TASKS

    kind = TASKS.name_of(application.task)
    if kind not in ASKED:
        raise ModelError(f"a model for {kind} is not explained: give one for {', '.join(ASKED)}")
    rows = ASKED[kind](application, Wanted(text, target, word, part))
    if any(len(row.feature.tokens) < 2 for row in rows):
        raise DataError("the text is a single token: what an answer rests on needs two")
    found = [_attributed(application, row, gradients=len(rows) == 1) for row in rows]
    tokenizer, first = application.model.base.tokenizer, rows[0]
    each = [tuple(map(int, row.feature.tokens)) for row in rows]
    return Explanation(
        text=text,
        target=first.target,
        log_probability=first.log_probability,
        value=first.value,
        asked=first.asked,
        answers=first.answers,
        tokens=tuple(
            " " * (number > 0 and column == 0) + shown(tokenizer, row, column)
            for number, row in enumerate(each)
            for column in range(len(row))
        ),
        places=first.marked,
        attributions={name: np.concatenate([parts[name] for parts, _ in found]) for name in found[0][0]},
        missed=sum(missed for _, missed in found),
        lens=(),
        first_layer=0,
        attention=None,
    )


def score_of(application: Application, asked: Asked) -> Score:
    """The score of rows (B,T) that are the asked one with other tokens in it, or with one token taken out."""
    import torch

    from unmask.models import positions

    whole, types = (torch.as_tensor(each, dtype=torch.long) for each in (asked.feature.tokens, asked.feature.types))

    def score(tokens: Tensor, places: Tensor) -> Tensor:
        groups = torch.ones_like(tokens)
        read = places if places.shape[1] else torch.zeros_like(tokens[:, :1])  # a head of whole rows knows where
        given = (tokens, groups, positions(groups), read, _types(tokens.cpu(), whole, types))
        return asked.score(application.model.module(*(each.to(application.device) for each in given)).float())

    return score


def _types(tokens: Tensor, whole: Tensor, types: Tensor) -> Tensor:
    """The types (B,T) of rows; where one token of the whole row is missing, so is its type."""
    if tokens.shape[1] == len(whole):
        return types.expand_as(tokens)
    removed = (tokens == whole[:-1]).long().cumprod(1).sum(1, keepdim=True)
    before = removed > removed.new_tensor(range(tokens.shape[1]))
    return types[:-1].where(before, types[1:])


def _attributed(application: Application, asked: Asked, gradients: bool) -> tuple[dict[str, np.ndarray], float]:
    """The attributions (T,) by name, and what the integrated gradients miss."""
    import torch

    from unmask.understanding.attributions import integrated_gradients, left_out, masked_in_turn

    base, places = application.model.base, asked.places
    score, tokens = score_of(application, asked), torch.as_tensor(asked.feature.tokens, dtype=torch.long)
    columns = _columns(application, tokens.tolist())
    removable = [column for column in columns if column not in places]
    found, missed = {"left_out": left_out(score, tokens, places, removable)}, 0.0
    if "mask" in base.tokenizer.special:
        found = {"masked": masked_in_turn(score, tokens, places, columns, base.tokenizer.mask_id), **found}
        embedding = _embedding(application.model.module)
        if gradients and embedding is not None:
            baseline, read = tokens.clone(), torch.ones_like(tokens, dtype=torch.bool)
            baseline[columns] = base.tokenizer.mask_id
            values, missed = integrated_gradients(score, embedding, tokens, baseline, places, read)
            found = {"integrated_gradients": values, **found}
    return {name: values.double().numpy() for name, values in found.items()}, missed


def _columns(application: Application, tokens: Sequence[int]) -> list[int]:
    """The columns of the texts, without the frame around them."""
    frame = application.model.base.frame
    framing = {*frame.prefix, *frame.middle, *frame.suffix, *frame.pair_suffix}
    return [column for column, token in enumerate(tokens) if token not in framing]


def _embedding(module: Any) -> Any:
    """What turns tokens into vectors, in a model of ours or one of transformers; None in a masked autoencoder, whose
    encoder reads no [MASK], so that nothing leads from a text of them to the text."""
    from unmask.objectives.masked_autoencoding import AutoencoderObjective

    inner = getattr(module, "module", module)
    if isinstance(inner, AutoencoderObjective):
        return None
    ours = getattr(getattr(inner, "encoder", None), "embedding", None)
    return inner.get_input_embeddings() if ours is None else ours

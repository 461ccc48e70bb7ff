"""What the answer of a fine-tuned classifier rests on: `explain_label(Application.load("runs/sst2"), "A fine film.")`.

The score is the label's logit: `integrated_gradients` from a text of nothing but [MASK], `masked` and `left_out` as in
`unmask.understanding.explain`. A tokenizer without a mask token (GPT-2's) has the last one alone.

Shapes: B rows, T tokens, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.errors import DataError, ModelError, SettingError
from unmask.menu import unknown
from unmask.understanding.explain import Explanation, shown

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.tasks.application import Application
    from unmask.tasks.features import Feature
    from unmask.understanding.attributions import Score

TOP = 5


def explain_label(application: Application, text: str, *, label: str | None = None) -> Explanation:
    """What the logit of the likeliest label rests on, or of `label`; two texts of a pair have a tab between.

    Raises ModelError for a model that does not classify texts, SettingError for a label it does not know, DataError for
    a text that is longer than its rows or has a single token.
    """
    import torch
    from torch.nn import functional as F

    feature = _feature(application, text)
    logits_of = label_logits(application, feature)
    tokens = torch.as_tensor(feature.tokens, dtype=torch.long)
    with torch.no_grad():
        logits = logits_of(tokens[None])[0].cpu()
    several = getattr(application.task, "multi_label", False)
    shares = F.logsigmoid(logits) if several else logits.log_softmax(-1)
    number = int(logits.argmax()) if label is None else _number(application, label)
    attributions, missed = _attributed(application, lambda rows, _: logits_of(rows)[:, number], tokens)
    order = shares.argsort(descending=True)[:TOP].tolist()
    row = tuple(tokens.tolist())
    return Explanation(
        text=text,
        target=application.labels[number],
        log_probability=float(shares[number]),
        answers=tuple((application.labels[each], float(shares[each].exp())) for each in order),
        tokens=tuple(shown(application.model.base.tokenizer, row, column) for column in range(len(row))),
        place=None,
        attributions=attributions,
        missed=missed,
        lens=(),
        first_layer=0,
        attention=None,
    )


def label_logits(application: Application, feature: Feature) -> Callable[[Tensor], Tensor]:
    """The logits (B,L) of rows (B,T) that are the feature's with other tokens in it, or with one token taken out."""
    import torch

    from unmask.models import positions

    whole, types = (torch.as_tensor(each, dtype=torch.long) for each in (feature.tokens, feature.types))

    def logits(tokens: Tensor) -> Tensor:
        groups = torch.ones_like(tokens)
        start = torch.zeros_like(tokens[:, :1])  # a head of whole rows reads where its class does
        given = (tokens, groups, positions(groups), start, _types(tokens.cpu(), whole, types))
        return application.model.module(*(each.to(application.device) for each in given))[:, 0].float()

    return logits


def _types(tokens: Tensor, whole: Tensor, types: Tensor) -> Tensor:
    """The types (B,T) of rows; where one token of the whole row is missing, so is its type."""
    if tokens.shape[1] == len(whole):
        return types.expand_as(tokens)
    removed = (tokens == whole[:-1]).long().cumprod(1).sum(1, keepdim=True)
    before = removed > removed.new_tensor(range(tokens.shape[1]))
    return types[:-1].where(before, types[1:])


def _feature(application: Application, text: str) -> Feature:
    """The row of a text; the head must answer for the row as a whole, and the row must hold all of the text."""
    from unmask.tasks import TASKS

    task, base = application.task, application.model.base
    kind = TASKS.name_of(task)
    if kind != "classification":
        raise ModelError(f"a model for {kind} has no label of a whole text: give a run of the task classification")
    limit = min(application.data.row_length or application.model.limit, application.model.limit)
    features, shortened = task.features(task.of_texts([text]), application.labels, base.tokenizer, base.frame, limit)
    if shortened or len(features) > 1:
        raise DataError(f"the text is longer than the {limit} tokens of a row: explain a part of it")
    if len(features[0].tokens) < 2:
        raise DataError("the text is a single token: what a label rests on needs two")
    return features[0]


def _number(application: Application, label: str) -> int:
    if label not in application.labels:
        raise SettingError(unknown("label", label, list(application.labels)))
    return application.labels.index(label)


def _attributed(application: Application, score: Score, tokens: Tensor) -> tuple[dict[str, np.ndarray], float]:
    """The attributions (T,) by name, and what the integrated gradients miss."""
    import torch

    from unmask.understanding.attributions import integrated_gradients, left_out, masked_in_turn

    base = application.model.base
    frame, tokenizer = base.frame, base.tokenizer
    framing = {*frame.prefix, *frame.middle, *frame.suffix, *frame.pair_suffix}
    columns = [column for column, token in enumerate(tokens.tolist()) if token not in framing]
    found, missed = {"left_out": left_out(score, tokens, 0, columns)}, 0.0
    if "mask" in tokenizer.special:
        baseline = tokens.clone()
        baseline[columns] = tokenizer.mask_id
        read = torch.ones_like(tokens, dtype=torch.bool)
        embedding = _embedding(application.model.module)
        gradients, missed = integrated_gradients(score, embedding, tokens, baseline, 0, read)
        masked = masked_in_turn(score, tokens, 0, columns, tokenizer.mask_id)
        found = {"integrated_gradients": gradients, "masked": masked, **found}
    return {name: values.double().numpy() for name, values in found.items()}, missed


def _embedding(module: Any) -> Any:
    """What turns tokens into vectors, in a labeller of ours or one of transformers."""
    return module.encoder.embedding if hasattr(module, "encoder") else module.module.get_input_embeddings()

"""What the tokens of a row have to do with each other, as one layer's attention sees it, and how far two models differ
in it: the loss of MiniLMv2 (Wang et al. 2021, "Multi-Head Self-Attention Relation Distillation", section 3).

Widths and numbers of attention heads may differ: queries, keys and values are cut anew into `heads` relation heads.

Shapes: B rows, T tokens, D width, A relation heads, C = D/A.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

KINDS = ("queries", "keys", "values")
_HIDDEN = -1e9  # not -inf, whose difference to itself is no number


@contextmanager
def last_projection(encoder: Any) -> Iterator[list[Tensor]]:
    """A list of the queries, keys and values (B,T,3D) that the last layer makes whenever the encoder runs inside.

    encoder: one with `layers` whose attention has one fused projection.
    """
    caught: list[Tensor] = []
    projection = encoder.layers[-1].attention.projection
    handle = projection.register_forward_hook(lambda module, given, made: caught.append(made))
    try:
        yield caught
    finally:
        handle.remove()


def relation_loss(student: Tensor, teacher: Tensor, groups: Tensor, heads: int) -> Tensor:
    """KL(teacher || student) of the relations, in nats: summed over tokens, the mean over heads and over query-query,
    key-key and value-value relations.

    student (B,T,3D), teacher (B,T,3D'), groups (B,T): tokens are related inside of their group, 0 is padding.
    """
    apart = groups[:, None, :, None] != groups[:, None, None, :]  # (B,1,T,T)
    real = (groups > 0)[:, None, :].float()  # (B,1,T)
    loss = torch.zeros((), dtype=torch.float32, device=student.device)
    for ours, theirs in zip(student.chunk(len(KINDS), -1), teacher.chunk(len(KINDS), -1), strict=True):
        mine, given = _relations(ours, apart, heads), _relations(theirs, apart, heads)
        divergence = (given.exp() * (given - mine)).sum(-1)  # (B,A,T)
        loss = loss + (divergence * real).sum() / (heads * len(KINDS))
    return loss


def _relations(vectors: Tensor, apart: Tensor, heads: int) -> Tensor:
    """Log shares of each token's relation with the others of its group: (B,T,D) -> (B,A,T,T)."""
    parts = vectors.float().unflatten(-1, (heads, -1)).transpose(1, 2)  # (B,A,T,C)
    scores = parts @ parts.transpose(2, 3) * parts.shape[-1] ** -0.5
    return scores.masked_fill(apart, _HIDDEN).log_softmax(-1)

"""Losses that shape vectors: what belongs together comes near, what does not is pushed apart.

Vectors come as (B,M,D): B examples, the M texts of each; D their width. All losses compare by the cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.tasks.features import Loss


def contrastive(temperature: float) -> Loss:
    """InfoNCE with in-batch negatives (van den Oord et al. 2018, equation 4; Henderson et al. 2017, section 4.4).

    Each first text has its second to find among the second texts, and the third ones (hard negatives), of all examples
    that are handed in together: those of one micro-batch on one process, never of others. targets (B,1): equal numbers
    have the same second text, which is then no negative. Of texts alone that are read twice with different dropout it
    is the unsupervised SimCSE (Gao et al. 2021, section 3).
    """

    def loss(vectors: Tensor, targets: Tensor) -> Tensor:
        unit = F.normalize(vectors, dim=-1)
        scores = unit[:, 0] @ unit[:, 1:].transpose(0, 1).flatten(0, 1).T / temperature  # (B,(M-1)·B)
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        same = (targets == targets.T) & ~own
        scores[:, : len(scores)] = scores[:, : len(scores)].masked_fill(same, -torch.inf)
        return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device), reduction="sum")

    return loss


def cosine(low: float, high: float) -> Loss:
    """Squared difference of the cosine and the score, brought from low..high to 0..1 (Reimers and Gurevych 2019,
    section 3, regression). targets (B,1,1)."""

    def loss(vectors: Tensor, targets: Tensor) -> Tensor:
        wanted = (targets.flatten() - low) / (high - low)
        return ((F.cosine_similarity(vectors[:, 0], vectors[:, 1], dim=-1) - wanted) ** 2).sum()

    return loss


def cosent(temperature: float) -> Loss:
    """Of every two pairs of a micro-batch, the one with the higher score shall have the higher cosine (Su 2022,
    CoSENT), times the number of pairs. targets (B,1,1)."""

    def loss(vectors: Tensor, targets: Tensor) -> Tensor:
        found = F.cosine_similarity(vectors[:, 0], vectors[:, 1], dim=-1) / temperature
        wanted = targets.flatten()
        wrong = found[None] - found[:, None]  # how much higher the second is
        wrong = wrong.masked_fill(wanted[:, None] <= wanted[None], -torch.inf).flatten()
        return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), dim=0) * len(found)

    return loss

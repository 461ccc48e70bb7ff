"""What the score of a row rests on, token by token. The score is any function of rows: here nothing knows whether it is
the log-probability of a word in a blank, a label's logit, or a number.

    Score: (tokens (B,T), places (B,K)) -> (B,)     places: the columns at which each row is read; K may be 0

Every attribution is in the unit of the score and positive where a token speaks for it.

Shapes: B rows, T tokens, K places, L layers, H heads, S tokens that an encoder reads (less
than T where blanks are left out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Score = Callable[[Tensor, Tensor], Tensor]

STEPS = 64
"""Points of the integral; what they leave over is given back beside the attributions."""
BATCH = 16


def integrated_gradients(
    score: Score,
    embedding: nn.Module,
    tokens: Tensor,
    baseline: Tensor,
    places: Sequence[int],
    read: Tensor,
    steps: int = STEPS,
) -> tuple[Tensor, float]:
    """Attributions (T,) of the tokens of one row (T,), and what they miss of the whole: (their sum) - (score of the
    row - score of the baseline), 0 but for the error of the integral.

    Sundararajan et al. 2017, through captum, on what `embedding` gives, from the row `baseline` (T,). `read` (T,) says
    which tokens go through the embedding; the others get 0.
    """
    from captum.attr import LayerIntegratedGradients

    def scored(rows: Tensor) -> Tensor:
        return score(rows, _columns([places] * len(rows)).to(rows.device))

    method = LayerIntegratedGradients(scored, embedding)
    answer: Any = method.attribute(
        tokens[None],
        baselines=baseline[None],
        n_steps=steps,
        internal_batch_size=BATCH,
        return_convergence_delta=True,
    )
    values, missed = answer
    found = torch.zeros(len(tokens))
    found[read.cpu()] = values.detach().sum(-1)[0].float().cpu()
    return found, float(missed)


def masked_in_turn(score: Score, tokens: Tensor, places: Sequence[int], asked: Sequence[int], mask_id: int) -> Tensor:
    """How much the score falls when each asked token of a row (T,) is hidden behind [MASK]: (T,), 0 where not asked."""
    rows = tokens.repeat(len(asked), 1)
    rows[torch.arange(len(asked)), torch.tensor(asked, dtype=torch.long)] = mask_id
    return _fall(score, tokens, places, asked, rows, [places] * len(asked))


def left_out(score: Score, tokens: Tensor, places: Sequence[int], asked: Sequence[int]) -> Tensor:
    """How much the score falls when each asked token of a row (T,) is taken out, so that the others close up: (T,).
    None of them is a place."""
    without = [torch.cat([tokens[:column], tokens[column + 1 :]]) for column in asked]
    rows = torch.stack(without) if without else tokens.new_zeros(0, len(tokens) - 1)
    return _fall(score, tokens, places, asked, rows, [[each - (column < each) for each in places] for column in asked])


def _fall(
    score: Score,
    tokens: Tensor,
    places: Sequence[int],
    asked: Sequence[int],
    rows: Tensor,
    theirs: Sequence[Sequence[int]],
) -> Tensor:
    """score of the row - score of each other row (read at its own places), at the asked columns: (T,)."""
    found, read = torch.zeros(len(tokens)), _columns(theirs)
    with torch.no_grad():
        whole = score(tokens[None], _columns([places])).cpu()
        for first in range(0, len(rows), BATCH):
            chosen = slice(first, first + BATCH)
            found[list(asked[chosen])] = (whole - score(rows[chosen], read[chosen]).cpu()).float()
    return found


def _columns(places: Iterable[Sequence[int]]) -> Tensor:
    """As a tensor (B,K)."""
    return torch.tensor([list(each) for each in places], dtype=torch.long)


def rollout(attention: Tensor) -> Tensor:
    """How much of each input token flows into each output: attention (L,H,T,T) of one row -> (T,T), rows sum to 1.

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3: the mean over the heads, half of it
    the residual connection, multiplied from the first layer to the last.
    """
    own = torch.eye(attention.shape[-1])
    flow = own
    for layer in attention.mean(1):
        flow = (0.5 * layer + 0.5 * own) @ flow
    return flow

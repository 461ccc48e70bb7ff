"""Drawing tokens from a prediction over a large vocabulary without ever holding more than a few rows of it.

Shapes: N places asked, D width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unmask.layers.losses import capped, rows_at_once


@torch.no_grad()
def projected_sample(hidden: Tensor, embedding: Tensor, bias: Tensor, draws: Tensor, cap: float = 0.0) -> Tensor:
    """Tokens (N,) drawn from the softmax of `hidden @ embedding.T + bias`, the products `capped` where a cap is given.

    hidden (N,D), embedding (V,D), bias (V,) and draws (N,) in float32: numbers in [0, 1), each of which decides its
    token. Uniform ones give every token its probability (the inverse of the cumulative distribution, in float32).
    """
    step = rows_at_once(embedding)
    tokens = torch.empty(len(hidden), dtype=torch.int64, device=hidden.device)
    for start in range(0, len(hidden), step):
        chunk = slice(start, start + step)
        logits = capped(torch.mm(hidden[chunk], embedding.t()).float(), cap).add_(bias)
        cumulative = logits.softmax(1).cumsum_(1)  # (n,V)
        # The sum is 1 only nearly, so the draw is a share of what it came to.
        found = torch.searchsorted(cumulative, draws[chunk, None] * cumulative[:, -1:], right=True)
        tokens[chunk] = found[:, 0]
    return tokens.clamp_(max=len(embedding) - 1)

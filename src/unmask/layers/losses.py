"""Cross-entropy over a large vocabulary without ever holding the logits of more than a few rows.

Shapes: N places asked, D width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_LOGITS = 4 << 20  # float32 logits held at a time: 16 MB, about what a CPU's last cache level keeps


def projected_cross_entropy(
    hidden: Tensor, embedding: Tensor, bias: Tensor, targets: Tensor, ignore: int, weights: Tensor | None = None
) -> Tensor:
    """The summed cross-entropy (nats, float32) of `hidden @ embedding.T + bias` against `targets`.

    hidden (N,D), embedding (V,D), bias (V,) in float32, targets (N,) where `ignore` asks nothing; weights (N,) float32:
    what each term counts in the sum, 1 unless given. Softmax is in float32 whatever the dtype of hidden. The gradient
    of the logits is made chunk by chunk while they are in the cache and kept in the dtype of hidden; without gradients
    nothing is kept.
    """
    asked = targets != ignore
    weights = asked.float() if weights is None else weights.where(asked, 0)
    return _ProjectedCrossEntropy.apply(hidden, embedding, bias, targets.where(asked, 0), weights)  # type: ignore[no-any-return]


class _ProjectedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(context, hidden, embedding, bias, targets, weights):  # type: ignore[override]
        wanted = any(context.needs_input_grad)
        of_bias = torch.zeros_like(bias)
        of_logits = hidden.new_empty(len(hidden), len(embedding)) if wanted else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        step = max(1, CHUNK_LOGITS // len(embedding))
        for start in range(0, len(hidden), step):
            chunk = slice(start, start + step)
            logits = torch.mm(hidden[chunk], embedding.t()).float().add_(bias)
            target, weight = targets[chunk, None], weights[chunk, None]
            peak = logits.amax(1, keepdim=True)
            chosen = logits.gather(1, target) - peak
            exponentials = logits.sub_(peak).exp_()
            total = exponentials.sum(1, keepdim=True)
            loss += ((total.log() - chosen) * weight).sum()
            if of_logits is not None:
                gradient = exponentials.mul_(weight / total)
                gradient.scatter_add_(1, target, -weight)
                of_logits[chunk] = gradient
                of_bias += gradient.sum(0)
        context.save_for_backward(hidden, embedding, of_logits, of_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        hidden, embedding, of_logits, of_bias = context.saved_tensors
        scale = gradient.to(hidden.dtype)
        of_hidden = (of_logits @ embedding).mul_(scale)
        of_embedding = of_logits.t() @ (hidden * scale)
        return of_hidden, of_embedding, of_bias * gradient, None, None

"""Cross-entropy and distillation over a large vocabulary without ever holding the logits of more than a few rows.

Shapes: N places asked, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Float32 logits held at a time: 16 MB, about what a CPU's last cache level keeps; on a GPU 512 MB, for there every
# chunk costs a dozen launches, and small ones leave it idle.
CHUNK_LOGITS, CHUNK_LOGITS_GPU = 4 << 20, 128 << 20


def rows_at_once(embedding: Tensor) -> int:
    """Of how many places the logits over an embedding (V,D) are held at a time."""
    most = CHUNK_LOGITS if embedding.device.type == "cpu" else CHUNK_LOGITS_GPU
    return max(1, most // len(embedding))


def projected_cross_entropy(
    hidden: Tensor,
    embedding: Tensor,
    bias: Tensor,
    targets: Tensor,
    ignore: int,
    weights: Tensor | None = None,
    cap: float = 0.0,
    terms: Terms | None = None,
) -> Tensor:
    """The summed cross-entropy (nats, float32) of `hidden @ embedding.T + bias` against `targets`.

    hidden (N,D), embedding (V,D), bias (V,) in float32, targets (N,) where `ignore` asks nothing; weights (N,) float32:
    what each term counts in the sum, 1 unless given. cap: the products are `capped` before the bias is added. Softmax
    is in float32 whatever the dtype of hidden. The gradient of the logits is made chunk by chunk while they are in the
    cache and kept in the dtype of hidden; without gradients nothing is kept. terms: what computes a chunk,
    `chunk_terms` or that compiled.
    """
    asked = targets != ignore
    weights = asked.float() if weights is None else weights.where(asked, 0)
    given = (targets.where(asked, 0), weights, cap, terms or chunk_terms)
    return _ProjectedCrossEntropy.apply(hidden, embedding, bias, *given)  # type: ignore[no-any-return]


def capped(products: Tensor, cap: float) -> Tensor:
    """Numbers held between -cap and cap: cap * tanh(products / cap), which are spent for it; with cap 0 as they are."""
    return products.div_(cap).tanh_() * cap if cap else products


def chunk_terms(
    products: Tensor, bias: Tensor, target: Tensor, weight: Tensor, cap: float, out: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The summed loss of some places, and its gradient by the bias (V,); that by the products is written to `out`, and
    without it neither is made.

    products (n,V), which may be spent, bias (V,) and weight (n,1) in float32, target (n,1), out (n,V).
    """
    logits = capped(products.float(), cap)
    del products  # its memory serves what follows
    slope = 1 - (logits / cap).square_() if cap else None  # of the cap, by the products
    logits.add_(bias)
    peak = logits.amax(1, keepdim=True)
    chosen = logits.gather(1, target) - peak
    exponentials = logits.sub_(peak).exp_()
    total = exponentials.sum(1, keepdim=True)
    loss = ((total.log() - chosen) * weight).sum()
    if out is None:
        return loss, None
    gradient = exponentials.mul_(weight / total)
    if torch.compiler.is_compiling():  # fused, where scattering would write all of it once more
        columns = torch.arange(len(bias), device=bias.device)
        gradient = gradient - torch.where(columns == target, weight, 0.0)
    else:
        gradient.scatter_add_(1, target, -weight)
    of_bias = gradient.sum(0)
    out.copy_(gradient if slope is None else gradient.mul_(slope))
    return loss, of_bias


Terms = Callable[[Tensor, Tensor, Tensor, Tensor, float, Tensor | None], tuple[Tensor, Tensor | None]]
"""`chunk_terms`, or something faster that gives the same."""


class _ProjectedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(context, hidden, embedding, bias, targets, weights, cap, terms):  # type: ignore[override]
        wanted = any(context.needs_input_grad)
        of_bias = torch.zeros_like(bias)
        of_logits = hidden.new_empty(len(hidden), len(embedding)) if wanted else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        step = rows_at_once(embedding)
        for start in range(0, len(hidden), step):
            chunk = slice(start, start + step)
            out = None if of_logits is None else of_logits[chunk]
            asked = (targets[chunk, None], weights[chunk, None], cap, out)
            of_chunk, of_its_bias = terms(torch.mm(hidden[chunk], embedding.t()), bias, *asked)
            loss += of_chunk
            if of_its_bias is not None:
                of_bias += of_its_bias
        context.save_for_backward(hidden, embedding, of_logits, of_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        return *_of_inputs(context, gradient), None, None, None, None


def projected_distillation(
    hidden: Tensor,
    embedding: Tensor,
    bias: Tensor,
    targets: Tensor,
    teacher: Callable[[slice], Tensor],
    temperature: float,
    soft: float,
    hard: float,
) -> Tensor:
    """The summed loss (nats, float32) of a student's logits `hidden @ embedding.T + bias` (Hinton et al. 2015, sec. 2):

        soft * temperature^2 * KL(teacher || student), both softened by the temperature, + hard * cross-entropy

    hidden (N,D), embedding (V,D), bias (V,) in float32, targets (N,). teacher: from some of the N places to the
    teacher's logits there (n,V) in float32, asked for a chunk at a time, so that neither side's are ever held whole.
    """
    return _ProjectedDistillation.apply(hidden, embedding, bias, targets, teacher, temperature, soft, hard)  # type: ignore[no-any-return]


class _ProjectedDistillation(torch.autograd.Function):
    @staticmethod
    def forward(context, hidden, embedding, bias, targets, teacher, temperature, soft, hard):  # type: ignore[override]
        wanted = any(context.needs_input_grad)
        of_bias = torch.zeros_like(bias)
        of_logits = hidden.new_empty(len(hidden), len(embedding)) if wanted else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        step = rows_at_once(embedding)
        for start in range(0, len(hidden), step):
            chunk = slice(start, start + step)
            logits = torch.mm(hidden[chunk], embedding.t()).float().add_(bias)
            softened, gradient = _softened(logits, teacher(chunk), temperature)
            loss += soft * temperature**2 * softened
            gradient.mul_(soft * temperature)
            if hard:
                chosen, of_hard = _chosen(logits, targets[chunk, None])
                loss += hard * chosen
                gradient.add_(of_hard, alpha=hard)
            if of_logits is not None:
                of_logits[chunk] = gradient
                of_bias += gradient.sum(0)
        context.save_for_backward(hidden, embedding, of_logits, of_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(context, gradient):  # type: ignore[override]
        return *_of_inputs(context, gradient), None, None, None, None, None


def _softened(logits: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Summed KL(teacher || student) of softened (n,V) logits, and its gradient by the student's softened logits."""
    theirs = (teacher / temperature).log_softmax(1)
    ours = (logits / temperature).log_softmax(1)
    probabilities = theirs.exp()
    divergence = theirs.sub_(ours).mul_(probabilities).sum()
    return divergence, ours.exp_().sub_(probabilities)


def _chosen(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The summed cross-entropy of logits (n,V) against targets (n,1), and its gradient by the logits."""
    ours = logits.log_softmax(1)
    loss = -ours.gather(1, targets).sum()
    return loss, ours.exp_().scatter_add_(1, targets, torch.full_like(targets, -1, dtype=ours.dtype))


def _of_inputs(context, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients by hidden, embedding and bias, from those by the logits that a forward pass has kept."""
    hidden, embedding, of_logits, of_bias = context.saved_tensors
    scale = gradient.to(hidden.dtype)
    of_hidden = (of_logits @ embedding).mul_(scale)
    of_embedding = of_logits.t() @ (hidden * scale)
    return of_hidden, of_embedding, of_bias * gradient

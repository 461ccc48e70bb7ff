"""Muon (Jordan et al. 2024): the momentum of each hidden matrix is orthogonalised before it is applied; embeddings,
norms and biases go by AdamW. Matrices of one shape are orthogonalised together in batched products.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unmask.config import require
from unmask.devices import runs_ahead
from unmask.training.optimizers.adamw import AdamW, AdamWStep
from unmask.training.precision import Masters

# The quintic of the Muon post: steep at 0, so that small singular values grow fast; five turns bring all near 1.
_QUINTIC = (3.4445, -4.7750, 2.0315)


@dataclass(frozen=True)
class Muon:
    """Muon on hidden matrices, AdamW on the rest."""

    learning_rate: float = 0.02
    """peak learning rate of hidden matrices: the size of an update, whatever the gradient"""
    momentum: float = 0.95
    """decay of the mean of gradients, looked ahead (Nesterov)"""
    weight_decay: float = 0.05
    """share of a hidden matrix that is taken off, times the learning rate"""
    newton_schulz_steps: int = 5
    """turns of the orthogonalising iteration"""
    adam_learning_rate: float = 1e-3
    """peak learning rate of embeddings, norms and biases"""
    adam_beta1: float = 0.9
    """their decay of the mean of gradients"""
    adam_beta2: float = 0.98
    """their decay of the mean of squared gradients"""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "adam_learning_rate", "newton_schulz_steps"):
            require(getattr(self, name) > 0, f"optimizer.{name}={getattr(self, name)}: more than 0 is needed")
        require(0 <= self.momentum < 1, f"optimizer.momentum={self.momentum}: from 0 up to 1 is needed")

    def build(self, masters: Masters, objective: nn.Module) -> MuonStep:
        """Ready to step over all parameters."""
        return MuonStep(self, masters, objective)


class MuonStep:
    """Muon over the weights of linear layers, AdamW over everything else."""

    def __init__(self, settings: Muon, masters: Masters, objective: nn.Module) -> None:
        self.settings, self.learning_rate = settings, settings.learning_rate
        self._dtype = masters.dtype
        matrices = hidden_matrices(objective)
        adam = AdamW(settings.adam_learning_rate, settings.adam_beta1, settings.adam_beta2)
        self.rest = AdamWStep(adam, masters, [name for name in masters.views if name not in matrices])
        self._groups: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for name, parts in matrices.items():
            views = zip(masters.views[name].chunk(parts), masters.gradient_views[name].chunk(parts), strict=True)
            for weight, gradient in views:
                self._groups[tuple(weight.shape)].append((weight, gradient))  # type: ignore[index]
        self._momenta = {
            shape: torch.zeros(len(members), *shape, device=masters.weights.device)
            for shape, members in self._groups.items()
        }

    @torch.no_grad()
    def step(self, multiplier: float) -> None:
        """One update at `multiplier` of the peak learning rates."""
        self.rest.step(multiplier)
        settings = self.settings
        rate = settings.learning_rate * multiplier
        for shape, members in self._groups.items():
            gradients = torch.stack([gradient for _, gradient in members])
            momenta = self._momenta[shape]
            momenta.lerp_(gradients, 1 - settings.momentum)
            updates = orthogonalised(
                gradients.lerp_(momenta, settings.momentum), settings.newton_schulz_steps, self._dtype
            )
            size = rate * max(1.0, shape[0] / shape[1]) ** 0.5
            _apply([weight for weight, _ in members], updates.float(), 1 - rate * settings.weight_decay, size)

    def state(self) -> dict[str, Tensor]:
        """Everything that must be kept to go on exactly."""
        momenta = {f"muon/{rows}x{columns}": momentum for (rows, columns), momentum in self._momenta.items()}
        return self.rest.state() | momenta

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned."""
        self.rest.load({path: value for path, value in state.items() if not path.startswith("muon/")})
        for (rows, columns), momentum in self._momenta.items():
            momentum.copy_(state[f"muon/{rows}x{columns}"])


def _apply(weights: list[Tensor], updates: Tensor, kept: float, size: float) -> None:
    """Take `size` times the updates (n,R,C) off what is kept of the weights, n of (R,C)."""
    if runs_ahead(updates.device):  # a GPU is started once for all of them
        torch._foreach_mul_(weights, kept)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_sub_(weights, list(updates), alpha=size)  # pyright: ignore[reportPrivateImportUsage]
        return
    for weight, update in zip(weights, updates, strict=True):
        weight.mul_(kept).sub_(update, alpha=size)


def hidden_matrices(objective: nn.Module) -> dict[str, int]:
    """The weights of linear layers, each with the number of matrices that stand in it one below the other.

    A projection to the vocabulary is none of them, be it tied to the embedding or not.
    """
    matrices, weights = {}, dict(objective.named_parameters())
    projection = getattr(getattr(objective, "encoder", None), "projection", None)
    for path, module in objective.named_modules():
        parent, _, name = path.rpartition(".")
        if isinstance(module, nn.Linear) and module is not projection and f"{path}.weight" in weights:
            owner = objective.get_submodule(parent)
            matrices[f"{path}.weight"] = getattr(owner, "fused", {}).get(name, 1)
    return matrices


def orthogonalised(matrices: Tensor, steps: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The nearest (semi-)orthogonal matrix of each of `matrices` (n,R,C), roughly: singular values in 0.7 to 1.2.

    Newton-Schulz on the quintic, computed in `dtype`. The larger side is kept outside the squared products.
    """
    x = matrices.to(dtype)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2).contiguous()
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x

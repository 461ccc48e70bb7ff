"""AdamW (Loshchilov and Hutter 2019): torch's fused one, over the float32 masters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unmask.config import require
from unmask.training.precision import Masters


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay on matrices; vectors and the embedding are not decayed."""

    learning_rate: float = 1e-3
    """peak learning rate"""
    beta1: float = 0.9
    """decay of the mean of gradients"""
    beta2: float = 0.98
    """decay of the mean of squared gradients"""
    epsilon: float = 1e-8
    """added to the root of the mean square"""
    weight_decay: float = 0.01
    """share of a matrix that is taken off, times the learning rate"""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"optimizer.learning_rate={self.learning_rate}: more than 0 is needed")

    def build(self, masters: Masters, objective: nn.Module) -> AdamWStep:
        """Ready to step over all parameters but the frozen ones; an objective may have `rates`, the share of the
        learning rate that a parameter takes by its name."""
        names = [name for name, parameter in masters.parameters.items() if parameter.requires_grad]
        return AdamWStep(self, masters, names, getattr(objective, "rates", {}))


class AdamWStep:
    """AdamW over the named masters."""

    def __init__(
        self, settings: AdamW, masters: Masters, names: Iterable[str], rates: Mapping[str, float] | None = None
    ) -> None:
        self.learning_rate = settings.learning_rate
        self.names = list(names)
        parameters = []
        for name in self.names:
            parameter = nn.Parameter(masters.views[name], requires_grad=True)
            parameter.grad = masters.gradient_views[name]
            parameters.append(parameter)
        groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
        for name, parameter in zip(self.names, parameters, strict=True):
            decayed = parameter.dim() > 1 and "embedding" not in name
            groups[settings.weight_decay if decayed else 0.0, (rates or {}).get(name, 1.0)].append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": members, "weight_decay": decay, "rate": rate} for (decay, rate), members in groups.items()],
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=True,
        )
        self._parameters = dict(zip(self.names, parameters, strict=True))

    def step(self, multiplier: float) -> None:
        """One update at `multiplier` of the peak learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * multiplier * group["rate"]
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Everything that must be kept to go on exactly: "parameter/key" -> tensor."""
        return {
            f"{name}/{key}": value
            for name, parameter in self._parameters.items()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned."""
        for path, value in state.items():
            name, _, key = path.rpartition("/")
            if name in self._parameters:
                self.optimizer.state[self._parameters[name]][key] = value.clone()

"""Computing in bf16 while learning in float32, applied from outside: no architecture knows of it.

The objective holds matrices in bf16 and vectors in float32 (in bf16 too where its encoder asks for `one_dtype`);
`Masters` holds every weight in float32. A step is: backward (bf16) -> `collect` (float32 gradients) -> optimizer on the
masters -> `publish` (bf16 again). Autocast would cast the weights anew at every use (Micikevicius et al. 2018 describe
masters).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from unmask.devices import best_device
from unmask.errors import SettingError


def chosen_device(setting: str) -> torch.device:
    """The device to compute on: "auto" takes the first GPU when there is one; SettingError for a name that torch does
    not know, or a device that it does not find."""
    if setting == "auto":
        return torch.device(best_device())
    try:
        device = torch.device(setting)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise SettingError(
            f"training.device={setting}: torch {torch.__version__} finds no such device here; auto takes a GPU "
            "where there is one, cpu always works"
        ) from None
    return device


def chosen_dtype(setting: str, device: torch.device) -> torch.dtype:
    """The dtype to compute in: "auto" takes bf16 where the processor multiplies it natively, else float32."""
    if setting == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    try:
        return {"bf16": torch.bfloat16, "fp32": torch.float32}[setting]
    except KeyError:
        raise SettingError(f"training.precision={setting}: auto, bf16 or fp32 is needed") from None


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run at full speed; emulated ones are tens of times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags


class Masters:
    """Float32 weights and gradients of an objective, each one flat tensor with a named view for every parameter."""

    def __init__(self, objective: nn.Module, dtype: torch.dtype) -> None:
        named = list(objective.named_parameters())
        vectors_too = getattr(getattr(objective, "encoder", None), "one_dtype", False)
        total = sum(parameter.numel() for _, parameter in named)
        device = named[0][1].device
        self.weights = torch.empty(total, dtype=torch.float32, device=device)
        self.gradients = torch.zeros(total, dtype=torch.float32, device=device)
        self.dtype = dtype
        self.parameters = dict(named)
        self.views: dict[str, Tensor] = {}
        self.gradient_views: dict[str, Tensor] = {}
        start = 0
        for name, parameter in named:
            part = slice(start, start + parameter.numel())
            self.views[name] = self.weights[part].view_as(parameter)
            self.gradient_views[name] = self.gradients[part].view_as(parameter)
            self.views[name].copy_(parameter.data)
            # Where both are float32 the objective computes with the masters themselves: nothing to publish.
            low = (parameter.dim() > 1 or vectors_too) and dtype != torch.float32
            parameter.data = self.views[name].to(dtype) if low else self.views[name]
            start = part.stop
        self._low = [name for name, parameter in named if parameter.dtype != torch.float32]

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a checkpoint."""
        for name, view in self.views.items():
            view.copy_(weights[name])
        self.publish()

    @torch.no_grad()
    def collect(self, first: bool) -> None:
        """Move the objective's gradients to the masters; those of later micro-batches are added, in float32."""
        for name, parameter in self.parameters.items():
            view = self.gradient_views[name]
            if parameter.grad is None:
                if first:
                    view.zero_()
            elif first:
                view.copy_(parameter.grad)
            else:
                view.add_(parameter.grad)
            parameter.grad = None

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters to what the objective computes with."""
        if self._low:
            computed, learned = ([of[name] for name in self._low] for of in (self.parameters, self.views))
            torch._foreach_copy_(computed, learned)  # pyright: ignore[reportPrivateImportUsage]

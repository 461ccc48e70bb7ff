"""Float32 linear layers on the processor, faster by oneDNN: put on any module from outside, for prediction alone.

    packed = PackedLinears()
    with torch.inference_mode(), packed:
        module(inputs)                       the same numbers, but for the last bits of float32

torch multiplies float32 by MKL, which on processors of AMD reaches less than half of what oneDNN does with weights in
an order of its own (figures in docs/log.md). Each weight is put into that order when it is first met and kept so,
beside the original: that takes its memory a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def available() -> bool:
    """Whether this build of torch has what is needed; else everything goes its usual way."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
    )


class PackedLinears(TorchFunctionMode):
    """While it is entered, float32 products with parameters on the processor are oneDNN's.

    A weight that has changed since (training went on) is packed anew. Whatever else is called, and everything outside
    of `torch.inference_mode()`, is left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._packed: dict[int, tuple[Tensor, int, Tensor]] = {}  # the weight itself is held, so its id stays its own
        self._available = available()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        given: tuple[Any, ...] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is nn.functional.linear and self._available and torch.is_inference_mode_enabled():
            return self._linear(*given, **(named or {}))
        return func(*given, **(named or {}))

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if not _fitting(input, weight):
            return nn.functional.linear(input, weight, bias)
        return torch.ops.mkldnn._linear_pointwise(input, self._order(weight), bias, "none", [], "")

    def _order(self, weight: Tensor) -> Tensor:
        """The weight in the order oneDNN likes, as it is now."""
        _, version, packed = self._packed.get(id(weight), (None, None, None))
        if packed is None or version != weight._version:
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
            self._packed[id(weight)] = weight, weight._version, packed
        return packed


def _fitting(input: Tensor, weight: Tensor) -> bool:
    """A parameter and rows to multiply it with, both float32 on the processor."""
    kept = isinstance(weight, nn.Parameter) and not weight.is_inference()
    plain = all(each.device.type == "cpu" and each.dtype == torch.float32 for each in (input, weight))
    return kept and plain and input.dim() >= 2 and input.numel() > 0

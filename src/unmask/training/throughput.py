"""How fast a step is, and how fast this machine could be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop, sdpa_flop, shape_wrapper

# Fixed matrix products, (rows, inner, columns): the shapes of a mid-sized encoder's layers.
_PRODUCTS = ((2048, 2048, 2048), (4096, 1024, 1024), (8192, 512, 1024))
# A GPU needs more work at once, or starting it is what is measured.
_PRODUCTS_GPU = ((8192, 8192, 8192), (16384, 4096, 4096), (32768, 1024, 4096))
_ROUNDS = 5


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in plain matrix products: the best of five rounds of fixed shapes."""
    best = 0.0
    for rows, inner, columns in _PRODUCTS_GPU if device.type == "cuda" else _PRODUCTS:
        left = torch.randn(rows, inner, device=device, dtype=dtype)
        right = torch.randn(inner, columns, device=device, dtype=dtype)
        for _ in range(_ROUNDS):
            _wait(device)
            start = time.perf_counter()
            torch.mm(left, right)
            _wait(device)
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def counted_flops(work: Callable[[], object]) -> int:
    """The floating-point operations of the matrix products that `work` really runs, forward and backward."""
    with _Counter() as counter:
        work()
    return counter.total


class _Counter(TorchDispatchMode):
    """Adds up torch's formulas (`FlopCounterMode` has the same) and ours over all operations.

    Fine-tuning counts anew at each row length it meets, so counting must be cheap: nothing is kept by module, and only
    operations that are made of others, which inference mode hands on whole, are taken apart (docs/log.md has what
    that saves).
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        named = named or {}
        if _composite(func):
            with self:
                return func.decompose(*given, **named)
        result = func(*given, **named)
        if (products := _STRETCHES.get(func._schema.name)) is not None:
            names = [each.name for each in func._schema.arguments]
            self.total += products * _seen_flops(dict(zip(names, given, strict=False)) | named)
        elif (formula := _FORMULAS.get(func._overloadpacket)) is not None:
            self.total += formula(*given, **named, out_val=result)
        return result


@cache
def _composite(func: Any) -> bool:
    """Whether an operation is nothing but other operations."""
    name, key = func.name(), torch._C.DispatchKey.CompositeImplicitAutograd
    return torch._C._dispatch_has_kernel(name) and torch._C._dispatch_has_kernel_for_dispatch_key(name, key)


def _recurrent_flops(times: int, input_shape: Any, weights: Iterable[Any]) -> int:
    """Each number of a weight is used once a token, twice more in the backward pass."""
    tokens = math.prod(input_shape[:-1])
    return 2 * times * tokens * sum(math.prod(shape) for shape in weights if len(shape) > 1)


def _onednn_forward(input: Any, *given: Any, **rest: Any) -> int:
    return _recurrent_flops(1, input, given[:4])


def _onednn_backward(input: Any, *given: Any, **rest: Any) -> int:
    return _recurrent_flops(2, input, given[:4])


def _cudnn_forward(input: Any, weights: Any, *given: Any, **rest: Any) -> int:
    return _recurrent_flops(1, input, weights)


def _cudnn_backward(input: Any, weights: Any, *given: Any, **rest: Any) -> int:
    return _recurrent_flops(2, input, weights)


def _packed_flops(input: Any, *given: Any, out_shape: Any, **rest: Any) -> int:
    return 2 * input[-1] * math.prod(out_shape)


# Attention by stretches (`layers/stretches.py`), and how many products of all that is seen it takes; torch's own
# formulas know of no windows.
_STRETCHES = {"torch_attn::_varlen_attn": 2, "torch_attn::_varlen_attn_backward": 5}


def _seen_flops(given: dict[str, Any]) -> int:
    """The operations of one product of queries (N,H,C) with the keys that they see. given: arguments by name."""
    lengths = given["cu_seq_q"].diff().tolist()
    reach = (given.get("window_size") or [-1])[0]
    return 2 * sum(_pairs(length, reach) for length in lengths) * math.prod(given["query"].shape[1:])


def _pairs(length: int, reach: int) -> int:
    """How many pairs of `length` tokens see each other, no further apart than `reach`; -1: all of them."""
    furthest = length - 1 if reach < 0 else min(reach, length - 1)
    return length + 2 * furthest * length - furthest * (furthest + 1)


# What torch has no formula for, by shapes: whole recurrences in one operation (input, weights, ...), the products of
# `layers/packed.py`, and attention on a processor.
_FUSED: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mkldnn_rnn_layer: shape_wrapper(_onednn_forward),
    torch.ops.aten.mkldnn_rnn_layer_backward: shape_wrapper(_onednn_backward),
    torch.ops.aten._cudnn_rnn: shape_wrapper(_cudnn_forward),
    torch.ops.aten._cudnn_rnn_backward: shape_wrapper(_cudnn_backward),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: sdpa_flop,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: sdpa_backward_flop,
}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    _FUSED[torch.ops.mkldnn._linear_pointwise] = shape_wrapper(_packed_flops)
_FORMULAS: dict[Any, Callable[..., int]] = {**flop_registry, **_FUSED}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

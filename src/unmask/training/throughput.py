"""How fast a step is, and how fast this machine could be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

# Fixed matrix products, (rows, inner, columns): the shapes of a mid-sized encoder's layers.
_PRODUCTS = ((2048, 2048, 2048), (4096, 1024, 1024), (8192, 512, 1024))
_ROUNDS = 5


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in plain matrix products: the best of five rounds of fixed shapes."""
    best = 0.0
    for rows, inner, columns in _PRODUCTS:
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
    with FlopCounterMode(display=False, custom_mapping=_FUSED) as counter:
        work()
    return counter.get_total_flops()


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


def _attention_forward(query: Any, key: Any, value: Any, *given: Any, **rest: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *given: Any, **rest: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


def _packed_flops(input: Any, *given: Any, out_shape: Any, **rest: Any) -> int:
    return 2 * input[-1] * math.prod(out_shape)


# What torch's counter does not know, by shapes: whole recurrences in one operation (input, weights, ...), the tiled
# attention of a CPU, and the products of `layers/packed.py`.
_FUSED = {
    torch.ops.aten.mkldnn_rnn_layer: _onednn_forward,
    torch.ops.aten.mkldnn_rnn_layer_backward: _onednn_backward,
    torch.ops.aten._cudnn_rnn: _cudnn_forward,
    torch.ops.aten._cudnn_rnn_backward: _cudnn_backward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    _FUSED[torch.ops.mkldnn._linear_pointwise] = _packed_flops


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

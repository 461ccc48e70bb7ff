"""torch.compile, put on from outside: each layer by itself, and what computes the loss of a chunk.

A layer is compiled a few times (the first has no norm, some are local, the last answers for the asked places alone) and
serves all its like. Evaluation, whose rows have many lengths, goes uncompiled.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any

import torch
from rich.markup import escape
from torch import nn

from unmask import console
from unmask.errors import SettingError
from unmask.layers.heads import PredictionHead
from unmask.layers.losses import chunk_terms

_MOST_VARIANTS = 64
_COUNTED_SHARE = 8  # operations are counted on one row in so many, uncompiled


def compiles(setting: str, device: torch.device, fixed_shapes: bool) -> bool:
    """Whether to compile: `auto` does on a GPU, where the shapes of batches are fixed and a compiler is there.

    setting: `training.compile`. SettingError where it is `on` and there is no compiler.
    """
    if setting == "off" or (setting == "auto" and not (device.type == "cuda" and fixed_shapes)):
        return False
    lacking = _lacking(device)
    if lacking is None:
        return True
    if setting == "on":
        raise SettingError(f"training.compile=on: {lacking} is needed and not installed; set training.compile=off")
    console.warn(f"layers are not compiled, which takes {lacking}: training is slower")
    return False


def _lacking(device: torch.device) -> str | None:
    """What torch.compile needs and is not there."""
    if device.type == "cuda":
        return None if find_spec("triton") else "Triton"
    return None if shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++") else "a C++ compiler"


class Compiled:
    """The layers of an objective, compiled; uncompiled again when that fails."""

    def __init__(self, objective: nn.Module, backend: str = "inductor") -> None:
        import torch._dynamo.config as dynamo

        # Widths and windows are few and stay as they are: a kernel for each is faster than one for all.
        dynamo.specialize_int = True
        dynamo.recompile_limit = max(dynamo.recompile_limit, _MOST_VARIANTS)
        self._layers = list(_repeated(objective))
        self._heads: list[Any] = [each for each in objective.modules() if isinstance(each, PredictionHead)]
        self._objective = objective
        for layer in self._layers:
            layer.compile(backend=backend)
        terms = torch.compile(chunk_terms, backend=backend)
        for head in self._heads:
            head.terms = terms

    def vary(self, *given: tuple[torch.Tensor | None, int]) -> None:
        """Say of tensors that the length of an axis changes from batch to batch."""
        for tensor, axis in given:
            if tensor is not None:
                torch._dynamo.maybe_mark_dynamic(tensor, axis)

    def tried(self, learn: Callable[[], object]) -> None:
        """Learn from a first batch; where the compiler fails, say so and learn uncompiled from now on."""
        states = torch.get_rng_state(), torch.cuda.get_rng_state_all()
        try:
            learn()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # what the compiler raises has no common class; any other error comes again
            self._give_up(error)
            torch.set_rng_state(states[0])
            torch.cuda.set_rng_state_all(states[1])
            learn()

    def _give_up(self, error: Exception) -> None:
        line = escape((str(error).strip().splitlines() or [type(error).__name__])[0][:200])
        console.warn(f"layers are not compiled, for the compiler fails ({line}): training is slower")
        for layer in self._layers:
            layer._compiled_call_impl = None
        for head in self._heads:
            head.terms = chunk_terms
        self._objective.zero_grad(set_to_none=True)

    def counted(self, count: Callable[[Any], int], batch: Any) -> int:
        """The operations that a batch takes, from those of some of its rows, which `count` learns from uncompiled;
        nothing is drawn and no gradient stays."""
        few = batch.part(0, max(1, len(batch) // _COUNTED_SHARE))
        with torch.random.fork_rng(range(torch.cuda.device_count())), uncompiled():
            operations = count(few)
        self._objective.zero_grad(set_to_none=True)
        return round(operations * len(batch) / len(few))


def uncompiled() -> AbstractContextManager[Any]:
    """Whatever was compiled is computed uncompiled in it."""
    return torch.compiler.set_stance("force_eager")


def _repeated(objective: nn.Module) -> Iterator[nn.Module]:
    """The layers that stand in lists of them."""
    for path, module in objective.named_modules():
        if isinstance(module, nn.ModuleList) and path.rpartition(".")[2] == "layers":
            yield from module

"""Fine-tuning by low-rank adapters (Hu et al. 2021, "LoRA"), through peft: the encoder stays as it is, each of its
linear layers learns the product of two thin matrices beside it, and the head learns as ever.

    model = adapted(model, rank=8)          a TaskModel like any other

A saved folder has the products added to the weights and is read by the stock class. Beside them `adapter.safetensors`
holds what has been learned as it is, so that a stopped run goes on to the last bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unmask.errors import MissingExtra, ModelError
from unmask.tasks.models import StockLabeller, TaskModel
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tasks.task import Loss
from unmask.weights.labelled import Labeller

ADAPTER = "adapter.safetensors"
SCALE = 2.0
"""What a product counts, beside the weight it is added to (alpha / rank)."""
_ADDED, _WRAPPED = ".lora_", ".base_layer"


@dataclass
class AdaptedModel(TaskModel):
    """A model whose encoder learns by adapters; `plain` is the one it was made from, as it was."""

    plain: TaskModel

    def objective(self, loss: Loss | None, pace: Pace) -> TaskObjective:
        """Adapters and head learn, but for frozen layers."""
        made = super().objective(loss, pace)
        for name, parameter in made.model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and self._learns(name))
        return made

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the stock folder of the sums, and what was learned beside it."""
        self.plain.save(folder, self.merged(weights))
        learned = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items() if self._learns(name)}
        save_file(learned, folder / ADAPTER)

    def merged(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of `plain`, by its names, with the products of the adapters added."""
        whole = {name.replace(_WRAPPED, ""): tensor for name, tensor in weights.items() if _ADDED not in name}
        for layer in targets(self.plain.module):
            down, up = (weights[f"{layer}{_ADDED}{letter}.default.weight"].detach().float() for letter in "AB")
            change = SCALE * (up @ down)
            name = f"{layer}.weight"
            whole[name] = whole[name] + (change.T if _transposed(self.plain.module.get_submodule(layer)) else change)
        return whole

    def weights(self, folder: Path) -> Mapping[str, Tensor]:
        """All weights of the adapted module: what was learned of the folder, the rest as it was."""
        before = dict(self.plain.module.named_parameters())
        names = [name for name, _ in self.module.named_parameters() if not self._learns(name)]
        return {name: before[name.replace(_WRAPPED, "")].detach() for name in names} | load_file(folder / ADAPTER)

    def _learns(self, name: str) -> bool:
        return _ADDED in name or not _in_encoder(self.module, name)


def adapted(model: TaskModel, rank: int) -> AdaptedModel:
    """The model with adapters of this rank, which change nothing yet (seed torch first).

    MissingExtra without peft, ModelError for a recurrent encoder and for a task whose model is no labeller.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise MissingExtra("peft", extra="lora", why="for tuning.lora_rank") from None
    recurrent = any(isinstance(part, nn.RNNBase) for part in model.module.modules())
    if recurrent or type(model) is not TaskModel or not isinstance(model.module, (Labeller, StockLabeller)):
        raise ModelError(f"{model.base.folder}: no adapters can be put on this model: leave tuning.lora_rank=none")
    plain = replace(model, module=deepcopy(model.module))
    config: Any = LoraConfig(r=rank, lora_alpha=round(SCALE * rank), target_modules=targets(model.module))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which way round GPT-2 keeps its weights, peft finds out
        inject_adapter_in_model(config, model.module)
    return AdaptedModel(model.base, model.module, model.labels, model.problem, plain)


def targets(module: nn.Module) -> list[str]:
    """The names of the linear layers of an encoder."""
    parts = module.named_modules()
    return [
        name for name, part in parts if _in_encoder(module, name) and (isinstance(part, nn.Linear) or _transposed(part))
    ]


def _transposed(part: nn.Module) -> bool:
    """Whether a linear layer keeps its weight as GPT-2 does: (inputs, outputs)."""
    return type(part).__name__ == "Conv1D"


def _in_encoder(module: nn.Module, name: str) -> bool:
    """Whether a part or parameter is of the encoder; a pooler belongs to the head."""
    inside = "encoder." if isinstance(module, Labeller) else f"module.{module.module.base_model_prefix}."  # type: ignore[union-attr]
    return name.startswith(inside) and ".pooler." not in name

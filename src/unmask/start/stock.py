"""Model folders that unmask has no class of its own for: read by the stock class of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from unmask.architectures.huggingface import HuggingFace
from unmask.models import row_limit, stock_kind, stock_module
from unmask.weights.stock import PREFIX

# What a config.json says of its writer or of other tasks, not of the model.
_NOT_SETTINGS = {"architectures", "dtype", "transformers_version", "_name_or_path", "id2label", "label2id"}


def stock_architecture(folder: Path) -> HuggingFace:
    """The settings of a stock model; ModelError when transformers has no masked language model of its kind."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    kind = stock_kind(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        limit = row_limit(AutoModelForMaskedLM.from_config(config), config.to_dict())
    usual = type(config)().to_dict()
    said = {
        name: value
        for name, value in config.to_dict().items()
        if name not in _NOT_SETTINGS and (name not in usual or usual[name] != value)
    }
    return HuggingFace(kind=kind, positions=limit, config=json.dumps(said, sort_keys=True))


def stock_weights(folder: Path) -> dict[str, Tensor]:
    """Every weight of a stock model, by our names; ModelError when it is damaged or lacks any."""
    return {f"{PREFIX}{name}": weight.detach() for name, weight in stock_module(folder).named_parameters()}

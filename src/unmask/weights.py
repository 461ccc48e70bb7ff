"""Hugging Face folder <-> our encoder and head, both ways.

A saved folder holds config.json and model.safetensors in the exact layout of the stock `transformers` class, so that
`AutoModelForMaskedLM.from_pretrained(folder)` gives the same logits without this package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.architectures.modernbert import ModernBert
from unmask.errors import ModelError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling, MaskedObjective

# Our name on the left, the stock name on the right; {} is a layer's number.
_MODERNBERT_NAMES = {
    "encoder.embedding.weight": "model.embeddings.tok_embeddings.weight",
    "encoder.embedding_norm.weight": "model.embeddings.norm.weight",
    "encoder.layers.{}.attention_norm.weight": "model.layers.{}.attn_norm.weight",
    "encoder.layers.{}.attention.projection.weight": "model.layers.{}.attn.Wqkv.weight",
    "encoder.layers.{}.attention.output.weight": "model.layers.{}.attn.Wo.weight",
    "encoder.layers.{}.feedforward_norm.weight": "model.layers.{}.mlp_norm.weight",
    "encoder.layers.{}.feedforward.projection.weight": "model.layers.{}.mlp.Wi.weight",
    "encoder.layers.{}.feedforward.output.weight": "model.layers.{}.mlp.Wo.weight",
    "encoder.final_norm.weight": "model.final_norm.weight",
    "head.dense.weight": "head.dense.weight",
    "head.norm.weight": "head.norm.weight",
    "head.bias": "decoder.bias",
}
# What the stock class offers and ours leaves out: a folder that uses it is loaded by the stock class instead.
_MODERNBERT_FIXED = {
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
    "decoder_bias": True,
    "tie_word_embeddings": True,
    "hidden_activation": "gelu",
    "classifier_activation": "gelu",
    "norm_eps": 1e-5,
}


def save_objective(
    folder: Path, architecture: ModernBert, weights: Mapping[str, Tensor], special_ids: Mapping[str, int | None]
) -> None:
    """Write config.json and model.safetensors into an existing folder.

    weights: the objective's state by our names, saved in float32. special_ids: pad, cls and sep token ids.
    """
    vocabulary_size = weights["encoder.embedding.weight"].shape[0]
    config = _stock_config(architecture, vocabulary_size, special_ids)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    stock = {renamed(name, _MODERNBERT_NAMES): tensor.float().contiguous() for name, tensor in weights.items()}
    save_file(stock, folder / "model.safetensors", metadata={"format": "pt"})


def load_objective(folder: Path) -> MaskedObjective | None:
    """Our fast class with the weights of a Hugging Face folder (float32, evaluation mode).

    None when the layout is not one of ours, so that the caller takes the stock class. ModelError when it is ours but
    weights are missing, left over, of another shape, or the file is cut short.
    """
    settings = _ours(folder)
    if settings is None:
        return None
    config, architecture = settings
    objective = MaskedLanguageModeling().build(architecture.build(config["vocab_size"]), config["vocab_size"])
    load_weights(objective, folder)
    return objective.eval()


def load_weights(objective: torch.nn.Module, folder: Path) -> None:
    """Put the weights of a stock folder into our objective; nothing may be missing or left over."""
    stock = _read_weights(folder)
    stock.pop("decoder.weight", None)  # the tied copy that some writers keep
    back = {theirs: ours for ours, theirs in _MODERNBERT_NAMES.items()}
    given = {renamed(name, back): tensor for name, tensor in stock.items()}
    wanted = objective.state_dict()
    missing = sorted(renamed(name, _MODERNBERT_NAMES) for name in wanted.keys() - given.keys())
    extra = sorted(renamed(name, _MODERNBERT_NAMES) for name in given.keys() - wanted.keys())
    if missing or extra:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"left over {', '.join(extra)}"] * bool(extra)
        raise ModelError(f"{folder}: the weights do not fit a masked language model: {'; '.join(parts)}")
    for name, tensor in given.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(
                f"{folder}: {renamed(name, _MODERNBERT_NAMES)} has shape {tuple(tensor.shape)}, "
                f"config.json says {tuple(wanted[name].shape)}"
            )
    objective.load_state_dict(given)


def renamed(name: str, names: Mapping[str, str]) -> str:
    """The other side's name of a tensor; a name that is not listed is returned as it is."""
    number = re.search(r"\.layers\.(\d+)\.", name)
    if number is None:
        return names.get(name, name)
    pattern = name.replace(number[0], ".layers.{}.", 1)
    return names[pattern].replace("{}", number[1]) if pattern in names else name


def _stock_config(
    architecture: ModernBert, vocabulary_size: int, special_ids: Mapping[str, int | None]
) -> dict[str, Any]:
    from transformers import ModernBertConfig

    config = ModernBertConfig(
        vocab_size=vocabulary_size,
        hidden_size=architecture.width,
        intermediate_size=architecture.feedforward,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        max_position_embeddings=architecture.positions,
        local_attention=architecture.window,
        layer_types=[
            "full_attention" if architecture.is_global(number) else "sliding_attention"
            for number in range(architecture.layers)
        ],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": architecture.global_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": architecture.local_theta},
        },
        pad_token_id=special_ids.get("pad"),
        bos_token_id=special_ids.get("cls"),
        eos_token_id=special_ids.get("sep"),
        cls_token_id=special_ids.get("cls"),
        sep_token_id=special_ids.get("sep"),
        **_MODERNBERT_FIXED,
    )
    return config.to_dict() | {"architectures": ["ModernBertForMaskedLM"], "dtype": "float32"}


def _ours(folder: Path) -> tuple[dict[str, Any], ModernBert] | None:
    """The stock config of a folder and our settings of the same model, or None when ours cannot express it."""
    data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if data.get("model_type") != "modernbert" or data.get("architectures") != ["ModernBertForMaskedLM"]:
        return None
    from transformers import ModernBertConfig

    config = ModernBertConfig.from_pretrained(folder).to_dict()
    kinds = config["layer_types"]
    every = next((number for number in range(1, len(kinds)) if kinds[number] == "full_attention"), len(kinds))
    pattern = ["sliding_attention" if number % every else "full_attention" for number in range(len(kinds))]
    ropes = config["rope_parameters"]
    plain_ropes = all(rope["rope_type"] == "default" for rope in ropes.values())
    if kinds != pattern or not plain_ropes or any(config[key] != value for key, value in _MODERNBERT_FIXED.items()):
        return None
    return config, ModernBert(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        feedforward=config["intermediate_size"],
        window=config["local_attention"],
        global_every=every,
        positions=config["max_position_embeddings"],
        local_theta=float(ropes["sliding_attention"]["rope_theta"]),
        global_theta=float(ropes["full_attention"]["rope_theta"]),
    )


def _read_weights(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.exists():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    weights: dict[str, Tensor] = {}
    for name in names:
        try:
            weights |= load_file(folder / name)
        except FileNotFoundError:
            raise ModelError(f"{folder}: {name} is not there; is the download complete?") from None
        except SafetensorError as error:
            raise ModelError(f"{folder / name} is damaged ({error}); fetch or save the model again") from None
    return {name: tensor.float() for name, tensor in weights.items()}

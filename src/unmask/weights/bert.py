"""The layouts of stock `BertForMaskedLM` and `RobertaPreLayerNormForMaskedLM`: `bert`, and `transformer` in both forms.

What a stock class keeps and `transformer` does not is written as it acts: token types as zeros, waves as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.architectures.bert import Bert
from unmask.architectures.transformer import Transformer
from unmask.layers.positions import sinusoids
from unmask.weights.layout import Layout, Names

# What the stock classes offer and ours leave out: a folder that uses it is loaded by the stock class instead.
_FIXED = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
# As the original TensorFlow code called the two weights of a layer norm.
_OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
_TYPES, _POSITIONS = "encoder.type_embedding.weight", "encoder.position_embedding.weight"


def encoder_names(base: str, modules: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """What the layouts have in common, and the weights and biases of further `modules`."""
    layer, ours = f"{base}.encoder.layer.{{}}", "encoder.layers.{}"
    modules = {
        "encoder.embedding_norm": f"{base}.embeddings.LayerNorm",
        f"{ours}.attention.output": f"{layer}.attention.output.dense",
        f"{ours}.feedforward.projection": f"{layer}.intermediate.dense",
        f"{ours}.feedforward.output": f"{layer}.output.dense",
        **modules,
    }
    names: dict[str, str | tuple[str, ...]] = {
        "encoder.embedding.weight": f"{base}.embeddings.word_embeddings.weight",
        _POSITIONS: f"{base}.embeddings.position_embeddings.weight",
        _TYPES: f"{base}.embeddings.token_type_embeddings.weight",
    }
    for kind in ("weight", "bias"):
        parts = tuple(f"{layer}.attention.self.{part}.{kind}" for part in ("query", "key", "value"))
        names[f"{ours}.attention.projection.{kind}"] = parts
        names |= {f"{name}.{kind}": f"{theirs}.{kind}" for name, theirs in modules.items()}
    return names


class BertLayout(Layout):
    """Folders of stock BertForMaskedLM."""

    config_class = "BertConfig"
    stock_class = "BertForMaskedLM"
    base = "bert."
    names: ClassVar[Names] = {
        "head.bias": "cls.predictions.bias",
        **encoder_names(
            "bert",
            {
                "encoder.layers.{}.attention_norm": "bert.encoder.layer.{}.attention.output.LayerNorm",
                "encoder.layers.{}.feedforward_norm": "bert.encoder.layer.{}.output.LayerNorm",
                "head.dense": "cls.predictions.transform.dense",
                "head.norm": "cls.predictions.transform.LayerNorm",
                "pair.pooler": "bert.pooler.dense",
                "pair.output": "cls.seq_relationship",
            },
        ),
    }
    copies = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "embeddings.position_ids")
    unused = ("bert.pooler.", "cls.seq_relationship.")

    def reserved(self, config: Mapping[str, Any]) -> int:
        """How many rows of the position table come before that of the first token."""
        return 0

    def config(
        self, architecture: Bert | Transformer, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        import transformers

        special = {"pad_token_id": special_ids.get("pad") or 0}
        config = getattr(transformers, self.config_class)(
            vocab_size=vocabulary_size,
            hidden_size=architecture.width,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            intermediate_size=architecture.feedforward,
            max_position_embeddings=architecture.positions + self.reserved(special),
            type_vocab_size=architecture.types if isinstance(architecture, Bert) else 2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            bos_token_id=special_ids.get("cls"),
            eos_token_id=special_ids.get("sep"),
            **special,
            **_FIXED,
        )
        return config.to_dict() | {"architectures": [self.stock_class], "dtype": "float32"}

    def architecture(self, config: Mapping[str, Any]) -> Bert | Transformer | None:
        absolute = config.get("position_embedding_type", "absolute") == "absolute"
        if not absolute or any(config[key] != value for key, value in _FIXED.items()):
            return None
        return self.of_sizes(
            config,
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            heads=config["num_attention_heads"],
            feedforward=config["intermediate_size"],
            positions=config["max_position_embeddings"] - self.reserved(config),
        )

    def of_sizes(self, config: Mapping[str, Any], **sizes: int) -> Bert | Transformer:
        """Our settings with these sizes."""
        return Bert(**sizes, types=config["type_vocab_size"])

    def readable(self, folder: Path) -> bool:
        """Older folders hold a pytorch_model.bin alone, which the stock class knows how to read."""
        return any((folder / name).exists() for name in ("model.safetensors", "model.safetensors.index.json"))

    def present(self, name: str) -> str:
        for old, new in _OLD.items():
            name = name.replace(old, new)
        return name

    def stock(
        self, architecture: Bert | Transformer, weights: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        if isinstance(architecture, Transformer):
            width = weights["encoder.embedding.weight"].shape[1]
            weights = _acting(architecture, config["type_vocab_size"], width) | dict(weights)
        table = F.pad(weights[_POSITIONS], (0, 0, self.reserved(config), 0))
        return super().stock(architecture, {**weights, _POSITIONS: table}, config)

    def ours(
        self, architecture: Bert | Transformer, stock: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        weights = super().ours(architecture, stock, config)
        if not {_POSITIONS, _TYPES} <= weights.keys():
            return weights
        weights[_POSITIONS] = weights[_POSITIONS][self.reserved(config) :]
        if isinstance(architecture, Transformer):
            weights[_POSITIONS] = weights[_POSITIONS] + weights.pop(_TYPES)[0]  # every token is of the first type
            if architecture.position_kind == "sinusoidal":
                del weights[_POSITIONS]
        return weights


class RobertaPreLayerNormLayout(BertLayout):
    """Folders of stock RobertaPreLayerNormForMaskedLM."""

    config_class = "RobertaPreLayerNormConfig"
    stock_class = "RobertaPreLayerNormForMaskedLM"
    base = "roberta_prelayernorm."
    names: ClassVar[Names] = {
        "head.bias": "lm_head.bias",
        **encoder_names(
            "roberta_prelayernorm",
            {
                "encoder.layers.{}.attention_norm": "roberta_prelayernorm.encoder.layer.{}.attention.LayerNorm",
                "encoder.layers.{}.feedforward_norm": "roberta_prelayernorm.encoder.layer.{}.intermediate.LayerNorm",
                "encoder.final_norm": "roberta_prelayernorm.LayerNorm",
                "head.dense": "lm_head.dense",
                "head.norm": "lm_head.layer_norm",
            },
        ),
    }
    copies = ("lm_head.decoder.weight", "lm_head.decoder.bias", "embeddings.position_ids")
    unused = ("roberta_prelayernorm.pooler.",)

    def reserved(self, config: Mapping[str, Any]) -> int:
        """RoBERTa counts from the number after its padding token's (its code, `create_position_ids`)."""
        return int(config["pad_token_id"]) + 1

    def of_sizes(self, config: Mapping[str, Any], **sizes: int) -> Transformer:
        return Transformer(**sizes, norm="pre", position_kind="learned")


def _acting(architecture: Transformer, types: int, width: int) -> dict[str, Tensor]:
    """The tables that a stock class has and this architecture has not, such that they act as if they were not there."""
    tables = {_TYPES: torch.zeros(types, width)}
    if architecture.position_kind == "sinusoidal":
        tables[_POSITIONS] = sinusoids(architecture.positions, width)
    return tables

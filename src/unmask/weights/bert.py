"""The layout of stock `BertForMaskedLM`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from unmask.architectures.bert import Bert
from unmask.weights.layout import Layout, Names

# What the stock class offers and ours leaves out: a folder that uses it is loaded by the stock class instead.
_FIXED = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
# As the original TensorFlow code called the two weights of a layer norm.
_OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def layer_names(stock: str, layer: str) -> dict[str, str | tuple[str, ...]]:
    """The names of BERT's layers from ours to the file's, where `stock` and `layer` begin the two."""
    projection = tuple(f"{stock}.attention.self.{part}" for part in ("query", "key", "value"))
    plain = {"attention.output": "attention.output.dense", "feedforward.projection": "intermediate.dense"}
    plain |= {"feedforward.output": "output.dense"}
    names: dict[str, str | tuple[str, ...]] = {}
    for kind in ("weight", "bias"):
        names[f"{layer}.attention.projection.{kind}"] = tuple(f"{part}.{kind}" for part in projection)
        names |= {f"{layer}.{ours}.{kind}": f"{stock}.{theirs}.{kind}" for ours, theirs in plain.items()}
    return names


def both(names: Mapping[str, str]) -> dict[str, str]:
    """The names of modules as those of their weights and biases."""
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in names.items() for kind in ("weight", "bias")}


class BertLayout(Layout):
    """Folders of stock BertForMaskedLM."""

    config_class = "BertConfig"
    stock_class = "BertForMaskedLM"
    base = "bert."
    names: ClassVar[Names] = {
        "encoder.embedding.weight": "bert.embeddings.word_embeddings.weight",
        "encoder.position_embedding.weight": "bert.embeddings.position_embeddings.weight",
        "encoder.type_embedding.weight": "bert.embeddings.token_type_embeddings.weight",
        "head.bias": "cls.predictions.bias",
        **layer_names("bert.encoder.layer.{}", "encoder.layers.{}"),
        **both(
            {
                "encoder.embedding_norm": "bert.embeddings.LayerNorm",
                "encoder.layers.{}.attention_norm": "bert.encoder.layer.{}.attention.output.LayerNorm",
                "encoder.layers.{}.feedforward_norm": "bert.encoder.layer.{}.output.LayerNorm",
                "head.dense": "cls.predictions.transform.dense",
                "head.norm": "cls.predictions.transform.LayerNorm",
                "pair.pooler": "bert.pooler.dense",
                "pair.output": "cls.seq_relationship",
            }
        ),
    }
    copies = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "embeddings.position_ids")
    unused = ("bert.pooler.", "cls.seq_relationship.")

    def config(self, architecture: Bert, vocabulary_size: int, special_ids: Mapping[str, int | None]) -> dict[str, Any]:
        from transformers import BertConfig

        config = BertConfig(
            vocab_size=vocabulary_size,
            hidden_size=architecture.width,
            num_hidden_layers=architecture.layers,
            num_attention_heads=architecture.heads,
            intermediate_size=architecture.feedforward,
            max_position_embeddings=architecture.positions,
            type_vocab_size=architecture.types,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=special_ids.get("pad"),
            bos_token_id=special_ids.get("cls"),
            eos_token_id=special_ids.get("sep"),
            **_FIXED,
        )
        return config.to_dict() | {"architectures": [self.stock_class], "dtype": "float32"}

    def architecture(self, config: Mapping[str, Any]) -> Bert | None:
        absolute = config.get("position_embedding_type", "absolute") == "absolute"
        if not absolute or any(config[key] != value for key, value in _FIXED.items()):
            return None
        return Bert(
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            heads=config["num_attention_heads"],
            feedforward=config["intermediate_size"],
            positions=config["max_position_embeddings"],
            types=config["type_vocab_size"],
        )

    def readable(self, folder: Path) -> bool:
        """Older folders hold a pytorch_model.bin alone, which the stock class knows how to read."""
        return any((folder / name).exists() for name in ("model.safetensors", "model.safetensors.index.json"))

    def present(self, name: str) -> str:
        for old, new in _OLD.items():
            name = name.replace(old, new)
        return name

"""The layout of stock `ModernBertForMaskedLM`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from unmask.architectures.modernbert import ModernBert
from unmask.weights.layout import Layout, Names

# What the stock class offers and ours leaves out: a folder that uses it is loaded by the stock class instead.
_FIXED = {
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


class ModernBertLayout(Layout):
    """Folders of stock ModernBertForMaskedLM"""

    config_class = "ModernBertConfig"
    stock_class = "ModernBertForMaskedLM"
    base = "model."
    names: ClassVar[Names] = {
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
    copies = ("decoder.weight",)

    def config(
        self, architecture: ModernBert, vocabulary_size: int, special_ids: Mapping[str, int | None]
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
            **_FIXED,
        )
        return config.to_dict() | {"architectures": [self.stock_class], "dtype": "float32"}

    def architecture(self, config: Mapping[str, Any]) -> ModernBert | None:
        kinds = config["layer_types"]
        every = next((number for number in range(1, len(kinds)) if kinds[number] == "full_attention"), len(kinds))
        pattern = ["sliding_attention" if number % every else "full_attention" for number in range(len(kinds))]
        ropes = config["rope_parameters"]
        plain_ropes = all(rope["rope_type"] == "default" for rope in ropes.values())
        if kinds != pattern or not plain_ropes or any(config[key] != value for key, value in _FIXED.items()):
            return None
        return ModernBert(
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

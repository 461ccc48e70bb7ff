"""The layout of the bag of words, for which there is no stock class: our own names, and a model_type of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmask.architectures.bag_of_words import Cbow
from unmask.weights.layout import Layout


class CbowLayout(Layout):
    """Folders of model_type unmask-cbow."""

    stock_class = "UnmaskCbowForMaskedLM"

    def config(self, architecture: Cbow, vocabulary_size: int, special_ids: Mapping[str, int | None]) -> dict[str, Any]:
        return {
            "model_type": architecture.layout,
            "architectures": [self.stock_class],
            "dtype": "float32",
            "vocab_size": vocabulary_size,
            "hidden_size": architecture.width,
            "window": architecture.window,
            "max_position_embeddings": architecture.positions,
            "pad_token_id": special_ids.get("pad"),
            "bos_token_id": special_ids.get("cls"),
            "eos_token_id": special_ids.get("sep"),
        }

    def architecture(self, config: Mapping[str, Any]) -> Cbow:
        return Cbow(width=config["hidden_size"], window=config["window"], positions=config["max_position_embeddings"])

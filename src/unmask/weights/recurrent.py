"""The layout of our recurrent models, for which there is no stock class: our own names, and a model_type of ours.

`unmask.load` reads them, and so does `AutoModelForMaskedLM` once `unmask.models` is imported (`unmask.weights.auto`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from unmask.architectures.recurrent import Gru, Lstm
from unmask.weights.layout import Layout


class LstmLayout(Layout):
    """Folders of model_type unmask-lstm."""

    stock_class = "UnmaskLstmForMaskedLM"
    base = "encoder."
    kind: ClassVar[type[Lstm | Gru]] = Lstm

    def config(
        self, architecture: Lstm | Gru, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        return {
            "model_type": architecture.layout,
            "architectures": [self.stock_class],
            "dtype": "float32",
            "vocab_size": vocabulary_size,
            "hidden_size": architecture.width,
            "state_size": architecture.state,
            "num_hidden_layers": architecture.layers,
            "dropout": architecture.dropout,
            "max_position_embeddings": architecture.positions,
            "pad_token_id": special_ids.get("pad"),
            "bos_token_id": special_ids.get("cls"),
            "eos_token_id": special_ids.get("sep"),
        }

    def architecture(self, config: Mapping[str, Any]) -> Lstm | Gru:
        return self.kind(
            layers=config["num_hidden_layers"],
            width=config["hidden_size"],
            state=config["state_size"],
            dropout=config["dropout"],
            positions=config["max_position_embeddings"],
        )


class GruLayout(LstmLayout):
    """Folders of model_type unmask-gru."""

    stock_class = "UnmaskGruForMaskedLM"
    kind = Gru

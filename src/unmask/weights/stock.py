"""The folders of stock classes that we have no class of our own for: their own names, and their own config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from unmask.architectures.huggingface import HuggingFace
from unmask.weights.layout import PAIR_HEAD, Layout

PREFIX = "encoder.model."
"""How our names of a stock model's weights begin."""


class StockLayout(Layout):
    """Folders of the stock class that an architecture names."""

    def config(
        self, architecture: HuggingFace, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        """As the folder that it started from had it."""
        return architecture.stock().to_dict() | {"architectures": [architecture.stock_class], "dtype": "float32"}

    def architecture(self, config: Mapping[str, Any]) -> None:
        """Not asked: a folder never names this layout, `unmask.start` finds what it holds."""

    def vocabulary_size(self, architecture: HuggingFace, weights: Mapping[str, Tensor]) -> int:
        return architecture.stock().vocab_size

    def stock(
        self, architecture: HuggingFace, weights: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        return {name.removeprefix(PREFIX): tensor for name, tensor in _once(weights).items()}

    def ours(
        self, architecture: HuggingFace, stock: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        return {name if name.startswith(PAIR_HEAD) else PREFIX + name: tensor for name, tensor in stock.items()}


def _once(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the later names of tied weights, which transformers ties again."""
    first = {(tensor.data_ptr(), tensor.shape): name for name, tensor in reversed(list(weights.items()))}
    return {name: tensor for name, tensor in weights.items() if first[tensor.data_ptr(), tensor.shape] == name}

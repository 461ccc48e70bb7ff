"""The layout of the encoder of our own: our own names, a model_type of ours, and its settings as run.json has them.

`unmask.load` reads it, and so does `AutoModelForMaskedLM` once `unmask.models` is imported (`unmask.weights.auto`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unmask.architectures.unmask import Unmask
from unmask.weights.layout import Layout, own_config, own_encoder


class UnmaskLayout(Layout):
    """Folders of model_type unmask-encoder."""

    stock_class = "UnmaskEncoderForMaskedLM"
    base = "encoder."

    def config(
        self, architecture: Unmask, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        return own_config(self.stock_class, architecture.layout, architecture, vocabulary_size, special_ids)

    def architecture(self, config: Mapping[str, Any]) -> Unmask:
        return own_encoder(config)

"""The layout of the text masked autoencoder: our own names, a model_type of ours, and in config.json the settings of
the encoder as run.json has them. Beside it, in encoder/, stands the encoder alone in the layout of its stock class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unmask.objectives.masked_autoencoding import Autoencoder, AutoencoderObjective, MaskedAutoencoding
from unmask.weights.layout import Layout, own_config, own_encoder


class AutoencoderLayout(Layout):
    """Folders of model_type unmask-masked-autoencoder."""

    stock_class = "UnmaskMaskedAutoencoderForMaskedLM"
    base = "encoder."
    keeps_encoder = True

    def config(
        self, architecture: Autoencoder, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        config = own_config(self.stock_class, architecture.layout, architecture.encoder, vocabulary_size, special_ids)
        return config | asdict(architecture.decoder)

    def architecture(self, config: Mapping[str, Any]) -> Autoencoder:
        sizes = {name: config[name] for name in asdict(MaskedAutoencoding())}
        return Autoencoder(own_encoder(config), MaskedAutoencoding(**sizes))

    def encoder(self, architecture: Autoencoder) -> Any:
        return architecture.encoder

    def objective(self, architecture: Autoencoder, config: Mapping[str, Any]) -> AutoencoderObjective:
        size = config["vocab_size"]
        return architecture.decoder.build(architecture.build(size), size, mask_id=config["mask_token_id"])

"""The layout of the text masked autoencoder: our own names, a model_type of ours, and in config.json the settings of
the encoder as run.json has them. Beside it, in encoder/, stands the encoder alone in the layout of its stock class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unmask.architectures import ARCHITECTURES
from unmask.objectives.masked_autoencoding import Autoencoder, AutoencoderObjective, MaskedAutoencoding
from unmask.weights.layout import Layout

ENCODER = "encoder_config"


class AutoencoderLayout(Layout):
    """Folders of model_type unmask-masked-autoencoder."""

    stock_class = "UnmaskMaskedAutoencoderForMaskedLM"
    base = "encoder."
    keeps_encoder = True

    def config(
        self, architecture: Autoencoder, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        return {
            "model_type": architecture.layout,
            "architectures": [self.stock_class],
            "dtype": "float32",
            "vocab_size": vocabulary_size,
            "hidden_size": architecture.encoder.width,
            "num_hidden_layers": architecture.layers,
            "max_position_embeddings": architecture.positions,
            "pad_token_id": special_ids.get("pad"),
            "bos_token_id": special_ids.get("cls"),
            "eos_token_id": special_ids.get("sep"),
            "mask_token_id": special_ids.get("mask"),
            **asdict(architecture.decoder),
            ENCODER: {"name": ARCHITECTURES.name_of(architecture.encoder), **asdict(architecture.encoder)},
        }

    def architecture(self, config: Mapping[str, Any]) -> Autoencoder:
        settings = dict(config[ENCODER])
        kind = ARCHITECTURES.load(settings.pop("name"))
        sizes = {name: config[name] for name in asdict(MaskedAutoencoding())}
        return Autoencoder(kind(**settings), MaskedAutoencoding(**sizes))

    def encoder(self, architecture: Autoencoder) -> Any:
        return architecture.encoder

    def objective(self, architecture: Autoencoder, config: Mapping[str, Any]) -> AutoencoderObjective:
        size = config["vocab_size"]
        return architecture.decoder.build(architecture.build(size), size, mask_id=config["mask_token_id"])

"""The layouts of replaced-token detection: stock ELECTRA where the encoder is BERT or a post-norm `transformer`, and
for the generators of all other encoders a model type of ours.

An ELECTRA folder with the detecting head is stock `ElectraForPreTraining`, one of a generator `ElectraForMaskedLM`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from unmask.architectures.projected import Projected
from unmask.objectives.replaced_token_detection import GeneratorObjective
from unmask.weights.bert import BertLayout, encoder_names
from unmask.weights.layout import Layout, Names, own_config, own_encoder


class ElectraLayout(BertLayout):
    """Folders of stock ElectraForMaskedLM and ElectraForPreTraining."""

    config_class = "ElectraConfig"
    stock_class = "ElectraForMaskedLM"
    detector_class = "ElectraForPreTraining"
    base = "electra."
    names: ClassVar[Names] = {
        "head.bias": "generator_lm_head.bias",
        **encoder_names(
            "electra",
            {
                "encoder.embedding_projection": "electra.embeddings_project",
                "encoder.layers.{}.attention_norm": "electra.encoder.layer.{}.attention.output.LayerNorm",
                "encoder.layers.{}.feedforward_norm": "electra.encoder.layer.{}.output.LayerNorm",
                "head.dense": "generator_predictions.dense",
                "head.norm": "generator_predictions.LayerNorm",
                "replaced.dense": "discriminator_predictions.dense",
                "replaced.output": "discriminator_predictions.dense_prediction",
            },
        ),
    }
    copies = ("generator_lm_head.weight", "embeddings.position_ids")
    unused = ()

    def config(
        self, architecture: Projected, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        config = super().config(architecture.encoder, vocabulary_size, special_ids)
        return config | {"embedding_size": architecture.embedding_width}

    def architecture(self, config: Mapping[str, Any]) -> Projected | None:
        encoder = super().architecture(config)
        return None if encoder is None else Projected(encoder, config["embedding_size"])

    def encoder(self, architecture: Projected) -> Any | None:
        return architecture.plain

    def objective(self, architecture: Projected, config: Mapping[str, Any]) -> GeneratorObjective:
        size = config["vocab_size"]
        return GeneratorObjective(architecture.build(size), size, None)

    def stock(
        self, architecture: Projected, weights: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        return super().stock(architecture.encoder, weights, config)

    def ours(
        self, architecture: Projected, stock: Mapping[str, Tensor], config: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        return super().ours(architecture.encoder, stock, config)


class GeneratorLayout(Layout):
    """Folders of model_type unmask-generator: our own names, the settings of the encoder as run.json has them."""

    stock_class = "UnmaskGeneratorForMaskedLM"
    base = "encoder."

    def config(
        self, architecture: Projected, vocabulary_size: int, special_ids: Mapping[str, int | None]
    ) -> dict[str, Any]:
        config = own_config(self.stock_class, architecture.layout, architecture.encoder, vocabulary_size, special_ids)
        return config | {"embedding_size": architecture.embedding_width}

    def architecture(self, config: Mapping[str, Any]) -> Projected:
        return Projected(own_encoder(config), config["embedding_size"])

    def encoder(self, architecture: Projected) -> Any | None:
        return architecture.plain

    def objective(self, architecture: Projected, config: Mapping[str, Any]) -> GeneratorObjective:
        size = config["vocab_size"]
        return GeneratorObjective(architecture.build(size), size, None)

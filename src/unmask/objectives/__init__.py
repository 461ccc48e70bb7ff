"""The menu of objectives: what is asked of an encoder, with the heads and the loss that belong to it."""

from __future__ import annotations

from unmask.menu import Menu

OBJECTIVES = Menu(
    "objective",
    {
        "masked_language_modeling": "unmask.objectives.masked_language_modeling:MaskedLanguageModeling",
        "bert_pretraining": "unmask.objectives.bert_pretraining:BertPretraining",
        "masked_autoencoding": "unmask.objectives.masked_autoencoding:MaskedAutoencoding",
        "replaced_token_detection": "unmask.objectives.replaced_token_detection:ReplacedTokenDetection",
        "masked_diffusion": "unmask.objectives.masked_diffusion:MaskedDiffusion",
        "hybrid": "unmask.objectives.hybrid:Hybrid",
        "distillation": "unmask.objectives.distillation:Distillation",
    },
)

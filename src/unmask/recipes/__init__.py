"""The menu of recipes: functions that return a `Run`, to be changed by `section.field=value`."""

from __future__ import annotations

from unmask.menu import Menu

RECIPES = Menu(
    "recipe",
    {
        "demo": "unmask.recipes.modernbert:demo",
        "modernbert": "unmask.recipes.modernbert:modernbert",
        "transformer": "unmask.recipes.transformer:transformer",
        "transformer-prenorm": "unmask.recipes.transformer:transformer_prenorm",
        "bert": "unmask.recipes.bert:bert",
        "bert-tiny": "unmask.recipes.bert:bert_tiny",
        "bert-mini": "unmask.recipes.bert:bert_mini",
        "bert-small": "unmask.recipes.bert:bert_small",
        "bert-medium": "unmask.recipes.bert:bert_medium",
        "bert-base": "unmask.recipes.bert:bert_base",
        "bert-large": "unmask.recipes.bert:bert_large",
        "bert-pretraining": "unmask.recipes.bert:bert_pretraining",
        "lstm": "unmask.recipes.recurrent:lstm",
        "gru": "unmask.recipes.recurrent:gru",
        "mae": "unmask.recipes.autoencoder:mae",
        "electra": "unmask.recipes.electra:electra",
        "diffusion": "unmask.recipes.diffusion:diffusion",
    },
)

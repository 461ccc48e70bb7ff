"""The menu of recipes: functions that return a `Run`, to be changed by `section.field=value`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unmask.menu import Menu

if TYPE_CHECKING:
    from unmask.run import Run

RECIPES = Menu(
    "recipe",
    {
        "auto": "unmask.recipes.auto:auto",
        "demo": "unmask.recipes.modernbert:demo",
        "modernbert": "unmask.recipes.modernbert:modernbert",
        "unmask": "unmask.recipes.unmask:unmask",
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
        "cbow": "unmask.recipes.bag_of_words:cbow",
        "mae": "unmask.recipes.autoencoder:mae",
        "electra": "unmask.recipes.electra:electra",
        "diffusion": "unmask.recipes.diffusion:diffusion",
        "hybrid": "unmask.recipes.hybrid:hybrid",
    },
)


def named(name: str) -> Run:
    """The Run of a recipe on the menu, of a run.json, or of a model folder to go on from; SettingError for an unknown
    name."""
    if name not in RECIPES and name.endswith(".json"):
        from unmask.run import saved

        return saved(Path(name))
    if name not in RECIPES and ("/" in name or Path(name).is_dir()):
        from unmask.recipes.continued import continued

        return continued(name)
    return RECIPES.load(name)()

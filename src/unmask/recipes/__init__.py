"""The menu of recipes: functions that return a `Run`, to be changed by `section.field=value`."""

from __future__ import annotations

from unmask.menu import Menu

RECIPES = Menu(
    "recipe",
    {
        "demo": "unmask.recipes.modernbert:demo",
        "modernbert": "unmask.recipes.modernbert:modernbert",
        "lstm": "unmask.recipes.recurrent:lstm",
        "gru": "unmask.recipes.recurrent:gru",
        "diffusion": "unmask.recipes.diffusion:diffusion",
    },
)

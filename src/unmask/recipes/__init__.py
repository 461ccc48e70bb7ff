"""The menu of recipes: functions that return a `Run`, to be changed by `section.field=value`."""

from __future__ import annotations

from unmask.menu import Menu

RECIPES = Menu(
    "recipe",
    {
        "demo": "unmask.recipes.modernbert:demo",
        "modernbert": "unmask.recipes.modernbert:modernbert",
        "diffusion": "unmask.recipes.diffusion:diffusion",
    },
)

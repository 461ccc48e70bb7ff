"""The menu of optimizers. Each is a settings class whose `build(masters, objective)` returns something with
`step(multiplier)`, `state() -> {name: tensor}` and `load(state)`."""

from __future__ import annotations

from unmask.menu import Menu

OPTIMIZERS = Menu(
    "optimizer",
    {
        "muon": "unmask.training.optimizers.muon:Muon",
        "adamw": "unmask.training.optimizers.adamw:AdamW",
    },
)

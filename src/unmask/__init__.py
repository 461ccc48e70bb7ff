"""unmask: from raw text to a masked language model you can trust, and from there to a working application.

The names below are imported on first use, so that `import unmask` costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Torch's threads (libgomp) wait for each other by spinning. Where other work wants the cores too, a spinning thread
# keeps the one it waits for from running: steps then took 20 times as long, with short spins not twice (docs/log.md).
# Read when torch is loaded; what the user has set is left alone.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from unmask.adaptation import adapt
    from unmask.comparison import compare, compare_models
    from unmask.evaluation import evaluate
    from unmask.models import Model, load
    from unmask.recipes.distillation import distill
    from unmask.run import Run, pretrain, resume
    from unmask.tasks.application import Application
    from unmask.tasks.embedder import embed
    from unmask.tasks.finetuning import finetune
    from unmask.tasks.settings import Finetuning
    from unmask.tokens.build import prepare

_HOMES = {
    "Run": "unmask.run",
    "pretrain": "unmask.run",
    "resume": "unmask.run",
    "adapt": "unmask.adaptation",
    "distill": "unmask.recipes.distillation",
    "prepare": "unmask.tokens.build",
    "evaluate": "unmask.evaluation",
    "Model": "unmask.models",
    "load": "unmask.models",
    "compare": "unmask.comparison",
    "compare_models": "unmask.comparison",
    "Finetuning": "unmask.tasks.settings",
    "finetune": "unmask.tasks.finetuning",
    "Application": "unmask.tasks.application",
    "embed": "unmask.tasks.embedder",
}

__all__ = [
    "Application",
    "Finetuning",
    "Model",
    "Run",
    "__version__",
    "adapt",
    "compare",
    "compare_models",
    "distill",
    "embed",
    "evaluate",
    "finetune",
    "load",
    "prepare",
    "pretrain",
    "resume",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'unmask' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

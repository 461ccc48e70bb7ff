"""The recipe for masked diffusion."""

from __future__ import annotations

from unmask.config import changed
from unmask.masking.selections.uniform import Uniform
from unmask.objectives.masked_diffusion import MaskedDiffusion
from unmask.run import Run


def diffusion() -> Run:
    """A ModernBERT of 8 M parameters trained at every mask rate (MDLM, LLaDA); say data.source and training.minutes.

    The unweighted variant: objective.weighting=none masking.schedule=cosine_law
    """
    return changed(
        Run(name="diffusion"),
        objective=MaskedDiffusion(),
        masking={
            "selection": Uniform(),  # every token by itself, as the theory has it
            "ratio": 0.999,
            "ratio_end": 0.001,
            "schedule": "uniform",
            "mask_share": 1.0,
            "random_share": 0.0,
        },
    )

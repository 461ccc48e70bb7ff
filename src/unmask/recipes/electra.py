"""The recipe for replaced-token detection."""

from __future__ import annotations

from unmask.architectures.bert import Bert
from unmask.config import changed
from unmask.masking.selections.uniform import Uniform
from unmask.objectives.replaced_token_detection import ReplacedTokenDetection
from unmask.run import Run


def electra() -> Run:
    """An ELECTRA of 4 layers of 256 and a generator half as wide, saved as stock ELECTRA.

    Another encoder: architecture=modernbert; another generator: objective.generator_share, objective.generator_layers
    """
    return changed(
        Run(name="electra"),
        architecture=Bert(),
        objective=ReplacedTokenDetection(),
        masking={
            "selection": Uniform(),
            "ratio": 0.15,
            "ratio_end": None,
            "mask_share": 1.0,
            "random_share": 0.0,
        },
    )

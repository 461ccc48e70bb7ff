"""The recipe for the text masked autoencoder."""

from __future__ import annotations

from unmask.config import changed
from unmask.objectives.masked_autoencoding import MaskedAutoencoding
from unmask.run import Run


def mae() -> Run:
    """A ModernBERT of 8 M parameters that reads visible tokens alone, and a decoder of one layer (text MAE).

    Half of the tokens are hidden at first and 15 % at the end, so that single blanks are filled well too. Another
    encoder: architecture=bert
    """
    return changed(
        Run(name="mae"),
        objective=MaskedAutoencoding(),
        masking={"ratio": 0.5, "ratio_end": 0.15, "schedule": "linear", "mask_share": 1.0, "random_share": 0.0},
    )

"""Rows of a comparison that are no neural networks: what frequency alone is worth, and what two neighbours are.

They are trained on the training split of the store and asked the same blanks as the legs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.comparison.ngrams import Ngrams
from unmask.comparison.verdicts import wanting
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.masked import score_blanks
from unmask.metrics.losses import unigram_mass

if TYPE_CHECKING:
    from torch import Tensor

    from unmask.comparison.verdicts import MinimalPairs
    from unmask.run import Run
    from unmask.tokens.store import Store
    from unmask.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class Unigram:
    """Answers every blank with the frequencies of the training text, one added to each count."""

    tokenizer: Tokenizer
    counts: np.ndarray
    """(V,)"""
    row_limit: int = 1 << 30
    device: str = "cpu"

    @classmethod
    def of(cls, store: Store) -> Unigram:
        """With the counts of a store."""
        return cls(store.tokenizer(), store.token_counts)

    @property
    def parameters(self) -> int:
        """How many counts are kept."""
        return len(self.counts)

    def predict(self, tokens: Tensor, groups: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The same log-probabilities at every asked place: float32 (N,V)."""
        import torch

        logs = np.log((self.counts + 1.0) / unigram_mass(self.counts)).astype(np.float32)
        return torch.from_numpy(logs).expand(len(rows), -1)


BASELINES = {"unigram": Unigram, "n-gram": Ngrams}
"""From the name of a row to what is made of a store: `of(store)` gives a model as judges know it."""


def verdict(
    kind: Any, run: Run, store: Store, pairs: MinimalPairs | None, known: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a baseline scores on the blanks of a run; what is `known` of it already is not computed again.

    `figures` are the held-out ones, `validation_loss` is the loss on the blanks that are asked while a run trains.
    """
    asked = {"store": store.fingerprint, "row_length": run.data.row_length} | asdict(run.evaluation)
    made = dict(known) if known is not None and known["asked"] == asked else {}
    if made and not wanting(made, pairs):
        return made
    filler = kind.of(store)
    if not made:
        final, quick = (score_blanks(blanks, filler.predict, store.token_counts) for blanks in _blanks(run, store))
        made = {"asked": asked, "figures": final, "validation_loss": quick["loss"], "parameters": filler.parameters}
    if wanting(made, pairs):
        assert pairs is not None
        made["blimp"] = pairs.judge(filler)
    return made


def _blanks(run: Run, store: Store) -> Iterator[Any]:
    """Those at the end of the run, and those of its learning curve."""
    for limit in (run.evaluation.final_tokens, run.evaluation.tokens):
        documents = store.documents("validation")
        yield make_blanks(store.tokenizer(), documents, run.data.row_length, run.evaluation.share, limit)

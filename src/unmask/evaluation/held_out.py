"""The held-out figures of a run: the same blanks in the store's validation documents, at every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unmask.devices import sent
from unmask.evaluation.blanks import Blanks, make_blanks
from unmask.evaluation.masked import Sample, samples, score_blanks
from unmask.models import positions
from unmask.tokens.store import Store

if TYPE_CHECKING:
    from unmask.run import Run

SAMPLES = 5


class Judge:
    """Scores the model on blanks in the store's held-out documents, the same ones at every call."""

    def __init__(self, run: Run, store: Store, model: nn.Module, device: torch.device) -> None:
        self.settings, self.row_length, self.store = run.evaluation, run.data.row_length, store
        self.model, self.device = model, device
        self._blanks = self._made(self.settings.tokens) if run.training.evaluations else None
        self._calls = 0

    def __call__(self) -> tuple[dict[str, Any], tuple[str, str] | None]:
        """The figures for metrics.jsonl, and a sentence restored: another one at each call."""
        assert self._blanks is not None
        self.model.eval()
        figures = score_blanks(self._blanks, self.predict, self.store.token_counts)
        shown = samples(self._blanks, self.predict, SAMPLES)
        figures.pop("sources", None)  # metrics.jsonl holds numbers
        self.model.train()
        sample = _pair(shown[self._calls % len(shown)]) if shown else None
        self._calls += 1
        return {"validation_loss" if name == "loss" else name: value for name, value in figures.items()}, sample

    def final(self, predict: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The figures of a finished model on `evaluation.final_tokens`, and sentences restored."""
        blanks = self._made(self.settings.final_tokens)
        shown = [_pair(sample) for sample in samples(blanks, predict, SAMPLES)]
        return score_blanks(blanks, predict, self.store.token_counts), shown

    def predict(self, tokens: Tensor, groups: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits (N,V) of the model as it is now, at the asked places."""
        given = [sent(tensor, self.device) for tensor in (tokens, groups, positions(groups), rows, columns)]
        with torch.inference_mode():
            return self.model.predict(*given)  # type: ignore[operator]

    def _made(self, limit: int | None) -> Blanks:
        documents = self.store.documents("validation")
        return make_blanks(self.store.tokenizer(), documents, self.row_length, self.settings.share, limit)


def _pair(sample: Sample) -> tuple[str, str]:
    return sample.blanked, sample.restored

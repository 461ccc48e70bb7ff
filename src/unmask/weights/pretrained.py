"""A model of our own layout under the interface of transformers, as thin as can be.

Shapes: B rows, T tokens, V vocabulary, L labels.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import (
    MaskedLMOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

from unmask.layers.positions import SinusoidalPositions, sinusoids
from unmask.weights import layout_of
from unmask.weights.labelled import Labeller

IGNORED_LABEL = -100
"""what transformers puts where nothing is asked"""


class _Unmask(PreTrainedModel):
    """What the classes have in common: a module of ours whose parts keep their names as parts of this one."""

    def _take(self, module: Any) -> None:
        for name, part in module.named_children():
            self.add_module(name, part)
        self._whole = (module,)  # in a tuple, so that it is no part itself
        self.post_init()

    def get_input_embeddings(self) -> Any:
        return self._whole[0].encoder.embedding

    def _init_weights(self, module: Any) -> None:
        """The parts start themselves; a table that is no weight is lost where transformers builds without memory."""
        if isinstance(module, SinusoidalPositions):
            with torch.no_grad():
                module.table.copy_(sinusoids(*module.table.shape))


def _rows(input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """groups and positions (B,T) of rows that are one document each."""
    groups = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
    return groups, torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)


class UnmaskForMaskedLM(_Unmask):
    """One of our objectives; a subclass for each model type."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        settings = config.to_dict()
        layout = layout_of(config.model_type)
        architecture = layout.architecture(settings)
        assert architecture is not None
        self._take(layout.objective(architecture, settings))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None, **ignored: Any
    ) -> MaskedLMOutput:
        """input_ids (B,T), attention_mask (B,T) with 0 for padding, labels (B,T) with -100 where nothing is asked ->
        logits (B,T,V), and with labels the mean cross-entropy in nats. What else tokenizers and pipelines give (token
        types, return_dict) says nothing to these models."""
        logits = self._whole[0].logits(input_ids, *_rows(input_ids, attention_mask))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED_LABEL)
        return MaskedLMOutput(loss=loss, logits=logits)


class _UnmaskForLabels(_Unmask):
    """One of our labellers."""

    kind: ClassVar[str]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        settings = config.to_dict()
        architecture = layout_of(config.model_type).architecture(settings)
        assert architecture is not None
        encoder = architecture.build(settings["vocab_size"])
        self._take(Labeller(encoder, self.kind, config.num_labels, settings.get("classifier_pooling", "auto")))

    def _logits(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        groups, positions = _rows(input_ids, attention_mask)
        return self._whole[0](input_ids, groups, positions, positions)


class UnmaskForSequenceClassification(_UnmaskForLabels):
    """Labels of whole rows."""

    kind = "row"

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **ignored: Any
    ) -> SequenceClassifierOutput:
        """input_ids (B,T), attention_mask (B,T) with 0 for padding -> logits (B,L)."""
        return SequenceClassifierOutput(logits=self._logits(input_ids, attention_mask)[:, 0])  # type: ignore[arg-type]


class UnmaskForTokenClassification(_UnmaskForLabels):
    """Labels of every token."""

    kind = "token"

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **ignored: Any) -> TokenClassifierOutput:
        """input_ids (B,T), attention_mask (B,T) with 0 for padding -> logits (B,T,L)."""
        return TokenClassifierOutput(logits=self._logits(input_ids, attention_mask))  # type: ignore[arg-type]


class UnmaskForQuestionAnswering(_UnmaskForLabels):
    """Where an answer starts and ends."""

    kind = "span"

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **ignored: Any
    ) -> QuestionAnsweringModelOutput:
        """input_ids (B,T), attention_mask (B,T) with 0 for padding -> start_logits and end_logits (B,T)."""
        start, end = self._logits(input_ids, attention_mask).unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=start, end_logits=end)  # type: ignore[arg-type]

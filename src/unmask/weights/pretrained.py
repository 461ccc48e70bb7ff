"""A model of our own layout under the interface of transformers, as thin as can be.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

from unmask.layers.positions import SinusoidalPositions, sinusoids
from unmask.weights import layout_of

IGNORED_LABEL = -100
"""what transformers puts where nothing is asked"""


class UnmaskForMaskedLM(PreTrainedModel):
    """One of our objectives; a subclass for each model type."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        settings = config.to_dict()
        layout = layout_of(config.model_type)
        architecture = layout.architecture(settings)
        assert architecture is not None
        objective = layout.objective(architecture, settings)
        for name, part in objective.named_children():
            self.add_module(name, part)
        # In a tuple, so that its parts keep their names as parts of this module alone.
        self._objective = (objective,)
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None, **ignored: Any
    ) -> MaskedLMOutput:
        """input_ids (B,T), attention_mask (B,T) with 0 for padding, labels (B,T) with -100 where nothing is asked ->
        logits (B,T,V), and with labels the mean cross-entropy in nats. What else tokenizers and pipelines give (token
        types, return_dict) says nothing to these models."""
        groups = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
        positions = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        logits = self._objective[0].logits(input_ids, groups, positions)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED_LABEL)
        return MaskedLMOutput(loss=loss, logits=logits)

    def get_input_embeddings(self) -> Any:
        return self._objective[0].encoder.embedding

    def _init_weights(self, module: Any) -> None:
        """The parts start themselves; a table that is no weight is lost where transformers builds without memory."""
        if isinstance(module, SinusoidalPositions):
            with torch.no_grad():
                module.table.copy_(sinusoids(*module.table.shape))

"""Any masked language model of transformers under our contract: its base model as an encoder, its own head.

For folders of models that we have no class of: `start.model` finds it out. A row is one document, then padding.

Shapes: B rows, T tokens, K places, N places in all, D width, V vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from unmask.config import require
from unmask.errors import ModelError, SettingError
from unmask.layers.attention import at

CHUNK_LOGITS = 64 << 20
"""Float32 logits held at a time; where there are more, they are computed once more on the way back."""


@dataclass(frozen=True)
class HuggingFace:
    """A stock class of transformers (RoBERTa, DistilBERT, ELECTRA, DeBERTa, ...); said by start.model."""

    kind: str = ""
    """model type of transformers: roberta, distilbert, electra, ..."""
    positions: int = 512
    """the longest row"""
    config: str = "{}"
    """what its config.json says unlike the defaults of its class, as JSON"""

    layout: ClassVar = "huggingface"
    packed_rows: ClassVar = False
    takes_view: ClassVar = False

    def __post_init__(self) -> None:
        require(self.positions > 0, f"architecture.positions={self.positions}: at least 1 is needed")

    @property
    def layers(self) -> int:
        """Transformer layers."""
        return self.stock().num_hidden_layers

    @property
    def stock_class(self) -> str:
        """The class of transformers, with its masked-LM head."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

        return MODEL_FOR_MASKED_LM_MAPPING_NAMES[self.kind]  # type: ignore[index,reportArgumentType]

    def stock(self) -> Any:
        """The configuration as transformers has it; SettingError when no model was named."""
        from transformers import AutoConfig

        require(self.kind != "", "architecture=huggingface is that of a model folder: set start.model=FOLDER")
        return AutoConfig.for_model(self.kind, **json.loads(self.config))

    def build(self, vocabulary_size: int) -> StockEncoder:
        """The stock model with random weights (seed torch first); its vocabulary is that of its config."""
        return StockEncoder(self, vocabulary_size)


class StockEncoder(nn.Module):
    """The whole stock model; called, it is its base model alone."""

    one_dtype: ClassVar = True
    """stock layers want vectors in the dtype of matrices"""

    def __init__(self, config: HuggingFace, vocabulary_size: int) -> None:
        super().__init__()
        from transformers import AutoModelForMaskedLM

        stock = config.stock()
        if stock.vocab_size < vocabulary_size:
            raise ModelError(
                f"the store has {vocabulary_size} tokens but the model only {stock.vocab_size}: "
                "prepare the text with the tokenizer of the model, tokenizer.folder=FOLDER"
            )
        self.config, self.width = config, stock.hidden_size
        self.model = AutoModelForMaskedLM.from_config(stock, dtype=torch.float32).train()

    @property
    def embedding(self) -> nn.Embedding:
        """The table of token embeddings (V,D)."""
        return self.model.get_input_embeddings()

    @property
    def projection(self) -> nn.Module | None:
        """What projects to the vocabulary, where it is a layer."""
        return self.model.get_output_embeddings()

    def prediction_head(self, hidden_width: int, vocabulary_size: int, width: int) -> StockHead:
        """The head of the stock model."""
        return StockHead(self.model)

    def forward(self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None = None) -> Tensor:
        """tokens, groups (B,T) -> hidden (B,T,D), or (B,K,D) at places (B,K). It counts positions by itself.

        SettingError when a row holds several groups.
        """
        if bool(((groups != groups[:, :1]) & (groups > 0)).any()):
            raise SettingError(
                f"data.packing=packed: a {self.config.kind} model of transformers cannot keep the documents of one row "
                "apart; set data.packing=document"
            )
        hidden = self.model.base_model(input_ids=tokens, attention_mask=(groups > 0).long())[0]  # (B,T,D)
        return hidden if places is None else at(hidden, places)


class StockHead(nn.Module):
    """The prediction head of a stock model, whatever it is made of. Its weights stand in the encoder."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = (model,)  # in a tuple, so that it is no part of this module as well

    def start(self) -> None:
        """The stock class has given it random weights already."""

    def start_at(self, token_counts: Tensor) -> None:
        """Nothing: its bias is that of the folder it starts from."""

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """hidden (..., D) -> logits (..., V) in float32; the embedding is tied to it already, where it is tied."""
        model = self._model[0]
        flat = hidden.reshape(1, -1, hidden.shape[-1])
        with _answering(model.base_model, flat):
            logits = model(input_ids=flat.new_zeros(flat.shape[:2], dtype=torch.long)).logits
        return logits.float().reshape(*hidden.shape[:-1], -1)

    def loss(
        self, hidden: Tensor, embedding: Tensor, targets: Tensor, ignore: int, weights: Tensor | None = None
    ) -> Tensor:
        """The summed cross-entropy in nats of hidden (N,D) against targets (N,), each term times its weight (N,) if
        given."""
        asked = (targets != ignore).float()
        weights = asked if weights is None else weights * asked
        targets = targets.where(targets != ignore, 0)

        def part(hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
            return (F.cross_entropy(self(hidden, embedding), targets, reduction="none") * weights).sum()

        step = max(1, CHUNK_LOGITS // len(embedding))
        if len(hidden) <= step:
            return part(hidden, targets, weights)
        chunks = zip(hidden.split(step), targets.split(step), weights.split(step), strict=True)
        return torch.stack([checkpoint(part, *chunk, use_reentrant=False) for chunk in chunks]).sum()  # type: ignore[misc]


@contextmanager
def _answering(base: Any, hidden: Tensor) -> Iterator[None]:
    """Let a base model answer with these hidden states, so that what stands around it is its head alone.

    There is no other way to a head that fits every class: they differ in names and in number of parts.
    """
    from transformers.modeling_outputs import BaseModelOutput

    base.forward = lambda *given, **settings: BaseModelOutput(last_hidden_state=hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        del base.forward

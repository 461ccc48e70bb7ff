"""Any encoder or decoder with a head for labels, as one kind of module: our fast classes where the layout is ours, the
class of transformers else.

    base = Base.of("runs/wiki")                       tokenizer, row limit, padding
    model = base.labeller("row", ("no", "yes"), ...)  (tokens, groups, positions, places, types) -> logits (B,K,L)
    model.save(folder, weights, ...)                  a folder that the stock Auto class reads

Shapes: B rows, T tokens, K places asked in a row, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unmask import models
from unmask.errors import ModelError
from unmask.layers.attention import at
from unmask.tasks.features import Feature, Loss
from unmask.tasks.framing import Frame, frame_of, padding_of
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tasks.predicting import logits_of
from unmask.tokens.tokenizer import Tokenizer
from unmask.weights.labelled import (
    ENDINGS,
    Labeller,
    labeller_weights,
    load_labeller,
    new_labeller,
    save_labeller,
)

_OUTPUTS = ("classifier", "score", "qa_outputs")


@dataclass(frozen=True)
class Base:
    """A pretrained model that a task starts from, or a fine-tuned one that answers."""

    folder: Path
    tokenizer: Tokenizer

    @classmethod
    def of(cls, name: str | Path) -> Base:
        """A run, a Hugging Face folder or a Hub name; of a masked autoencoder the encoder alone.

        ModelError, one line, when there is none or its tokenizer has more tokens than the model.
        """
        folder = models.resolved(name)
        if (folder / "encoder" / models.CONFIG).exists():
            folder = folder / "encoder"
        return cls(folder, Tokenizer.load(folder, masks=False))

    @cached_property
    def config(self) -> Any:
        """The configuration as transformers reads it."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def frame(self) -> Frame:
        """How texts become rows."""
        return frame_of(self.tokenizer)

    @cached_property
    def pad_id(self) -> int:
        """What rows are padded with."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as DECODERS
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as ENCODERS

        kind = self.config.model_type
        return padding_of(self.tokenizer, decoder=kind in DECODERS and kind not in ENCODERS)

    @property
    def special_ids(self) -> dict[str, int | None]:
        """The ids that config.json names."""
        return {"pad": self.pad_id, "cls": self.tokenizer.cls_id, "sep": self.tokenizer.sep_id}

    def limit(self, module: nn.Module) -> int:
        """The longest row in tokens."""
        if isinstance(module, Labeller):
            return module.encoder.config.positions
        return self.stock_limit(module)

    def stock_limit(self, module: nn.Module) -> int:
        """The same of a class of transformers."""
        positions = getattr(self.config, "max_position_embeddings", None)
        return models.row_limit(module, {"max_position_embeddings": positions})

    def labeller(
        self, kind: str, labels: Sequence[str], pooling: str, dropout: float, problem: str | None
    ) -> TaskModel:
        """The model with a new head of random weights (seed torch first)."""
        size = self.config.vocab_size
        if self.tokenizer.vocabulary_size > size:
            raise ModelError(
                f"{self.folder}: the tokenizer has {self.tokenizer.vocabulary_size} tokens but the model only {size}: "
                "put the tokenizer it was trained with into the folder"
            )
        ours = new_labeller(self.folder, kind, len(labels), pooling, dropout)
        module = ours or _new_stock(self, kind, labels, problem)
        return TaskModel(self, module, tuple(labels), problem)


class StockLabeller(nn.Module):
    """A class of transformers with a head, under the interface of ours."""

    stock: ClassVar = True

    def __init__(self, module: Any, kind: str) -> None:
        super().__init__()
        self.module, self.kind = module, kind
        self.typed = getattr(module.config, "type_vocab_size", 0) > 1
        self.dtype = torch.float32
        """what matrix products are computed in, by autocast: its norms and biases want one dtype"""

    def forward(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """Like `Labeller.forward`: logits (B,K,L) in float32, of a row as a whole (B,1,L)."""
        given = {"token_type_ids": types} if self.typed and types is not None else {}
        with self._computing(tokens.device):
            told = self.module(input_ids=tokens, attention_mask=(groups > 0).long(), **given)
        logits = torch.stack([told.start_logits, told.end_logits], -1) if self.kind == "span" else told.logits
        return logits[:, None].float() if self.kind == "row" else at(logits, places).float()

    def _computing(self, device: torch.device) -> AbstractContextManager[Any]:
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(device.type, dtype=self.dtype)


def _stock_class(kind: str) -> Any:
    import transformers

    return getattr(transformers, f"AutoModel{ENDINGS[kind]}")


def _new_stock(base: Base, kind: str, labels: Sequence[str], problem: str | None) -> StockLabeller:
    settings: dict[str, Any] = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "problem_type": problem if kind == "row" else None,
        "pad_token_id": base.pad_id,
        "ignore_mismatched_sizes": True,
    }
    module, report = _loaded(base.folder, kind, settings)
    inside = f"{module.base_model_prefix}."
    lacking = [name for name in report["missing_keys"] if name.startswith(inside) and ".pooler." not in name]
    if lacking:
        raise ModelError(f"{base.folder} lacks weights of its encoder: {', '.join(sorted(lacking)[:4])}")
    for name in _OUTPUTS:  # one that came along belongs to other labels
        for part in getattr(module, name, nn.Module()).modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=getattr(module.config, "initializer_range", 0.02))
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
    return StockLabeller(module, kind)


def _loaded(folder: Path, kind: str, settings: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    with models.hushed():
        try:
            return _stock_class(kind).from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **settings
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"{folder}: transformers cannot load it for this task: {told}") from None


@dataclass
class TaskModel:
    """A labeller with what its folder says of it."""

    base: Base
    module: Any
    """a Labeller, a StockLabeller, or what else a task trains under their interface"""
    labels: tuple[str, ...]
    problem: str | None

    @classmethod
    def load(cls, folder: Path, kind: str) -> TaskModel:
        """A fine-tuned model from its folder, in evaluation mode; ModelError when it cannot be loaded."""
        base = Base(folder, Tokenizer.load(folder, masks=False))
        labels = tuple(label for _, label in sorted(base.config.id2label.items()))
        ours = load_labeller(folder)
        if ours is None:
            module, report = _loaded(folder, kind, {})
            if report["missing_keys"]:
                raise ModelError(f"{folder} lacks weights of its head: {', '.join(sorted(report['missing_keys'])[:4])}")
            return cls(base, StockLabeller(module, kind).eval(), labels, base.config.problem_type)
        return cls(base, ours, labels, base.config.problem_type)

    @property
    def limit(self) -> int:
        """The longest row in tokens."""
        return self.base.limit(self.module)

    def objective(self, loss: Loss | None, pace: Pace) -> TaskObjective:
        """The module with its loss, as `fit` trains it."""
        return TaskObjective(self.module, loss, pace)

    def outputs(
        self, features: Sequence[Feature], device: torch.device | str, done: Callable[[int], None] | None = None
    ) -> list[Any]:
        """What the model says of each feature: logits (K,L) float32. done: told how many are ready, batch by batch."""
        return logits_of(self.module, features, self.base.pad_id, device, done)

    @property
    def _typed(self) -> bool:
        """Whether the model reads the types of tokens."""
        if isinstance(self.module, Labeller):
            return hasattr(self.module.encoder, "type_embedding")
        return self.module.typed

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the folder of the stock class, tokenizer included. weights: by the module's names."""
        if isinstance(self.module, Labeller):
            save_labeller(folder, self.module, weights, self.base.special_ids, self.labels, self.problem)
        else:
            inner = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
            state = self.module.module.state_dict() | inner
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
            with models.hushed():
                self.module.module.save_pretrained(folder, state_dict=whole)
        self.base.tokenizer.save(folder, min(self.limit, 1 << 20), types=self._typed)

    def weights(self, folder: Path) -> Mapping[str, Tensor]:
        """The weights of a folder that `save` wrote, by the module's names."""
        if isinstance(self.module, Labeller):
            return labeller_weights(self.module, folder)
        module, _ = _loaded(folder, self.module.kind, {})
        return {f"module.{name}": tensor for name, tensor in module.state_dict().items()}

    @torch.no_grad()
    def start_at(self, bias: Any) -> None:
        """Start the last layer's bias (L,) there, where it has one."""
        layers = [part for part in self.module.modules() if isinstance(part, nn.Linear)]
        last = self.module.head.output if isinstance(self.module, Labeller) else layers[-1]
        if last.bias is not None and last.bias.shape == bias.shape:
            last.bias.copy_(torch.as_tensor(bias))

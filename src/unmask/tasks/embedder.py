"""Vectors of texts, from any encoder.

    embed("runs/wiki-embeddings", ["A text.", "Another."])      -> float32 (2,D)

A model is a run, a masked language model, a stock encoder or a sentence-transformers folder.
What a folder says of pooling and length (its modules.json) holds; without it the mean over all tokens is taken and
brought to length 1.

Shapes: B rows, T tokens, D width, N texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask import console, models
from unmask import weights as folders
from unmask.config import require
from unmask.devices import best_device
from unmask.errors import DataError, ModelError
from unmask.layers.packed import PackedLinears
from unmask.tasks.features import Feature
from unmask.tasks.folders import application_folder
from unmask.tasks.models import Base, TaskModel
from unmask.tasks.predicting import logits_of
from unmask.tasks.sentence_folder import MODULES, POOLINGS, Sentences, read_sentences, write_sentences
from unmask.tokens.batching import batch_tokens_on


class Embedder(nn.Module):
    """An encoder whose hidden states become one vector a row, under the interface of a labeller."""

    def __init__(self, encoder: Any, sentences: Sentences, stock: bool) -> None:
        """encoder: one of ours, or (stock) a base model of transformers."""
        super().__init__()
        self.encoder, self.sentences, self.stock = encoder, sentences, stock
        self.typed = stock and getattr(encoder.config, "type_vocab_size", 0) > 1
        self.dtype = torch.float32
        """what the products of a stock encoder are computed in, by autocast"""

    @property
    def width(self) -> int:
        """D: how many numbers a vector has."""
        return self.encoder.config.hidden_size if self.stock else self.encoder.width

    def forward(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """tokens, groups, positions, types (B,T) -> vectors (B,1,D) in float32, whatever the places."""
        first = torch.zeros_like(places[:, :1]) if self.sentences.pooling == "cls" else None
        hidden = (self._of_stock if self.stock else self._of_ours)(tokens, groups, positions, first, types).float()
        if first is None:
            real = (groups > 0)[..., None]
            hidden = (hidden * real).sum(1, keepdim=True) / real.sum(1, keepdim=True)
        return F.normalize(hidden, dim=-1) if self.sentences.normalize else hidden

    def _of_ours(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None, types: Tensor | None
    ) -> Tensor:
        segments = {} if types is None or not hasattr(self.encoder, "type_embedding") else {"types": types}
        return self.encoder(tokens, groups, positions, places, **segments)

    def _of_stock(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor | None, types: Tensor | None
    ) -> Tensor:
        segments = {"token_type_ids": types} if self.typed and types is not None else {}
        with torch.autocast(tokens.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            hidden = self.encoder(input_ids=tokens, attention_mask=(groups > 0).long(), **segments)[0]
        return hidden if places is None else hidden[:, :1]

    def drop(self, share: float) -> None:
        """From now on, while training, drop this share of the channels behind the embeddings and each layer of an
        encoder of ours, which has no dropout; a stock encoder has what its config.json says."""
        if share > 0 and not self.stock:
            for part in self.encoder.taps:
                part.register_forward_hook(lambda part, given, out: F.dropout(out, share, part.training))


@dataclass
class EmbeddingModel(TaskModel):
    """An embedder with what its folder says of it."""

    @classmethod
    def of(cls, base: Base, pooling: str | None = None, normalize: bool | None = None) -> Self:
        """The encoder of a pretrained model, in evaluation mode, with its own pooling where none is given."""
        sentences = read_sentences(base.folder) or Sentences()
        require(pooling in (None, *POOLINGS), f"pooling={pooling}: one of {', '.join(POOLINGS)} is needed")
        sentences = replace(
            sentences,
            pooling=pooling or sentences.pooling,
            normalize=sentences.normalize if normalize is None else normalize,
        )
        ours = folders.architecture_in(base.folder)
        encoder = _stock_encoder(base.folder) if ours is None else folders.load_encoder(base.folder)
        return cls(base, Embedder(encoder, sentences, stock=ours is None).eval(), (), None)

    @classmethod
    def load(cls, folder: str | Path, kind: str = "text") -> Self:
        """The vectors of any encoder: a run, a Hugging Face or sentence-transformers folder, a Hub name.

        ModelError, one line, when there is none or its parts are not known.
        """
        return cls.of(Base.of(_fetched(folder)))

    @property
    def limit(self) -> int:
        """The longest row in tokens."""
        module: Embedder = self.module
        longest = self.base.stock_limit(module) if module.stock else module.encoder.config.positions
        return min(longest, module.sentences.limit or longest)

    def embed(
        self, texts: Sequence[str], *, tokens: int | None = None, done: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """float32 (N,D), in the order of the texts; those of about one length go through the encoder together.

        tokens: how many at once, padding included; done: told how many texts are ready after each batch. A text longer
        than a row is cut, which is said. DataError for an empty text.
        """
        features, shortened = self.rows(texts)
        if shortened:
            console.warn(f"{shortened:,} of {len(texts):,} texts are longer than {self.limit} tokens and were cut")
        device = next(self.module.parameters()).device
        tokens = tokens or batch_tokens_on(device.type)
        with torch.inference_mode(), PackedLinears():
            vectors = logits_of(self.module, features, self.base.pad_id, device, done, tokens)
        return np.concatenate(vectors) if vectors else np.zeros((0, self.module.width), np.float32)

    def rows(self, texts: Sequence[str]) -> tuple[list[Feature], int]:
        """A row for each text, and how many were cut."""
        for number, text in enumerate(texts, start=1):
            if not text.strip():
                raise DataError(f"text {number} is empty: give a text")
        return text_rows(texts, self.base, self.module.sentences, self.limit)

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write a sentence-transformers folder: the encoder in the layout of its stock class, and the rest."""
        inner = {name.removeprefix("encoder."): tensor for name, tensor in weights.items()}
        if self.module.stock:
            whole = self.module.encoder.state_dict() | inner
            with models.hushed():
                self.module.encoder.save_pretrained(
                    folder, state_dict={name: tensor.detach().cpu().contiguous() for name, tensor in whole.items()}
                )
        else:
            folders.save_encoder(folder, self.module.encoder.config, weights, self.base.special_ids)
        limit = min(self.limit, 1 << 20)
        self.base.tokenizer.save(folder, limit)
        write_sentences(folder, replace(self.module.sentences, limit=limit), self.module.width)

    def weights(self, folder: Path) -> Mapping[str, Tensor]:
        encoder = _stock_encoder(folder) if self.module.stock else folders.load_encoder(folder)
        return {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}


def embed(
    model: models.Model | str | Path,
    texts: str | Sequence[str],
    *,
    pooling: str | None = None,
    normalize: bool | None = None,
    device: str | None = None,
) -> np.ndarray:
    """Vectors float32 (N,D) of texts, or (D,) of one, from a loaded model or what `unmask.load` would load.

    pooling (mean or cls) and normalize: what the folder says where they are not given, else the mean, of length 1.
    """
    if isinstance(model, models.Model):
        model, device = model.path, device or model.device
    vectors = ready(str(model), pooling, normalize, device).embed([texts] if isinstance(texts, str) else texts)
    return vectors[0] if isinstance(texts, str) else vectors


@lru_cache(maxsize=1)
def ready(name: str, pooling: str | None, normalize: bool | None, device: str | None) -> EmbeddingModel:
    """A model on its device, kept for the next call."""
    made = EmbeddingModel.of(Base.of(_fetched(name)), pooling, normalize)
    made.module.to(device or best_device())
    return made


def text_rows(texts: Sequence[str], base: Base, sentences: Sentences, limit: int) -> tuple[list[Feature], int]:
    """A row of at most `limit` tokens for each text, and how many were cut."""
    given = [sentences.prompt + text for text in texts]
    encoded = base.tokenizer.encode([text.lower() for text in given] if sentences.lower else given, literal=True)
    room, zero = base.frame.room(limit, pair=False), np.zeros(1, np.int64)
    rows = [Feature(number, *base.frame.row(each.ids[:room]), zero, zero, zero) for number, each in enumerate(encoded)]
    return rows, sum(len(each.ids) > room for each in encoded)


def _stock_encoder(folder: Path) -> Any:
    """The base model of a folder as transformers has it, in float32; ModelError when weights of its layers lack."""
    from transformers import AutoModel

    with models.hushed():
        try:
            encoder, report = AutoModel.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"{folder}: transformers cannot load its encoder: {told}") from None
    lacking = sorted(name for name in report["missing_keys"] if "pooler." not in name)
    if lacking:
        raise ModelError(f"{folder} lacks weights of its encoder: {', '.join(lacking[:4])}")
    return encoder


def _fetched(name: str | Path) -> str | Path:
    """The model meant: the best seed of several; of a Hub name the files of its parts are brought too."""
    if Path(name).expanduser().exists():
        return application_folder(name) or name
    folder = models.resolved(name)
    if (folder / MODULES).is_file() and not list(folder.glob("*_Pooling/config.json")):
        from huggingface_hub import snapshot_download

        with models.hushed():
            snapshot_download(str(name), allow_patterns=["*_Pooling/config.json"])
    return name

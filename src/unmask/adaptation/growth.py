"""A model folder with rows for more tokens: each starts as the mean of the pieces that it was written with before.

Taking the mean keeps a new token where the model expects such words (Hewitt 2021, "Initializing new word embeddings for
pretrained language models"); rows drawn at random would take probability from all others until they are learned.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.models import hushed
from unmask.tokens.extension import pieces_of_new
from unmask.tokens.tokenizer import Tokenizer


def grown(folder: Path, tokenizer: Tokenizer, larger: Tokenizer, to: Path) -> None:
    """Write the masked language model of a folder, for a larger tokenizer that extends its own, into the folder `to`.

    Every weight with a row for each token (embeddings, the output's weights and bias) gets rows for the new ones; all
    others stay as they are, and so do the logits of the old tokens. Rows that had no token yet are taken first.
    """
    from transformers import AutoModelForMaskedLM

    with hushed():
        module = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        size = max(module.config.vocab_size, larger.vocabulary_size)
        made = _of_size(module.config, size)
        pieces, rows = pieces_of_new(tokenizer, larger), _vocabulary_weights(module)
        weights = {
            name: _with_rows(tensor, size, pieces) if name in rows else tensor
            for name, tensor in module.state_dict().items()
        }
        made.load_state_dict(weights)
        temporary = to.with_name(f".{to.name}.writing")
        shutil.rmtree(temporary, ignore_errors=True)
        made.save_pretrained(temporary)
    larger.save(temporary)
    os.replace(temporary, to)


def _of_size(config: Any, size: int) -> Any:
    """A model of the same class for so many tokens, with random weights."""
    from transformers import AutoModelForMaskedLM

    settings = type(config).from_dict(config.to_dict() | {"vocab_size": size})
    return AutoModelForMaskedLM.from_config(settings, dtype=torch.float32)


def _vocabulary_weights(module: Any) -> set[str]:
    """The names of the weights that would be longer if the model knew one token more."""
    with torch.device("meta"):
        longer = _of_size(module.config, module.config.vocab_size + 1).state_dict()
    return {name for name, tensor in module.state_dict().items() if tensor.shape != longer[name].shape}


def _with_rows(tensor: Tensor, size: int, pieces: Mapping[int, list[int]]) -> Tensor:
    """The weights (V, ...) as (size, ...); the row of each new token is the mean of those of its pieces."""
    rows = tensor.new_zeros((size, *tensor.shape[1:]))
    rows[: len(tensor)] = tensor
    for number, ids in pieces.items():
        if ids:
            rows[number] = tensor[ids].mean(dim=0)
    return rows

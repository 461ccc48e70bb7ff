"""Going on from a model folder: its architecture and tokenizer for the run, its weights for a fresh objective."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unmask import console
from unmask.architectures import ARCHITECTURES
from unmask.errors import DataError, ModelError
from unmask.models import resolved
from unmask.start.stock import stock_architecture, stock_weights
from unmask.tokens.tokenizer import Tokenizer
from unmask.weights import architecture_in, weights_in

if TYPE_CHECKING:
    from unmask.run import Run
    from unmask.tokens.store import Store

EMBEDDING = "encoder.embedding.weight"


def continued_from(run: Run) -> Run:
    """The run with the architecture of its start.model, and its tokenizer where text is to be prepared.

    ModelError when there is no such folder, or it holds no whole masked language model.
    """
    assert run.start.model is not None
    folder = resolved(run.start.model).resolve()
    architecture = architecture_of(folder)
    weights_of(folder)  # now, as it would be a pity to find out when the text is prepared
    if architecture != run.architecture:
        console.say(f"the architecture is that of {folder}: {ARCHITECTURES.name_of(architecture)}")
    tokenizer = run.tokenizer
    if run.data.store is None and tokenizer.folder is None:
        tokenizer = replace(tokenizer, folder=str(folder))
    return replace(run, architecture=architecture, tokenizer=tokenizer, start=replace(run.start, model=str(folder)))


def begin_from(objective: nn.Module, folder: Path, store: Store) -> None:
    """Put the weights of a model folder into a fresh objective, and say which of either have no counterpart.

    DataError when the store's tokens are not those of the folder, ModelError when its weights do not fit.
    """
    require_its_tokenizer(folder, store)
    new, unused = put(objective, weights_of(folder), folder)
    console.say(f"weights start from {folder}" + (f"; new and random: {_parts(new)}" if new else ""))
    if unused:
        console.warn(f"{folder}: weights without a place in this run: {_parts(unused)}")


def require_its_tokenizer(folder: Path, store: Store) -> None:
    """DataError when a store was prepared with another tokenizer than that of a model folder."""
    if store.tokenizer().fingerprint != Tokenizer.load(folder).fingerprint:
        raise DataError(
            f"{store.folder} was prepared with another tokenizer than that of {folder}: "
            f"unmask prepare TEXTS --to STORE tokenizer.folder={folder}, then data.store=STORE"
        )


def architecture_of(folder: Path) -> Any:
    """The settings of the encoder in a model folder, from its config.json: of our class where its layout is ours, else
    `huggingface`. ModelError for a kind of model that has no masked-LM head."""
    ours = architecture_in(folder)
    return stock_architecture(folder) if ours is None else ours


def weights_of(folder: Path) -> dict[str, Tensor]:
    """Every weight of a model folder by our names; ModelError when it is damaged or has no head."""
    ours = None if architecture_in(folder) is None else weights_in(folder)
    return stock_weights(folder) if ours is None else ours


@torch.no_grad()
def put(objective: nn.Module, weights: Mapping[str, Tensor], source: object) -> tuple[list[str], list[str]]:
    """Copy weights, by our names, into a fresh objective: the names that keep their random weights, and those given
    without a place in it.

    Rows of the embedding and the output bias beyond the objective's vocabulary, which no token has, are left out.
    ModelError, which names the source, when weights of the encoder or the head are lacking, or of another shape.
    """
    wanted = dict(objective.named_parameters())
    new, unused = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    lacking = [name for name in new if name.startswith(("encoder.", "head."))]
    if lacking:
        raise ModelError(f"{source} lacks weights of its model: {', '.join(lacking)}; copy or save it again")
    file, ours = (each[EMBEDDING].shape[0] if EMBEDDING in each else 0 for each in (weights, wanted))
    for name in wanted.keys() & weights.keys():
        given, place = weights[name], wanted[name]
        if given.shape[0] == file > ours == place.shape[0]:
            given = given[:ours]
        if given.shape != place.shape:
            raise ModelError(
                f"{source}: {name} has shape {tuple(given.shape)}, this run has {tuple(place.shape)}: "
                "set the sizes of the model it starts from"
            )
        place.copy_(given)
    return new, unused


def _parts(names: Iterable[str]) -> str:
    """Names of weights, counted by the part of the objective they stand in."""
    counts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part} ({count} weights)" for part, count in sorted(counts.items()))

"""What a layout is: the config.json of an architecture, and where each of its weights stands in the file.

Names are tables from ours to the file's, `{}` for a layer's number; a fused weight of ours is several of the file's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from unmask.architectures import ARCHITECTURES
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling, MaskedObjective

Names = Mapping[str, str | tuple[str, ...]]

PAIR_HEAD = "pair."
"""How the weights of the second head of `bert_pretraining` begin, where the layout has no name for them."""


class Layout(ABC):
    """One layout of model folders; a subclass says `config`, `architecture` and the table `names`."""

    config_class: ClassVar[str] = ""
    """the configuration class of transformers that knows what a config.json leaves out; none for layouts of ours"""
    stock_class: ClassVar[str]
    """the class that config.json names, of a masked language model with its head"""
    base: ClassVar[str] = ""
    """how the names of the encoder's weights begin; an encoder saved without its head leaves it off"""
    names: ClassVar[Names] = {}
    copies: ClassVar[tuple[str, ...]] = ()
    """endings of weights that some writers keep although they are tied to others"""
    unused: ClassVar[tuple[str, ...]] = ()
    """beginnings of weights that a masked language model has no use for"""
    detector_class: ClassVar[str] = ""
    """the class of an encoder with the head of replaced-token detection; none: the class of the encoder alone"""
    keeps_encoder: ClassVar[bool] = False
    """whether encoder/ beside the weights holds the encoder alone, as no stock class reads the whole"""

    @abstractmethod
    def config(self, architecture: Any, vocabulary_size: int, special_ids: Mapping[str, int | None]) -> dict[str, Any]:
        """What config.json says of an architecture. special_ids: pad, cls and sep token ids."""

    @abstractmethod
    def architecture(self, config: Mapping[str, Any]) -> Any | None:
        """Our settings of the model that a (filled) config describes, or None when ours cannot express it."""

    def vocabulary_size(self, architecture: Any, weights: Mapping[str, Tensor]) -> int:
        """How many tokens the model of these weights, by our names, can say."""
        return weights["encoder.embedding.weight"].shape[0]

    def encoder(self, architecture: Any) -> Any | None:
        """The settings of the encoder alone, where a folder holds more than encoder and head; None where these have no
        name on the menu."""
        return architecture

    def objective(self, architecture: Any, config: Mapping[str, Any]) -> MaskedObjective:
        """Our class of such a model, with random weights."""
        size = config["vocab_size"]
        return MaskedLanguageModeling().build(architecture.build(size), size)

    def filled(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config.json with the defaults that writers leave out."""
        if not self.config_class:
            return dict(config)
        import transformers

        return {"architectures": None} | getattr(transformers, self.config_class).from_dict(dict(config)).to_dict()

    def readable(self, folder: Path) -> bool:
        """Whether the weights of a folder are in a file that we read."""
        return True

    def present(self, name: str) -> str:
        """The present name of a weight that older writers called otherwise."""
        return name

    def stock(self, architecture: Any, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
        """Our weights as they stand in the file; a name that is not in the table stays as it is."""
        names, parts = numbered(self.names, architecture.layers), {}
        for ours, tensor in weights.items():
            theirs = names.get(ours, (ours,))
            parts |= zip(theirs, tensor.chunk(len(theirs)), strict=True)
        return parts

    def ours(self, architecture: Any, stock: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of a file by our names: what `stock` undoes. Those that the file lacks are lacking here too."""
        names = {theirs: ours for ours, theirs in numbered(self.names, architecture.layers).items()}
        known = {name for theirs in names for name in theirs}
        fused = {
            ours: torch.cat([stock[name] for name in theirs])
            for theirs, ours in names.items()
            if all(name in stock for name in theirs)
        }
        return fused | {name: tensor for name, tensor in stock.items() if name not in known}


ENCODER = "encoder_config"


def own_config(
    stock_class: str, model_type: str, encoder: Any, vocabulary_size: int, special_ids: Mapping[str, int | None]
) -> dict[str, Any]:
    """The config.json of a model type of ours over any encoder, whose settings stand in it as run.json has them."""
    return {
        "model_type": model_type,
        "architectures": [stock_class],
        "dtype": "float32",
        "vocab_size": vocabulary_size,
        "hidden_size": encoder.width,
        "num_hidden_layers": encoder.layers,
        "max_position_embeddings": encoder.positions,
        "pad_token_id": special_ids.get("pad"),
        "bos_token_id": special_ids.get("cls"),
        "eos_token_id": special_ids.get("sep"),
        "mask_token_id": special_ids.get("mask"),
        ENCODER: {"name": ARCHITECTURES.name_of(encoder), **asdict(encoder)},
    }


def own_encoder(config: Mapping[str, Any]) -> Any:
    """The settings of the encoder in such a config.json."""
    settings = dict(config[ENCODER])
    return ARCHITECTURES.load(settings.pop("name"))(**settings)


def numbered(names: Names, layers: int) -> dict[str, tuple[str, ...]]:
    """A table of names with every layer's number written out."""
    result = {}
    for ours, theirs in names.items():
        theirs = (theirs,) if isinstance(theirs, str) else theirs
        for number in range(layers if "{}" in ours else 1):
            result[ours.replace("{}", str(number))] = tuple(name.replace("{}", str(number)) for name in theirs)
    return result

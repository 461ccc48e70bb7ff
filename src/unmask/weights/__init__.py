"""Hugging Face folder <-> our encoder and head, both ways; one file for each layout.

A saved folder holds config.json and model.safetensors in the exact layout of a stock `transformers` class where there
is one, so that `AutoModelForMaskedLM.from_pretrained(folder)` gives the same logits without this package. The layout
of an architecture is the one it names (`architecture.layout`), that of a folder its `model_type`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask import console
from unmask.errors import ModelError
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling, MaskedObjective
from unmask.weights.layout import Layout

LAYOUTS = {
    "unmask-lstm": "unmask.weights.recurrent:LstmLayout",
    "unmask-gru": "unmask.weights.recurrent:GruLayout",
    "modernbert": "unmask.weights.modernbert:ModernBertLayout",
}
"""From the `model_type` of config.json to the layout, imported on use."""


def layout_of(name: str) -> Layout:
    """The layout on the list under a `model_type`."""
    module, _, attribute = LAYOUTS[name].partition(":")
    return getattr(import_module(module), attribute)()


def save_objective(
    folder: Path, architecture: Any, weights: Mapping[str, Tensor], special_ids: Mapping[str, int | None]
) -> None:
    """Write config.json and model.safetensors into an existing folder.

    weights: the objective's state by our names, saved in float32. special_ids: pad, cls and sep token ids.
    """
    layout = layout_of(architecture.layout)
    vocabulary_size = weights["encoder.embedding.weight"].shape[0]
    config = layout.config(architecture, vocabulary_size, special_ids)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    parts = layout.stock(architecture, weights, config)
    stock = {name: tensor.float().contiguous() for name, tensor in parts.items()}
    save_file(stock, folder / "model.safetensors", metadata={"format": "pt"})


def load_objective(folder: Path) -> MaskedObjective | None:
    """Our fast class with the weights of a Hugging Face folder (float32, evaluation mode).

    None when the layout is not one of ours, so that the caller takes the stock class. ModelError when it is ours but
    weights are missing, left over, of another shape, or the file is cut short.
    """
    data = _json(folder)
    if data.get("model_type") not in LAYOUTS:
        return None
    layout = layout_of(data["model_type"])
    config = layout.filled(data)
    architecture = layout.architecture(config)
    if architecture is None or not layout.readable(folder):
        return None
    objective = MaskedLanguageModeling().build(architecture.build(config["vocab_size"]), config["vocab_size"])
    load_weights(objective, folder)
    return objective.eval()


def load_weights(objective: Any, folder: Path) -> None:
    """Put the weights of a folder into our objective; nothing may be missing, and what is left over is refused, or
    named where the layout knows that a masked language model has no use for it."""
    architecture = objective.encoder.config
    layout = layout_of(architecture.layout)
    config = layout.filled(_json(folder))
    stock = {layout.present(name): tensor for name, tensor in _read_weights(folder).items()}
    stock = {name: tensor for name, tensor in stock.items() if not name.endswith(layout.copies)}
    wanted = layout.stock(architecture, objective.state_dict(), config)
    unused = sorted(name for name in stock.keys() - wanted.keys() if name.startswith(layout.unused))
    if unused:
        console.warn(f"{folder}: weights that a masked-LM model does not use: {', '.join(unused)}")
    _check(folder, {name: tensor for name, tensor in stock.items() if name not in unused}, wanted)
    objective.load_state_dict(layout.ours(architecture, stock, config))


def _check(folder: Path, stock: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(wanted.keys() - stock.keys()), sorted(stock.keys() - wanted.keys())
    if missing or extra:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"left over {', '.join(extra)}"] * bool(extra)
        raise ModelError(f"{folder}: the weights do not fit a masked language model: {'; '.join(parts)}")
    for name, tensor in stock.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(
                f"{folder}: {name} has shape {tuple(tensor.shape)}, config.json says {tuple(wanted[name].shape)}"
            )


def _json(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _read_weights(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.exists():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    weights: dict[str, Tensor] = {}
    for name in names:
        try:
            weights |= load_file(folder / name)
        except FileNotFoundError:
            raise ModelError(f"{folder}: {name} is not there; is the download complete?") from None
        except SafetensorError as error:
            raise ModelError(f"{folder / name} is damaged ({error}); fetch or save the model again") from None
    return {name: tensor.float() for name, tensor in weights.items()}

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
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.errors import ModelError
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.objectives.replaced_token_detection import SHARED, Detection
from unmask.weights.layout import PAIR_HEAD, Layout

LAYOUTS = {
    "unmask-lstm": "unmask.weights.recurrent:LstmLayout",
    "unmask-gru": "unmask.weights.recurrent:GruLayout",
    "unmask-encoder": "unmask.weights.own:UnmaskLayout",
    "unmask-cbow": "unmask.weights.bag_of_words:CbowLayout",
    "unmask-masked-autoencoder": "unmask.weights.autoencoder:AutoencoderLayout",
    "huggingface": "unmask.weights.stock:StockLayout",
    "bert": "unmask.weights.bert:BertLayout",
    "roberta-prelayernorm": "unmask.weights.bert:RobertaPreLayerNormLayout",
    "electra": "unmask.weights.electra:ElectraLayout",
    "unmask-generator": "unmask.weights.electra:GeneratorLayout",
    "modernbert": "unmask.weights.modernbert:ModernBertLayout",
}
"""From the `model_type` of config.json to the layout, imported on use; `huggingface` is what its architecture names."""
GENERATOR = "generator"
"""Where the generator of replaced-token detection stands in the folder of its encoder, and in its objective."""


def layout_of(name: str) -> Layout:
    """The layout on the list under a `model_type`."""
    module, _, attribute = LAYOUTS[name].partition(":")
    return getattr(import_module(module), attribute)()


def save_objective(
    folder: Path, architecture: Any, weights: Mapping[str, Tensor], special_ids: Mapping[str, int | None]
) -> None:
    """Write config.json and model.safetensors into an existing folder.

    architecture: the objective's `config`. weights: its state by our names, saved in float32. special_ids: pad, cls,
    sep and mask token ids. Where no stock class reads the whole, encoder/ holds the encoder alone in a stock layout;
    where the model detects replaced tokens, generator/ holds its generator.
    """
    if isinstance(architecture, Detection):
        _save_detection(folder, architecture, weights, special_ids)
        return
    layout = layout_of(architecture.layout)
    config = layout.config(architecture, layout.vocabulary_size(architecture, weights), special_ids)
    write_folder(folder, config, layout.stock(architecture, weights, config))
    if layout.keeps_encoder:
        (folder / "encoder").mkdir(exist_ok=True)
        save_encoder(folder / "encoder", architecture.encoder, weights, special_ids)


def _save_detection(
    folder: Path, architecture: Detection, weights: Mapping[str, Tensor], special_ids: Mapping[str, int | None]
) -> None:
    """The encoder with its detecting head, and the generator with the embeddings that both have."""
    layout, prefix = layout_of(architecture.layout), f"{GENERATOR}."
    config = layout.config(architecture.saved, layout.vocabulary_size(architecture.saved, weights), special_ids)
    config["architectures"] = [layout.detector_class or layout.stock_class.replace("ForMaskedLM", "Model")]
    mine = {name: tensor for name, tensor in weights.items() if not name.startswith(prefix)}
    write_folder(folder, config, layout.stock(architecture.saved, mine, config))
    shared = {name: tensor for name, tensor in mine.items() if _is_shared(name)}
    of_generator = {name.removeprefix(prefix): weights[name] for name in weights.keys() - mine.keys()}
    (folder / GENERATOR).mkdir(exist_ok=True)
    save_objective(folder / GENERATOR, architecture.generator, shared | of_generator, special_ids)


def save_encoder(
    folder: Path, architecture: Any, weights: Mapping[str, Tensor], special_ids: Mapping[str, int | None]
) -> None:
    """Write the encoder without its head into an existing folder, in the layout of a stock class: `load_encoder` and
    transformers' AutoModel read it. Otherwise like `save_objective`."""
    layout = layout_of(architecture.layout)
    config = layout.config(architecture, layout.vocabulary_size(architecture, weights), special_ids)
    config["architectures"] = [layout.stock_class.replace("ForMaskedLM", "Model")]
    ours = {name: tensor for name, tensor in weights.items() if name.startswith("encoder.")}
    stock = layout.stock(architecture, ours, config)
    write_folder(folder, config, {name.removeprefix(layout.base): tensor for name, tensor in stock.items()})


def load_objective(folder: Path) -> MaskedObjective | None:
    """Our fast class with the weights of a Hugging Face folder (float32, evaluation mode).

    None when the layout is not one of ours, so that the caller takes the stock class. ModelError when it is ours but
    weights are missing, left over, of another shape, or the file is cut short.
    """
    read = settings_of(folder)
    if read is None or read.config["architectures"] != [read.layout.stock_class] or not read.layout.readable(folder):
        return None
    objective = read.layout.objective(read.architecture, read.config)
    load_weights(objective, folder)
    return objective.eval()


def load_encoder(folder: Path) -> Any:
    """Our encoder with the weights of a Hugging Face folder, saved with or without a head (float32, evaluation mode).

    ModelError when we have no class of the layout, or when weights are missing or of another shape.
    """
    read = _ours(folder)
    encoder, base = read.architecture.build(read.config["vocab_size"]), read.layout.base
    stock = _present_weights(folder, read.layout)
    if any(name.startswith(base) for name in stock):
        stock = {name: tensor for name, tensor in stock.items() if name.startswith(base)}
    else:
        stock = {base + name: tensor for name, tensor in stock.items()}
    stock = {name: tensor for name, tensor in stock.items() if not name.startswith(read.layout.unused)}
    state = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    check(folder, stock, read.layout.stock(read.architecture, state, read.config))
    ours = read.layout.ours(read.architecture, stock, read.config)
    encoder.load_state_dict({name.removeprefix("encoder."): tensor for name, tensor in ours.items()})
    return encoder.eval()


def new_encoder(folder: Path) -> Any:
    """An encoder of ours as config.json describes it, with random weights (seed torch first)."""
    read = _ours(folder)
    return read.architecture.build(read.config["vocab_size"])


def new_objective(folder: Path) -> MaskedObjective:
    """A masked language model of ours as config.json describes it, with random weights (seed torch first)."""
    read = _ours(folder)
    return read.layout.objective(read.architecture, read.config)


def architecture_in(folder: Path) -> Any | None:
    """The settings of the encoder in a Hugging Face folder; None when we have no class of its layout."""
    read = settings_of(folder)
    if read is None or not read.layout.readable(folder):
        return None
    return read.layout.encoder(read.architecture)


def weights_in(folder: Path) -> dict[str, Tensor] | None:
    """All the weights of a folder by our names, in float32; None when we have no class of its layout.

    ModelError when it holds an encoder without a head, or a file is cut short. Other weights may be lacking.
    """
    read = settings_of(folder)
    if read is None or not read.layout.readable(folder):
        return None
    weights = read.layout.ours(read.architecture, _present_weights(folder, read.layout), read.config)
    if (folder / GENERATOR).is_dir():
        below = weights_in(folder / GENERATOR) or {}
        return weights | {f"{GENERATOR}.{name}": below[name] for name in below if not _is_shared(name)}
    if not any(name.startswith("head.") for name in weights):
        raise ModelError(
            f"{folder} is an encoder saved without its head, not a masked language model: "
            "give the folder of the ...ForMaskedLM model"
        )
    return weights


def load_weights(objective: Any, folder: Path) -> None:
    """Put the weights of a folder into our objective; nothing may be missing, and what is left over is refused,
    unless the layout knows it as what a masked language model has no use for."""
    architecture, state = objective.config, objective.state_dict()
    if isinstance(architecture, Detection):
        load_weights(objective.generator, folder / GENERATOR)
        architecture = architecture.saved
        state = {name: tensor for name, tensor in state.items() if not name.startswith(f"{GENERATOR}.")}
    layout = layout_of(architecture.layout)
    config = layout.filled(config_of(folder))
    wanted = layout.stock(architecture, state, config)
    stock = _fitting(folder, layout, _present_weights(folder, layout), wanted)
    # What is not named again: a tied weight, which stands there once, and the generator, which has its weights already.
    objective.load_state_dict(layout.ours(architecture, stock, config), strict=False)


def _is_shared(name: str) -> bool:
    """Whether a weight of an encoder is its generator's too."""
    return name.startswith(tuple(f"encoder.{part}." for part in SHARED))


def write_folder(folder: Path, config: Mapping[str, Any], stock: Mapping[str, Tensor]) -> None:
    """config.json and model.safetensors, in float32, into an existing folder."""
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    whole = {name: tensor.float().contiguous() for name, tensor in stock.items()}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})


class FolderSettings(NamedTuple):
    """What the config.json of a layout of ours says, filled with defaults, and our settings of the architecture."""

    layout: Layout
    config: dict[str, Any]
    architecture: Any


def settings_of(folder: Path) -> FolderSettings | None:
    """What config.json says, or None when it is nothing that ours can express."""
    data = config_of(folder)
    if data.get("model_type") not in LAYOUTS:
        return None
    layout = layout_of(data["model_type"])
    config = layout.filled(data)
    architecture = layout.architecture(config)
    return None if architecture is None else FolderSettings(layout, config, architecture)


def _ours(folder: Path) -> FolderSettings:
    read = settings_of(folder)
    if read is None:
        kind = config_of(folder).get("model_type")
        raise ModelError(f"{folder} holds a '{kind}' encoder that we have no class for; known: {', '.join(LAYOUTS)}")
    return read


def _present_weights(folder: Path, layout: Layout) -> dict[str, Tensor]:
    """The weights of a folder by their present names, without copies of tied ones."""
    stock = {layout.present(name): tensor for name, tensor in read_weights(folder).items()}
    return {name: tensor for name, tensor in stock.items() if not name.endswith(layout.copies)}


def _fitting(
    folder: Path, layout: Layout, stock: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights that are wanted, all of them; what is known to be of no use is left out without a word."""
    unused = (*layout.unused, PAIR_HEAD)
    used = {name: tensor for name, tensor in stock.items() if name in wanted or not name.startswith(unused)}
    check(folder, used, wanted)
    return used


def check(folder: Path, stock: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """ModelError unless the weights are those that are wanted, each in its shape."""
    missing, extra = sorted(wanted.keys() - stock.keys()), sorted(stock.keys() - wanted.keys())
    if missing or extra:
        parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"left over {', '.join(extra)}"] * bool(extra)
        raise ModelError(f"{folder}: the weights do not fit the model that config.json describes: {'; '.join(parts)}")
    for name, tensor in stock.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(
                f"{folder}: {name} has shape {tuple(tensor.shape)}, config.json says {tuple(wanted[name].shape)}"
            )


def config_of(folder: Path) -> dict[str, Any]:
    """config.json as it is."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a folder by the file's names, in float32; ModelError when they are missing or damaged."""
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

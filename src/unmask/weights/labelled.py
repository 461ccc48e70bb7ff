"""An encoder of ours with a head for labels, and its folder in the layout of the stock class:
the Auto class for sequence or token classification or question answering reads it and gives the same logits.

Shapes: B rows, T tokens, K places asked in a row, D width, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unmask import weights as folders
from unmask.errors import ModelError
from unmask.layers.heads import LinearHead, PooledHead, TransformedHead

ENDINGS = {"row": "ForSequenceClassification", "token": "ForTokenClassification", "span": "ForQuestionAnswering"}
"""What a head labels, and how the stock classes that do it are called."""
POOLINGS = ("cls", "mean")


class Head(NamedTuple):
    """A class of heads, and where its parts stand in the file."""

    made: type[LinearHead]
    names: Mapping[str, str]


_PLAIN = {"output": "classifier"}
_SPANS = {"output": "qa_outputs"}
_MODERN = {"dense": "head.dense", "norm": "head.norm", "output": "classifier"}
_OURS = {"dense": "head.dense", "norm": "head.norm", "output": "head.output"}
HEADS = {
    ("bert", "row"): Head(PooledHead, {"dense": "bert.pooler.dense", "output": "classifier"}),
    ("bert", "token"): Head(LinearHead, _PLAIN),
    ("bert", "span"): Head(LinearHead, _SPANS),
    ("roberta-prelayernorm", "row"): Head(PooledHead, {"dense": "classifier.dense", "output": "classifier.out_proj"}),
    ("roberta-prelayernorm", "token"): Head(LinearHead, _PLAIN),
    ("roberta-prelayernorm", "span"): Head(LinearHead, _SPANS),
    ("modernbert", "row"): Head(TransformedHead, _MODERN),
    ("modernbert", "token"): Head(TransformedHead, _MODERN),
    ("modernbert", "span"): Head(TransformedHead, _MODERN),
    ("unmask-lstm", "row"): Head(PooledHead, _OURS),
    ("unmask-lstm", "token"): Head(LinearHead, _OURS),
    ("unmask-lstm", "span"): Head(LinearHead, _OURS),
    ("unmask-gru", "row"): Head(PooledHead, _OURS),
    ("unmask-gru", "token"): Head(LinearHead, _OURS),
    ("unmask-gru", "span"): Head(LinearHead, _OURS),
    ("unmask-encoder", "row"): Head(TransformedHead, _OURS),
    ("unmask-encoder", "token"): Head(TransformedHead, _OURS),
    ("unmask-encoder", "span"): Head(TransformedHead, _OURS),
}
"""The head of a layout (`model_type`) for what it labels."""
_MEAN_BY_DEFAULT = ("modernbert", "unmask-lstm", "unmask-gru", "unmask-encoder")
_CLS_ONLY = ("bert", "roberta-prelayernorm")


class Labeller(nn.Module):
    """An encoder with a head. What it labels is a row as a whole ("row") or places in it ("token"; "span": as the
    start and as the end of an answer)."""

    def __init__(self, encoder: Any, kind: str, labels: int, pooling: str = "auto", dropout: float = 0.0) -> None:
        super().__init__()
        self.layout, self.kind, self.labels = encoder.config.layout, kind, labels
        self.pooling = _pooling(pooling, self.layout) if kind == "row" else "cls"
        self.encoder = encoder
        self.head = HEADS[self.layout, kind].made(encoder.width, labels, dropout)

    def forward(
        self, tokens: Tensor, groups: Tensor, positions: Tensor, places: Tensor, types: Tensor | None = None
    ) -> Tensor:
        """tokens, groups, positions, types (B,T), places (B,K) -> logits (B,K,L) in float32; of a row as a whole
        (B,1,L), whatever the places."""
        segments = {} if types is None or not hasattr(self.encoder, "type_embedding") else {"types": types}
        if self.kind == "row" and self.pooling == "mean":
            hidden = self.encoder(tokens, groups, positions, **segments)
            return self.head(_mean(hidden, groups)[:, None])
        asked = torch.zeros_like(places[:, :1]) if self.kind == "row" else places
        return self.head(self.encoder(tokens, groups, positions, asked, **segments))


def _pooling(wanted: str, layout: str) -> str:
    if wanted == "auto":
        return "mean" if layout in _MEAN_BY_DEFAULT else "cls"
    if wanted == "mean" and layout in _CLS_ONLY:
        raise ModelError(f"a stock {layout} model reads its labels at [CLS]: leave task.pooling=auto, or set cls")
    return wanted


def _mean(hidden: Tensor, groups: Tensor) -> Tensor:
    """hidden (B,T,D) -> (B,D), the mean over what is no padding."""
    real = (groups > 0).to(hidden.dtype)[..., None]
    return (hidden * real).sum(1) / real.sum(1)


# ---------------------------------------------------------------- folders


def new_labeller(folder: Path, kind: str, labels: int, pooling: str, dropout: float) -> Labeller | None:
    """The encoder of a folder with a new head, started from what the folder has of it; None when the encoder is none
    of ours (seed torch first)."""
    read = folders.settings_of(folder)
    if read is None or not read.layout.readable(folder) or (read.config["model_type"], kind) not in HEADS:
        return None
    made = Labeller(folders.load_encoder(folder), kind, labels, pooling, dropout)
    base = read.layout.base
    found = {name.removeprefix(base): tensor for name, tensor in folders.read_weights(folder).items()}
    state = made.head.state_dict()
    for name, theirs in _head_names(made).items():
        start = found.get(theirs.removeprefix(base))
        if not name.startswith("output.") and start is not None and start.shape == state[name].shape:
            state[name] = start
    made.head.load_state_dict(state)
    return made


def save_labeller(
    folder: Path,
    labeller: Labeller,
    weights: Mapping[str, Tensor],
    special_ids: Mapping[str, int | None],
    labels: Sequence[str],
    problem: str | None,
) -> None:
    """Write config.json and model.safetensors into an existing folder. weights: the labeller's, by our names. problem:
    what transformers calls `problem_type`."""
    layout, encoder = folders.layout_of(labeller.layout), labeller.encoder.config
    config = layout.config(encoder, weights["encoder.embedding.weight"].shape[0], special_ids)
    config |= {
        "architectures": [layout.stock_class.replace("ForMaskedLM", ENDINGS[labeller.kind])],
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
        "problem_type": problem,
        "classifier_pooling": labeller.pooling,
    }
    of_encoder = {name: tensor for name, tensor in weights.items() if name.startswith("encoder.")}
    of_head = {theirs: weights[f"head.{name}"] for name, theirs in _head_names(labeller).items()}
    folders.write_folder(folder, config, layout.stock(encoder, of_encoder, config) | of_head)


def load_labeller(folder: Path) -> Labeller | None:
    """What `save_labeller` wrote, in evaluation mode; None when it is no labeller of ours.

    ModelError when weights are missing, left over or of another shape.
    """
    read = folders.settings_of(folder)
    if read is None:
        return None
    ending = read.layout.stock_class.replace("ForMaskedLM", "")
    kind = next((kind for kind, end in ENDINGS.items() if read.config["architectures"] == [ending + end]), None)
    if kind is None or not read.layout.readable(folder) or (read.config["model_type"], kind) not in HEADS:
        return None
    encoder = read.architecture.build(read.config["vocab_size"])
    pooling = read.config.get("classifier_pooling", "auto")
    labeller = Labeller(encoder, kind, len(read.config["id2label"]), pooling if kind == "row" else "auto")
    labeller.load_state_dict(labeller_weights(labeller, folder))
    return labeller.eval()


def labeller_weights(labeller: Labeller, folder: Path) -> dict[str, Tensor]:
    """The weights of a folder by the names of this labeller; ModelError when they do not fit it."""
    layout, encoder = folders.layout_of(labeller.layout), labeller.encoder.config
    state, names = labeller.state_dict(), _head_names(labeller)
    config = layout.filled(folders.config_of(folder))
    of_encoder = {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}
    wanted = layout.stock(encoder, of_encoder, config) | {names[name]: state[f"head.{name}"] for name in names}
    found = {layout.present(name): tensor for name, tensor in folders.read_weights(folder).items()}
    found = {name: tensor for name, tensor in found.items() if name in wanted or not name.endswith(layout.copies)}
    folders.check(folder, found, wanted)
    heads = {f"head.{name}": found[theirs] for name, theirs in names.items()}
    rest = {name: tensor for name, tensor in found.items() if name not in names.values()}
    return layout.ours(encoder, rest, config) | heads


def _head_names(labeller: Labeller) -> dict[str, str]:
    """The weights of the head, ours -> the file's."""
    table = HEADS[labeller.layout, labeller.kind].names
    parts = (name.rpartition(".") for name in labeller.head.state_dict())
    return {f"{module}.{kind}": f"{table[module]}.{kind}" for module, _, kind in parts}

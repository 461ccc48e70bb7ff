"""A teacher for a student: any masked language model that `unmask.models` loads, and what the student takes over of it.

    model = found("runs/wiki", None, "cpu")             loaded, and the same one as before where that is recorded
    check(model, student, store, row_length, packing)   one line says what does not fit
    take_over(model, student)                           weights of chosen layers, before the first step
    student.teacher = teacher_of(model, torch.bfloat16)

Shapes: B rows, T tokens, K places asked in a row, N tokens asked, D width, S channels of a state, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.batches import Batch
from unmask.config import require
from unmask.errors import ModelError, SettingError
from unmask.layers.packed import PackedLinears
from unmask.models import CONFIG, Model, head_of, load
from unmask.objectives.distillation import Look, StudentObjective, Teacher, encoded, listed
from unmask.objectives.masked_language_modeling import MaskedObjective
from unmask.sealed import hashed
from unmask.tokens.store import Store

_LAYER, _EMBEDDING = "encoder.layers.", "encoder.embedding.weight"
_OTHER_KIND = 1e6  # outweighs any distance between layers


# ---------------------------------------------------------------- finding it, and the same one again


def found(name: str, known: Mapping[str, str] | None, device: str) -> Model:
    """The model under a name; with what a run has `recorded` of it, that very one.

    ModelError when there is none, when it is no masked language model, or when it has been moved or changed since.
    """
    if known is None:
        return load(name, device=device)
    folder = Path(known["folder"])
    if not folder.is_dir():
        raise ModelError(f"the teacher of this run stood in {folder}, which is gone: put it back there")
    if _fingerprint(folder) != known["fingerprint"]:
        raise ModelError(f"{folder} has changed since this run was started with it as teacher: put it back as it was")
    return load(folder, device=device)


def recorded(model: Model) -> dict[str, str]:
    """What is kept of a teacher, so that `found` knows it again."""
    folder = model.path.resolve()
    return {"folder": str(folder), "fingerprint": _fingerprint(folder)}


def _fingerprint(folder: Path) -> str:
    """Hashes of all that decides what a model answers."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin") or path.name == CONFIG)
    return " ".join(hashed(path) for path in files)


# ---------------------------------------------------------------- what fits


def keeps_apart(model: Model) -> bool:
    """Whether a model keeps the documents of one row apart: classes of transformers and recurrent ones do not."""
    return isinstance(model.module, MaskedObjective) and model.module.encoder.config.packed_rows


def check(model: Model, student: StudentObjective, store: Store, row_length: int, packing: str) -> None:
    """Nothing when a teacher fits a student, the store and its rows; SettingError names what does not."""
    require(
        model.tokenizer.fingerprint == store.tokenizer().fingerprint,
        f"the teacher {model.path} and the store {store.folder} have different tokenizers: prepare the text with the "
        f"teacher's, unmask prepare TEXTS --to STORE tokenizer.folder={model.path}",
    )
    require(
        row_length <= model.row_limit,
        f"data.row_length={row_length} is longer than the {model.row_limit} tokens the teacher {model.path} can read: "
        "lower it",
    )
    require(
        packing != "packed" or keeps_apart(model),
        f"data.packing=packed: the teacher {model.path} cannot keep the documents of one row apart; "
        "set data.packing=document",
    )
    if student.settings.hidden_weight:
        _check_hidden(model, student)
    if student.settings.relation_weight:
        _check_relations(model, student)


def _check_hidden(model: Model, student: StudentObjective) -> None:
    width = _width(model)
    require(
        width is not None,
        f"objective.hidden_weight={student.settings.hidden_weight}: the teacher {model.path} shows its answers alone, "
        "not its hidden states; set it to 0",
    )
    require(
        width == student.encoder.width,
        f"objective.hidden_weight={student.settings.hidden_weight}: hidden states of {width} (teacher) and "
        f"{student.encoder.width} channels (student) cannot be compared; set it to 0, and objective.relation_weight=1 "
        "compares relations instead",
    )


def _check_relations(model: Model, student: StudentObjective) -> None:
    settings = student.settings
    require(
        _plain(model) and all(hasattr(each.encoder, "layers") for each in (model.module, student)),
        f"objective.relation_weight={settings.relation_weight}: relations are compared between two of unmask's own "
        f"ModernBERT, BERT or plain Transformer models; set it to 0 for the teacher {model.path}",
    )
    heads = settings.relation_heads or student.encoder.config.heads
    widths = _width(model), student.encoder.width
    require(
        all(width is not None and width % heads == 0 for width in widths),
        f"objective.relation_heads={heads}: must divide the widths of the teacher ({widths[0]}) and the student "
        f"({widths[1]})",
    )


def _plain(model: Model) -> bool:
    """Whether a model is one of our encoders with nothing but a head."""
    return type(model.module) is MaskedObjective


def _width(model: Model) -> int | None:
    """Channels of the hidden states that a model shows, None when it shows answers alone."""
    if _plain(model):
        return model.module.encoder.width  # type: ignore[union-attr,return-value]
    if isinstance(model.module, MaskedObjective) or _stock_head(model) is None:
        return None
    return int(model.module.config.hidden_size)  # type: ignore[union-attr,arg-type]


def _stock_head(model: Model) -> Callable[[Tensor], Tensor] | None:
    return head_of(model.module, model.module.config.model_type)  # type: ignore[union-attr]


# ---------------------------------------------------------------- how it answers


def teacher_of(model: Model, dtype: torch.dtype) -> Teacher:
    """A model as a teacher: matrices in the dtype that the student computes in, no gradients. The model is used up."""
    module = model.module.eval().requires_grad_(False)
    if isinstance(module, MaskedObjective):
        for parameter in module.parameters():
            if parameter.dim() > 1:  # as `training.precision` does
                parameter.data = parameter.data.to(dtype)
        return OwnTeacher(module) if _plain(model) else AnsweringTeacher(model.forward)
    module.to(dtype)
    head = _stock_head(model)
    return AnsweringTeacher(model.forward) if head is None else StockTeacher(module, head)


@dataclass(frozen=True)
class OwnTeacher:
    """One of our encoders with a head: computes its last layer and its logits at the asked places alone."""

    objective: MaskedObjective
    packed: PackedLinears = field(default_factory=PackedLinears, repr=False)

    def look(self, batch: Batch, asked: Tensor, relations: bool) -> Look:
        with torch.inference_mode(), self.packed:
            hidden, projected = encoded(self.objective.encoder, batch, relations)
            states = hidden[asked]
        return Look(_ordinary(states), None if projected is None else _ordinary(projected))

    def logits(self, states: Tensor) -> Tensor:
        with torch.inference_mode(), self.packed:
            return self.objective.head(states, self.objective.encoder.embedding.weight)


@dataclass(frozen=True)
class StockTeacher:
    """A model of transformers whose head is known, so that its logits are made at the asked places alone."""

    module: Any
    head: Callable[[Tensor], Tensor]
    packed: PackedLinears = field(default_factory=PackedLinears, repr=False)

    def look(self, batch: Batch, asked: Tensor, relations: bool) -> Look:
        with torch.inference_mode(), self.packed:
            visible = (batch.groups > 0).long()
            hidden = self.module.base_model(input_ids=batch.inputs, attention_mask=visible)[0]  # (B,T,D)
            states = hidden[_rows(asked), batch.places[asked]]
        return Look(_ordinary(states), None)

    def logits(self, states: Tensor) -> Tensor:
        with torch.inference_mode(), self.packed:
            return self.head(states).float()


@dataclass(frozen=True)
class AnsweringTeacher:
    """Any other model: its states are its logits, all of a batch's at once."""

    forward: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]

    def look(self, batch: Batch, asked: Tensor, relations: bool) -> Look:
        places = _rows(asked), batch.places[asked]
        with torch.inference_mode():
            logits = self.forward(batch.inputs, batch.groups, batch.positions, *places)
        return Look(_ordinary(logits), None)

    def logits(self, states: Tensor) -> Tensor:
        return states.float()


def _rows(asked: Tensor) -> Tensor:
    """The row (N,) of each asked place of asked (B,K)."""
    return asked.nonzero()[:, 0]


def _ordinary(made: Tensor) -> Tensor:
    """A tensor of inference mode as one that a loss may keep for its gradients."""
    return made.clone()


# ---------------------------------------------------------------- what the student starts with


@torch.no_grad()
def take_over(model: Model, student: StudentObjective) -> str:
    """Copy the weights of a teacher into a student where they fit, and say in a line which they were.

    From the same kind of encoder chosen layers and all that stands around them, tables cut to the student's length;
    from another kind its embedding alone, where widths agree. SettingError for layers that are not there.
    """
    numbers = _numbers(model, student)
    given, own = _weights(model, student), student.state_dict()
    taken = []
    for name, weight in own.items():
        theirs = given.get(_source(name, numbers))
        if theirs is not None and name.endswith(("embedding.weight", "head.bias")):
            theirs = theirs[: len(weight)]
        if theirs is not None and theirs.shape == weight.shape:
            weight.copy_(theirs)
            taken.append(name)
    return _said(model, numbers, taken, [name for name in own if name not in taken])


def _said(model: Model, numbers: tuple[int, ...], taken: list[str], drawn: list[str]) -> str:
    if not taken:
        return f"the student starts from scratch: no weight of the teacher {model.path} has a shape that fits"
    parts = [f"layers {listed(numbers)}"] * any(name.startswith(_LAYER) for name in taken)
    parts += ["the embedding"] * (_EMBEDDING in taken) + ["the head"] * ("head.bias" in taken)
    new = f"; drawn anew: {', '.join(drawn[:4])}{f' and {len(drawn) - 4} more' if len(drawn) > 4 else ''}"
    return f"the student starts with {' and '.join(parts) or len(taken)} of {model.path}{new if drawn else ''}"


def _source(name: str, numbers: tuple[int, ...]) -> str:
    """What a weight of the student is called in the teacher."""
    if not name.startswith(_LAYER) or not numbers:
        return name
    number, _, rest = name.removeprefix(_LAYER).partition(".")
    return f"{_LAYER}{numbers[int(number)]}.{rest}"


def _weights(model: Model, student: StudentObjective) -> dict[str, Tensor]:
    """The weights of a teacher that mean the same in the student, by our names."""
    if isinstance(model.module, MaskedObjective):
        given = dict(model.module.state_dict())
        return given if _alike(model, student) else {_EMBEDDING: given[_EMBEDDING]}
    return {_EMBEDDING: model.module.get_input_embeddings().weight}  # type: ignore[operator,union-attr]


def _alike(model: Model, student: StudentObjective) -> bool:
    """Whether both encoders are of one kind: of one class, and of one form where it has several."""
    if not isinstance(model.module, MaskedObjective):
        return False
    theirs, ours = model.module.encoder.config, student.encoder.config
    forms = [field.name for field in fields(ours) if isinstance(getattr(ours, field.name), str)]
    return type(theirs) is type(ours) and all(getattr(theirs, form) == getattr(ours, form) for form in forms)


def _numbers(model: Model, student: StudentObjective) -> tuple[int, ...]:
    """The teacher's layer that each layer of the student starts from; none where layers have no numbers in common."""
    chosen = student.settings.layers
    numbered = _alike(model, student) and hasattr(student.encoder, "layers")
    require(
        numbered or not chosen,
        f"objective.layers={listed(chosen)}: the layers of {model.path} do not fit the student's architecture; "
        "leave it out",
    )
    if not numbered:
        return ()
    encoder: Any = model.module.encoder
    theirs, ours = encoder.config, student.encoder.config
    if not chosen:
        return spread(ours.layers, theirs.layers, lambda one, other: _kind(ours, one) == _kind(theirs, other))
    if len(chosen) != ours.layers:
        raise SettingError(f"objective.layers={listed(chosen)}: the student has {ours.layers} layers, name as many")
    require(
        max(chosen) < theirs.layers,
        f"objective.layers={listed(chosen)}: the teacher has {theirs.layers} layers, 0 to {theirs.layers - 1}",
    )
    return chosen


def _kind(architecture: Any, number: int) -> bool:
    """Whether a layer is global; where there are no local ones, all are."""
    return architecture.is_global(number) if hasattr(architecture, "is_global") else True


def spread(count: int, of: int, alike: Callable[[int, int], bool]) -> tuple[int, ...]:
    """`count` of the layers 0..of-1 in their order, as evenly spread as can be from the first to the last.

    12 to 6: 0, 2, 4, 7, 9, 11, as DistilBERT has them. Layer `one` of the student starts from a teacher's layer `other`
    with alike(one, other), global ones from global ones, where there are enough of them. A student of more layers than
    its teacher repeats some.
    """
    if count > of:
        return tuple(number * of // count for number in range(count))
    step = (of - 1) / max(1, count - 1)

    @cache
    def best(number: int, first: int) -> tuple[float, tuple[int, ...]]:
        """What layers number, number+1, ... cost when they start from layers `first` and later, and from which."""
        if number == count:
            return 0.0, ()
        tries = []
        for other in range(first, of - (count - number) + 1):
            cost, rest = best(number + 1, other + 1)
            cost += abs(other - number * step) + (0 if alike(number, other) else _OTHER_KIND)
            tries.append((cost, (other, *rest)))
        return min(tries)

    return best(0, 0)[1]

"""Distillation (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"): a student learns to answer like a
teacher, another masked language model over the same tokens, and like the text.

The weights of the soft and the hard part stand to each other as in DistilBERT (Sanh et al. 2019), as does the loss of
hidden states; relations are those of MiniLMv2 (Wang et al. 2021). The teacher is no part of the model that is trained
and saved: `unmask.teaching` gives it to the student, whose folder is that of any masked language model.

Shapes: B rows, T tokens, K places asked in a row, N tokens asked, D width, S channels of a teacher's state,
V vocabulary.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor
from torch.nn import functional as F

from unmask.batches import IGNORE, Batch
from unmask.config import require
from unmask.layers.losses import projected_distillation
from unmask.layers.relations import last_projection, relation_loss
from unmask.objectives.masked_language_modeling import MaskedObjective


@dataclass(frozen=True)
class Distillation:
    """Answer like a teacher, a larger masked language model over the same tokens; made for `unmask distill`."""

    pairs: ClassVar = False
    gaps: ClassVar = False
    causal_rows: ClassVar = False

    teacher: str = ""
    """the teacher: a run or model folder, or a name on the Hub, with the tokenizer of the store"""
    temperature: float = 2.0
    """both distributions are softened by it before they are compared"""
    soft_weight: float = 0.7
    """weight of the difference to the teacher's distribution (KL times temperature squared); 0, with the two below at
    0: the student starts from the teacher's layers and then learns alone"""
    hard_weight: float = 0.3
    """weight of the cross-entropy with the true token"""
    hidden_weight: float = 0.0
    """weight of 1 - cosine of the last hidden states at the asked places; widths must be equal"""
    relation_weight: float = 0.0
    """weight of the difference between the relations of queries, of keys and of values in the last layers"""
    relation_heads: int = 0
    """relations are compared in this many heads, which divides both widths; 0: the student's attention heads"""
    from_teacher: bool = True
    """start from the teacher's weights where shapes fit; false: all weights are drawn"""
    layers: tuple[int, ...] = ()
    """the teacher's layers, from 0, that the student's start from; empty: evenly spread over all of them"""

    def __post_init__(self) -> None:
        require(self.temperature > 0, f"objective.temperature={self.temperature}: more than 0 is needed")
        names = ("soft_weight", "hard_weight", "hidden_weight", "relation_weight", "relation_heads")
        for name in names:
            require(getattr(self, name) >= 0, f"objective.{name}={getattr(self, name)}: 0 or more is needed")
        require(
            any(getattr(self, name) for name in names[:-1]),
            "objective.soft_weight=0 and objective.hard_weight=0: nothing is left to learn, give one of them a weight",
        )
        require(min(self.layers, default=0) >= 0, f"objective.layers={listed(self.layers)}: layers count from 0")
        require(
            self.from_teacher or not self.layers,
            f"objective.layers={listed(self.layers)} has no part in objective.from_teacher=false: drop one of them",
        )

    def build(
        self, encoder: Any, vocabulary_size: int, token_counts: Tensor | None = None, mask_id: int | None = None
    ) -> StudentObjective:
        """The student without a teacher yet: it fills and is saved, and learns once its `teacher` is set."""
        return StudentObjective(self, encoder, vocabulary_size, token_counts)


def listed(layers: tuple[int, ...]) -> str:
    """Numbers of layers as they are written in a setting."""
    return ",".join(map(str, layers))


class Look(NamedTuple):
    """What a teacher makes of a batch; no gradients lead into it."""

    states: Tensor
    """(N,S) what its logits at the asked places are made of: its last hidden states, where it has them"""
    projected: Tensor | None
    """(B,T,3S) queries, keys and values of its last layer, where they were asked for"""


class Teacher(Protocol):
    """What a student asks of its teacher."""

    def look(self, batch: Batch, asked: Tensor, relations: bool) -> Look:
        """What it makes of the inputs; asked (B,K): which of the batch's places are."""
        ...

    def logits(self, states: Tensor) -> Tensor:
        """From states (n,S) to float32 logits (n,V') of at least the student's vocabulary."""
        ...


class StudentObjective(MaskedObjective):
    """Masked language modelling that learns from a teacher too; fills, scores and is saved like it."""

    def __init__(self, settings: Distillation, encoder: Any, vocabulary_size: int, token_counts: Tensor | None) -> None:
        super().__init__(encoder, vocabulary_size, token_counts)
        self.settings = settings
        self.teacher: Teacher | None = None  # no module: neither trained nor saved
        self.alone = not (settings.soft_weight or settings.hidden_weight or settings.relation_weight)
        answers = settings.hard_weight if self.alone else 1.0
        parts = {"masked": answers, "hidden": settings.hidden_weight, "relations": settings.relation_weight}
        self.weights = {part: weight for part, weight in parts.items() if weight}

    def counts(self, batch: Batch) -> dict[str, int]:
        """Tokens asked, for answers and hidden states; all tokens, for relations."""
        asked = int((batch.targets != IGNORE).sum())
        counts = {"masked": asked, "hidden": asked, "relations": int((batch.groups > 0).sum())}
        return {part: counts[part] for part in self.weights}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The summed losses: soft and hard answers in nats, hidden states as 1 - cosine, relations in nats."""
        if self.alone:
            return super().forward(batch)
        assert self.teacher is not None  # stages.teach gives it
        targets = batch.targets.gather(1, batch.places)
        asked = targets != IGNORE  # (B,K)
        relations = "relations" in self.weights
        look = self.teacher.look(batch, asked, relations)
        hidden, projected = encoded(self.encoder, batch, relations)
        hidden = hidden[asked]  # (N,D)
        losses = {"masked": self._answers(hidden, targets[asked], look.states)}
        if "hidden" in self.weights:
            losses["hidden"] = (1 - F.cosine_similarity(hidden.float(), look.states.float(), dim=-1)).sum()
        if projected is not None and look.projected is not None:
            heads = self.settings.relation_heads or self.encoder.config.heads
            losses["relations"] = relation_loss(projected, look.projected, batch.groups, heads)
        return losses

    def _answers(self, hidden: Tensor, targets: Tensor, states: Tensor) -> Tensor:
        """hidden (N,D), targets (N,), states (N,S) of the teacher -> the summed loss of the logits."""
        teacher, settings, embedding = self.teacher, self.settings, self.encoder.embedding.weight
        assert teacher is not None

        def theirs(chunk: slice) -> Tensor:
            return teacher.logits(states[chunk])[:, : len(embedding)]  # models may keep room for tokens to come

        made = self.head.transformed(hidden), embedding, self.head.bias
        return projected_distillation(
            *made, targets, theirs, settings.temperature, settings.soft_weight, settings.hard_weight
        )


def encoded(encoder: Any, batch: Batch, relations: bool) -> tuple[Tensor, Tensor | None]:
    """Hidden states (B,K,D) at the places of a batch, and with `relations` what the last layer projects, (B,T,3D)."""
    with last_projection(encoder) if relations else nullcontext([]) as projected:
        hidden = encoder(batch.inputs, batch.groups, batch.positions, batch.places)
    return hidden, projected[0] if projected else None

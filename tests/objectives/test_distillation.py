"""Distillation: soft and hard answers, hidden states and relations against torch's own losses and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.batches import IGNORE
from unmask.config import overridden
from unmask.errors import SettingError
from unmask.layers import losses
from unmask.layers.relations import relation_loss
from unmask.masking import Masking
from unmask.objectives.distillation import Distillation, StudentObjective
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.run import Run
from unmask.teaching import OwnTeacher

V, N, D = 40, 23, 12
TEACHER = ModernBert(layers=4, width=24, heads=2, feedforward=32, positions=64)
STUDENT = ModernBert(layers=2, width=24, heads=2, feedforward=32, positions=64)


def taught(settings: Distillation, architecture=STUDENT) -> StudentObjective:
    torch.manual_seed(1)
    student = settings.build(architecture.build(V), V)
    torch.manual_seed(2)
    student.teacher = OwnTeacher(MaskedLanguageModeling().build(TEACHER.build(V), V).eval().requires_grad_(False))
    with torch.no_grad():  # as drawn, all logits are about 0 and all answers alike
        for model in (student, student.teacher.objective):
            model.encoder.embedding.weight.mul_(20)
            model.head.bias.normal_()
    return student


def whole(model, batch):
    """The last hidden states (B,T,D) and logits (B,T,V) of every place, in plain torch."""
    hidden = model.encoder(batch.inputs, batch.groups, batch.positions)
    return hidden, F.linear(model.head.transformed(hidden), model.encoder.embedding.weight) + model.head.bias


# ---------------------------------------------------------------- answers


def test_two_answers_by_hand():
    """Two tokens, temperature 2: the student's logits (0, 0) are even at any temperature, the teacher's (0, 2 ln 3)
    soften to (0, ln 3), 1/4 and 3/4; the second is true. KL = 1/4 ln(1/2) + 3/4 ln(3/2), times 2 squared."""
    student, teacher = torch.zeros(1, 1), torch.tensor([[0.0, 2 * math.log(3)]])
    loss = losses.projected_distillation(
        student, torch.zeros(2, 1), torch.zeros(2), torch.tensor([1]), lambda chunk: teacher[chunk], 2.0, 0.7, 0.3
    )
    divergence = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
    assert loss.item() == pytest.approx(0.7 * 4 * divergence + 0.3 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("chunk", [1, 7 * V, 10_000])
@pytest.mark.parametrize(("temperature", "soft", "hard"), [(1.0, 1.0, 0.0), (2.0, 0.7, 0.3), (0.5, 0.0, 1.0)])
def test_loss_and_gradients_equal_those_of_torch_over_whole_logits(monkeypatch, chunk, temperature, soft, hard):
    monkeypatch.setattr(losses, "CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, requires_grad=True) for shape in ((N, D), (V, D), (V,))]
    teacher, targets = 3 * torch.randn(N, V), torch.randint(0, V, (N,))
    ours = losses.projected_distillation(*inputs, targets, lambda some: teacher[some], temperature, soft, hard)
    logits = inputs[0] @ inputs[1].t() + inputs[2]
    softened = F.kl_div(
        F.log_softmax(logits / temperature, -1),
        F.log_softmax(teacher / temperature, -1),
        reduction="sum",
        log_target=True,
    )
    theirs = soft * temperature**2 * softened + hard * F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    for mine, reference in zip(
        torch.autograd.grad(ours * 0.3, inputs), torch.autograd.grad(theirs * 0.3, inputs), strict=True
    ):
        torch.testing.assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_the_masked_places_alone_are_compared_over_the_whole_vocabulary(batch_of):
    student, batch = taught(Distillation(temperature=3.0)), batch_of(9, Masking())
    assert student.teacher is not None
    asked = batch.targets != IGNORE
    ours, theirs = (whole(model, batch)[1][asked] for model in (student, student.teacher.objective))
    expected = 0.7 * 9 * F.kl_div(
        (ours / 3).log_softmax(-1), (theirs / 3).softmax(-1), reduction="sum"
    ) + 0.3 * F.cross_entropy(ours, batch.targets[asked], reduction="sum")
    assert expected.item() > 10
    torch.testing.assert_close(student(batch)["masked"], expected, atol=1e-3, rtol=1e-4)
    assert student.counts(batch) == {"masked": int(asked.sum())}


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(batch_of):
    student, batch = taught(Distillation(hard_weight=0.0, hidden_weight=1.0, relation_weight=1.0), TEACHER), None
    assert student.teacher is not None
    student.load_state_dict(student.teacher.objective.state_dict())
    batch = batch_of(9, Masking())
    for part, loss in student(batch).items():
        assert loss.item() == pytest.approx(0, abs=1e-3), part


def test_the_teacher_gets_no_gradient_and_is_no_part_of_the_student(batch_of):
    student = taught(Distillation(hidden_weight=1.0, relation_weight=1.0))
    assert student.teacher is not None
    parameters = list(student.teacher.objective.parameters())
    before = [weight.clone() for weight in parameters]
    sum(student(batch_of(9, Masking())).values()).backward()
    assert all(weight.grad is None for weight in parameters)
    assert all(weight.equal(old) for weight, old in zip(parameters, before, strict=True))
    assert not {id(weight) for weight in parameters} & {id(weight) for weight in student.parameters()}
    plain = MaskedLanguageModeling().build(STUDENT.build(V), V)
    assert student.state_dict().keys() == plain.state_dict().keys()


def test_of_hard_answers_alone_a_student_learns_as_masked_language_modelling_does_and_asks_no_teacher(batch_of):
    student, batch = taught(Distillation(soft_weight=0.0, hard_weight=1.0)), batch_of(9, Masking())
    student.teacher = None
    plain = MaskedLanguageModeling().build(student.encoder, V)
    plain.load_state_dict(student.state_dict())
    torch.testing.assert_close(student(batch)["masked"], plain(batch)["masked"])


def test_what_a_teacher_knows_beyond_the_vocabulary_of_the_student_is_left_out(batch_of):
    batch = batch_of(5, Masking())
    student = taught(Distillation())
    expected = student(batch)["masked"]
    narrow = student.teacher

    class Wider:
        def look(self, *given):
            return narrow.look(*given)  # type: ignore[union-attr]

        def logits(self, states):
            return F.pad(narrow.logits(states), (0, 9), value=50.0)  # type: ignore[union-attr]

    student.teacher = Wider()
    torch.testing.assert_close(student(batch)["masked"], expected)


# ---------------------------------------------------------------- hidden states and relations


def test_the_loss_of_hidden_states_is_the_cosine_embedding_loss_of_torch_at_the_masked_places(batch_of):
    student, batch = taught(Distillation(hidden_weight=0.5)), batch_of(9, Masking())
    assert student.teacher is not None
    asked = batch.targets != IGNORE
    ours, theirs = (whole(model, batch)[0][asked] for model in (student, student.teacher.objective))
    expected = F.cosine_embedding_loss(ours, theirs, torch.ones(len(ours)), reduction="sum")
    torch.testing.assert_close(student(batch)["hidden"], expected, atol=1e-4, rtol=1e-4)
    assert student.counts(batch)["hidden"] == asked.sum()
    assert student.weights["hidden"] == 0.5


def test_relations_of_one_head_by_hand():
    """Values of the student are zero: each token relates evenly to both. Those of the teacher are 1 and 0: scores
    (1, 0) and (0, 0), so the first token gives itself e/(1+e). Queries and keys are zero on both sides."""
    student, teacher = torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)
    teacher[0, 0, 2] = 1.0
    share = math.e / (1 + math.e)
    expected = (share * math.log(2 * share) + (1 - share) * math.log(2 * (1 - share))) / 3
    loss = relation_loss(student, teacher, torch.ones(1, 2, dtype=torch.long), 1)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_relations_are_those_of_the_last_layer_inside_of_each_document(batch_of):
    """Written out row by row, document by document and head by head; widths differ."""
    settings = Distillation(relation_weight=1.0, relation_heads=4)
    student = taught(settings, ModernBert(layers=2, width=16, heads=2, feedforward=24, positions=64))
    assert student.teacher is not None
    batch = batch_of(6, Masking())
    projected = []
    for model in (student, student.teacher.objective):
        hook = model.encoder.layers[-1].attention.projection.register_forward_hook(
            lambda module, given, made: projected.append(made.detach())
        )
        whole(model, batch)
        hook.remove()
    expected = 0.0
    for row, groups in enumerate(batch.groups):
        inside = groups == 1
        for kind in range(3):
            shares = []
            for made in projected:
                vectors = made[row, inside].double().chunk(3, -1)[kind].chunk(4, -1)
                shares.append([torch.softmax(one @ one.t() / one.shape[-1] ** 0.5, -1) for one in vectors])
            for ours, theirs in zip(*shares, strict=True):
                expected += F.kl_div(ours.log(), theirs, reduction="sum").item() / 12
    assert student(batch)["relations"].item() == pytest.approx(expected, rel=1e-4)
    assert student.counts(batch)["relations"] == int((batch.groups > 0).sum())


def test_packed_documents_are_not_related():
    torch.manual_seed(0)
    ours, theirs = torch.randn(1, 7, 24), torch.randn(1, 7, 48)
    packed = relation_loss(ours, theirs, torch.tensor([[1, 1, 1, 2, 2, 2, 0]]), 2)
    parts = [
        relation_loss(ours[:, some], theirs[:, some], torch.ones(1, 3).long(), 2) for some in (slice(3), slice(3, 6))
    ]
    torch.testing.assert_close(packed, parts[0] + parts[1])


def test_relations_of_bert_are_learned_too(batch_of):
    student = taught(Distillation(relation_weight=1.0), Bert(layers=2, width=32, heads=2, feedforward=48, positions=64))
    loss = student(batch_of(5, Masking()))["relations"]
    loss.backward()
    gradient = student.encoder.layers[-1].attention.projection.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("objective.temperature=0", "objective.temperature=0.0: more than 0 is needed"),
        ("objective.hard_weight=-1", "objective.hard_weight=-1.0: 0 or more is needed"),
        ("objective.layers=0,-2", "objective.layers=0,-2: layers count from 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, said):
    with pytest.raises(SettingError) as refused:
        overridden(Run(), ["objective=distillation", setting])
    assert str(refused.value) == said


def test_nothing_to_learn_and_layers_that_nobody_takes_are_refused():
    with pytest.raises(SettingError, match="nothing is left to learn, give one of them a weight"):
        Distillation(soft_weight=0.0, hard_weight=0.0)
    with pytest.raises(SettingError, match=r"objective.layers=0,1 has no part in objective.from_teacher=false"):
        Distillation(layers=(0, 1), from_teacher=False)


def test_without_a_teacher_the_run_is_refused():
    run = overridden(Run(), ["objective=distillation", "data.store=s", "training.steps=1"])
    with pytest.raises(
        SettingError, match=r"needs a teacher: unmask distill TEACHER RECIPE, or objective.teacher=FOLDER"
    ):
        run.checked()

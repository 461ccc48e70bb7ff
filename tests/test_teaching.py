"""Teachers of every kind answer alike, and a student takes over of them what means the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.batches import IGNORE, Batch
from unmask.models import load
from unmask.objectives.distillation import Distillation
from unmask.teaching import AnsweringTeacher, OwnTeacher, StockTeacher, keeps_apart, spread, take_over, teacher_of
from unmask.tokens.training import TokenizerSettings, train_tokenizer

V = 60
SIZES: dict[str, Any] = {"layers": 3, "width": 32, "heads": 2, "feedforward": 48, "positions": 64}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """BERT and DistilBERT as transformers saves them, with random weights; BERT also as one that ours cannot read."""
    from unmask.corpus.documents import Document

    made = tmp_path_factory.mktemp("teachers")
    tokenizer = train_tokenizer([Document("1", "a cat and a dog " * 9, "")], TokenizerSettings(vocabulary_size=V))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    bert = BertForMaskedLM(BertConfig(vocab_size=V, max_position_embeddings=64, initializer_range=0.3, **sizes))
    distil = DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=V, dim=32, n_layers=3, n_heads=2, hidden_dim=48, max_position_embeddings=64)
    )
    for name, model in (("bert", bert), ("stock", bert), ("distilbert", distil)):
        model.save_pretrained(made / name)
        tokenizer.save(made / name)
    config = json.loads((made / "stock" / "config.json").read_text())
    (made / "stock" / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu_python"}))  # the same function
    return made


@pytest.fixture
def batch():
    torch.manual_seed(3)
    targets = torch.full((3, 12), IGNORE)
    places = torch.tensor([[1, 2], [5, 0], [7, 3]])
    targets[0, 1] = targets[0, 2] = targets[1, 5] = targets[2, 3] = 7
    return Batch(
        numbers=torch.arange(3),
        inputs=torch.randint(5, V, (3, 12)),
        targets=targets,
        groups=(torch.arange(12) < torch.tensor([[12], [9], [10]])).long(),
        positions=torch.arange(12).expand(3, 12),
        places=places,
        maskable=torch.full((3,), 9),
        ratio=0.2,
    )


def answers(teacher, batch):
    asked = batch.targets.gather(1, batch.places) != IGNORE
    return teacher.logits(teacher.look(batch, asked, False).states)


@pytest.mark.parametrize(
    ("name", "kind"), [("bert", OwnTeacher), ("stock", StockTeacher), ("distilbert", AnsweringTeacher)]
)
def test_a_teacher_of_each_kind_answers_like_the_stock_class_at_the_asked_places(folders, batch, name, kind):
    model = load(folders / name, device="cpu")
    teacher = teacher_of(model, torch.float32)
    assert isinstance(teacher, kind)
    assert keeps_apart(load(folders / name, device="cpu")) == (kind is OwnTeacher)
    stock = (DistilBertForMaskedLM if name == "distilbert" else BertForMaskedLM).from_pretrained(folders / name).eval()
    with torch.no_grad():
        logits = stock(input_ids=batch.inputs, attention_mask=batch.groups).logits
    expected = torch.stack([logits[0, 1], logits[0, 2], logits[1, 5], logits[2, 3]])
    torch.testing.assert_close(answers(teacher, batch), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["bert", "stock", "distilbert"])
def test_in_bf16_a_teacher_answers_nearly_the_same_and_still_in_float32(folders, batch, name):
    exact, rounded = (
        answers(teacher_of(load(folders / name, device="cpu"), dtype), batch)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().mean() < 0.05 * exact.abs().mean()


# ---------------------------------------------------------------- what a student takes over


def student_of(architecture, vocabulary_size=V, **settings):
    torch.manual_seed(5)
    return Distillation(teacher="t", **settings).build(architecture.build(vocabulary_size), vocabulary_size)


def test_evenly_spread_layers_and_tables_cut_to_the_length_of_the_student(folders):
    model = load(folders / "bert", device="cpu")
    student = student_of(Bert(**SIZES | {"layers": 2, "positions": 20}), vocabulary_size=50)
    line = take_over(model, student)
    assert line == f"the student starts with layers 0,2 and the embedding and the head of {folders / 'bert'}"
    theirs = model.module.state_dict()
    for name, weight in student.state_dict().items():
        source = theirs[name.replace("layers.1.", "layers.2.")]
        assert weight.equal(source[: len(weight)]), name


def test_of_another_architecture_or_a_stock_class_the_embedding_alone_is_taken(folders):
    for name in ("bert", "stock"):
        model = load(folders / name, device="cpu")
        student = student_of(ModernBert(**SIZES))
        before = {key: weight.clone() for key, weight in student.state_dict().items()}
        line = take_over(model, student)
        assert line.startswith(f"the student starts with the embedding of {folders / name}; drawn anew: ")
        same = {key for key, weight in student.state_dict().items() if weight.equal(before[key])}
        assert before.keys() - same == {"encoder.embedding.weight"}


def test_of_another_width_nothing_is_taken_and_it_is_said(folders):
    model, student = load(folders / "bert", device="cpu"), student_of(ModernBert(**SIZES | {"width": 48}))
    assert take_over(model, student) == (
        f"the student starts from scratch: no weight of the teacher {folders / 'bert'} has a shape that fits"
    )


# ---------------------------------------------------------------- which layers


def test_twelve_layers_to_six_are_those_of_distilbert():
    assert spread(6, 12, lambda one, other: True) == (0, 2, 4, 7, 9, 11)


def test_global_layers_start_from_global_ones():
    kinds = ModernBert()
    assert spread(6, 12, lambda one, other: kinds.is_global(one) == kinds.is_global(other)) == (0, 2, 4, 6, 8, 11)


@given(of=st.integers(1, 24), data=st.data())
def test_layers_are_in_order_each_once_from_the_first_to_the_last(of, data):
    count = data.draw(st.integers(1, of))
    layers = spread(count, of, lambda one, other: True)
    assert len(layers) == len(set(layers)) == count
    assert sorted(layers) == list(layers)
    assert layers[0] == 0
    assert count == 1 or layers[-1] == of - 1


@given(of=st.integers(1, 8), more=st.integers(1, 8))
def test_a_student_of_more_layers_repeats_some(of, more):
    layers = spread(of + more, of, lambda one, other: True)
    assert sorted(layers) == list(layers)
    assert set(layers) == set(range(of))

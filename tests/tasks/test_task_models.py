"""A saved folder is one that the stock Auto class reads, and it says the same."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

import unmask.models  # noqa: F401  (registers the classes of LSTM and GRU)
from unmask.errors import ModelError
from unmask.tasks.features import Feature, collated
from unmask.tasks.models import Base, TaskModel
from unmask.tasks.objective import depths_of
from unmask.weights import load_objective

AUTO = {
    "row": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
    "span": AutoModelForQuestionAnswering,
}
LABELS = {"span": ("start", "end")}
KINDS = ("modernbert", "bert", "prenorm", "unmask", "lstm", "gru", "gpt2", "distilbert", "roberta", "electra")
TEXTS = (["the film was good", "a plot", "very bad film the actor"], ["good", "the film was very very bad", "a"])


def batch_of(base, pairs=False):
    first, second = ([each.ids for each in base.tokenizer.encode(texts)] for texts in TEXTS)
    rows = [base.frame.row(a, b if pairs else None) for a, b in zip(first, second, strict=True)]
    features = [
        Feature(number, tokens, types, np.arange(len(tokens)), np.zeros(len(tokens), int), np.arange(len(tokens)))
        for number, (tokens, types) in enumerate(rows)
    ]
    return collated(features, np.arange(len(rows)), base.pad_id)


def logits(module, batch):
    with torch.no_grad():
        return module(batch.inputs, batch.groups, batch.positions, batch.places, batch.types)


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
@pytest.mark.parametrize("kind", ["row", "token", "span"])
@pytest.mark.parametrize("name", KINDS)
def test_the_stock_class_gives_the_same_logits(name, kind, pairs, folder_of, tmp_path):
    base = Base.of(folder_of(name))
    torch.manual_seed(1)
    labels = LABELS.get(kind, ("no", "yes", "perhaps"))
    made = base.labeller(kind, labels, "auto", 0.1, None)
    made.module.eval()
    made.save(tmp_path, dict(made.module.named_parameters()))
    stock = AUTO[kind].from_pretrained(tmp_path).eval()
    assert stock.config.id2label == dict(enumerate(labels))
    batch = batch_of(base, pairs)
    types = {"token_type_ids": batch.types} if getattr(stock.config, "type_vocab_size", 0) > 1 else {}
    with torch.no_grad():
        told = stock(input_ids=batch.inputs, attention_mask=batch.groups, **types)
    expected = torch.stack([told.start_logits, told.end_logits], -1) if kind == "span" else told.logits
    found = logits(made.module, batch)
    if kind == "row":
        torch.testing.assert_close(found[:, 0], expected, rtol=0, atol=1e-4)
    else:
        longest = found.shape[1]
        real = batch.groups[:, :longest].bool()
        torch.testing.assert_close(found[real], expected[:, :longest][real], rtol=0, atol=1e-4)
    again = TaskModel.load(tmp_path, kind)
    assert again.labels == labels
    torch.testing.assert_close(logits(again.module, batch), found, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["modernbert", "bert", "roberta", "electra"])
def test_the_saved_tokenizer_tells_a_pair_apart_where_the_model_does(name, folder_of, tmp_path):
    base = Base.of(folder_of(name))
    made = base.labeller("row", ("no", "yes"), "auto", 0.1, None)
    made.module.eval()
    made.save(tmp_path, dict(made.module.named_parameters()))
    given = AutoTokenizer.from_pretrained(tmp_path)(TEXTS[0][0], TEXTS[1][0], return_tensors="pt")
    with torch.no_grad():
        expected = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()(**given).logits
    torch.testing.assert_close(logits(made.module, batch_of(base, pairs=True))[0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["modernbert", "bert", "gpt2"])
def test_padding_changes_nothing(name, folder_of):
    base = Base.of(folder_of(name))
    module = base.labeller("row", ("no", "yes"), "auto", 0.0, None).module.eval()
    whole = logits(module, batch_of(base))
    for row in range(3):
        batch = batch_of(base).part(row, row + 1)
        length = int(batch.groups.sum())
        alone = [tensor[:, :length] for tensor in (batch.inputs, batch.groups, batch.positions)]
        with torch.no_grad():
            torch.testing.assert_close(
                module(*alone, batch.places[:, :length], batch.types[:, :length])[0], whole[row], rtol=0, atol=1e-5
            )


def test_the_head_of_modernbert_starts_from_that_for_masked_words(folder_of):
    folder = folder_of("modernbert")
    head = Base.of(folder).labeller("row", ("no", "yes"), "auto", 0.0, None).module.head
    assert torch.equal(head.dense.weight, load_objective(folder).head.dense.weight)


def test_a_head_that_came_along_is_not_taken_for_other_labels(folder_of, tmp_path):
    old = AutoModelForSequenceClassification.from_pretrained(folder_of("distilbert"), num_labels=2)
    with torch.no_grad():
        old.classifier.bias.fill_(9.0)
    old.save_pretrained(tmp_path)
    Base.of(folder_of("distilbert")).tokenizer.save(tmp_path)
    made = Base.of(tmp_path).labeller("row", ("x", "y"), "auto", 0.0, None)
    assert made.module.module.classifier.bias.abs().max() == 0


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder_of, tmp_path):
    import json
    import shutil

    shutil.copytree(folder_of("distilbert"), tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"vocab_size": 20}))
    with pytest.raises(ModelError, match=r"tokens but the model only 20: put the tokenizer it was trained with"):
        Base.of(tmp_path / "m").labeller("row", ("x", "y"), "auto", 0.0, None)


def test_bert_is_read_at_cls_alone(folder_of):
    with pytest.raises(ModelError, match=r"reads its labels at \[CLS\]: leave task.pooling=auto, or set cls"):
        Base.of(folder_of("bert")).labeller("row", ("x", "y"), "mean", 0.0, None)


@pytest.mark.parametrize("name", KINDS)
def test_layers_stand_above_embeddings_and_below_the_head(name, folder_of):
    made = Base.of(folder_of(name)).labeller("row", ("x", "y"), "auto", 0.0, None)
    depths = depths_of([name for name, _ in made.module.named_parameters()])
    layers = 1 if name in ("lstm", "gru") else 2
    assert set(depths.values()) == set(range(layers + 2))
    heads = [depth for name, depth in depths.items() if "head" in name or "classifier" in name or "score" in name]
    assert set(heads) == {layers + 1}

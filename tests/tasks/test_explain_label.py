"""What a classifier's answer rests on: parts that add up, and falls of the logit that a stock class gives as well."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from unmask import console
from unmask.cli import main
from unmask.errors import DataError, ModelError, SettingError
from unmask.tasks.application import Application
from unmask.tasks.finetuning import finetune
from unmask.understanding.explain_label import explain_label


@pytest.fixture(scope="module")
def application_of(folder_of, tmp_path_factory):
    """application_of("bert") classifies texts as yes or no with random weights."""
    from unmask.config import to_dict
    from unmask.tasks.classification import Classification
    from unmask.tasks.models import Base
    from unmask.tasks.settings import TaskData

    root, made = tmp_path_factory.mktemp("classifiers"), {}

    def get(name, **settings):
        key = f"{name}-{len(settings)}"
        if key not in made:
            torch.manual_seed(1)
            task, folder = Classification(**settings), root / key
            folder.mkdir()
            model = task.model(Base.of(folder_of(name)), ("no", "yes"), 0.0)
            with torch.no_grad():
                for parameter in model.module.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
            model.save(folder, dict(model.module.named_parameters()))
            told = {"task": "classification", "settings": to_dict(task), "data": to_dict(TaskData(row_length=32))}
            (folder / "task.json").write_text(json.dumps(told))
            made[key] = Application.load(folder, device="cpu")
        return made[key]

    return get


def stock_logits(application, tokens, types=None):
    stock = AutoModelForSequenceClassification.from_pretrained(application.model.base.folder).eval()
    given = {} if types is None else {"token_type_ids": torch.tensor([types])}
    with torch.no_grad():
        return stock(input_ids=torch.tensor([tokens]), **given).logits[0]


@pytest.mark.parametrize("name", ["bert", "modernbert", "prenorm", "gpt2", "distilbert"])
def test_the_parts_of_integrated_gradients_add_up_to_what_the_text_brings(name, application_of):
    application = application_of(name)
    found = explain_label(application, "the film was good")
    base = application.model.base
    row = base.frame.row(base.tokenizer.encode(["the film was good"])[0].ids)[0].tolist()
    framing = {*base.frame.prefix, *base.frame.suffix}
    hidden = [token if token in framing else base.tokenizer.mask_id for token in row]
    whole, empty = (stock_logits(application, each) for each in (row, hidden))
    number = application.labels.index(found.target)
    assert number == whole.argmax()
    total = found.attributions["integrated_gradients"].sum()
    assert total == pytest.approx(float(whole[number] - empty[number]), abs=abs(found.missed) + 2e-3)
    assert found.log_probability == pytest.approx(float(whole.log_softmax(-1)[number]), abs=1e-4)


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_what_is_left_out_or_masked_lowers_the_logit_as_much_in_the_stock_class(name, application_of):
    application = application_of(name)
    found = explain_label(application, "the film was good", label="no")
    base = application.model.base
    row = base.frame.row(base.tokenizer.encode(["the film was good"])[0].ids)[0].tolist()
    whole = stock_logits(application, row)[0]
    for column in range(1, len(row) - 1):
        without = stock_logits(application, row[:column] + row[column + 1 :])[0]
        hidden = stock_logits(application, [*row[:column], base.tokenizer.mask_id, *row[column + 1 :]])[0]
        assert found.attributions["left_out"][column] == pytest.approx(float(whole - without), abs=1e-4)
        assert found.attributions["masked"][column] == pytest.approx(float(whole - hidden), abs=1e-4)
    assert found.attributions["left_out"][[0, -1]].tolist() == [0, 0], "the frame is not asked"


def test_a_token_of_a_pair_goes_with_its_type(application_of):
    application = application_of("bert")
    found = explain_label(application, "the film\tgood plot", label="yes")
    base = application.model.base
    parts = [each.ids for each in base.tokenizer.encode(["the film", "good plot"])]
    row, types = (each.tolist() for each in base.frame.row(*parts))
    whole = stock_logits(application, row, types)[1]
    for column in range(1, len(row)):
        if row[column] == base.tokenizer.sep_id:
            continue
        without = stock_logits(application, row[:column] + row[column + 1 :], types[:column] + types[column + 1 :])[1]
        assert found.attributions["left_out"][column] == pytest.approx(float(whole - without), abs=1e-4)


def test_many_labels_have_a_probability_each(application_of):
    found = explain_label(application_of("modernbert", multi_label=True), "good plot")
    assert sum(share for _, share in found.answers) != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "label", "kind", "words"),
    [
        ("good", "yess", SettingError, r"unknown label 'yess'; did you mean 'yes'"),
        ("good " * 40, None, DataError, r"the text is longer than the 32 tokens of a row: explain a part of it"),
        (" ", None, DataError, r"text 1 is empty"),
    ],
)
def test_what_cannot_be_explained_is_said(text, label, kind, words, application_of):
    with pytest.raises(kind, match=words):
        explain_label(application_of("bert"), text, label=label)


def test_a_tagger_is_refused(tuning, tmp_path):
    finetune(tuning("bert", "token_classification", "training.epochs=0.1", "training.evaluations=1"), tmp_path / "run")
    with pytest.raises(ModelError, match=r"a model for token_classification has no label of a whole text"):
        explain_label(Application.load(tmp_path / "run"), "good")


def test_the_command_line_explains_a_classifier_and_writes_a_page(application_of, tmp_path, capsys):
    folder = application_of("bert").model.base.folder
    try:
        assert main(["explain", str(folder), "a good film", "--target", "no", "--to", str(tmp_path / "why")]) == 0
    finally:
        console.set_quiet(False)
    out, err = capsys.readouterr()
    assert out.startswith("no ")
    assert "left out in turn" in out
    assert err.splitlines()[-1] == f"next: unmask predict {folder} 'a good film'"
    assert json.loads((tmp_path / "why" / "explanation.json").read_text())["place"] is None

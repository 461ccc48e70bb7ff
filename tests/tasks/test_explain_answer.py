"""What an answer rests on: parts that add up, and falls of the score that a stock class gives too, for every task."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from unmask import console
from unmask.cli import main
from unmask.errors import DataError, ModelError, SettingError
from unmask.tasks.application import Application
from unmask.tasks.sequence_to_sequence import SequenceToSequence
from unmask.understanding.explain_answer import explain_answer

LABELS = {
    "classification": ("no", "yes"),
    "regression": ("score",),
    "token_classification": ("O", "B-PER", "I-PER"),
    "question_answering": ("start", "end"),
}
CLOZE = {"prompt": "the plot was [MASK] .", "words": "yes:good+lovely,no:awful"}


@pytest.fixture(scope="module")
def application_of(folder_of, tmp_path_factory):
    """application_of("bert", "regression") does a task with random weights; settings are the task's."""
    from unmask.config import to_dict
    from unmask.tasks import TASKS
    from unmask.tasks.models import Base
    from unmask.tasks.settings import TaskData

    root, made = tmp_path_factory.mktemp("applications"), {}

    def get(name, kind="classification", row_length=32, **settings):
        key = f"{name}-{kind}-{row_length}-{len(settings)}"
        if key not in made:
            torch.manual_seed(1)
            task, folder = TASKS.load(kind)(**settings), root / key
            folder.mkdir()
            model = task.model(Base.of(folder_of(name)), LABELS.get(kind, ()), 0.0)
            with torch.no_grad():
                for parameter in model.module.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
            model.save(folder, dict(model.module.named_parameters()))
            told = {"task": kind, "settings": to_dict(task), "data": to_dict(TaskData(row_length=row_length))}
            (folder / "task.json").write_text(json.dumps(told))
            made[key] = Application.load(folder, device="cpu")
        return made[key]

    return get


def row_of(application, *texts):
    """The row of a text or two, as the frame of the model makes it, with its types."""
    base = application.model.base
    return tuple(each.tolist() for each in base.frame.row(*(each.ids for each in base.tokenizer.encode(list(texts)))))


def without(row, column):
    return row[:column] + row[column + 1 :]


def hidden(application, row, column):
    return [*row[:column], application.model.base.tokenizer.mask_id, *row[column + 1 :]]


def stock_logits(application, tokens, types=None):
    stock = AutoModelForSequenceClassification.from_pretrained(application.model.base.folder).eval()
    given = {} if types is None else {"token_type_ids": torch.tensor([types])}
    with torch.no_grad():
        return stock(input_ids=torch.tensor([tokens]), **given).logits[0]


@pytest.mark.parametrize("name", ["bert", "modernbert", "prenorm", "gpt2", "distilbert"])
def test_the_parts_of_integrated_gradients_add_up_to_what_the_text_brings(name, application_of):
    application = application_of(name)
    found = explain_answer(application, "the film was good")
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
    found = explain_answer(application, "the film was good", target="no")
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
    found = explain_answer(application, "the film\tgood plot", target="yes")
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
    found = explain_answer(application_of("modernbert", multi_label=True), "good plot")
    assert sum(share for _, share in found.answers) != pytest.approx(1, abs=1e-3)


# ---------------------------------------------------------------- the tasks beside classification


def test_the_parts_of_a_number_are_what_the_stock_class_gives_less(application_of):
    application = application_of("bert", "regression")
    found = explain_answer(application, "the film\tgood plot")
    row, types = row_of(application, "the film", "good plot")
    whole = stock_logits(application, row, types)[0]
    assert (found.value, found.log_probability, found.unit) == (pytest.approx(float(whole), abs=1e-4), None, "")
    assert found.told == f"{found.value:.3f}"
    assert application.predict("the film\tgood plot")[0]["score"] == pytest.approx(found.value, abs=1e-4)
    for column in (1, 2, len(row) - 2):
        fall = whole - stock_logits(application, without(row, column), without(types, column))[0]
        assert found.attributions["left_out"][column] == pytest.approx(float(fall), abs=1e-4)


@pytest.mark.parametrize("name", ["bert", "modernbert", "distilbert"])
def test_the_tag_of_a_word_rests_on_the_others_and_on_itself(name, application_of):
    application = application_of(name, "token_classification")
    found = explain_answer(application, "the actor was good", word="actor", target="B-PER")
    stock = AutoModelForTokenClassification.from_pretrained(application.model.base.folder).eval()

    def logits(row, place):
        with torch.no_grad():
            return stock(input_ids=torch.tensor([row])).logits[0, place]

    row, _ = row_of(application, "the actor was good")
    (place,) = found.places
    assert (found.tokens[place].strip(), found.asked, found.target) == ("actor", "actor", "B-PER")
    whole = logits(row, place)
    assert found.log_probability == pytest.approx(float(whole.log_softmax(-1)[1]), abs=1e-4)
    for column in range(1, len(row) - 1):
        fall = whole - logits(hidden(application, row, column), place)
        assert found.attributions["masked"][column] == pytest.approx(float(fall[1]), abs=1e-4)
        fall = whole - logits(without(row, column), place - (column < place))
        expected = 0.0 if column == place else float(fall[1])
        assert found.attributions["left_out"][column] == pytest.approx(expected, abs=1e-4)
    nothing = [row[0], *[application.model.base.tokenizer.mask_id] * (len(row) - 2), row[-1]]
    brought = float((whole - logits(nothing, place))[1])
    total = found.attributions["integrated_gradients"].sum()
    assert total == pytest.approx(brought, abs=abs(found.missed) + 2e-3)


def test_the_first_word_with_another_tag_than_o_is_asked_unless_a_word_is_named(application_of):
    application = application_of("bert", "token_classification")
    text = "the actor was good the film was bad"
    tags = application.predict(text)[0]["tags"]
    first = next((number for number, tag in enumerate(tags) if tag != "O"), 0)
    found = explain_answer(application, text)
    assert (found.asked, found.target) == (text.split()[first], tags[first])
    assert explain_answer(application, text, word="3").asked == "was"
    assert explain_answer(application, text, word="3").places == explain_answer(application, text, word="was").places


def test_a_word_of_a_long_text_is_explained_in_its_window(application_of):
    application = application_of("bert", "token_classification", row_length=8)
    text = "the film was very good " * 4 + "actor"
    found = explain_answer(application, text, word="actor")
    assert len(found.tokens) == 8
    assert [found.tokens[place].strip() for place in found.places] == ["actor"]
    assert found.target == application.predict(text)[0]["tags"][-1]


def test_a_tag_of_a_decoder_rests_on_no_word_behind_it(application_of):
    found = explain_answer(application_of("gpt2", "token_classification"), "the actor was good", word="actor")
    (place,) = found.places
    for values in found.attributions.values():
        assert values[place + 1 :] == pytest.approx(0, abs=1e-5)
        assert abs(values[:place]).max() > 1e-3


@pytest.mark.parametrize("name", ["bert", "modernbert"])
@pytest.mark.parametrize("part", [None, "start", "end"])
def test_an_answer_rests_on_the_logits_of_its_start_and_its_end(name, part, application_of):
    application = application_of(name, "question_answering")
    text = "good film\tthe plot was awful but the actor was fine"
    found = explain_answer(application, text, target="actor was", part=part)
    stock = AutoModelForQuestionAnswering.from_pretrained(application.model.base.folder).eval()

    def score(row, types, start, end):
        given = {"token_type_ids": torch.tensor([types])} if name == "bert" else {}
        with torch.no_grad():
            said = stock(input_ids=torch.tensor([row]), **given)
        ends = {"start": said.start_logits[0, start], "end": said.end_logits[0, end]}
        return float(sum(ends.values()) if part is None else ends[part])

    row, types = row_of(application, *text.split("\t"))
    start, end = found.places[0], found.places[-1]
    assert "".join(found.tokens[start : end + 1]).strip() == found.target == "actor was"
    whole = score(row, types, start, end)
    places = {None: (start, end), "start": (start,), "end": (end,)}[part]
    framing = {application.model.base.tokenizer.cls_id, application.model.base.tokenizer.sep_id}
    for column in range(1, len(row) - 1):
        masked = whole - score(hidden(application, row, column), types, start, end)
        out = whole - score(
            without(row, column), without(types, column), start - (column < start), end - (column < end)
        )
        asked = row[column] not in framing
        assert found.attributions["masked"][column] == pytest.approx(masked * asked, abs=1e-4)
        assert found.attributions["left_out"][column] == pytest.approx(out * asked * (column not in places), abs=1e-4)


def test_the_answer_that_is_explained_is_the_one_that_is_predicted(application_of):
    application = application_of("modernbert", "question_answering", row_length=16)
    text = "good\t" + "the plot was awful but the actor was fine and so on the film was poor " * 2
    said = application.predict(text)[0]
    found = explain_answer(application, text)
    assert found.target == said["answer"]
    assert found.log_probability == pytest.approx(math.log(said["score"]), abs=1e-4)
    assert "".join(found.tokens[place] for place in found.places).strip() == said["answer"]
    assert found.answers[0][0] == said["answer"]
    assert found.answers[0][1] == pytest.approx(said["score"], abs=1e-4)


def test_that_there_is_no_answer_is_read_at_the_first_place(application_of):
    application = application_of("bert", "question_answering", threshold=1e6)
    text = "good film\tthe plot was awful"
    said, found = application.predict(text)[0], explain_answer(application, text)
    assert (said["answer"], found.target, found.places) == ("", "no answer", (0,))
    assert found.log_probability == pytest.approx(math.log(said["score"]), abs=1e-3)
    assert found.attributions["masked"].any()


def test_a_label_by_words_rests_on_the_text_and_on_the_prompt(application_of):
    application = application_of("bert", "cloze", **CLOZE)
    found = explain_answer(application, "the film", target="no")
    base = application.model.base
    stock = AutoModelForMaskedLM.from_pretrained(base.folder).eval()
    row, _ = row_of(application, "the film the plot was X .".replace("X", "good"))
    (place,) = found.places
    row[place] = base.tokenizer.mask_id
    awful = base.tokenizer.encode(["awful"])[0].ids[0]

    def log_share(row, place):
        with torch.no_grad():
            return float(stock(input_ids=torch.tensor([row])).logits[0, place].log_softmax(-1)[awful])

    assert len(found.tokens) == len(row)
    for column in range(1, len(row) - 1):
        if column != place:
            fall = log_share(row, place) - log_share(without(row, column), place - (column < place))
            assert found.attributions["left_out"][column] == pytest.approx(fall, abs=1e-4)
    said = application.predict("the film")[0]["scores"]["no"]
    assert found.log_probability == pytest.approx(math.log(said), abs=1e-3)


def test_each_of_two_texts_has_its_part_of_their_cosine(application_of):
    application = application_of("bert", "embeddings")
    found = explain_answer(application, "good film\tawful plot was")
    one, other = application.predict(["good film", "awful plot was"])
    cosine = np.dot(one["embedding"], other["embedding"])
    assert (found.value, found.told) == (pytest.approx(cosine, abs=1e-5), f"{cosine:.3f}")
    fewer, fewer_of_other = application.predict(["film", "awful was"])
    first, second = 1, 4 + 2  # [CLS] good film [SEP] [CLS] awful plot was [SEP]
    expected = cosine - np.dot(fewer["embedding"], other["embedding"])
    assert found.attributions["left_out"][first] == pytest.approx(expected, abs=1e-4)
    expected = cosine - np.dot(one["embedding"], fewer_of_other["embedding"])
    assert found.attributions["left_out"][second] == pytest.approx(expected, abs=1e-4)


# ---------------------------------------------------------------- what cannot be explained


@pytest.mark.parametrize(
    ("task", "text", "given", "kind", "words"),
    [
        ("classification", "good", {"target": "yess"}, SettingError, r"unknown label 'yess'; did you mean 'yes'"),
        ("classification", "good " * 40, {}, DataError, r"the text is longer than the 32 tokens of a row: explain a"),
        ("classification", " ", {}, DataError, r"text 1 is empty"),
        ("classification", "good", {"word": "x"}, SettingError, r"word 'x' says nothing here: this task takes target"),
        ("regression", "good", {"target": "5"}, SettingError, r"target '5' says nothing here: this task takes neither"),
        ("token_classification", "good", {"target": "PER"}, SettingError, r"unknown tag 'PER'; did you mean '.-PER'"),
        (
            "token_classification",
            "a film",
            {"word": "plot"},
            SettingError,
            r"word 'plot' is not in the text: its words",
        ),
        ("token_classification", "a film", {"word": "3"}, SettingError, r"word '3' is not in the text: .* a, film"),
        ("question_answering", "a\tfilm", {"target": "plot"}, SettingError, r"target 'plot' is not in the text: an"),
        ("question_answering", "a\tfilm", {"part": "middle"}, SettingError, r"part 'middle': one of start, end is"),
        ("question_answering", "a film", {}, DataError, r"text 1 is not a question and its context: give both"),
        ("embeddings", "a film", {}, DataError, r"how alike two texts are is explained: give both, with a tab between"),
    ],
)
def test_what_cannot_be_explained_is_said(task, text, given, kind, words, application_of):
    with pytest.raises(kind, match=words):
        explain_answer(application_of("bert", task), text, **given)


def test_words_of_several_lengths_have_no_row_in_common(application_of):
    words = {"prompt": "the plot was [MASK] .", "words": "yes:goodfine,no:awful", "metric": "accuracy"}
    with pytest.raises(SettingError, match=r"the words of the labels have 1 and \d tokens: explained are words of one"):
        explain_answer(application_of("bert", "cloze", **words), "the film")


def test_a_model_that_writes_is_refused(application_of):
    application = replace(application_of("bert"), task=SequenceToSequence())
    with pytest.raises(ModelError, match=r"a model for sequence_to_sequence is not explained: give one for classific"):
        explain_answer(application, "good")


@pytest.mark.parametrize(
    ("folder", "words", "message"),
    [
        ("tuned", ["a good film", "--blank", "1"], "is fine-tuned and fills no blanks: leave out --blank"),
        ("bare", ["a [MASK] film", "--word", "film"], "fills blanks, and --word asks a fine-tuned model: leave it out"),
        ("bare", ["a [MASK] film", "--part", "end"], "fills blanks, and --part asks a fine-tuned model: leave it out"),
    ],
)
def test_options_of_the_other_kind_of_model_are_refused_on_one_line(
    folder, words, message, application_of, folder_of, capsys
):
    path = application_of("bert").model.base.folder if folder == "tuned" else folder_of("bert")
    assert main(["explain", str(path), *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_the_command_line_explains_a_tag_and_writes_a_page(application_of, tmp_path, capsys):
    folder = application_of("bert", "token_classification").model.base.folder
    words = ["the actor was good", "--word", "actor", "--target", "I-PER", "--to", str(tmp_path / "why")]
    assert main(["explain", str(folder), *words]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("actor: I-PER ")
    row = next(line for line in out.splitlines() if line.startswith("actor "))
    assert row.split()[-1] == "–", "the word itself cannot be left out"
    assert err.splitlines()[-1] == f"next: unmask predict {folder} 'the actor was good'"
    assert "<p>actor: <b>I-PER</b>" in (tmp_path / "why" / "explanation.html").read_text()


def test_the_command_line_explains_a_number(application_of, tmp_path, capsys):
    folder = application_of("bert", "regression").model.base.folder
    assert main(["explain", str(folder), "a good film", "--to", str(tmp_path / "why")]) == 0
    value = explain_answer(application_of("bert", "regression"), "a good film").told
    assert capsys.readouterr().out.splitlines()[0] == f"score {value}"
    page = (tmp_path / "why" / "explanation.html").read_text()
    assert f"<b>score</b> {value}" in page
    assert "nats" not in page


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
    assert json.loads((tmp_path / "why" / "explanation.json").read_text())["places"] == []


def test_the_command_line_tells_two_texts_apart_and_how_to_type_their_tab(application_of, capsys):
    folder = application_of("bert", "embeddings").model.base.folder
    assert main(["explain", str(folder), "it's good\tawful plot"]) == 0
    out, err = capsys.readouterr()
    assert "[SEP] [CLS] awful plot" in out
    assert err.splitlines()[-1] == f"next: unmask predict {folder} $'it\\'s good\\tawful plot'"

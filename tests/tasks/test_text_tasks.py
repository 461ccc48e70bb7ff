"""Classification and regression: labels, losses, windows, figures, and what bad data gets."""

import math

import numpy as np
import pytest
import torch

from unmask.batches import IGNORE
from unmask.errors import DataError
from unmask.tasks.baselines import of_labels, of_numbers, tfidf_numbers
from unmask.tasks.classification import Classification
from unmask.tasks.framing import frame_of
from unmask.tasks.regression import Regression
from unmask.tasks.tables import Row
from unmask.tasks.token_classification import TokenClassification


def rows(*labels, text="some text"):
    return [Row(text, None, label, f"a.tsv:{number}") for number, label in enumerate(labels, start=2)]


def test_labels_stand_in_order_and_numbers_by_their_size():
    assert Classification().labels(rows("b", "a", "b")) == ("a", "b")
    assert Classification().labels(rows("10", 9, "-1")) == ("-1", "9", "10")
    assert Classification(multi_label=True).labels(rows("x, y", ["z", "x"], "")) == ("x", "y", "z")


@pytest.mark.parametrize(
    ("task", "examples", "words"),
    [
        (Classification(), rows("x", "x"), r"a\.tsv: every example has the label 'x'; at least two labels are needed"),
        (Classification(), rows("x", None), r"a\.tsv:3: the label is missing; one label is needed"),
        (Classification(), rows("x", ["y"]), r"one label is needed; for several set task\.multi_label=true"),
        (Regression(), rows("1", "one"), r"a\.tsv:3: 'one' is no number; the task regression needs one an example"),
        (Regression(), rows("1", "nan"), r"a\.tsv:3: 'nan' is no number"),
        (Regression(), rows("2", "2.0"), r"a\.tsv: every example has the number 2; at least two different ones"),
    ],
)
def test_data_from_which_nothing_can_be_learned_are_refused(task, examples, words):
    with pytest.raises(DataError, match=words):
        task.labels(examples)


def test_labels_that_a_model_does_not_know_are_named_with_their_line():
    words = r"a\.tsv:3: the label 'z' is not one of those that the model knows \(x, y\); mend the label, or train"
    with pytest.raises(DataError, match=words):
        Classification().check(rows("x", "z"), ("x", "y"))
    with pytest.raises(DataError, match=r"the model gives 2 labels, not a number; take another"):
        Regression().check(rows("1"), ("x", "y"))


def test_a_frequent_label_is_worth_a_word(capsys):
    Classification().warn(rows(*["a"] * 30, "b"))
    assert "97% of the training examples have the label 'a', 3.2% 'b'" in " ".join(capsys.readouterr().err.split())
    Classification(class_weights="balanced").warn(rows(*["a"] * 30, "b"))
    Classification().warn(rows(*["a"] * 9, "b"))
    assert capsys.readouterr().err == ""


def test_balanced_weights_let_all_labels_count_alike():
    examples = rows("a", "a", "a", "b")
    loss = Classification(class_weights="balanced").loss(examples, ("a", "b"))
    logits, targets = torch.zeros(4, 1, 2), torch.tensor([[0], [0], [0], [1]])
    each = [float(loss(logits[n : n + 1], targets[n : n + 1])) for n in range(4)]
    assert sum(each[:3]) == pytest.approx(each[3])
    assert sum(each) == pytest.approx(4 * math.log(2)), "as much as without weights"


def test_losses_are_sums_over_what_is_asked():
    logits, targets = torch.randn(3, 1, 2), torch.tensor([[0], [1], [IGNORE]])
    expected = -torch.log_softmax(logits[:2, 0], 1)[[0, 1], [0, 1]].sum()
    torch.testing.assert_close(Classification().loss(rows("a", "b"), ("a", "b"))(logits, targets), expected)
    numbers = Regression().loss(rows("1", "3"), ("score",))(torch.tensor([[[4.0]]]), torch.tensor([[[1.0]]]))
    assert float(numbers) == 9.0  # the variance of 1 and 3 is 1


def test_regression_starts_at_the_mean():
    assert Regression().start(rows("1", "3", "8"), ("score",)).tolist() == [4.0]


@pytest.mark.parametrize(("long", "count", "cut"), [("cut", 1, 1), ("windows", 5, 0)])
def test_a_long_text_is_cut_and_counted_or_read_in_windows(tokenizer, long, count, cut):
    text = "film " * 30
    task, frame = Classification(long=long), frame_of(tokenizer)
    [example] = rows("x", text=text.strip())
    features, shortened = task.features([example], ("x", "y"), tokenizer, frame, 12)
    assert (len(features), shortened) == (count, cut) or (long == "windows" and len(features) > 2 and shortened == 0)
    assert all(len(feature.tokens) <= 12 for feature in features)
    assert {int(feature.targets[0]) for feature in features} == {0}


def test_windows_decide_by_the_mean_of_their_logits():
    task = Classification()
    features = [type("F", (), {"example": number})() for number in (0, 1, 0)]
    logits = [np.array([[4.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[0.0, 2.0]])]
    answers = task.answers(rows(None, None), features, logits, ("no", "yes"))
    assert [answer["label"] for answer in answers] == ["no", "yes"]
    assert answers[0]["score"] == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-6)


def test_figures_of_a_hand_computed_example():
    truths = [("1",), ("1",), ("0",), ("0",)]
    figures = of_labels(truths, [("1",), ("0",), ("0",), ("0",)], ("0", "1"), False)
    assert figures["accuracy"] == 0.75
    assert figures["f1"] == pytest.approx(2 / 3)
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["matthews"] == pytest.approx(2 / math.sqrt(1 * 3 * 2 * 2))
    many = of_labels([("a", "b"), ()], [("a",), ()], ("a", "b"), True)
    assert many == {"accuracy": 0.5, "micro_f1": pytest.approx(2 / 3), "macro_f1": 0.5}


def test_correlations_of_a_hand_computed_example():
    figures = of_numbers([1, 2, 3], [1, 2, 9])
    assert figures["spearman"] == pytest.approx(1)
    assert figures["pearson"] == pytest.approx(8 / math.sqrt(2 * 38))
    assert figures["mean_error"] == 2
    assert math.isnan(of_numbers([1, 2], [3, 3])["pearson"])


def test_the_cosine_of_equal_texts_is_the_highest():
    train = [Row("a good film", "bad plot", 1, "x"), Row("some plot", "a film", 2, "x")]
    pairs = [Row("a good film", "a good film", 0, "x"), Row("a good film", "bad plot", 0, "x")]
    name, said = tfidf_numbers(train, [1, 2], pairs)
    assert name == "TF-IDF cosine"
    assert said[0] == pytest.approx(1)
    assert said[1] == pytest.approx(0)


def test_tags_that_a_model_does_not_know_are_named_with_their_word(tmp_path):
    from unmask.tasks.tables import Columns

    (tmp_path / "a.txt").write_text("Ann I-PER\nruns O\n")
    task = TokenClassification()
    examples = task.read(str(tmp_path / "a.txt"), Columns())
    assert task.labels(examples) == ("O", "B-PER", "I-PER")
    with pytest.raises(DataError, match=r"a\.txt:1: the tag 'B-PER' of 'Ann' is not one of those that the model knows"):
        task.check(examples, ("O", "B-LOC", "I-LOC"))
    (tmp_path / "b.txt").write_text("Ann O\n")
    with pytest.raises(DataError, match=r"b\.txt: every word has the tag 'O'; at least two tags are needed"):
        task.labels(task.read(str(tmp_path / "b.txt"), Columns()))


@pytest.mark.parametrize("limit", [8, 12, 64])
def test_every_word_of_a_long_text_is_asked_once(tokenizer, tmp_path, limit):
    task = TokenClassification()
    [example] = task.of_texts(["the film was very good " * 6])
    features, cut = task.features([example], ("O", "B-X", "I-X"), tokenizer, frame_of(tokenizer), limit)
    asked = sorted(int(word) for feature in features for word in feature.asked)
    assert asked == list(range(30))
    assert cut == 0
    assert all(len(feature.tokens) <= limit for feature in features)

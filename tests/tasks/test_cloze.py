"""Labels as words in a prompt: what is asked, how words and labels are scored, calibration, and training on few."""

import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

import unmask
from unmask.errors import DataError, SettingError
from unmask.tasks.application import Application
from unmask.tasks.cloze import NOTHING, zero_shot
from unmask.tasks.finetuning import finetune
from unmask.tasks.framing import frame_of
from unmask.tasks.prompts import Prompt, Verbalizer
from unmask.tasks.tables import Row

WORDS = "yes:good+lovely,no:awful"
PROMPT = "the plot was [MASK] ."


def stock_shares(folder, text, words):
    """The share of each single-token word at the blank, by stock classes alone, brought to a sum of 1."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()
    given = tokenizer(text.replace("[MASK]", tokenizer.mask_token), return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits[0]
    place = given["input_ids"][0].tolist().index(tokenizer.mask_token_id)
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert all(len(each) == 1 for each in ids)
    return logits[place].softmax(-1)[[each[0] for each in ids]].numpy()


@pytest.mark.parametrize("name", ["bert", "modernbert", "distilbert"])
def test_a_label_gets_the_mean_probability_of_its_words_as_the_stock_class_has_them(name, folder_of):
    good, lovely, awful = stock_shares(folder_of(name), f"the film {PROMPT}", ["good", "lovely", "awful"])
    (answer,) = zero_shot(folder_of(name), PROMPT, WORDS, "none", "cpu").predict("the film")
    yes = (good + lovely) / 2
    assert answer["scores"]["yes"] == pytest.approx(yes / (yes + awful), abs=1e-4)
    assert answer["label"] == max(answer["scores"], key=answer["scores"].get)


def test_context_calibration_divides_by_what_texts_that_say_nothing_get(folder_of):
    plain, calibrated = (zero_shot(folder_of("bert"), PROMPT, WORDS, how, "cpu") for how in ("none", "context"))
    prior = np.mean([list(answer["scores"].values()) for answer in map(one(plain), NOTHING)], axis=0)
    given = np.array(list(plain.predict("a film")[0]["scores"].values())) / prior
    expected = dict(zip(plain.labels, given / given.sum(), strict=True))
    assert calibrated.predict("a film")[0]["scores"] == pytest.approx(expected, abs=1e-4)


def one(application):
    """What an application answers to a text, also to an empty one."""
    return lambda text: application.answers([Row(text, None, None, "x")])[0]


def test_calibration_by_the_texts_themselves_makes_labels_alike_on_the_whole(folder_of):
    texts = ["a film", "the plot", "the film was poor", "fine"]
    plain, calibrated = (zero_shot(folder_of("bert"), PROMPT, WORDS, how, "cpu") for how in ("none", "texts"))
    shares = np.array([list(answer["scores"].values()) for answer in plain.predict(texts)])
    expected = shares / shares.mean(0)
    expected /= expected.sum(1, keepdims=True)
    found = np.array([list(answer["scores"].values()) for answer in calibrated.predict(texts)])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_long_word_counts_by_the_mean_over_its_tokens():
    words = Verbalizer(("a", "b"), ((0, (7,)), (1, (5, 7))))
    assert (words.lengths, words.tokens) == ((1, 2), (5, 7))
    logits = torch.tensor(
        [[[-9.0, -1.0], [-2.0, -9.0], [-9.0, -4.0]]]
    )  # one mask; then two: at each the tokens 5 and 7
    assert words.scores(logits).tolist() == [[-1.0, -3.0]]


def test_words_of_several_tokens_are_asked_with_as_many_masks(folder_of, tokenizer):
    prompt = Prompt.of("was [MASK] plot", tokenizer)
    (good,), long = prompt.word("good"), prompt.word("goodfine")
    assert tokenizer.decode([good]) == "good"
    assert len(long) > 1
    row, places, cut = prompt.row(Row("the film", None, None, "x"), len(long), frame_of(tokenizer), 64)
    assert (row[places] == tokenizer.mask_id).all()
    assert (tokenizer.decode(row), cut) == ("the film was plot", False)


def test_a_long_text_is_cut_and_the_prompt_stays_whole(tokenizer):
    prompt = Prompt.of("{text} was [MASK] plot", tokenizer)
    row, places, cut = prompt.row(Row("the film " * 30, None, None, "x"), 1, frame_of(tokenizer), 12)
    assert (len(row), cut, places.tolist()) == (12, True, [9])
    assert tokenizer.decode(row).endswith("was plot")
    with pytest.raises(DataError, match=r"x: the prompt alone is longer than 4 tokens: shorten it"):
        prompt.row(Row("the film", None, None, "x"), 1, frame_of(tokenizer), 4)


def test_braces_and_masks_in_a_text_are_text(tokenizer):
    prompt = Prompt.of("{text} {second} [MASK]", tokenizer)
    row, places, _ = prompt.row(Row("[MASK]", "{text}", None, "x"), 1, frame_of(tokenizer), 64)
    assert (row == tokenizer.mask_id).sum() == 1
    assert row[places[0]] == tokenizer.mask_id
    with pytest.raises(DataError, match=r"x: the prompt asks for \{second\}, and there is no second text"):
        prompt.row(Row("a", None, None, "x"), 1, frame_of(tokenizer), 64)


@pytest.mark.parametrize(
    ("prompt", "words", "message"),
    [
        ("it was good", WORDS, r'no blank in "it was good": write one as \[MASK\] or ___'),
        ("[MASK] and ___", WORDS, r'"\[MASK\] and ___" has 2 blanks: the prompt needs one, where the label is asked'),
        (PROMPT, "yes:good", r"labels=yes:good: two labels at least are needed, as in positive:great\+good"),
        (PROMPT, "yes:good,no:good", r"labels=yes:good,no:good: a word of its own for each label is needed"),
        (PROMPT, "yes:好,no:good", r"the word '好' has characters the tokenizer does not know: take another"),
    ],
)
def test_what_cannot_be_asked_is_named(prompt, words, message, folder_of):
    with pytest.raises(SettingError, match=message):
        zero_shot(folder_of("bert"), prompt, words)


def test_few_examples_train_the_head_that_is_there_and_the_folder_still_fills_blanks(tuning, tmp_path):
    run = tuning(
        "modernbert",
        "cloze",
        f"task.prompt={PROMPT}",
        f"task.words={WORDS}",
        "training.epochs=6",
        "tuning.learning_rate=0.01",
    )
    done = finetune(run, tmp_path / "run")
    assert done.figures["validation"]["accuracy"] > 0.9
    application = Application.load(tmp_path / "run")
    assert application.task.calibration == "none"
    assert application.evaluate(run.data.validation)["accuracy"] == done.figures["validation"]["accuracy"]
    filled = unmask.load(tmp_path / "run").fill(f"the film was good {PROMPT}", targets=["good", "lovely", "awful"])
    assert filled[0]["token_str"] != "awful"
    good, lovely, awful = stock_shares(
        tmp_path / "run" / "model", f"the film was good {PROMPT}", ["good", "lovely", "awful"]
    )
    score = application.predict("the film was good")[0]["scores"]["yes"]
    assert score == pytest.approx((good + lovely) / (good + lovely + 2 * awful), abs=1e-4)


def test_a_label_without_a_word_is_named(tuning, tmp_path):
    with pytest.raises(DataError, match=r"the label 'no' has no word in task.words=yes:good,nein:bad: add no:WORD"):
        finetune(tuning("bert", "cloze", "task.words=yes:good,nein:bad"), tmp_path / "run")


def test_a_stock_model_is_trained_and_saved_as_its_class(tuning, tmp_path):
    run = tuning("distilbert", "cloze", f"task.prompt={PROMPT}", f"task.words={WORDS}", "training.epochs=1")
    done = finetune(run, tmp_path / "run")
    assert math.isfinite(done.figures["validation"]["accuracy"])
    good, lovely, awful = stock_shares(tmp_path / "run" / "model", f"a film {PROMPT}", ["good", "lovely", "awful"])
    score = Application.load(tmp_path / "run").predict("a film")[0]["scores"]["yes"]
    assert score == pytest.approx((good + lovely) / (good + lovely + 2 * awful), abs=1e-4)

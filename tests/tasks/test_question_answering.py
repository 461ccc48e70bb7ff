"""Questions as rows, answers as characters of the text, and what is chosen on validation examples."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unmask.batches import IGNORE
from unmask.errors import DataError
from unmask.tasks.application import Application
from unmask.tasks.features import collated
from unmask.tasks.finetuning import finetune, held_out
from unmask.tasks.framing import frame_of
from unmask.tasks.question_answering import ENDS, QuestionAnswering
from unmask.tasks.questions import Gold, Question

TASK = QuestionAnswering()
LONG = "the film was very good a plot was the film " * 12


def question(context, *golds, text="good"):
    return Question(text, context, tuple(Gold(*gold) for gold in golds), "f.json: data[0]", "0")


def rows(task, examples, tokenizer, limit=64):
    return task.features(examples, ENDS, tokenizer, frame_of(tokenizer), limit)[0]


def logits_for(features, wanted):
    """Logits by which each example has the span of `wanted`: characters, a score, and the score of no answer."""
    made = []
    for feature in features:
        (start, end), score, none = wanted[feature.example]
        logits = np.full((len(feature.places), 2), -50.0, np.float32)
        logits[0] = none / 2
        first, last = np.flatnonzero(feature.asked[:, 0] == start), np.flatnonzero(feature.asked[:, 1] == end)
        if len(first) and len(last) and end:
            logits[first[-1], 0] = logits[last[0], 1] = score / 2
        made.append(logits)
    return made


def test_the_pieces_asked_of_a_window_spell_the_gold_answer(tokenizer):
    context = "the film was very good"
    [row] = rows(TASK, [question(context, ("very good", 13))], tokenizer)
    first, last = row.targets.argmax(0)
    assert context[row.asked[first, 0] : row.asked[last, 1]] == "very good"
    assert row.targets.sum(0).tolist() == [1, 1]
    assert tokenizer.decode(row.tokens[row.places[first : last + 1]]) == "very good"
    assert row.places[0] == 0


def test_rows_are_those_that_stock_code_makes(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    context = "the film was  very good"
    [row] = rows(TASK, [question(context)], tokenizer)
    stock = AutoTokenizer.from_pretrained(tmp_path)("good", context, return_offsets_mapping=True)
    assert row.tokens.tolist() == stock["input_ids"]
    spelled = [context[start:end] for start, end in row.asked[1:]]
    assert spelled == [context[start:end].strip() for start, end in np.array(stock["offset_mapping"])[row.places[1:]]]


def test_windows_over_a_long_text_overlap_and_each_piece_is_in_one_at_least(tokenizer):
    example = question(LONG, ("good", LONG.rindex("good")))
    made = rows(QuestionAnswering(stride=10), [example], tokenizer, limit=40)
    assert len(made) > 3
    assert all(len(row.tokens) <= 40 for row in made)
    spans = {tuple(span) for row in made for span in row.asked[1:].tolist()}
    assert {LONG[start:end] for start, end in spans} >= {"the", "film", "good"}
    assert sum(end - start for start, end in spans) == len(LONG.replace(" ", ""))
    holding = [row for row in made if row.targets[0].tolist() == [0, 0]]
    assert 0 < len(holding) < len(made)
    for row in made:
        assert (row.targets[0].tolist() == [1, 1]) != (row in holding)


def test_an_answer_that_a_window_holds_in_part_is_not_in_it(tokenizer):
    made = rows(QuestionAnswering(stride=10), [question(LONG, (LONG.strip(), 0))], tokenizer, limit=40)
    assert all(row.targets[0].tolist() == [1, 1] for row in made)


def test_a_question_of_many_tokens_is_cut_and_counted(tokenizer):
    _, shortened = TASK.features([question("the film", text="good " * 90)], ENDS, tokenizer, frame_of(tokenizer), 64)
    assert shortened == 1
    [row] = rows(TASK, [question("the film", text="good " * 90)], tokenizer)
    assert len(row.tokens) <= 64


def test_the_loss_is_the_mean_of_the_cross_entropies_of_start_and_end(tokenizer):
    examples = [question("the film was very good", ("very good", 13)), question("a plot")]
    made = rows(TASK, examples, tokenizer)
    batch = collated(made, np.arange(2), tokenizer.pad_id)
    torch.manual_seed(0)
    logits = torch.randn(*batch.places.shape, 2, requires_grad=True)
    found = TASK.loss(examples, ENDS)(logits, batch.targets)
    expected = torch.tensor(0.0)
    for row, feature in enumerate(made):
        real = logits[row, : len(feature.places)]
        for end in (0, 1):
            expected = expected + F.cross_entropy(real[:, end], torch.tensor(feature.targets[:, end].argmax())) / 2
    torch.testing.assert_close(found, expected)
    found.backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[batch.targets == IGNORE] == 0).all()


def test_answers_are_characters_of_the_original_text(tokenizer):
    context = "the  film was\tvery   good"
    examples = [question(context), question(LONG)]
    start = LONG.rindex("very good")
    made = rows(TASK, examples, tokenizer, limit=40)
    wanted = {0: ((14, 25), 9.0, 0.0), 1: ((start, start + 9), 9.0, 0.0)}
    one, other = TASK.answers(examples, made, logits_for(made, wanted), ENDS)
    assert (one["answer"], one["start"], one["end"]) == ("very   good", 14, 25)
    assert (other["answer"], other["start"], other["end"]) == ("very good", start, start + 9)
    assert one["score"] > 0.99
    assert len(one["alternatives"]) == 3
    assert all(context[a["start"] : a["end"]] == a["answer"] for a in one["alternatives"])


def test_an_answer_is_given_from_the_threshold_on(tokenizer):
    example = question("the film was very good")
    made = rows(TASK, [example], tokenizer)
    logits = logits_for(made, {0: ((18, 22), 5.0, 3.0)})
    for threshold, said in ((None, "good"), (1.9, "good"), (2.0, "good"), (2.1, "")):
        [answer] = QuestionAnswering(threshold=threshold).answers([example], made, logits, ENDS)
        assert answer["answer"] == said
    assert (answer["start"], answer["end"]) == (None, None)
    assert answer["alternatives"][0]["answer"] == "good"
    assert answer["score"] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-3)


def test_a_text_of_which_the_tokenizer_leaves_nothing_has_no_answer(tokenizer):
    example = question("\u200b \u200b")
    made = rows(TASK, [example], tokenizer)
    if len(made[0].places) == 1:
        [answer] = TASK.answers([example], made, [np.zeros((1, 2), np.float32)], ENDS)
        assert (answer["answer"], answer["start"]) == ("", None)


def test_the_threshold_is_chosen_on_examples_some_of_which_have_no_answer(tokenizer):
    context = "the film was very good"
    examples = [question(context, ("good", 18)), question(context, ("very", 13)), question(context)]
    made = rows(TASK, examples, tokenizer)
    logits = logits_for(made, {0: ((18, 22), 6.0, 0.0), 1: ((13, 17), 4.0, 0.0), 2: ((4, 8), 1.0, 0.0)})
    calibrated = TASK.calibrated(examples, made, logits, ENDS)
    assert calibrated.threshold == 2.5
    answers = calibrated.answers(examples, made, logits, ENDS)
    assert [answer["answer"] for answer in answers] == ["good", "very", ""]
    figures = calibrated.figures(examples, answers, ENDS)
    assert figures == {"exact_match": 1, "f1": 1, "answered_f1": 1, "unanswered_right": 1}
    assert TASK.calibrated(examples[:2], made, logits, ENDS) is TASK
    given = QuestionAnswering(threshold=9.0)
    assert given.calibrated(examples, made, logits, ENDS) is given


def test_chinese_texts_are_scored_by_cmrc_s_rules_and_others_by_squad_s():
    chinese = question("北京大学在北京市海淀区，是中国的大学。" * 20, ("北京大学", 0))
    said = [{"answer": "北京"}]
    assert TASK.figures([chinese], said, ENDS)["f1"] == pytest.approx(2 / 3)
    assert QuestionAnswering(rules="squad").figures([chinese], said, ENDS)["f1"] == 0
    english = question("The Eiffel Tower is in Paris. " * 20, ("The Eiffel Tower", 0))
    assert TASK.figures([english], [{"answer": "Eiffel tower."}], ENDS)["exact_match"] == 1


def test_simple_answerers_give_the_first_sentence_and_spans_of_the_text():
    context = "It is good. The film was bad."
    examples = [question(context, ("good", 6), text=str(number)) for number in range(20)]
    found = TASK.baselines(examples, examples, ENDS)
    assert list(found) == ["first sentence", "random span"]
    assert found["first sentence"]["f1"] == pytest.approx(2 * 1 / (3 + 1))
    assert 0 < found["random span"]["exact_match"] < 0.5
    assert TASK.baselines(examples, [*examples, question(context)], ENDS)["no answer"]["f1"] == pytest.approx(1 / 21)


def test_questions_about_one_text_are_held_out_together():
    examples = [question(f"text {number // 5}", text=str(number)) for number in range(500)]
    train, validation = held_out(examples, TASK.kept_together)
    assert validation
    assert not {each.context for each in train} & {each.context for each in validation}


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(DataError, match=r"neither this nor any other question has an answer; some are needed"):
        TASK.labels([question("a text"), question("another")])
    with pytest.raises(DataError, match=r"has no 'answers': they are needed to score a model"):
        TASK.check([Question("x", "y", None, "f.jsonl:1", "1")], ENDS)
    with pytest.raises(DataError, match=r"the model has 3 outputs, not a start and an end"):
        TASK.check([question("a text")], ("a", "b", "c"))


def test_a_trained_model_answers_abstains_and_is_read_by_the_stock_class(tuning, files, tmp_path):
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    run = tuning("bert", "question_answering", "training.epochs=10", "tuning.learning_rate=0.01")
    done = finetune(run, tmp_path / "run")
    figures = done.figures["validation"]
    assert figures["f1"] > 0.7
    assert min(figures["answered_f1"], figures["unanswered_right"]) > 0.5
    saved = json.loads((tmp_path / "run" / "model" / "task.json").read_text())["settings"]
    assert saved["threshold"] is not None
    application = Application.load(tmp_path / "run")
    assert application.evaluate(str(files / "qadev.jsonl"))["f1"] == pytest.approx(figures["f1"])
    context = "the film was very lovely a plot was bad"
    [answer] = application.predict([f"good\t{context}"])
    assert (answer["answer"], context[answer["start"] : answer["end"]]) == ("lovely", "lovely")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    stock = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "run" / "model").eval()
    with torch.no_grad():
        told = stock(**tokenizer("good", context, return_tensors="pt"))
    [row] = rows(application.task, [question(context)], application.model.base.tokenizer)
    _, [ours] = application.outputs([question(context)])
    theirs = torch.stack([told.start_logits[0], told.end_logits[0]], -1)[torch.from_numpy(row.places)]
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)

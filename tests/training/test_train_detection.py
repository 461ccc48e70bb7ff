"""The recipe `electra` from text to an encoder for fine-tuning, and a generator that fills, scores and is evaluated."""

import itertools
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import ElectraForMaskedLM, ElectraForPreTraining, pipeline

import unmask
from unmask import run as runs
from unmask.architectures.bert import Bert
from unmask.architectures.recurrent import Gru
from unmask.config import changed
from unmask.errors import Stopped
from unmask.recipes import RECIPES
from unmask.report.curves import curves

ANIMALS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "pig": "grunts", "owl": "hoots"}


pytestmark = pytest.mark.usefixtures("known_peak")


@pytest.fixture
def run(run):
    """The small run of these tests with what the recipe says of masking and objective, over a small BERT."""
    recipe = RECIPES.load("electra")()
    bert = Bert(layers=2, width=32, heads=2, feedforward=48, positions=64)
    return changed(run, objective=recipe.objective, masking=recipe.masking, architecture=bert)


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return [record["losses"] for record in records(folder)]


def suspicion(model, sentences):
    """The highest log-odds in each sentence that a token was replaced, says the stock class: their mean."""
    detector = ElectraForPreTraining.from_pretrained(model.path).eval()
    encoded = model.tokenizer.encode(sentences)
    with torch.no_grad():
        logits = [detector(input_ids=torch.tensor([each.ids.tolist()])).logits[0, 1:-1] for each in encoded]
    return sum(float(each.max()) for each in logits) / len(logits)


def test_both_learn_and_the_generator_fills_scores_and_is_evaluated(run, tmp_path):
    run = changed(run, training={"steps": 300, "batch_size": 32}, objective={"generator_share": 1.0})
    outcome = runs.pretrain(run, tmp_path / "run")
    assert outcome.figures["loss"] < outcome.figures["unigram_loss"] - 0.8
    model = unmask.load(tmp_path / "run")
    assert model.path == tmp_path / "run" / "model"
    assert model.row_limit == run.architecture.positions
    assert len(model.fill("the dog [MASK] loudly .")) == 5
    assert model.score("the dog barks loudly .").total > model.score("the loudly dog . barks").total
    figures = unmask.evaluate(tmp_path / "run")
    assert figures["loss"] == pytest.approx(outcome.figures["loss"], rel=1e-3)

    true = [f"the {animal} {sound} loudly ." for animal, sound in ANIMALS.items()]
    false = [f"the {animal} {sound} loudly ." for animal, sound in itertools.product(ANIMALS, ANIMALS.values())]
    assert suspicion(model, [sentence for sentence in false if sentence not in true]) > suspicion(model, true) + 1


def test_the_generator_s_folder_fills_blanks_in_the_stock_pipeline(run, tmp_path):
    runs.pretrain(changed(run, training={"steps": 2, "evaluations": 1}), tmp_path / "run")
    folder = tmp_path / "run" / "model"
    assert type(fill := pipeline("fill-mask", model=str(folder / "generator"))).__name__ == "FillMaskPipeline"
    assert isinstance(fill.model, ElectraForMaskedLM)
    ours = unmask.load(folder).fill("the [MASK] barks loudly .", top_k=5)
    assert [answer["token_str"] for answer in fill("the [MASK] barks loudly .")] == [one["token_str"] for one in ours]
    card = (folder / "README.md").read_text()
    assert 'pipeline("fill-mask", model="farm/generator")' in card
    assert "import unmask.models" not in card


@pytest.mark.parametrize("kind", ["bert", "modernbert", "gru"])
def test_a_run_stopped_and_resumed_equals_one_never_stopped(run, kind, tmp_path, stop_at):
    run = changed(run, training={"steps": 4, "evaluations": 1})
    if kind != "bert":
        small = {"modernbert": runs.Run().architecture, "gru": Gru(layers=1, width=32, state=24, positions=64)}[kind]
        run = changed(run, architecture=small, data={"packing": "document"})
    if kind == "modernbert":
        run = changed(run, architecture={"layers": 2, "width": 32, "heads": 2, "feedforward": 48, "positions": 64})
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    runs.resume(tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for part in ("model.safetensors", "generator/model.safetensors"):
        whole, parts = (load_file(tmp_path / name / "model" / part) for name in ("whole", "parts"))
        for name, tensor in whole.items():
            assert tensor.equal(parts[name]), name


def test_each_part_of_the_loss_is_recorded_beside_their_weighted_sum(run, tmp_path):
    runs.pretrain(changed(run, training={"steps": 2, "evaluations": 0}), tmp_path / "run")
    for record in records(tmp_path / "run"):
        parts = record["losses"]
        assert parts.keys() == {"masked", "replaced"}
        assert record["loss"] == pytest.approx(parts["masked"] + 50 * parts["replaced"], rel=1e-6)
    drawn = curves(tmp_path / "run")
    assert drawn.training[0] == losses(tmp_path / "run")[0]["masked"]


def test_micro_batches_draw_the_same_tokens(run, tmp_path):
    run = changed(run, training={"steps": 3, "evaluations": 0})
    runs.pretrain(run, tmp_path / "whole")
    runs.pretrain(changed(run, training={"micro_batch": 5}), tmp_path / "parts")
    for whole, parts in zip(losses(tmp_path / "whole"), losses(tmp_path / "parts"), strict=True):
        assert parts == pytest.approx(whole, rel=1e-4)


def test_bf16_trains_like_float32(run, tmp_path):
    run = changed(run, training={"steps": 3, "evaluations": 0})
    runs.pretrain(run, tmp_path / "fp32")
    runs.pretrain(changed(run, training={"precision": "bf16"}), tmp_path / "bf16")
    for fp32, bf16 in zip(losses(tmp_path / "fp32"), losses(tmp_path / "bf16"), strict=True):
        assert bf16 == pytest.approx(fp32, abs=0.1)


def test_a_run_goes_on_from_an_electra_folder_with_the_weights_of_both(run, tmp_path, capsys):
    runs.pretrain(changed(run, training={"steps": 2, "evaluations": 0}), tmp_path / "first")
    model = tmp_path / "first" / "model"
    onward = changed(run, start={"model": str(model)}, training={"steps": 1, "evaluations": 0}, architecture=Bert())
    runs.pretrain(changed(onward, optimizer={"learning_rate": 1e-9, "adam_learning_rate": 1e-9}), tmp_path / "second")
    for part in ("model.safetensors", "generator/model.safetensors"):
        before, after = load_file(model / part), load_file(tmp_path / "second" / "model" / part)
        for name, tensor in before.items():
            torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=1e-6)
    assert "new and random" not in capsys.readouterr().err

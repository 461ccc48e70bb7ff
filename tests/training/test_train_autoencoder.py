"""The recipe `mae` from text to a model that fills, scores and is evaluated like any other."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, pipeline

import unmask
from unmask import run as runs
from unmask.architectures.bert import Bert
from unmask.config import changed
from unmask.errors import Stopped
from unmask.recipes import RECIPES

SOUNDS = {"barks", "meows", "moos", "quacks", "grunts", "hoots"}


pytestmark = pytest.mark.usefixtures("known_peak")


@pytest.fixture
def run(run):
    """The small run of these tests with what the recipe says of masking and objective."""
    recipe = RECIPES.load("mae")()
    return changed(run, objective=recipe.objective, masking=recipe.masking)


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_learns_far_below_the_unigram_line_fills_scores_and_is_evaluated(run, tmp_path):
    run = changed(run, training={"steps": 200, "batch_size": 32})
    outcome = runs.pretrain(run, tmp_path / "run")
    assert outcome.figures["loss"] < outcome.figures["unigram_loss"] - 0.8
    assert len(outcome.samples) == 5

    model = unmask.load(tmp_path / "run")
    assert model.row_limit == run.architecture.positions
    assert model.fill("the dog [MASK] loudly .")[0]["token_str"] in SOUNDS
    assert model.score("the dog barks loudly .").total > model.score("the loudly dog . barks").total
    figures = unmask.evaluate(tmp_path / "run")
    assert figures["loss"] == pytest.approx(outcome.figures["loss"], rel=1e-3)


def test_its_folder_fills_blanks_in_the_pipeline_and_its_encoder_is_a_stock_model(run, tmp_path):
    runs.pretrain(changed(run, training={"steps": 2, "evaluations": 1}), tmp_path / "run")
    folder = tmp_path / "run" / "model"
    found = pipeline("fill-mask", model=str(folder))("the [MASK] barks loudly .")
    ours = unmask.load(folder).fill("the [MASK] barks loudly .", top_k=5)
    assert [answer["token_str"] for answer in found] == [answer["token_str"] for answer in ours]
    assert "import unmask.models  # so that transformers knows" in (folder / "README.md").read_text()

    given = AutoTokenizer.from_pretrained(folder / "encoder")("the dog barks loudly .", return_tensors="pt")
    tokens = given["input_ids"]
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder / "encoder").eval()(**given).last_hidden_state
        encoder = unmask.load(folder).module.encoder
        hidden = encoder(tokens, torch.ones_like(tokens), torch.arange(tokens.shape[1])[None])
    torch.testing.assert_close(hidden, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "architecture", [None, Bert(layers=2, width=32, heads=2, feedforward=48, positions=64)], ids=["modernbert", "bert"]
)
def test_a_run_stopped_and_resumed_equals_one_never_stopped(run, architecture, tmp_path, stop_at):
    run = changed(run, training={"steps": 4, "evaluations": 1}, architecture=architecture or run.architecture)
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    runs.resume(tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for part in ("model.safetensors", "encoder/model.safetensors"):
        whole, parts = (load_file(tmp_path / name / "model" / part) for name in ("whole", "parts"))
        for name, tensor in whole.items():
            assert tensor.equal(parts[name]), name


def test_bf16_trains_like_float32(run, tmp_path):
    run = changed(run, training={"steps": 3, "evaluations": 0})
    runs.pretrain(run, tmp_path / "fp32")
    runs.pretrain(changed(run, training={"precision": "bf16"}), tmp_path / "bf16")
    assert losses(tmp_path / "bf16") == pytest.approx(losses(tmp_path / "fp32"), abs=0.1)

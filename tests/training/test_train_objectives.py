"""Each objective from a recipe's settings to a model folder that anyone can load."""

import json

import pytest
import torch
from transformers import AutoModelForMaskedLM

import unmask
from unmask import run as runs
from unmask.config import changed, overridden

DRAWN = ["masking.ratio=0.99", "masking.ratio_end=0.01", "masking.mask_share=1", "masking.random_share=0"]
ALL_PARTS = ["architecture.layer_skips=true", "architecture.value_embeddings=1", "architecture.cap=15"]
SETTINGS = {
    "diffusion": ["objective=masked_diffusion", "masking.schedule=uniform", *DRAWN],
    "diffusion without weights": [
        "objective=masked_diffusion", "objective.weighting=none", "masking.schedule=cosine_law", *DRAWN
    ],
    "hybrid": ["objective=hybrid"],
    "hybrid, half asked at the token before": [
        "objective=hybrid", "objective.asked=0.5", "objective.asked_at=before", "objective.until=0.6"
    ],
    "hybrid over the encoder of our own": [
        "objective=hybrid", "architecture=unmask", "architecture.layers=3", "architecture.width=32", *ALL_PARTS
    ],
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("known_peak")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_model_learns_far_below_the_unigram_line_and_the_stock_class_loads_it(run, tmp_path, name):
    narrow = {"adam_learning_rate": 3e-3}  # 1e-3 is for a width of 256
    run = overridden(changed(run, optimizer=narrow, training={"steps": 150, "batch_size": 32}), SETTINGS[name])
    outcome = runs.pretrain(run, tmp_path / "run")
    assert outcome.figures["loss"] < outcome.figures["unigram_loss"] - 0.8
    assert len(outcome.samples) == 5

    ours = unmask.load(tmp_path / "run")
    stock = AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model").eval()
    tokens = torch.tensor([ours.tokenizer.encode(["the dog [MASK] loudly ."])[0].ids.tolist()])
    columns = torch.arange(tokens.shape[1])
    logits = ours.predict(tokens, torch.ones_like(tokens), torch.zeros_like(columns), columns)
    with torch.no_grad():
        torch.testing.assert_close(logits, stock(input_ids=tokens).logits[0], atol=1e-4, rtol=0)
    assert ours.fill("the dog [MASK] loudly .")[0]["token_str"] in {
        "barks",
        "meows",
        "moos",
        "quacks",
        "grunts",
        "hoots",
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_micro_batches_of_rows_that_ask_unequal_numbers_change_nothing_but_the_order_of_sums(run, tmp_path, name):
    run = overridden(run, SETTINGS[name])
    runs.pretrain(run, tmp_path / "whole")
    runs.pretrain(changed(run, training={"micro_batch": 5}), tmp_path / "parts")
    whole, parts = (
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    )
    assert parts == pytest.approx(whole, rel=1e-4)

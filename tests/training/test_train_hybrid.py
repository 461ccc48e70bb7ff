"""The hybrid objective through the whole of training: resuming, the journal, a local encoder in the stock class."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import ModernBertForMaskedLM

import unmask
from unmask import run as runs
from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed
from unmask.errors import Stopped
from unmask.objectives.hybrid import Hybrid

pytestmark = pytest.mark.usefixtures("known_peak")

ENCODERS = {
    "modernbert": ModernBert(layers=2, width=32, heads=2, feedforward=48, positions=64, window=8, global_every=2),
    "bert": Bert(layers=2, width=32, heads=2, feedforward=48, positions=64),
}


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("budget", [{"steps": 6}, {"steps": None, "flops": 5e8}], ids=["steps", "flops"])
@pytest.mark.parametrize("name", ENCODERS)
def test_a_run_stopped_while_rows_are_of_both_kinds_and_resumed_equals_one_never_stopped(
    run, name, budget, tmp_path, stop_at
):
    run = changed(run, training=budget | {"evaluations": 1}, architecture=ENCODERS[name], objective=Hybrid(until=1.0))
    runs.pretrain(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        runs.pretrain(run, tmp_path / "parts", stop_at(2))
    runs.resume(tmp_path / "parts")
    for ours, theirs in zip(metrics(tmp_path / "whole"), metrics(tmp_path / "parts"), strict=True):
        for figure in ("loss", "flops", "tokens", "causal_share", "masked_share"):
            assert ours[figure] == theirs[figure], figure
    whole, parts = (load_file(tmp_path / part / "model" / "model.safetensors") for part in ("whole", "parts"))
    for weight, tensor in whole.items():
        assert tensor.equal(parts[weight]), weight


def test_the_journal_shows_the_rows_go_from_causal_to_masked(run, tmp_path):
    run = changed(run, training={"steps": 8, "evaluations": 0, "batch_size": 32}, objective=Hybrid(until=0.5))
    runs.pretrain(run, tmp_path / "run")
    records = metrics(tmp_path / "run")
    shares = [record["causal_share"] for record in records]
    assert shares[0] == 1.0
    assert 0.0 < shares[2] < 1.0
    assert shares[4:] == [0.0] * 4
    assert records[0]["masked_share"] > 0.9
    assert records[-1]["masked_share"] < 0.3


def test_what_is_left_is_a_stock_modernbert_with_the_same_logits(run, tmp_path):
    run = changed(run, training={"steps": 4, "evaluations": 0}, architecture=ENCODERS["modernbert"], objective=Hybrid())
    runs.pretrain(run, tmp_path / "run")
    ours = unmask.load(tmp_path / "run")
    stock = ModernBertForMaskedLM.from_pretrained(tmp_path / "run" / "model").eval()
    tokens = torch.tensor([ours.tokenizer.encode(["the dog [MASK] loudly . the [MASK] meows ."])[0].ids.tolist()])
    columns = torch.arange(tokens.shape[1])
    logits = ours.predict(tokens, torch.ones_like(tokens), torch.zeros_like(columns), columns)
    with torch.no_grad():
        torch.testing.assert_close(logits, stock(input_ids=tokens).logits[0], atol=1e-4, rtol=0)


def test_bf16_trains_like_float32(run, tmp_path):
    run = changed(run, training={"steps": 3, "evaluations": 0}, objective=Hybrid())
    runs.pretrain(run, tmp_path / "fp32")
    runs.pretrain(changed(run, training={"precision": "bf16"}), tmp_path / "bf16")
    losses = [[record["loss"] for record in metrics(tmp_path / name)] for name in ("fp32", "bf16")]
    assert losses[1] == pytest.approx(losses[0], abs=0.1)

"""C: GPT-BERT (Charpentier and Samuel 2024), its own model and optimizer from a clone of ltgoslo/gpt-bert.

Theirs: model, LAMB, the hybrid loss (one row in sixteen causal, the others masked with the next place answering), z
loss, 30 to 15 % of the tokens masked in spans, clipping, weight decay, cosine with its warm-up, a batch that grows from
a quarter. They take 4 M tokens a step on 256 GPUs; ours are 16,384 at 7e-3, as an entry of BabyLM 2025 on one GPU.
Dropout is off, as in a first epoch it only slows.
Their training script wants CUDA, Slurm and wandb and is not used.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.race.track import Finish, Track
from unmask.errors import SettingError

if TYPE_CHECKING:
    from benchmarks.race.legs import Leg

MODEL, OPTIMIZER = "pretraining/model_extra.py", "pretraining/lamb.py"
SETTINGS = {"learning_rate": 7e-3, "batch": 128, "weight_decay": 0.1, "clip": 2.0, "z_loss": 1e-4, "causal": 16}


def code_of(clone: str | None, name: str) -> ModuleType:
    """A file of the clone as a module; SettingError where it is not there."""
    path = Path(clone or "") / name
    if clone is None or not path.is_file():
        raise SettingError(
            f"C is trained by its own code: git clone https://github.com/ltgoslo/gpt-bert, then --clone FOLDER "
            f"({path} is not there)"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def train(leg: Leg, track: Track) -> Finish:
    """Train until the track is over."""
    import torch

    from unmask.batches import Batches
    from unmask.devices import best_device
    from unmask.masking import Masking
    from unmask.masking.selections.span import Span
    from unmask.tokens.rows import Rows
    from unmask.tokens.store import Store
    from unmask.training.schedules import Cosine, ramped

    torch.manual_seed(leg.seed)
    device = torch.device(best_device())
    store = Store.open(track.course.store)
    model = code_of(track.course.clone, MODEL).Bert(_config(leg, store.vocabulary_size)).to(device).train()
    optimizer = code_of(track.course.clone, OPTIMIZER).Lamb(
        _groups(model), SETTINGS["learning_rate"], betas=(0.9, 0.98), eps=1e-8
    )
    masking, schedule = Masking(selection=Span(stop=0.4, longest=3)), Cosine(warmup=0.016)
    batches = Batches(Rows(store, "train", 128, "packed", leg.seed), masking, leg.seed)
    predict, steps, rows, tokens = predictor(model), 0, 0, 0
    track.begin()
    while not track.over:
        count = ramped(SETTINGS["batch"], 0.25, 1.0, track.progress)
        batch = batches.at(rows, count, masking.ratio_at(track.progress)).to(device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["clip"])
        for group in optimizer.param_groups:
            group["lr"] = SETTINGS["learning_rate"] * schedule.multiplier(track.progress)
        optimizer.step()
        steps, rows, tokens = steps + 1, rows + count, tokens + int((batch.groups > 0).sum())
        track.step(predict, steps, tokens)
    return Finish(predict, sum(each.numel() for each in model.parameters()), steps, tokens, dict(SETTINGS))


def _config(leg: Leg, words: int) -> SimpleNamespace:
    """Their small.json at the leg's size: feed-forward of 10/3 widths, in steps of 64."""
    return SimpleNamespace(
        vocab_size=words,
        hidden_size=leg.width,
        intermediate_size=max(leg.width, 64 * round(leg.width * 10 / 3 / 64)),
        num_hidden_layers=leg.layers,
        num_attention_heads=max(1, leg.width // 64),
        max_position_embeddings=512,
        position_bucket_size=32,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _groups(model: Any) -> list[dict[str, Any]]:
    """Weight decay for all but biases and norms."""
    still = [each for name, each in model.named_parameters() if "bias" in name or "layer_norm" in name]
    apart = {id(each) for each in still}
    decaying = [each for each in model.parameters() if id(each) not in apart]
    return [{"params": decaying, "weight_decay": SETTINGS["weight_decay"]}, {"params": still, "weight_decay": 0.0}]


def _loss(model: Any, batch: Any) -> Any:
    """Their hybrid loss with its z loss: the last rows of the batch are causal."""
    asked = hybrid(batch, len(batch) - len(batch) // int(SETTINGS["causal"]))
    result = model(asked.inputs, asked.hidden, asked.targets, asked.masked, asked.masked / len(batch))
    return result[0] + SETTINGS["z_loss"] * result[6]


class Hybrid(NamedTuple):
    """What their model reads, T-1 places of a row of T: each answers for the place behind it."""

    inputs: Any
    """(T-1,B)"""
    targets: Any
    """(T-1,B), -100 where nothing is asked"""
    hidden: Any
    """bool (B,T-1,T-1): true where a token is not seen"""
    masked: int
    """rows that are masked; those behind them are causal"""


def hybrid(batch: Any, masked: int) -> Hybrid:
    """A batch of masked rows as they read it: the first `masked` rows with their masks, the others whole and causal."""
    import torch

    from unmask.batches import IGNORE

    T = batch.inputs.shape[1]
    true = torch.where(batch.targets == IGNORE, batch.inputs, batch.targets)
    causal = (torch.arange(len(batch), device=true.device) >= masked)[:, None]
    inputs = torch.where(causal, true, batch.inputs)[:, :-1]
    follows = (batch.groups[:, 1:] == batch.groups[:, :-1]) & (batch.groups[:, 1:] > 0)
    targets = torch.where(causal, true, batch.targets)[:, 1:]
    targets = targets.masked_fill(~follows, IGNORE)
    later = torch.ones(T - 1, T - 1, dtype=torch.bool, device=true.device).triu(1)
    return Hybrid(inputs.t(), targets.t(), _hidden(batch.groups[:, :-1]) | (causal[:, :, None] & later), masked)


def _hidden(groups: Any) -> Any:
    """groups (B,T) -> bool (B,T,T): true where a token is of another group."""
    return groups[:, :, None] != groups[:, None, :]


def predictor(model: Any) -> Any:
    """Logits in float32 at the asked places, each from the place before it: (B,T), (B,T), (N,), (N,) -> (N,V)."""
    import torch

    def predict(tokens: Any, groups: Any, rows: Any, columns: Any) -> Any:
        device = next(model.parameters()).device
        model.eval()
        with torch.inference_mode():
            hidden = model.get_contextualized(tokens.t().to(device), _hidden(groups).to(device))  # (T,B,D)
            logits = model.classifier.nonlinearity(hidden[columns.to(device) - 1, rows.to(device)])
        model.train()
        return logits

    return predict

"""The Trainer of transformers, by the clock.

A   `BertForMaskedLM` of the same depth and width with the defaults of run_mlm.py: float32, AdamW 5e-5, linear decay, 8
    rows in a step, 15 % of the tokens masked, dropout 0.1; feed-forward of four widths, as in BERT.
B   `ModernBertForMaskedLM` of the default recipe's size, as an expert would: bf16, projection at the masked places
    alone (`sparse_prediction`), torch's fused attention without a mask to make, warm-up and linear decay that end with
    the time, 30 % masked and betas as in its paper (Warner et al. 2024), learning rate and batch the best of a search.

Neither logs, saves or evaluates on its way. Rows are collated in the training process: another would take a core from
the model. Not compiled: with `sparse_prediction` every step has shapes of its own.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.race.track import Finish, Track

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.race.legs import Leg

A_MASKED, B_MASKED = 0.15, 0.3
WARMUP = 0.06


def train_a(leg: Leg, track: Track) -> Finish:
    """run_mlm.py's defaults."""
    import transformers as hf

    tokenizer = _tokenizer(track)
    hf.set_seed(leg.seed)
    model = hf.BertForMaskedLM(
        hf.BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=leg.width,
            intermediate_size=4 * leg.width,
            num_hidden_layers=leg.layers,
            num_attention_heads=max(1, leg.width // 64),
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    given = {"learning_rate": 5e-5, "per_device_train_batch_size": 8}
    return _trained(leg, track, model, tokenizer, given, lambda progress: 1 - progress, A_MASKED)


def train_b(leg: Leg, track: Track) -> Finish:
    """What an expert gets out of it."""
    import transformers as hf

    from benchmarks.steps import stock_modernbert
    from unmask.training.schedules import Linear

    tokenizer = _tokenizer(track)
    tokenizer.model_input_names = ["input_ids"]  # every token is real: no attention mask is made or looked at
    hf.set_seed(leg.seed)
    sizes = {"layers": leg.layers, "width": leg.width, "heads": max(1, leg.width // 64), "feedforward": 2 * leg.width}
    model = stock_modernbert(sizes | {"words": len(tokenizer)}, sparse=True)
    given = {
        "learning_rate": leg.settings["learning_rate"],
        "per_device_train_batch_size": leg.settings["batch"],
        "bf16": True,
        "adam_beta2": 0.98,
        "adam_epsilon": 1e-6,
        "weight_decay": 0.01,
    }
    return _trained(leg, track, model, tokenizer, given, Linear(warmup=WARMUP).multiplier, B_MASKED)


def _tokenizer(track: Track) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(f"{track.course.store}/tokenizer")


def _trained(
    leg: Leg,
    track: Track,
    model: Any,
    tokenizer: Any,
    given: dict[str, Any],
    multiplier: Callable[[float], float],
    masked: float,
) -> Finish:
    """Train until the track is over; multiplier: the learning rate as a share of its peak, from the progress."""
    import torch
    import transformers as hf

    steps_seen, predict = [0], predictor(model)

    class ByTheClock(hf.Trainer):
        """The learning rate follows the clock."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            taken: Any = optimizer or self.optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(taken, lambda _: multiplier(track.progress))
            return self.lr_scheduler

    class Marks(hf.TrainerCallback):
        """Asks at the marks and stops with the time."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            track.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            steps_seen[0] = state.global_step
            track.step(predict, state.global_step, state.global_step * tokens_in_step)
            control.should_training_stop = track.over

    rows: Any = _Rows(track.course.rows, tokenizer)
    tokens_in_step = given["per_device_train_batch_size"] * rows.row_length
    with tempfile.TemporaryDirectory() as folder:
        wanted = hf.TrainingArguments(
            output_dir=folder,
            max_steps=1 << 40,
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,  # they are few, and looking for them takes time at every step
            seed=leg.seed,
            **given,
        )
        collator = hf.DataCollatorForLanguageModeling(tokenizer, mlm_probability=masked)
        trainer = ByTheClock(model, wanted, train_dataset=rows, data_collator=collator, callbacks=[Marks()])
        trainer.remove_callback(hf.PrinterCallback)
        trainer.train()
    settings = given | {"mask_share": masked, "attention": model.config._attn_implementation}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Finish(predict, parameters, steps_seen[0], steps_seen[0] * tokens_in_step, settings)


class _Rows:
    """The grouped rows as a data set of the Trainer, with what its collator would else look up for every row."""

    def __init__(self, path: str, tokenizer: Any) -> None:
        import numpy as np

        self._rows = np.load(path, mmap_mode="r")
        self._special = np.zeros(len(tokenizer), dtype=np.int64)
        self._special[tokenizer.all_special_ids] = 1

    @property
    def row_length(self) -> int:
        return self._rows.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        row = self._rows[number]
        return {"input_ids": row, "special_tokens_mask": self._special[row]}


def predictor(model: Any) -> Any:
    """Logits of a stock model in float32 at the asked places: (B,T), (B,T), (N,), (N,) -> (N,V)."""
    import torch

    from unmask.models import head_of

    head = head_of(model, model.config.model_type)
    assert head is not None

    def predict(tokens: Any, groups: Any, rows: Any, columns: Any) -> Any:
        training = model.training
        model.eval()
        with torch.inference_mode():
            visible = (groups > 0).long().to(model.device)
            hidden = model.base_model(input_ids=tokens.to(model.device), attention_mask=visible)[0]
            logits = head(hidden[rows.to(model.device), columns.to(model.device)])
        model.train(training)
        return logits

    return predict

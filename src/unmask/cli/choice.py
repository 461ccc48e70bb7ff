"""What recipe `auto` decided, as a person reads it before training starts: one block of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmask.scaling import Choice

_BESIDE = 4


def lines(choice: Choice) -> list[str]:
    """The lines of the block, in rich markup."""
    return [f"[bold]{name:<9}[/bold] {said}" for name, said in _said(choice).items() if said]


def _said(choice: Choice) -> dict[str, str]:
    from unmask.training.schedules import ramped

    run, best, text = choice.run, choice.best, choice.lines
    model, rates, schedule = run.architecture, run.optimizer, run.training.schedule
    training, passes = run.training, best.tokens / choice.unique
    first = ramped(best.rows, training.batch_start, training.batch_ramp, 0.0)
    beside = [f"{one.size} {one.loss:.2f}" for one in choice.considered[1 : 1 + _BESIDE]]
    return {
        "text": f"{choice.unique / 1e6:,.1f} M tokens, {run.training.minutes:g} minutes on one {choice.device}",
        "model": f"{model.layers} layers of {model.width}, {model.heads} heads: "
        f"{best.size.parameters / 1e6:.1f} M parameters beside the embedding",
        "step": f"{first} rows of {run.data.row_length} tokens at first, "
        f"{best.rows} in {best.step_seconds:.2f} seconds at last",
        "run": f"about {best.steps:,.0f} steps, {best.tokens / 1e6:,.1f} M tokens, {passes:.1f} passes over the text",
        "rates": f"{rates.learning_rate:g} for matrices, {rates.adam_learning_rate:g} for the rest; "
        f"warm-up {schedule.warmup:.0%}, decay {schedule.decay:.0%}",
        "expected": f"held-out loss {best.loss:.2f}, give or take {choice.error:.2f} "
        f"(unigrams {text.unigram:.2f}, n-grams {text.ngram:.2f})",
        "beside it": ", ".join(beside),
        "note": "larger than any run behind this: the expectation is extrapolated" if choice.extrapolated else "",
    }

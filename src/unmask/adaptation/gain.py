"""What a model gained on new text and forgot of the old: the same words blanked, before and after.

Words are blanked by a hash of their text, so they are the same also where the tokenizer was extended. Losses per token
are not comparable then, bits per character of the blanked words and the share of words right are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.evaluation.blanks import FEWEST, make_blanks
from unmask.evaluation.documents import documents, sampled
from unmask.evaluation.masked import score_blanks
from unmask.recipes.continued import name_of
from unmask.report.card import FIGURES

if TYPE_CHECKING:
    from unmask.corpus import Document
    from unmask.models import Model
    from unmask.run import Run
    from unmask.tokens.store import Store

MEASURED = ("loss", "word_accuracy", "bits_per_character", "masked_tokens")
COMPARED = ("loss", "word_accuracy", "bits_per_character")
TOKEN_CHARACTERS = 4
"""Characters read for each token that evaluation.final_tokens allows: tokenizers may differ, the text must not."""

HEADING = "## Adaptation"
TEXTS = {"new": "new text", "old": "old text"}


def kept(place: str | Path, run: Run) -> list[Document]:
    """Held-out documents of a store, or those of a text, as many as evaluation.final_tokens allows."""
    found = documents(place, run.corpus)
    if run.evaluation.final_tokens is None:
        return list(found)
    characters = TOKEN_CHARACTERS * run.evaluation.final_tokens
    return sampled(found, characters, max(1, characters // FEWEST))


def judged(model: Model, texts: list[Document], run: Run) -> dict[str, Any]:
    """The figures of a model on the blanks of these texts: MEASURED."""
    length = min(run.data.row_length, model.row_limit)
    blanks = make_blanks(model.tokenizer, texts, length, run.evaluation.share)
    figures = score_blanks(blanks, model.predict)
    return {name: figures[name] for name in MEASURED}


def record(
    folder: Path, before: Model, store: Store, first: dict[str, dict[str, Any]], last: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Write the gain into model/figures.json and the card of a finished run, and return it.

    {"model", "new_tokens", "new": {"before", "after"}, "old": the same, or None where no old text was given}
    """
    gain: dict[str, Any] = {
        "model": str(before.path),
        "new_tokens": store.vocabulary_size - before.tokenizer.vocabulary_size,
    }
    for name in TEXTS:
        gain[name] = {"before": first[name], "after": last[name]} if name in first else None
    card, figures = folder / "model" / "README.md", folder / "model" / "figures.json"
    above = card.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[0]
    _replaced(card, f"{above}\n{_section(gain)}")
    held = json.loads(figures.read_text(encoding="utf-8")) | {"adaptation": gain}
    _replaced(figures, json.dumps(held, indent=2, ensure_ascii=False) + "\n")
    return gain


def recorded(folder: Path) -> dict[str, Any] | None:
    """The gain of a run that was measured before, None for another one."""
    return json.loads((folder / "model" / "figures.json").read_text(encoding="utf-8")).get("adaptation")


def compared(gain: dict[str, Any]) -> list[list[str]]:
    """Rows for a reader: text, figure, before, after, change. Losses per token only where tokens are the same."""
    names = [name for name in COMPARED if not (gain["new_tokens"] and name == "loss")]
    rows = []
    for text, label in TEXTS.items():
        for name in names if gain[text] else ():
            before, after = (gain[text][when][name] for when in ("before", "after"))
            figure, _, form = FIGURES[name]
            rows.append([label, figure, form.format(before), form.format(after), _change(name, after - before)])
    return rows


def remark(gain: dict[str, Any]) -> str:
    """What a reader of the rows must know."""
    said = "The same words blanked before and after."
    if gain["new_tokens"]:
        said += f" With {gain['new_tokens']:,} new tokens losses per token do not compare; bits per character do."
    return said if gain["old"] else said + " No old text was given: what was forgotten is not known."


def _change(name: str, difference: float) -> str:
    return f"{100 * difference:+.1f} points" if name == "word_accuracy" else f"{difference:+.3f}"


def _section(gain: dict[str, Any]) -> str:
    """The part of the card that says what adaptation did."""
    head = ["| Text | Figure | Before | After | Change |", "|---|---|---:|---:|---:|"]
    table = "\n".join([*head, *(f"| {' | '.join(row)} |" for row in compared(gain))])
    return f"{HEADING}\n\nContinued from {name_of(gain['model'])}. {remark(gain)}\n\n{table}\n"


def _replaced(path: Path, text: str) -> None:
    """All of it or nothing: written beside and renamed."""
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)

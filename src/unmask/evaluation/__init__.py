"""How well a model restores words of documents it has not seen.

    evaluate("runs/demo")                        on the held-out documents of the run's own store
    evaluate("runs/demo", "stores/wiki")         on those of another store, or of several: ["stores/en", "stores/zh"]
    evaluate("answerdotai/ModernBERT-base", "my-texts/")
    evaluate("runs/demo", "blimp/", suite="blimp")
    evaluate("runs/demo", "glue/", suite="glue")         fine-tuned for each of its tasks

The words asked for depend on the text alone, so figures in bits per character compare across tokenizers and models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.config import require
from unmask.errors import DataError
from unmask.menu import Menu

if TYPE_CHECKING:
    from unmask.corpus import CorpusSettings
    from unmask.models import Model

# The second trains for tasks, and so stands above: it is called by name.
SUITES = Menu("suite", {"blimp": "unmask.evaluation.minimal_pairs:Blimp", "glue": "unmask.tasks.glue:Glue"})
"""Benchmarks with files of their own: `Suite(sample=...).judge(model, data)` gives a dict with `accuracy`, and a dict
from name to accuracy for each way to group its questions. One that `takes_folder` is given the model's name instead,
and gives figures of its own."""

PLL_METRICS = Menu(
    "metric",
    {
        "original": "unmask.evaluation.pseudo_likelihood:original",
        "within_word_l2r": "unmask.evaluation.pseudo_likelihood:within_word_l2r",
    },
)
"""From where words start among the tokens of a text, bool (n,), to what is hidden while each token is asked for: the
tokens from itself up to this place, int64 (n,)."""

ROW_LENGTH = 512
"""Tokens in a row for a model that does not say what it was trained on, as long as it can read so many."""

SHARE = 0.15
"""The share of words that is blanked."""


def evaluate(
    model: str | Path | Model,
    data: str | Path | Sequence[str | Path] | None = None,
    *,
    row_length: int | None = None,
    share: float | None = None,
    limit_tokens: int | None = None,
    batch_rows: int = 64,
    corpus: CorpusSettings | None = None,
    suite: str | None = None,
    sample: int | None = None,
) -> dict[str, Any]:
    """The figures of a model (a path, a Hub name, or loaded) on held-out text with blanks.

    `data` is a store (its validation documents), or any text as `unmask prepare` takes it, read with the settings
    `corpus`; or several of them. Without it the model is judged as its run judged it at the end: on the run's own
    store, as many tokens.
    By default the `row_length` in tokens is that of the run, else 512, and 15 % of the words are blanked.

    The keys are those of `score_blanks`; `unigram_loss` is None for a model that came without its counts. Text of
    several sources has figures for each of them under `sources`.

    With a `suite` of the menu SUITES the model is judged by that instead, on its own files in `data`: the figures are
    those of its `judge`, on `sample` questions of each kind (all by default).

    Raises ModelError for what is no model, DataError for what is no text, SettingError for rows the model cannot read.
    """
    from unmask.evaluation.blanks import make_blanks
    from unmask.evaluation.documents import documents
    from unmask.evaluation.masked import score_blanks

    require(sample is None or suite is not None, "a sample is drawn from a suite: name one, e.g. --suite blimp")
    judge = None if suite is None else SUITES.load(suite)(sample=sample)
    places = [] if data is None else [data] if isinstance(data, (str, Path)) else list(data)
    require(judge is None or len(places) == 1, f"the files of {suite} are needed: name their folder with --data FOLDER")
    if judge is not None and judge.takes_folder:
        return judge.judge(model if isinstance(model, (str, Path)) else model.path, places[0])
    if isinstance(model, (str, Path)):
        from unmask.models import load

        model = load(model)
    if judge is not None:
        return judge.judge(model, places[0])
    length = row_length or min(_run_setting(model, "data", "row_length") or ROW_LENGTH, model.row_limit)
    require(
        length <= model.row_limit,
        f"row_length={length}: the model reads at most {model.row_limit} tokens; set row_length={model.row_limit}",
    )
    if not places:
        places = [_own_store(model)]
        share = share or _run_setting(model, "evaluation", "share")
        limit_tokens = limit_tokens or _run_setting(model, "evaluation", "final_tokens")
    texts = chain.from_iterable(documents(place, corpus) for place in places)
    blanks = make_blanks(model.tokenizer, texts, length, share or SHARE, limit_tokens)
    return score_blanks(blanks, model.predict, model.token_counts, batch_rows)


def _run_setting(model: Model, section: str, name: str) -> Any:
    """A setting of the run that made the model, None where there is no run or no such setting."""
    run = model.run or {}
    return run.get("run", run).get(section, {}).get(name)


def _own_store(model: Model) -> str:
    from unmask.evaluation.documents import STORE

    store = _run_setting(model, "data", "store")
    if store is None:
        raise DataError(f"{model.path} does not say what it was trained on: name texts or a store with --data PATH")
    if not (Path(store) / STORE).is_file():
        raise DataError(f"{store}, the store of the run, is not there: name texts or a store with --data PATH")
    return store

"""Which is better for your text? Several recipes under one budget on one store, judged by the same questions.

    compare(["modernbert", "lstm", "data.store=stores/wiki", "training.minutes=5"], "comparisons/wiki", seeds=2)
    compare_models(["runs/a", "bert-base-uncased"], "my-texts/")          finished ones, of any tokenizer

COMPARISON/runs/NAME-SEED        an ordinary run folder for every leg; a finished one put there is taken as it is
COMPARISON/legs/NAME-SEED.json   what it came to
COMPARISON/comparison.md, .json, .png

The same call again goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import DataError
from unmask.stopping import stoppable

if TYPE_CHECKING:
    from unmask.comparison.finished import ModelFigures
    from unmask.comparison.legs import Leg
    from unmask.comparison.table import Comparison
    from unmask.comparison.verdicts import MinimalPairs
    from unmask.tokens.store import Store

__all__ = ["compare", "compare_models"]

AGAIN = "stopped before the end; what is finished is kept: run the same command again to go on"
TEXT, PICTURE, DATA = "comparison.md", "comparison.png", "comparison.json"


def compare(
    words: Sequence[str],
    to: str | Path,
    *,
    seeds: int = 1,
    blimp: str | Path | None = None,
    sample: int | None = None,
    baselines: bool = True,
    train: Callable[[Path], Any] | None = None,
) -> Comparison:
    """Train and judge the legs that `words` describe (see `legs.planned`), with `seeds` seeds each, in the folder `to`.

    Every leg is asked the same blanks of the store's held-out documents. With `blimp`, the folder of its files, they
    are judged by minimal pairs too, `sample` of each paradigm. `baselines` are rows for the unigram frequencies and an
    n-gram filler. `train` takes a run folder and finishes its run: in a process of its own unless said otherwise.

    Raises SettingError for legs that cannot be compared, or a leg in `to` that was made with other settings; Stopped
    when asked to stop: the same call goes on.
    """
    from unmask.comparison.apart import resumed_apart
    from unmask.comparison.legs import planned

    to, legs = Path(to), planned(words, seeds)
    with stoppable(AGAIN):
        return _compared(legs, to, blimp, sample, baselines, train or resumed_apart)


def _compared(
    legs: Sequence[Leg],
    to: Path,
    blimp: str | Path | None,
    sample: int | None,
    baselines: bool,
    train: Callable[[Path], Any],
) -> Comparison:
    """Legs trained and judged, and published."""
    from unmask.comparison.table import Comparison
    from unmask.comparison.verdicts import MinimalPairs, adoptable, judged, same_blanks
    from unmask.tokens.store import Store

    store = Store.open(str(legs[0].run.data.store))
    pairs = None if blimp is None else MinimalPairs(_folder(blimp), sample)
    for leg in legs:
        adoptable(leg, store, to)
    verdicts = {leg.key: judged(leg, store, to, train, pairs) for leg in legs}
    named = {leg.key: leg.name for leg in legs}
    if baselines:
        beside = _baselines(legs[0], store, to, pairs)
        verdicts, named = verdicts | beside, named | {name: name for name in beside}
    same_blanks(verdicts)
    made = Comparison.of(named, verdicts, str(legs[0].run.training.budget))
    _published(made, legs, verdicts, to)
    return made


def compare_models(
    models: Sequence[str | Path],
    data: str | Path,
    *,
    blimp: str | Path | None = None,
    sample: int | None = None,
    characters: int | None = None,
    sentences: int | None = None,
) -> list[ModelFigures]:
    """Finished masked language models of any tokenizer on one text, by figures that need no tokenizer.

    See `finished.judged`. `data` is a store (its held-out documents) or any text that `prepare` takes; `characters` of
    it are read, `sentences` of it scored.
    """
    from unmask.comparison.finished import CHARACTERS, SENTENCES, judged
    from unmask.comparison.verdicts import MinimalPairs

    pairs = None if blimp is None else MinimalPairs(_folder(blimp), sample)
    return judged(list(models), data, pairs, characters or CHARACTERS, sentences or SENTENCES)


def _folder(blimp: str | Path) -> Path:
    """Refused before anything is trained for nothing."""
    if not Path(blimp).exists():
        raise DataError(f"{blimp}: no such file or folder; --blimp takes the folder with BLiMP's .jsonl files")
    return Path(blimp)


def _baselines(leg: Leg, store: Store, to: Path, pairs: MinimalPairs | None) -> dict[str, Any]:
    """The verdicts on what is no neural network, made again where other blanks are asked than in their files."""
    from unmask.comparison.baselines import BASELINES, verdict
    from unmask.comparison.verdicts import LEGS, read, write

    made = {}
    for name, kind in BASELINES.items():
        path = to / LEGS / f"{name}.json"
        made[name] = verdict(kind, leg.run, store, pairs, read(path))
        write(path, made[name])
    return made


def _published(made: Comparison, legs: Sequence[Leg], verdicts: dict[str, Any], to: Path) -> None:
    """comparison.md, .json and .png."""
    from unmask.comparison.table import markdown
    from unmask.comparison.verdicts import RUNS, write
    from unmask.report.comparison import plot_comparison

    runs: dict[str, list[Path]] = {}
    for leg in legs:
        runs.setdefault(leg.name, []).append(to / RUNS / leg.key)
    lines = {key: each["validation_loss"] for key, each in verdicts.items() if "validation_loss" in each}
    picture = plot_comparison(runs, lines, to / PICTURE)
    write(to / DATA, made.as_dict())
    (to / TEXT).write_text(markdown(made, picture.name if picture else None), encoding="utf-8")

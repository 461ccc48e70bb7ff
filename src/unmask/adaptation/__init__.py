"""A model that was trained before goes on with the text of a domain, and what it gained and forgot is measured.

    adapt("runs/wiki", "law-texts/")                                    -> runs/wiki-adapted
    adapt("runs/wiki", "law-texts/", replay="stores/wiki")              a tenth of the tokens from its former text
    adapt("bert-base-uncased", "law-texts/", new_tokens=2000, old="wiki-sample/")

The learning rate is warmed up again, to a share of the former peak, and decays (Gupta et al. 2023, "Continual
pre-training of large language models: how to (re)warm your model?"); replayed text keeps the old from being forgotten
(Ibrahim et al. 2024, "Simple and scalable strategies to continually pre-train large language models").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask import console
from unmask.adaptation.gain import judged, kept, record, recorded
from unmask.adaptation.growth import grown
from unmask.config import overridden, require
from unmask.distributed import world
from unmask.errors import SettingError, Stopped
from unmask.evaluation.documents import STORE
from unmask.tokens.mixing import require_same_tokenizer
from unmask.tokens.tokenizer import Tokenizer
from unmask.tokens.training import TokenizerSettings
from unmask.training.schedules import Budget

if TYPE_CHECKING:
    from unmask.corpus import Document
    from unmask.models import Model
    from unmask.run import Run
    from unmask.tokens.store import Store
    from unmask.training.display import Display

EPOCHS = 1.0
"""How often the new text is read where no budget is given."""


@dataclass(frozen=True)
class Adapted:
    """A model after adaptation: its run folder, the figures of the run, sentences restored, and `gain` (see `record`
    in `gain.py`)."""

    folder: Path
    figures: dict[str, Any]
    samples: list[tuple[str, str]]
    gain: dict[str, Any]


def adapt(
    model: str | Path,
    data: str | Path | Sequence[str | Path],
    to: str | Path | None = None,
    settings: Sequence[str] = (),
    *,
    replay: str | Path | None = None,
    old: str | Path | None = None,
    new_tokens: int = 0,
    display: Display | None = None,
) -> Adapted:
    """Go on training a masked language model on new text, in the run folder `to` (runs/NAME-adapted by default).

    data: texts, prepared with the model's tokenizer, or one store that was. replay: a store of the same tokenizer, or
    texts, of which data.replay_share of the tokens are read. old: text or a store on which forgetting is measured; by
    default the replayed one, else the store the model was trained on. new_tokens: so many more tokens, for what is
    frequent in the new text. settings: `section.field=value` as for pretraining; without a budget the text is read
    once.

    The same call goes on with a run that was stopped, and a finished one just returns its figures. ModelError for what
    is no masked language model, DataError for a store of another tokenizer, SettingError for settings that do not fit.
    """
    from unmask.models import load
    from unmask.recipes.continued import name_of
    from unmask.run import settled

    require(
        world().size == 1, "unmask adapt prepares and judges in one process; train by unmask pretrain under torchrun"
    )
    require(new_tokens >= 0, f"new_tokens={new_tokens}: 0 or more is needed")
    before = load(model)
    folder = Path(to or Path("runs") / f"{name_of(str(model))}-adapted")
    run = _planned(str(model), folder.name, settings)
    sources = _listed(data)
    store = _prepared(sources, run, TokenizerSettings(folder=str(before.path), new_tokens=new_tokens))
    run = replace(run, start=replace(run.start, model=str(_started(before, store, folder))))
    if replay is not None:
        replayed = _prepared([str(replay)], run, TokenizerSettings(folder=str(store.folder / "tokenizer")))
        require_same_tokenizer(store, replayed)
        run = replace(run, data=replace(run.data, replay=str(replayed.folder.resolve())))
    source = None if _is_store(sources[0]) else " ".join(sources)
    run = settled(replace(run, data=replace(run.data, source=source, store=str(store.folder.resolve()))))
    texts = _held_out(run, store, run.data.replay if old is None else str(old), before)
    first = {name: judged(before, some, run) for name, some in texts.items()}
    outcome = _trained(run, folder, display)
    if (gain := recorded(folder)) is None:
        after = load(folder)
        gain = record(folder, before, store, first, {name: judged(after, some, run) for name, some in texts.items()})
    return Adapted(folder, outcome.figures, outcome.samples, gain)


def _planned(model: str, name: str, settings: Sequence[str]) -> Run:
    """The run that goes on from a model: its own good defaults, then the settings, then a budget if there is none."""
    from unmask.recipes.continued import continued

    run = overridden(replace(continued(model), name=name), settings)
    if all(getattr(run.training, field.name) is None for field in fields(Budget)):
        run = replace(run, training=replace(run.training, epochs=EPOCHS))
    assert run.training.budget  # refuses what cannot be, before any text is prepared
    return run


def _listed(data: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(data)] if isinstance(data, (str, Path)) else [str(place) for place in data]


def _is_store(place: str) -> bool:
    return (Path(place) / STORE).is_file()


def _prepared(sources: list[str], run: Run, tokenizer: TokenizerSettings) -> Store:
    """The store that is named, or one made of the texts with this tokenizer."""
    from unmask.stages import prepared
    from unmask.tokens.store import Store

    require(bool(sources), "which text? unmask adapt MODEL TEXTS")
    if not _is_store(sources[0]):
        return prepared(sources, run.corpus, tokenizer)
    require(len(sources) == 1, f"{sources[0]} is a store: give one store, or texts")
    require(
        not tokenizer.new_tokens,
        f"{sources[0]} is cut into tokens already: new tokens need its texts, unmask adapt MODEL TEXTS --new-tokens "
        f"{tokenizer.new_tokens}",
    )
    return Store.open(sources[0])


def _started(before: Model, store: Store, folder: Path) -> Path:
    """The model folder to start from: that of the model, or beside the run one with rows for the store's new tokens."""
    from unmask.start.folder import require_its_tokenizer
    from unmask.tokens.extension import extends

    larger = store.tokenizer()
    if not extends(larger, before.tokenizer):
        require_its_tokenizer(before.path, store)
        return before.path
    place = folder.with_name(f"{folder.name}-start")
    if not place.exists():
        grown(before.path, before.tokenizer, larger, place)
        console.say(
            f"{larger.vocabulary_size - before.tokenizer.vocabulary_size} new tokens: the run starts from {place}"
        )
    elif Tokenizer.load(place).fingerprint != larger.fingerprint:
        raise SettingError(
            f"{place} exists already, with other tokens: remove it, or take another folder with --to PATH"
        )
    return place


def _held_out(run: Run, store: Store, old: str | None, before: Model) -> dict[str, list[Document]]:
    """What is judged before and after: held-out documents of the new text and, if there is some, of the old."""
    former = ((before.run or {}).get("data") or {}).get("store")
    if old is None and former and _is_store(former):
        old = former
    texts = {"new": kept(store.folder, run)}
    if old is None or Path(old).resolve() == store.folder.resolve():
        console.warn("what is forgotten is not measured: name some of the old text with --old TEXTS or a store")
        return texts
    return texts | {"old": kept(old, run)}


def _trained(run: Run, folder: Path, display: Display | None) -> Any:
    """The run from its start, or from where the same run was stopped."""
    from unmask.run import pretrain, resume, saved

    try:
        if not (folder / "run.json").is_file():
            return pretrain(run, folder, display)
        if saved(folder / "run.json") != run:
            raise SettingError(f"{folder} exists already, as another run: take another folder with --to PATH")
        return resume(folder, display)
    except Stopped as error:
        raise Stopped(f"{str(error).partition('; go on with')[0]}; go on with the same command") from None

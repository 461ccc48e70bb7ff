"""The stages of a run, in the order in which `unmask.run` calls them.

A run folder says by its contents how far it is: run.json (started), checkpoints/ (training), model/ (finished).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

import unmask
from unmask import console
from unmask.batches import Batches
from unmask.config import to_dict
from unmask.distributed import World
from unmask.errors import DataError, ModelError, SettingError, Stopped, UnmaskError
from unmask.evaluation.held_out import Judge
from unmask.evaluation.masked import BLANK
from unmask.models import write_token_counts
from unmask.objectives.distillation import StudentObjective
from unmask.start import beginning as start
from unmask.tokens.mixing import mixed, parsed_weights
from unmask.tokens.store import Store
from unmask.training.checkpoint import newest
from unmask.training.compiling import Compiled, compiles
from unmask.training.fit import Fit
from unmask.training.memory import keep_large_blocks, peak_memory
from unmask.training.parallel import same, together
from unmask.training.precision import Masters, chosen_device, chosen_dtype
from unmask.training.schedules import Spent
from unmask.training.settings import Training
from unmask.training.throughput import peak_flops
from unmask.weights import load_weights, save_objective

if TYPE_CHECKING:
    from unmask.corpus import CorpusSettings
    from unmask.run import Run
    from unmask.tokens.training import TokenizerSettings
    from unmask.training.display import Display


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, the held-out figures of `unmask evaluate`, and sentences with restored blanks."""

    folder: Path
    figures: dict[str, Any]
    samples: list[tuple[str, str]]
    """(with blanks, restored)"""


@dataclass(frozen=True)
class Machine:
    """What a run computes on: recorded in run.json and taken again on resume, so that sums are the same."""

    device: torch.device
    dtype: torch.dtype
    threads: int
    compiled: bool = False


# ---------------------------------------------------------------- starting, and finding again


class Trained(Protocol):
    """Settings of a run of any kind: those of pretraining, or of a task."""

    @property
    def training(self) -> Training: ...


def started(run: Trained, folder: Path, me: World, known: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Make the run folder and write run.json, with what is `known` of the run, before anything else is done. A group
    that torchrun started again finds its own run there and goes on with it."""
    if me.first and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0:
        make_folder(folder)
        _record(folder, run, _environment() | dict(known))
    together()


def require_free(folder: Path) -> None:
    """SettingError when there is something in the folder of a new run already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingError(
            f"{folder} exists already: go on with --resume {folder}, or take another folder with --to PATH"
        )


def make_folder(folder: Path) -> None:
    """A new folder for a run; SettingError when there is something in it already or it cannot be made."""
    require_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise SettingError(
            f"{folder} cannot be written ({error.strerror}): take another folder with --to PATH"
        ) from None


def given_up(folder: Path, me: World, error: UnmaskError) -> None:
    """Remove a run folder that holds nothing but run.json, unless the run was stopped and can go on."""
    if me.first and not isinstance(error, Stopped) and [path.name for path in folder.iterdir()] == ["run.json"]:
        shutil.rmtree(folder)


def found(folder: Path) -> Path:
    """A run folder that exists; ModelError when there is no run in it."""
    if not (folder / "run.json").is_file():
        raise ModelError(f"{folder} is not a run folder: it has no run.json. Start one with: unmask pretrain RECIPE")
    return folder


def finished(folder: Path) -> Outcome | None:
    """What a run that is finished came to, None for one that is not."""
    path = folder / "model" / "figures.json"
    if not path.is_file():
        return None
    console.say(f"{folder} is finished already")
    data = json.loads(path.read_text(encoding="utf-8"))
    return Outcome(folder, data["figures"], [tuple(pair) for pair in data["samples"]])


def _recorded(folder: Path) -> dict[str, Any]:
    """What run.json says of where the run was started; ModelError when it is damaged."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["environment"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder / 'run.json'} is damaged ({error}); start the run again with another --to") from None


def _record(folder: Path, run: Trained, environment: dict[str, Any]) -> None:
    write_json(folder / "run.json", {"run": to_dict(run), "environment": environment})


def _environment() -> dict[str, Any]:
    return {
        "unmask": unmask.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def same_masks(run: Run, folder: Path, me: World) -> None:
    """Look at the file that the selection of masks goes by, where there is one, before anything else is done.

    Its fingerprint is recorded; DataError when it has changed since the run was started.
    """
    environment, found = _recorded(folder), run.masking.fingerprint
    known = environment.get("selection")
    if known not in (None, found):
        raise DataError(
            f"{run.masking.selection.tagged} is not the text this run was started with: put that back, or start "
            "another run with --to PATH"
        )
    if me.first and found != known:
        _record(folder, run, environment | {"selection": found})


# ---------------------------------------------------------------- the store


def stored(run: Run, folder: Path, me: World) -> tuple[Run, Store]:
    """The run with the path of its store, prepared from data.source when it is not there yet."""
    if run.data.store is None:
        store = _prepared(run, me)
        run = replace(run, data=replace(run.data, source=run.data.source, store=str(Path(store.folder).resolve())))
    else:
        store = Store.open(run.data.store)
    _require_unchanged(run, folder, me, "store", store)
    return run, store


def mixture(run: Run, store: Store, folder: Path, me: World) -> Store:
    """The store that rows are taken from: its sources in the run's shares, and the replayed text beside them."""
    data = run.data
    replay = None if data.replay is None else Store.open(data.replay)
    if replay is not None:
        _require_unchanged(run, folder, me, "replay", replay)
    return mixed(store, parsed_weights(data.weights), data.temperature, replay, data.replay_share)


def _require_unchanged(run: Run, folder: Path, me: World, name: str, store: Store) -> None:
    """Record a store in run.json; DataError when another one is recorded there."""
    environment = _recorded(folder)
    known = environment.get(name)
    if known not in (None, store.fingerprint):
        raise DataError(f"{store.folder} is not the {name} this run was started with; prepare it again as it was")
    if me.first and known is None:
        _record(folder, run, environment | {name: store.fingerprint})


def _prepared(run: Run, me: World) -> Store:
    assert run.data.source is not None
    if me.size > 1:
        raise SettingError(
            "data.source is prepared by one process, before many train: unmask prepare "
            f"{run.data.source} --to STORE, then data.store=STORE"
        )
    return prepared(run.data.source.split(), run.corpus, run.tokenizer)


def prepared(sources: list[str], corpus: CorpusSettings, tokenizer: TokenizerSettings) -> Store:
    """The store of these texts below stores/, made now or before."""
    from unmask.tokens.build import place_below, prepare

    place = place_below(Path("stores"), sources, corpus, tokenizer)
    console.say(f"text is prepared in {place}, and reused from there")
    return prepare(sources, place, corpus=corpus, tokenizer=tokenizer)


# ---------------------------------------------------------------- what it runs on, and what is trained


def machine(run: Trained, folder: Path, me: World, fixed_shapes: bool = True) -> Machine:
    """What a run computes on: chosen and recorded once, taken from the record afterwards. fixed_shapes: whether all its
    batches have one shape."""
    environment, settings = _recorded(folder), run.training
    device = chosen_device(settings.device)
    recorded = environment.get("machine")
    if recorded is None:
        dtype = chosen_dtype(settings.precision, device)
        threads = settings.threads or torch.get_num_threads()
        compiled = compiles(settings.compile, device, fixed_shapes)
        name = str(dtype).removeprefix("torch.")
        environment["machine"] = {"device": device.type, "dtype": name, "threads": threads, "compiled": compiled}
        if me.first:
            _record(folder, run, environment)
    else:
        dtype, threads = getattr(torch, recorded["dtype"]), recorded["threads"]
        compiled = recorded.get("compiled", False)
    torch.set_num_threads(threads)
    keep_large_blocks()
    return Machine(device, dtype, threads, compiled)


def objective(run: Run, store: Store, machine: Machine) -> nn.Module:
    """The model to train, with weights drawn from the run's seed."""
    torch.manual_seed(run.seed)
    encoder = run.architecture.build(store.vocabulary_size)
    counts, mask_id = torch.from_numpy(store.token_counts), store.tokenizer().mask_id
    return run.objective.build(encoder, store.vocabulary_size, counts, mask_id).to(machine.device)


def begin(run: Run, folder: Path, store: Store, objective: nn.Module) -> None:
    """Give a fresh objective what run.start names, unless the run goes on from a checkpoint of its own."""
    taught = isinstance(objective, StudentObjective) and objective.settings.from_teacher and not run.start.named
    if newest(folder / "checkpoints") is None and not taught:
        start.begin(run.start, objective, store, run.seed)
        same(objective)  # what is counted may differ between machines, in its last bits


def teach(run: Run, folder: Path, store: Store, model: nn.Module, machine: Machine, me: World) -> None:
    """Give a student its teacher, the same one after every resume, and a new student some of its weights; leave any
    other objective as it is. SettingError when the two do not fit, ModelError for a teacher that is none."""
    if not isinstance(model, StudentObjective):
        return
    from unmask import teaching

    environment = _recorded(folder)
    teacher = teaching.found(model.settings.teacher, environment.get("teacher"), machine.device.type)
    teaching.check(teacher, model, store, run.data.row_length, run.data.packing)
    begun = run.start.named or newest(folder / "checkpoints")
    if model.settings.from_teacher and begun is None:
        console.say(teaching.take_over(teacher, model))
    if me.first and "teacher" not in environment:
        _record(folder, run, environment | {"teacher": teaching.recorded(teacher)})
    model.teacher = teaching.teacher_of(teacher, machine.dtype)


# ---------------------------------------------------------------- training


def fit(
    run: Run,
    folder: Path,
    batches: Batches,
    model: nn.Module,
    judge: Judge,
    machine: Machine,
    me: World,
    display: Display | None,
) -> Fit:
    """The training loop over everything the stages before have made."""
    masters = Masters(model, machine.dtype)
    if display is not None and me.first:
        budget = next((name, value) for name, value in vars(run.training.budget).items() if value is not None)
        display.start(run, model_parameters=masters.weights.numel(), budget=budget)
        kind = {torch.bfloat16: "bf16", torch.float32: "float32"}[machine.dtype]
        compiled = ", compiled" if machine.compiled else ""
        display.message(f"computing in {kind} on {machine.device.type}, {machine.threads} threads{compiled}")
    return Fit(
        objective=model,
        batches=batches,
        ratio_at=run.masking.ratio_at,
        settings=run.training,
        optimizer=run.optimizer.build(masters, model),
        folder=folder,
        save_model=partial(_save_model, model.config, judge.store),
        load_model=partial(_load_model, run, judge.store),
        evaluate=judge,
        masters=masters,
        device=machine.device,
        peak=peak_flops(machine.device, machine.dtype),
        compiled=Compiled(model) if machine.compiled else None,
        me=me,
        watcher=display,
    )


def _save_model(model: Any, store: Store, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """An ordinary Hugging Face folder. model: the `config` of the objective."""
    tokenizer = store.tokenizer()
    ids = {"pad": tokenizer.pad_id, "cls": tokenizer.cls_id, "sep": tokenizer.sep_id, "mask": tokenizer.mask_id}
    save_objective(folder, model, weights, ids)
    for written in (folder / "config.json", *folder.glob("*/config.json")):
        tokenizer.save(written.parent, model.positions)
    write_token_counts(folder, store.token_counts)


def _load_model(run: Run, store: Store, folder: Path) -> Mapping[str, Tensor]:
    fresh = run.objective.build(run.architecture.build(store.vocabulary_size), store.vocabulary_size)
    load_weights(fresh, folder)
    return fresh.state_dict()


# ---------------------------------------------------------------- the finished model


def published(run: Run, folder: Path, store: Store, fit: Fit, spent: Spent, judge: Judge, me: World) -> Outcome:
    """Write model/ (weights, tokenizer, card, figures) and report/, scored from the files as a user would load them."""
    if not me.first:
        return Outcome(folder, {}, [])
    from unmask.models import load
    from unmask.report.curves import plot

    peak = peak_memory(judge.device)
    temporary = folder / ".model.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _save_model(judge.model.config, store, temporary, fit.masters.views)
    figures, shown = judge.final(load(temporary).predict)
    picture = (
        plot([folder], folder / "report" / "learning-curve.png") if (folder / "metrics.jsonl").stat().st_size else None
    )
    if picture is not None:
        shutil.copy(picture, temporary / picture.name)
    card = _card(run, figures, store, fit, spent, [text for text, _ in shown], picture)
    (temporary / "README.md").write_text(card, encoding="utf-8")
    write_json(temporary / "figures.json", {"figures": figures, "samples": shown, "peak_memory": peak})
    shutil.copy(folder / "run.json", temporary / "run.json")
    os.replace(temporary, folder / "model")
    return Outcome(folder, figures, shown)


def _card(
    run: Run, figures: Mapping[str, Any], store: Store, fit: Fit, spent: Spent, blanked: list[str], picture: Path | None
) -> str:
    from unmask.report.card import model_card

    begun = {"started from": run.start.named} if run.start.named else {}
    expected = _recorded(fit.folder).get("expected")
    hoped = {} if expected is None else {"loss expected before training": f"{expected['loss']:.3f}"}
    seen = begun | {
        "source": run.data.source or run.data.store,
        "tokens of training text": f"{store.count('tokens', 'train'):,}",
        "tokens trained on": f"{spent.tokens:,} in {spent.step:,} steps, {spent.seconds / 60:.1f} minutes",
        **hoped,
    }
    return model_card(
        to_dict(run),
        figures,
        name=run.name,
        mask_token=store.tokenizer().mask_token,
        examples=[text.replace(BLANK, "___") for text in sorted(blanked, key=lambda text: text.count(BLANK))],
        data=seen,
        parameters=fit.masters.weights.numel(),
        language=run.data.language.split(",") if run.data.language else (),
        picture=picture.name if picture else None,
    )


def write_json(path: Path, value: Any) -> None:
    """A value as JSON: all of it or nothing: written beside and renamed."""
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)

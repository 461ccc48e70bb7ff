"""From an encoder to a model that answers: read, encode, train, choose the best checkpoint, publish.

    finetune(run, to="runs/wiki-sst2")        run: a Finetuning
    resume("runs/wiki-sst2")

A run folder is that of pretraining: run.json, metrics.jsonl, checkpoints/, model/, report/. Several seeds have a folder
each below it, and seeds.json says what they came to together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unmask import console, stages
from unmask.config import from_dict, to_dict
from unmask.distributed import world
from unmask.errors import DataError, ModelError, SettingError, Stopped, UnmaskError
from unmask.models import run_beside
from unmask.seeding import keys, text_key
from unmask.stopping import stoppable
from unmask.tasks.classification import Classification
from unmask.tasks.features import Feature, FeatureBatches
from unmask.tasks.folders import SEEDS
from unmask.tasks.models import Base, TaskModel
from unmask.tasks.objective import Pace, TaskObjective
from unmask.tasks.publishing import Published, publish
from unmask.tasks.scratch import draw_weights
from unmask.tasks.settings import Finetuning, long_enough
from unmask.tasks.task import Task
from unmask.training.compiling import Compiled
from unmask.training.fit import Aim, Fit
from unmask.training.optimizers.adamw import AdamW
from unmask.training.parallel import process_group
from unmask.training.precision import Masters
from unmask.training.throughput import peak_flops

if TYPE_CHECKING:
    from unmask.distributed import World
    from unmask.training.display import Display

HELD_OUT = 10
"""One training example in so many is held out where no validation file is given."""


def finetune(
    run: Finetuning, to: str | Path | None = None, display: Display | None = None, seeds: int = 1
) -> Published:
    """Fine-tune a model for a task and leave it in `to`/model (default runs/<name>); with several seeds, run.seed and
    those that follow it, in a folder each, the one that is best on the validation examples standing for all.

    SettingError when the folder exists or the settings do not fit, DataError for examples that cannot be used, Stopped
    when the run was asked to stop: it is saved, and `resume` goes on.
    """
    folder = Path(to or Path("runs") / run.name)
    if seeds == 1:
        return _started(run.checked(), folder, display)
    one_process("--seeds")
    stages.make_folder(folder)
    numbers = [run.seed + number for number in range(seeds)]
    record = {"run": to_dict(run.checked()), "seeds": numbers}
    stages.write_json(folder / SEEDS, record)
    with nothing_left(folder, SEEDS):
        return _all_seeds(folder, display)


def one_process(option: str) -> None:
    """SettingError where torchrun started several processes: together they train one run."""
    if (size := world().size) > 1:
        raise SettingError(f"{option}: {size} processes train one run together; leave it out, or start one process")


@contextmanager
def nothing_left(folder: Path, record: str) -> Iterator[None]:
    """Remove a folder in which a mistake left nothing but a record of what was wanted."""
    try:
        yield
    except UnmaskError:
        if [path.name for path in folder.iterdir()] == [record]:
            (folder / record).unlink()
            folder.rmdir()
        raise


@contextmanager
def part_of(folder: Path, part: str) -> Iterator[None]:
    """A stop in one of several runs is told with the folder of all of them, which is what goes on."""
    try:
        yield
    except Stopped:
        raise Stopped(f"stopped in {part}, which is saved; go on with: unmask finetune --resume {folder}") from None


def resume(folder: str | Path, display: Display | None = None) -> Published:
    """Go on with a run, or with all seeds of one, exactly as if it had never stopped; one that is finished just returns
    its figures."""
    folder = Path(folder)
    if (folder / SEEDS).is_file():
        return _all_seeds(folder, display)
    if not (folder / "run.json").is_file():
        raise ModelError(
            f"{folder} is not a run folder: it has no run.json. Start one with: unmask finetune MODEL TASK"
        )
    with process_group() as me:
        return _until_stopped(folder, me, display)


def saved(path: Path) -> Finetuning:
    """The Finetuning of a run.json; ModelError when it is damaged or that of a pretraining run."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} cannot be read ({error}); give a run.json that unmask finetune wrote") from None
    if "task" not in data:
        raise ModelError(f"{path} is of a pretraining run: go on with unmask pretrain --resume {path.parent}")
    return from_dict(Finetuning, data)


# ---------------------------------------------------------------- one run, and several seeds


def _started(run: Finetuning, folder: Path, display: Display | None) -> Published:
    with process_group() as me:
        stages.started(run, folder, me)
        try:
            return _until_stopped(folder, me, display)
        except UnmaskError as error:
            stages.given_up(folder, me, error)
            raise


def _all_seeds(folder: Path, display: Display | None) -> Published:
    """Each seed's run, gone on with or begun, and what they came to together."""
    record = json.loads((folder / SEEDS).read_text(encoding="utf-8"))
    run, done = from_dict(Finetuning, record["run"]), []
    for seed in record["seeds"]:
        place, name = folder / f"seed-{seed}", f"{run.name}, seed {seed}"
        with part_of(folder, f"seed {seed}"):
            if (place / "run.json").is_file():
                done.append(resume(place, display))
            else:
                done.append(_started(replace(run, seed=seed, name=name), place, display))
    best = max(done, key=lambda each: each.figures["validation"][each.aim])
    figures = together([each.figures for each in done])
    stages.write_json(folder / SEEDS, record | {"figures": figures, "best": best.folder.name})
    return Published(folder, figures, best.baselines, best.aim)


def together(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over several runs, and under NAME_spread its standard deviation (n - 1)."""
    result: dict[str, Any] = {}
    for name, value in figures[0].items():
        each = [one[name] for one in figures]
        if isinstance(value, Mapping):
            result[name] = together(each)
        else:
            result[name] = float(np.mean(each))
            result[f"{name}_spread"] = float(np.std(each, ddof=1)) if len(each) > 1 else 0.0
    return result


# ---------------------------------------------------------------- the flow


def _until_stopped(folder: Path, me: World, display: Display | None) -> Published:
    """The flow; whatever of it is stopped beside the training, which saves itself, is done again."""
    with stoppable(f"stopped before its end; go on with: unmask finetune --resume {folder}"):
        return _trained(folder, me, display)


def _trained(folder: Path, me: World, display: Display | None) -> Published:
    """Examples, labels, rows, model, training, the best checkpoint, figures, a model folder."""
    if (finished := Published.found(folder)) is not None:
        console.say(f"{folder} is finished already")
        return finished
    run = saved(folder / "run.json")
    examples = Examples.read(run)
    run = replace(run, task=run.task.settled(examples.train, examples.validation))
    machine = stages.machine(run, folder, me, fixed_shapes=False)
    model = _model(run, examples)
    model.module.to(machine.device)
    limit = min(run.data.row_length or model.limit, model.limit)
    batches = run.task.batches(
        _features(run.task, examples.train, model, limit, "training"),
        run.training.batch_size,
        run.seed,
        model.base.pad_id,
    )
    run = replace(run, training=long_enough(run.training, len(batches.rows)))
    fit = _fit(run, folder, examples, model, batches, limit, machine, me, display)
    fit.run()
    if not me.first:
        return Published(folder, {}, {})
    best = folder / "checkpoints" / f"step-{fit.best[1]}"
    weights = model.weights(best) if best.is_dir() else fit.masters.views
    return publish(run, folder, model, weights, examples.train, examples.sets, fit)


@dataclass(frozen=True)
class Examples:
    """What a run learns from and is chosen by, and the names of the outputs."""

    train: list[Any]
    sets: dict[str, list[Any]]
    """held-out examples: validation, test, test.NAME"""
    labels: tuple[str, ...]

    @classmethod
    def read(cls, run: Finetuning) -> Examples:
        """Read, checked against each other; DataError for what does not fit."""
        task, data = run.task, run.data
        assert data.train is not None
        train = task.read(data.train, data.columns)
        if data.validation is None:
            train, validation = held_out(train, task.kept_together)
        else:
            validation = task.read(data.validation, data.columns)
        if data.examples is not None and data.examples < len(train):
            drawn = np.argsort(keys(run.seed, text_key("examples"), np.arange(len(train))))[: data.examples]
            train = [train[number] for number in sorted(drawn)]
        sets = {"validation": validation}
        for name, path in data.tests.items():
            sets[f"test.{name}" if name else "test"] = task.read(path, data.columns)
        labels = task.labels(train)
        for examples in sets.values():
            task.check(examples, labels)
        return cls(train, sets, labels)

    @property
    def validation(self) -> list[Any]:
        """The examples by which the best checkpoint is chosen."""
        return self.sets["validation"]


def held_out(examples: Sequence[Any], text_of: Callable[[Any], str]) -> tuple[list[Any], list[Any]]:
    """Training and validation examples: one in ten is held out, by a hash of its text, so that equal texts go together.

    DataError when there are too few to hold any out.
    """
    chosen = [text_key(text_of(example)) % HELD_OUT == 0 for example in examples]
    train = [example for example, out in zip(examples, chosen, strict=True) if not out]
    validation = [example for example, out in zip(examples, chosen, strict=True) if out]
    if not validation or not train:
        texts = len({text_of(example) for example in examples})
        what = f"{len(examples)} training examples" + (f" of {texts} different texts" if texts < len(examples) else "")
        raise DataError(f"{what} are too few to hold some out: give data.validation=FILE")
    console.say(f"{len(validation):,} of {len(examples):,} training examples are held out for validation")
    return train, validation


def _model(run: Finetuning, examples: Examples) -> TaskModel:
    """The model to train, its head drawn from the run's seed."""
    task = run.task
    torch.manual_seed(run.seed)
    task.warn(examples.train)
    model = task.model(Base.of(run.model), examples.labels, run.tuning.dropout)
    if run.start == "random":
        console.say("all weights start at random")
        draw_weights(model.module, model.base.folder)
    if (bias := task.start(examples.train, examples.labels)) is not None:
        model.start_at(bias)
    if run.tuning.lora_rank is not None:
        from unmask.tasks.lora import adapted

        return adapted(model, run.tuning.lora_rank)
    return model


def _features(task: Task, examples: Sequence[Any], model: TaskModel, limit: int, what: str) -> list[Feature]:
    """The rows of some examples; says how many were cut."""
    base = model.base
    features, shortened = task.features(examples, model.labels, base.tokenizer, base.frame, limit)
    if shortened:
        console.warn(
            f"{shortened:,} of {len(examples):,} {what} examples are longer than {limit} tokens and were cut: "
            "raise data.row_length" + (", or read all of them with task.long=windows" if hasattr(task, "long") else "")
        )
    return features


@dataclass(frozen=True)
class Usual:
    """What weights want where no rate is set, by trials of docs/log.md ("How fast an encoder ...")."""

    times: float = 1.0
    """so many times the learning rate that is usual for the width"""
    embedding_rate: float = 1.0


def _usual(run: Finetuning, base: Path, pairs: bool) -> Usual:
    """Tried with classes of single texts, likeness of pairs, tags and translations; elsewhere what Muon has trained
    learns as others do. Its embeddings are larger than those of other models: words that tell a class, or another word,
    hardly move at rates that suit the layers. The likeness of pairs suffers when they do."""
    if run.start == "random":
        return Usual(6.0 if run.task.kind in ("token", "sequence") else 4.0)
    before = run_beside(base) or run_beside(base.parent) or {}  # beside a masked autoencoder lies its encoder
    if before.get("optimizer", {}).get("name") != "muon":
        return Usual()
    alone = isinstance(run.task, Classification) and not pairs
    kinds = {
        "row": Usual(2.0, 10.0) if alone else Usual(3.0),
        "token": Usual(6.0),
        "sequence": Usual(6.0, 10.0),
    }
    return kinds.get(run.task.kind, Usual())


def _fit(
    run: Finetuning,
    folder: Path,
    examples: Examples,
    model: TaskModel,
    batches: FeatureBatches,
    limit: int,
    machine: stages.Machine,
    me: World,
    display: Display | None,
) -> Fit:
    """The training loop over everything that was made before."""
    tuning, task = run.tuning, run.task
    loss = task.loss(examples.train, model.labels)
    pairs = any(getattr(example, "second", None) is not None for example in examples.train)
    usual = _usual(run, model.base.folder, pairs)
    embedding_rate = 1.0 if tuning.rests else tuning.embedding_rate or usual.embedding_rate
    objective = model.objective(loss, Pace(tuning.layer_decay, tuning.frozen_layers, embedding_rate))
    objective.train()  # what is loaded comes ready to predict
    if not any(parameter.requires_grad for name, parameter in objective.named_parameters() if "head" not in name):
        console.say("all layers of the encoder are frozen: the head alone learns")
    module: Any = model.module
    stock = getattr(module, "stock", False)  # a class of transformers is computed by autocast
    if stock:
        module.dtype = machine.dtype
    masters = Masters(objective, torch.float32 if stock else machine.dtype)
    rate = tuning.rate(model.base.config.hidden_size, usual.times)
    optimizer = AdamW(rate, beta2=0.999, weight_decay=tuning.weight_decay)
    if display is not None and me.first:
        budget = next((name, value) for name, value in vars(run.training.budget).items() if value is not None)
        display.headline = (task.aim.replace("_", " "), task.aim)
        display.start(run, model_parameters=masters.weights.numel(), budget=budget)
        outputs = f"{console.counted(len(model.labels), 'output')}; " if model.labels else ""
        display.message(
            f"{len(examples.train):,} training and {len(examples.validation):,} validation examples, "
            f"{outputs}peak learning rate {optimizer.learning_rate:.1e}"
            + (f", {embedding_rate:g} times that for embeddings" if embedding_rate != 1 else "")
        )
    validation = _features(task, examples.validation, model, limit, "validation")
    return Fit(
        objective=objective,
        batches=batches,
        ratio_at=lambda progress: 0.0,
        settings=run.training,
        optimizer=optimizer.build(masters, objective),
        folder=folder,
        save_model=lambda place, weights: model.save(place, _inner(weights)),
        load_model=lambda place: {f"model.{name}": tensor for name, tensor in model.weights(place).items()},
        evaluate=partial(_evaluated, objective, task, examples.validation, validation, model, machine.device),
        masters=masters,
        device=machine.device,
        peak=peak_flops(machine.device, machine.dtype),
        compiled=Compiled(objective) if machine.compiled else None,
        me=me,
        watcher=display,
        aim=Aim(task.aim, higher=True, patience=tuning.patience),
        verb="finetune",
    )


def _inner(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("model."): tensor for name, tensor in weights.items()}


def _evaluated(
    objective: TaskObjective,
    task: Task,
    examples: Sequence[Any],
    features: Sequence[Feature],
    model: TaskModel,
    device: torch.device,
) -> tuple[dict[str, Any], None]:
    """The figures of the model as it is now, for metrics.jsonl."""
    objective.eval()
    outputs = model.outputs(features, device)
    objective.train()
    task = task.calibrated(examples, features, outputs, model.labels)
    answers = task.answers(examples, features, outputs, model.labels)
    loss = task.mean_loss(objective.loss, features, outputs)
    told = {} if loss is None else {"validation_loss": loss}
    return told | task.figures(examples, answers, model.labels), None

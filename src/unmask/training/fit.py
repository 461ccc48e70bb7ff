"""`fit`: the one training loop. It knows batches, summed losses with their counts, and nothing else of the model.

A step is: take the next rows, mask them at the schedule's ratio, add up losses and gradients over micro-batches and
processes, divide once by the global count, update. All that a step depends on is in `Spent`, so a run that was stopped
goes on as if it never had been.

A GPU is never waited for in the middle of a step: batches are sent to it ahead, and what a step came to is read when
the next one is under way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unmask.devices import Underway, runs_ahead
from unmask.distributed import World
from unmask.errors import Stopped, UnmaskError
from unmask.layers.stretches import foresee
from unmask.seeding import keys
from unmask.stopping import asked_to_stop
from unmask.training import checkpoint
from unmask.training.compiling import Compiled, uncompiled
from unmask.training.journal import Journal
from unmask.training.parallel import added, agreed, share
from unmask.training.precision import Masters
from unmask.training.schedules import Spent, ramped
from unmask.training.settings import Training
from unmask.training.throughput import counted_flops

# A stream of hashes beside those of masking.
DRAWN_BY_MODEL = 3


class Watcher(Protocol):
    """Who watches a run; `unmask.training.display.Display` is one."""

    def step(self, record: Mapping[str, Any]) -> None: ...
    def evaluation(self, record: Mapping[str, Any], sample: tuple[str, str] | None = None) -> None: ...


class Source(Protocol):
    """What a run reads: an endless sequence of rows, `batches.Batches` or the examples of a task.

    `rows` are those of an epoch. A batch has numbers (B,), groups (B,T), `shape` (equal ones take equally many
    operations), `figures` for the journal, `part(start, stop)` and `to(device)`; beside groups also positions (B,T), or
    `columns`, batches that have them.
    """

    @property
    def rows(self) -> Sized: ...
    @property
    def seed(self) -> int: ...
    def at(self, sample: int, count: int, ratio: float, progress: float) -> Any: ...


@dataclass(frozen=True)
class Aim:
    """What the best checkpoint is best in, and how long a better one is waited for."""

    figure: str = "validation_loss"
    """a figure of the evaluations"""
    higher: bool = False
    """whether more of it is better"""
    patience: int | None = None
    """evaluations in a row without a better one after which training ends; none: it never ends for that"""

    def cost(self, record: Mapping[str, Any]) -> float:
        """The figure as a number of which less is better."""
        value = float(record[self.figure])
        return -value if self.higher else value


class Upcoming(NamedTuple):
    """What the next step takes."""

    size: int
    """rows, over all processes"""
    batch: Any
    """this process's part of them, where it was made"""
    parts: list[tuple[tuple[int, ...], Any]]
    """its micro-batches on the device, each with its shape"""


class Step(NamedTuple):
    """A step that was taken, to be recorded when what it came to can be read."""

    record: dict[str, Any]
    """what is known of it by now"""
    parts: tuple[str, ...]
    """the names of the parts of its loss"""
    came_to: Underway
    """their means, and the length of the gradient"""
    batch: Any
    before: float
    """the progress before it ..."""
    after: float
    """... and after it"""


@dataclass
class Fit:
    """A model that is being trained. `run()` trains it to the end of its budget, from the newest checkpoint if any."""

    objective: nn.Module
    batches: Source
    ratio_at: Callable[[float], float]
    settings: Training
    optimizer: Any
    folder: Path
    save_model: Callable[[Path, Mapping[str, Tensor]], None]
    load_model: Callable[[Path], Mapping[str, Tensor]]
    evaluate: Callable[[], tuple[dict[str, Any], tuple[str, str] | None]]
    masters: Masters
    device: torch.device
    peak: float
    compiled: Compiled | None = None
    me: World = field(default_factory=World)
    watcher: Watcher | None = None
    aim: Aim = field(default_factory=Aim)
    verb: str = "pretrain"
    """the verb whose --resume goes on with this run"""
    clock: Callable[[], float] = time.perf_counter
    """the seconds by which time is counted; one that stands still at times leaves those out"""

    def run(self) -> Spent:
        """Train until the budget is spent; Stopped (saved, run again) on SIGTERM, Ctrl-C or a full disk."""
        self._begin()
        with asked_to_stop() as asked, ThreadPoolExecutor(1) as ahead:
            upcoming = ahead.submit(self._next_batch, self.spent)
            while (progress := self._progress()) < 1 and not self._waited_enough():
                upcoming = self._step(progress, upcoming, ahead)
                if added(torch.tensor(float(asked.is_set()))) > 0:
                    self._stop()
        self._record_taken()
        if self.me.first:
            self.journal.close()
        return self.spent

    # ------------------------------------------------------------ where the run stands

    def _begin(self) -> None:
        self.spent, self.best, self.since_best = Spent(), (math.inf, 0), 0
        self._ahead, self._taken = runs_ahead(self.device), None
        self._flops: dict[tuple[int, ...], int] = {}
        found = checkpoint.newest(self.folder / "checkpoints")
        if found is not None:
            self.masters.load(self.load_model(found.folder))
            self.optimizer.load({name: tensor.to(self.device) for name, tensor in found.optimizer().items()})
            self.spent, self.best = Spent(**found.state["spent"]), tuple(found.state["best"])
            self.since_best = found.state.get("since_best", 0)
        self._saved = self.spent.step
        self._began = self.clock() - self.spent.seconds
        if self.me.first:
            self.journal = Journal(self.folder, self.spent.step, self.settings.tensorboard)

    def _progress(self) -> float:
        seconds = agreed(self.clock() - self._began)
        self.spent = replace(self.spent, seconds=seconds)
        return self._share_of_budget(self.spent)

    def _waited_enough(self) -> bool:
        patience = self.aim.patience
        return patience is not None and agreed(self.since_best) >= patience

    def _share_of_budget(self, spent: Spent) -> float:
        return self.settings.budget.progress(spent, len(self.batches.rows))

    def _rows_wanted(self, spent: Spent) -> int:
        settings = self.settings
        size = ramped(settings.batch_size, settings.batch_start, settings.batch_ramp, self._share_of_budget(spent))
        if settings.epochs is not None:  # the last step of the last epoch takes what is left
            size = min(size, max(1, round(settings.epochs * len(self.batches.rows)) - spent.samples))
        return size

    def _next_batch(self, spent: Spent) -> Upcoming:
        """What the step that follows `spent` takes."""
        size = self._rows_wanted(spent)
        mine = share(size, self.me)
        progress = self._share_of_budget(spent)
        batch = self.batches.at(spent.samples + mine.start, len(mine), self.ratio_at(progress), progress)
        width = self.settings.micro_batch or max(1, len(batch))
        parts = [batch.part(start, start + width) for start in range(0, len(batch), width)]
        return Upcoming(size, batch, [(part.shape, self._sent(part)) for part in parts])

    def _sent(self, part: Any) -> Any:
        """A micro-batch on the device, which need not be asked how its groups lie."""
        there = part.to(self.device)
        for rows, sent_rows in zip(getattr(part, "columns", (part,)), getattr(there, "columns", (there,)), strict=True):
            starts = foresee(rows.groups, rows.positions, sent_rows.groups, sent_rows.positions)
            if self.compiled is not None:
                self.compiled.vary((starts, 0), (sent_rows.places, 1))
        return there

    # ------------------------------------------------------------ a step

    def _step(self, progress: float, upcoming: Future[Upcoming], ahead: ThreadPoolExecutor) -> Future[Upcoming]:
        started = time.perf_counter()
        size, batch, parts = upcoming.result()
        waited = time.perf_counter() - started
        counts, tokens = self._counted(batch)
        spent = replace(
            self.spent, step=self.spent.step + 1, samples=self.spent.samples + size, tokens=self.spent.tokens + tokens
        )
        # The next batch is made meanwhile, unless what it is depends on how many operations this step takes.
        following = None if self.settings.flops else ahead.submit(self._next_batch, spent)
        multiplier = self.settings.schedule.multiplier(progress)
        # What a step draws (dropout) follows from its number, so that a resumed run draws the same.
        torch.manual_seed(int(keys(self.batches.seed, DRAWN_BY_MODEL, spent.step, self.me.rank)))
        came_to, flops = self._learn(batch, parts, counts, multiplier)
        self._record_taken()  # the step before this one, if it is not recorded yet
        took = time.perf_counter() - started
        spent = replace(spent, flops=spent.flops + flops)
        self.spent = replace(spent, seconds=agreed(self.clock() - self._began))
        after = self._share_of_budget(self.spent)
        record = {
            "step": spent.step,
            "seconds": round(self.spent.seconds, 3),
            "tokens": spent.tokens,
            "flops": spent.flops,
            "loss": None,
            **({"losses": None} if len(counts) > 1 else {}),
            "learning_rate": self.optimizer.learning_rate * multiplier,
            "tokens_per_second": round(tokens / took, 1),
            "peak_share": round(flops / took / self.peak / self.me.size, 4),
            **batch.figures,
            "waited_seconds": round(waited, 4),
        }
        self._taken = Step(record, tuple(counts), came_to, batch, progress, after)
        if not self._ahead or after >= 1 or self._evaluates(self._taken) or self._saves(self._taken):
            self._record_taken()
        return following or ahead.submit(self._next_batch, spent)

    def _counted(self, batch: Any) -> tuple[dict[str, int], int]:
        """Over all processes: how many things each part of the loss is divided by, and how many tokens are read."""
        mine = self.objective.counts(batch)  # type: ignore[operator]
        numbers = [*mine.values(), int((batch.groups > 0).sum())]
        *counts, tokens = added(torch.tensor(numbers, dtype=torch.int64)).tolist()
        return dict(zip(mine, counts, strict=True)), tokens

    def _learn(
        self, batch: Any, parts: list[tuple[tuple[int, ...], Any]], counts: Mapping[str, int], multiplier: float
    ) -> tuple[Underway, float]:
        """One update from a batch; the mean loss of each part with the length of the gradient, and the operations, all
        over all processes."""
        total, flops = torch.zeros(len(counts), dtype=torch.float64, device=self.device), 0
        for number, (shape, part) in enumerate(parts):
            shares, done = self._accumulate(part, shape, counts)
            self.masters.collect(first=number == 0)
            total, flops = total + shares, flops + done
        gradients = added(self.masters.gradients)
        operations = float(added(torch.tensor(flops, dtype=torch.float64)))
        length = torch.linalg.vector_norm(gradients)
        numbers = torch.cat([added(total), length.double()[None]])
        came_to = Underway(numbers)
        if self._ahead:
            self._clip_unread(gradients, length, numbers)
        else:
            self._require_finite(came_to.read(), self.spent.step + 1, batch)
            if self.settings.clip and length > self.settings.clip:
                gradients.mul_(self.settings.clip / float(length))
        self.optimizer.step(multiplier)
        self.masters.publish()
        return came_to, operations

    def _clip_unread(self, gradients: Tensor, length: Tensor, numbers: Tensor) -> None:
        """Clip without reading the length; where any of the numbers (P+1,) is not finite, nothing is learned, so that
        the weights are still good when they are read."""
        if self.settings.clip:
            gradients.mul_((self.settings.clip / length).clamp(max=1))
        gradients.masked_fill_(~numbers.isfinite().all(), 0)

    def _accumulate(self, batch: Any, shape: tuple[int, ...], counts: Mapping[str, int]) -> tuple[Tensor, int]:
        """Gradients of a micro-batch's share of the step's mean loss; that share, part by part (P,), and the operations
        it took."""
        shares: list[Tensor] = []

        def work(batch: Any = batch) -> None:
            losses = self.objective(batch)
            means = {part: losses[part] / count for part, count in counts.items()}  # the only division there is
            torch.stack(self._weighted(means)).sum().backward()
            shares.append(torch.stack([mean.detach() for mean in means.values()]).double())

        if shape in self._flops:
            work()
        elif self.compiled is None:
            self._flops[shape] = counted_flops(work)
        else:
            self._flops[shape] = self.compiled.counted(lambda few: counted_flops(lambda: work(few)), batch)
            self.compiled.tried(work)
        return shares[-1], self._flops[shape]

    def _weighted(self, losses: Mapping[str, Any]) -> list[Any]:
        """What each part adds to the loss of the step."""
        weights: Any = self.objective.weights
        return [weights[part] * loss for part, loss in losses.items()]

    def _require_finite(self, numbers: list[float], step: int, batch: Any) -> None:
        """UnmaskError where the numbers of a step are not finite: it names the rows whose loss is none (none of them
        when it is the gradient)."""
        if all(map(math.isfinite, numbers)):
            return
        rows = [batch.part(row, row + 1).to(self.device) for row in range(len(batch))]
        with torch.no_grad():
            losses = [sum(map(float, self.objective(row).values())) for row in rows]
        rows = [int(number) for number, loss in zip(batch.numbers, losses, strict=True) if not math.isfinite(loss)]
        named = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "") if rows else "none of them alone"
        good = checkpoint.newest(self.folder / "checkpoints")
        where = f"the last good checkpoint is {good.folder}" if good else "there is no checkpoint yet"
        raise UnmaskError(
            f"step {step}: the loss is not finite (rows {named}); {where}. "
            "Look at these rows, or start again with a lower optimizer.learning_rate"
        )

    # ------------------------------------------------------------ evaluating, recording, saving

    def _record_taken(self) -> None:
        """Record the step that was taken and is not recorded yet, if any; evaluate and save where it is due."""
        if self._taken is None:
            return
        step, self._taken = self._taken, None
        record, numbers = step.record, step.came_to.read()
        self._require_finite(numbers, record["step"], step.batch)
        losses = dict(zip(step.parts, numbers, strict=False))  # behind them the length of the gradient
        record["loss"] = sum(self._weighted(losses))
        if len(losses) > 1:
            record["losses"] = losses
        sample, due = None, self._evaluates(step)
        if due and self.me.first:
            with nullcontext() if self.compiled is None else uncompiled():
                figures, sample = self.evaluate()
            record |= figures
            self.since_best += 1
            if (cost := self.aim.cost(record)) < self.best[0]:
                self.best, self.since_best = (cost, record["step"]), 0
        if self.me.first:
            self.journal.write(record)
            if self.watcher is not None:
                self.watcher.step(record | {"progress": step.after})
                if due:
                    self.watcher.evaluation(record, sample)
        if step.after >= 1 or self._saves(step):
            self._save()

    def _evaluates(self, step: Step) -> bool:
        """Whether the model is evaluated after a step."""
        count = self.settings.evaluations
        return math.floor(step.after * count) > math.floor(step.before * count)

    def _saves(self, step: Step) -> bool:
        """Whether a checkpoint is written after a step."""
        every = self.settings.checkpoint_every
        return step.record["step"] % every == 0 if every else self._evaluates(step)

    def _save(self) -> None:
        if not self.me.first or self._saved == self.spent.step:
            return
        checkpoints = self.folder / "checkpoints"
        checkpoint.save(
            checkpoints,
            self.spent.step,
            lambda folder: self.save_model(folder, self.masters.views),
            {
                "spent": asdict(self.spent),
                "best": [value if math.isfinite(value) else 1e30 for value in self.best],
                "since_best": self.since_best,
            },
            self.optimizer.state(),
            self.verb,
        )
        self._saved = self.spent.step
        checkpoint.prune(checkpoints, self.settings.keep, self.best[1])

    def _stop(self) -> None:
        self._record_taken()
        self._save()
        if self.me.first:
            self.journal.close()
        raise Stopped(
            f"stopped at step {self.spent.step}, which is saved; go on with: unmask {self.verb} --resume {self.folder}"
        )

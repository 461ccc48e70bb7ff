"""One GPU: how fast ours and stock ModernBERT train there, where our time goes, and a race of two minutes.

    python -m benchmarks.gpu                         peak, ours, ours-packed, ours-uncompiled, B, profile
    python -m benchmarks.gpu --only ours,B           some of them
    python -m benchmarks.gpu --only race --texts wiki.txt

Each part is kept in results/gpu/PART.json when it is done, and not measured again. 12 layers of 768 with 50,368 words
are 125 M parameters. Ours is the whole loop of `unmask pretrain` (batches sent ahead, clipping, Muon, the journal) over
rows made before; B the Trainer with `sparse_prediction`, bf16 and torch's attention, over the same rows. Both take the
largest of the batches that fits. `peak_share` is what the matrix products of our model come to (attention counted where
tokens see each other, the head at the asked places, no optimizer) of the fastest that this GPU multiplies in bf16.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import RESULTS, about, apart
from unmask.errors import UnmaskError

SETTINGS = {
    "layers": 12, "width": 768, "heads": 12, "feedforward": 2048, "words": 50_368,
    "row_length": 512, "ratio": 0.3, "batches": [256, 128, 64, 32, 16], "steps": 20, "warmup": 8, "seed": 0,
}  # fmt: skip
TINY = {
    "layers": 2, "width": 32, "heads": 2, "feedforward": 48, "words": 199, "row_length": 32, "batches": [4], "steps": 2,
    "warmup": 1,
}  # fmt: skip
OURS = ("ours", "ours-packed", "ours-uncompiled", "profile")
PARTS = ("peak", *OURS[:3], "B", "profile")
RACERS, RACE_MINUTES, RACE_SIZE = ("B", "ours-gpu", "ours-gpu-uncompiled"), 2.0, "12x768"
RACE_TUNED = ((1e-3, 256),)
"""B's learning rate and rows in a step of the race: what is best at its sizes on a processor, with more rows."""


def main(words: Sequence[str]) -> None:
    """Measure the parts that are not done, one process after another, and say what came of all."""
    given = _parser().parse_args(words)
    settings = SETTINGS | (TINY if given.tiny else {}) | {"tiny": given.tiny}
    if given.contestant:
        print(json.dumps(contestant(given.contestant, given.settings)))
        return
    wanted = given.only.split(",") if given.only else list(PARTS)
    for part in wanted:
        if part == "race":
            _race(given)
        elif part not in PARTS:
            sys.exit(f"error: no part '{part}' (known: {', '.join((*PARTS, 'race'))})")
        else:
            _kept(part, settings, given.to)
    print(json.dumps(summary(given.to), indent=1))


def _kept(part: str, settings: dict[str, Any], to: Path) -> None:
    path = to / f"{part}.json"
    if path.is_file():
        return
    made = about() | {"part": part, "settings": settings} | apart("benchmarks.gpu", part, settings)
    to.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"{part}: { ({key: value for key, value in made.items() if isinstance(value, (int, float))}) }", flush=True)


def summary(to: Path) -> dict[str, Any]:
    """Speeds, shares of the peak and the ratio to B, as far as they are measured."""
    known = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(to.glob("*.json"))}
    speeds = {name: each["tokens_per_second"] for name, each in known.items() if "tokens_per_second" in each}
    peak = known.get("peak", {}).get("peak_flops")
    shares = {
        name: round(each["flops_per_second"] / peak, 4)
        for name, each in known.items()
        if peak and "flops_per_second" in each
    }
    ratios = {f"{name} / B": round(speeds[name] / speeds["B"], 3) for name in OURS if name in speeds and "B" in speeds}
    return {"peak_flops": peak, "tokens_per_second": speeds, "peak_share": shares, "ratios": ratios}


def contestant(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One part in this process."""
    import torch

    from unmask.devices import best_device
    from unmask.training.throughput import peak_flops

    device = torch.device(best_device())
    where: dict[str, Any] = {"gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None}
    if name == "peak":
        return where | {"peak_flops": peak_flops(device, torch.bfloat16)}
    train = _stock if name == "B" else _ours
    return where | _largest(lambda rows: train(name, settings | {"batch": rows}, device), settings["batches"])


def _largest(train: Callable[[int], dict[str, Any]], batches: Sequence[int]) -> dict[str, Any]:
    """What the largest batch comes to that fits into memory."""
    import gc

    import torch

    for rows in batches:
        try:
            return {"batch": rows} | train(rows)
        except torch.OutOfMemoryError:
            pass
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    raise SystemExit(f"error: not even {batches[-1]} rows fit into memory")


@dataclass
class Clock:
    """When steps were done: those of the warm-up are left out."""

    settings: Mapping[str, Any]
    marks: list[float] = field(default_factory=list)

    def step(self) -> bool:
        """A step is done; whether there are enough."""
        if len(self.marks) in (self.settings["warmup"] - 1, self.wanted - 1):
            _wait()
        self.marks.append(time.perf_counter())
        return len(self.marks) >= self.wanted

    @property
    def wanted(self) -> int:
        return int(self.settings["warmup"] + self.settings["steps"])

    def figures(self) -> dict[str, float]:
        """Seconds of a step on average, and tokens in a second."""
        from unmask.training.memory import peak_memory

        first = self.settings["warmup"] - 1
        seconds = (self.marks[-1] - self.marks[first]) / (len(self.marks) - 1 - first)
        tokens = self.settings["batch"] * self.settings["row_length"]
        memory = peak_memory(_device())
        return {"step_seconds": seconds, "tokens_per_second": tokens / seconds, "peak_memory": memory or 0}


def _device() -> Any:
    import torch

    from unmask.devices import best_device

    return torch.device(best_device())


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


# ---------------------------------------------------------------- ours


class Enough(Exception):
    """All steps are measured."""


class Watcher:
    """Watches `fit`: the clock, the operations, and the kernels of the last steps where those are asked for."""

    def __init__(self, clock: Clock, profiled: bool) -> None:
        self.clock, self.records, self._profiled, self._profiler = clock, [], profiled, None
        self.kernels: list[dict[str, Any]] = []

    def step(self, record: Mapping[str, Any]) -> None:
        self.records.append(dict(record))
        if self._profiled and len(self.records) == self.clock.settings["warmup"]:
            self._profiler = _profiler()
            self._profiler.start()
        if self.clock.step():
            if self._profiler is not None:
                self._profiler.stop()
                self.kernels = _kernels(self._profiler, self.clock.settings["steps"])
            raise Enough

    def evaluation(self, *given: Any) -> None: ...


def _profiler() -> Any:
    import torch
    from torch.profiler import ProfilerActivity, profile

    return profile(activities=[ProfilerActivity.CUDA if torch.cuda.is_available() else ProfilerActivity.CPU])


def _kernels(profiler: Any, steps: int) -> list[dict[str, Any]]:
    """What took most time, as milliseconds a step."""
    found = []
    for each in profiler.key_averages():
        taken = getattr(each, "self_device_time_total", 0) or each.self_cpu_time_total
        row = {"name": each.key[:160], "calls": each.count / steps, "milliseconds": taken / 1000 / steps}
        found.append(row)
    return sorted(found, key=lambda row: -row["milliseconds"])[:40]


def _ours(name: str, settings: dict[str, Any], device: Any) -> dict[str, Any]:
    """The loop of `unmask pretrain` on rows made before."""
    import torch

    from unmask.architectures.modernbert import ModernBert
    from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
    from unmask.training.compiling import Compiled
    from unmask.training.fit import Fit
    from unmask.training.optimizers.muon import Muon
    from unmask.training.precision import Masters, chosen_dtype
    from unmask.training.settings import Training

    torch.manual_seed(settings["seed"])
    clock = Clock(settings)
    sizes = {key: settings[key] for key in ("layers", "width", "heads", "feedforward")}
    objective = MaskedLanguageModeling().build(ModernBert(**sizes).build(settings["words"]), settings["words"])
    masters = Masters(objective.to(device), chosen_dtype("auto", device))
    watcher = Watcher(clock, profiled=name == "profile")
    compiled = device.type == "cuda" and name != "ours-uncompiled"
    with tempfile.TemporaryDirectory() as folder:
        fit = Fit(
            objective=objective,
            batches=Ready(settings, packed=name == "ours-packed"),
            ratio_at=lambda progress: settings["ratio"],
            settings=Training(steps=1 << 20, batch_size=settings["batch"], evaluations=0, checkpoint_every=1 << 30),
            optimizer=Muon().build(masters, objective),
            folder=Path(folder),
            save_model=_nothing,
            load_model=_nothing,
            evaluate=_nothing,
            masters=masters,
            device=device,
            peak=1.0,
            compiled=Compiled(objective) if compiled else None,
            watcher=watcher,
        )
        with suppress(Enough):
            fit.run()
    return _figures(clock, watcher, masters, compiled)


def _nothing(*given: Any) -> Any:
    raise AssertionError("nothing is saved, loaded or evaluated here")


def _figures(clock: Clock, watcher: Watcher, masters: Any, compiled: bool) -> dict[str, Any]:
    figures = clock.figures()
    operations = watcher.records[-1]["flops"] - watcher.records[-2]["flops"]
    return {
        **figures,
        "flops": operations,
        "flops_per_second": operations / figures["step_seconds"],
        "parameters": masters.weights.numel(),
        "compiled": compiled,
        "losses": [watcher.records[0]["loss"], watcher.records[-1]["loss"]],
        "waited_seconds": sum(record["waited_seconds"] for record in watcher.records[-5:]) / 5,
        **({"kernels": watcher.kernels} if watcher.kernels else {}),
    }


class Ready:
    """A few batches, made before, again and again: nothing is waited for. packed: several documents in a row."""

    seed = 0

    def __init__(self, settings: Mapping[str, Any], packed: bool) -> None:
        import torch

        from benchmarks.steps import masked_batch

        torch.manual_seed(settings["seed"])
        self.rows = range(settings["batch"])
        made = [masked_batch(dict(settings)) for _ in range(2)]
        self._made = [_packed(batch) if packed else batch for batch in made]

    def at(self, sample: int, count: int, ratio: float, progress: float) -> Any:
        """The next of them; what it is asked for does not matter."""
        return self._made[sample // len(self.rows) % len(self._made)]


def _packed(batch: Any) -> Any:
    """The same with three documents in each row, which end where chance says."""
    import torch

    B, T = batch.inputs.shape
    ends = torch.randint(1, T, (B, 2)).sort(dim=1).values
    columns = torch.arange(T)
    groups = 1 + (columns >= ends[:, :1]).long() + (columns >= ends[:, 1:]).long()
    begins = torch.where(groups == 1, 0, torch.where(groups == 2, ends[:, :1], ends[:, 1:]))
    return replace(batch, groups=groups, positions=columns - begins)


# ---------------------------------------------------------------- B


def _stock(name: str, settings: dict[str, Any], device: Any) -> dict[str, Any]:
    """The Trainer on the same kind of rows, labels already in them."""
    import torch
    import transformers as hf

    from benchmarks.steps import masked_batch, stock_modernbert

    torch.manual_seed(settings["seed"])
    model, clock = stock_modernbert(settings, sparse=True), Clock(settings)
    batch = masked_batch(settings)
    rows = [
        {"input_ids": tokens, "labels": targets} for tokens, targets in zip(batch.inputs, batch.targets, strict=True)
    ]

    class Steps(hf.TrainerCallback):
        """Tells the clock."""

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            control.should_training_stop = clock.step()

    with tempfile.TemporaryDirectory() as folder:
        wanted = hf.TrainingArguments(
            output_dir=folder,
            max_steps=clock.wanted,
            per_device_train_batch_size=settings["batch"],
            learning_rate=1e-3,
            bf16=True,
            use_cpu=device.type == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_num_workers=0 if settings["tiny"] else 4,
        )
        dataset: Any = rows * clock.wanted
        trainer = hf.Trainer(
            model, wanted, train_dataset=dataset, data_collator=hf.default_data_collator, callbacks=[Steps()]
        )
        trainer.remove_callback(hf.PrinterCallback)
        with _quiet():
            trainer.train()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return clock.figures() | {"parameters": parameters, "attention": model.config._attn_implementation}


@contextmanager
def _quiet() -> Iterator[None]:
    """What the Trainer prints goes where figures are not read from."""
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr):
        yield


# ---------------------------------------------------------------- the race


def _race(given: argparse.Namespace) -> None:
    from benchmarks.race import legs as plan
    from benchmarks.race.rows import grouped, prepared
    from benchmarks.race.running import race

    if not given.texts:
        sys.exit("error: which text is raced on? name it with --texts FILE")
    size, minutes = ("2x32", 0.1) if given.tiny else (RACE_SIZE, RACE_MINUTES)
    store = prepared(given.texts, 300) if given.tiny else prepared(given.texts)
    rows = grouped(store, plan.ROW_LENGTH)
    tuned = ((1e-3, 4),) if given.tiny else RACE_TUNED
    course = plan.Course(str(Path(store.folder).resolve()), str(rows.resolve()), search=tuned)
    racers = RACERS[:2] if given.tiny else RACERS
    race(plan.with_search(plan.planned(racers, size, minutes, 1), course), course, given.to / "race")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="One GPU: ours beside the Trainer.")
    parser.add_argument("--only", help=f"parts, by commas: {', '.join((*PARTS, 'race'))}")
    parser.add_argument("--texts", nargs="+", help="files or folders, for the race")
    parser.add_argument("--to", type=Path, default=RESULTS / "gpu", help="where parts are kept")
    parser.add_argument("--tiny", action="store_true", help="sizes that run anywhere, to try the command")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=json.loads, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UnmaskError as error:
        sys.exit(f"error: {error}")

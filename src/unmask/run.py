"""Open this first. A `Run` says everything about a training run; `pretrain` is what happens with it.

unmask.pretrain(recipes.demo())                                  -> runs/demo
unmask.pretrain(config.overridden(run, ["training.steps=100"]), to="runs/short")
unmask.resume("runs/short")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.architectures import ARCHITECTURES
from unmask.config import choice, from_dict, require, section
from unmask.corpus.settings import CorpusSettings
from unmask.errors import ModelError, UnmaskError
from unmask.masking import Masking
from unmask.objectives import OBJECTIVES
from unmask.start import Start
from unmask.stopping import stoppable
from unmask.tokens.mixing import parsed_weights
from unmask.tokens.pairs import PAIRINGS
from unmask.tokens.training import TokenizerSettings
from unmask.training.optimizers import OPTIMIZERS
from unmask.training.settings import Training

if TYPE_CHECKING:
    from unmask.distributed import World
    from unmask.evaluation.held_out import Judge
    from unmask.stages import Outcome
    from unmask.tokens.store import Store
    from unmask.training.display import Display
    from unmask.training.fit import Fit


@dataclass(frozen=True)
class Data:
    """Where the text comes from, and how it is cut into rows."""

    source: str | None = None
    """text to prepare first: what `unmask prepare` takes (a file, a folder, a glob, hf:NAME, python-docs); several are
    parted by spaces"""
    store: str | None = None
    """a prepared store; data.source is not read then"""
    language: str | None = None
    """ISO 639-1 codes for the model card, parted by commas; none leaves them out"""
    row_length: int = 128
    """tokens in a row, [CLS] and [SEP] included"""
    packing: str = "packed"
    """packed (documents share rows without seeing each other, nothing is dropped), document (a document a row), pairs
    (two neighbouring segments, or in half of the rows two from different documents) or swapped (two neighbours, in half
    of the rows in the wrong order)"""
    weights: tuple[str, ...] = ()
    """how often each source comes in an epoch, where not as the store says, e.g. en:2,zh:0.5; 0 leaves it out"""
    temperature: float = 1.0
    """the share of a source of n tokens is proportional to n^(1/temperature): 1 as they are, above 1 flatter
    (alpha=1/temperature in XLM-R, which takes 0.3)"""
    replay: str | None = None
    """a store of other text, of the same tokenizer, that is trained on as well, lest it be forgotten"""
    replay_share: float = 0.1
    """the share of tokens that come from data.replay"""

    def __post_init__(self) -> None:
        parsed_weights(self.weights)
        require(
            0 < self.temperature < float("inf"),
            f"data.temperature={self.temperature:g}: a number above 0 is needed; 1 leaves the shares as they are",
        )
        require(
            0 < self.replay_share < 1,
            f"data.replay_share={self.replay_share:g}: a share between 0 and 1 is needed, e.g. 0.1",
        )


@dataclass(frozen=True)
class Evaluation:
    """The held-out figures while training and at the end."""

    share: float = 0.15
    """share of words that are blanked"""
    tokens: int | None = 20_000
    """tokens of held-out text read at each evaluation while training; none: all"""
    final_tokens: int | None = 200_000
    """tokens of held-out text read at the end; none: all"""


def _training() -> Training:
    # Few rows at first: what a run can learn in its first steps it learns from few as well, and there are more of them.
    return Training(batch_start=0.125, batch_ramp=1.0)


@dataclass(frozen=True)
class Run:
    """Everything that a training run depends on; saved as run.json, from which it can be done again."""

    name: str = "run"
    """names the run folder and the model card"""
    seed: int = 0
    """of the weights, the order of rows, and the masks"""
    auto: bool = False
    """size, batch and learning rates are still open: they are decided from the text, the minutes and the machine"""
    data: Data = section(Data)
    corpus: CorpusSettings = section(CorpusSettings)
    tokenizer: TokenizerSettings = section(TokenizerSettings)
    masking: Masking = section(Masking)
    start: Start = section(Start)
    architecture: Any = choice(ARCHITECTURES, "modernbert")
    objective: Any = choice(OBJECTIVES, "masked_language_modeling")
    optimizer: Any = choice(OPTIMIZERS, "muon")
    training: Training = field(default_factory=_training)
    evaluation: Evaluation = section(Evaluation)

    def checked(self) -> Run:
        """Itself, when its sections fit each other; SettingError names the two that do not."""
        require(
            not self.auto,
            "the size is still open where auto=true: unmask pretrain auto decides it, from Python "
            "unmask.scaling.choose(run).run",
        )
        require(
            self.data.source is not None or self.data.store is not None,
            "data.source=TEXTS (prepared first) or data.store=STORE (prepared before) is needed",
        )
        require(
            self.data.packing != "packed" or self.architecture.packed_rows,
            f"data.packing=packed: architecture={ARCHITECTURES.name_of(self.architecture)} cannot keep the documents "
            "of one row apart; set data.packing=document",
        )
        require(
            self.data.packing in PAIRINGS or not self.objective.pairs,
            f"objective={OBJECTIVES.name_of(self.objective)} needs pairs of segments: set data.packing=pairs (does the "
            "second follow the first?) or data.packing=swapped (in which order do they stand?)",
        )
        require(
            self.architecture.packed_rows or not self.objective.gaps,
            "the objective leaves tokens out of the row, which "
            f"architecture={ARCHITECTURES.name_of(self.architecture)} cannot be told: "
            "modernbert, bert and transformer can",
        )
        require(
            self.architecture.takes_view or not self.objective.causal_rows,
            f"objective={OBJECTIVES.name_of(self.objective)} reads rows left to right, which architecture="
            f"{ARCHITECTURES.name_of(self.architecture)} cannot: modernbert, bert, transformer and unmask can",
        )
        require(
            getattr(self.objective, "teacher", None) != "",
            "objective=distillation needs a teacher: unmask distill TEACHER RECIPE, or objective.teacher=FOLDER",
        )
        require(
            self.start.model is not None or ARCHITECTURES.name_of(self.architecture) != "huggingface",
            "architecture=huggingface is that of a model folder: set start.model=FOLDER",
        )
        longest = self.architecture.positions
        require(
            self.data.row_length <= longest,
            f"data.row_length={self.data.row_length} is longer than the model's {longest} positions: "
            "lower it, or raise architecture.positions",
        )
        assert self.training.budget  # refuses none or several
        return self


def settled(run: Run) -> Run:
    """The run with what its start decides filled in, checked: the architecture of start.model, and its tokenizer where
    text is to be prepared. ModelError when that is no masked language model."""
    if run.start.model is not None:
        from unmask.start.folder import continued_from

        run = continued_from(run)
    if run.start.vectors is not None:
        from unmask.start.vectors import found

        run = replace(run, start=replace(run.start, vectors=str(found(run.start.vectors))))
    return run.checked()


def pretrain(
    run: Run,
    to: str | Path | None = None,
    display: Display | None = None,
    expected: Mapping[str, Any] | None = None,
) -> Outcome:
    """Train a masked language model and leave it in `to`/model (default runs/<name>).

    expected: what `unmask.scaling` expects of it (`Choice.record`); kept in run.json, its loss shown at the end.

    SettingError when the folder exists or the settings do not fit; Stopped when the run was asked to stop: it is saved,
    and `resume` goes on. Where nothing was trained because of a mistake, no folder is left in the way of the next try.
    """
    from unmask import stages
    from unmask.training.parallel import process_group

    folder = Path(to or Path("runs") / run.name)
    with process_group() as me:
        stages.started(settled(run), folder, me, {} if expected is None else {"expected": dict(expected)})
        try:
            return _until_stopped(folder, me, display)
        except UnmaskError as error:
            stages.given_up(folder, me, error)
            raise


def resume(folder: str | Path, display: Display | None = None) -> Outcome:
    """Go on with a run from its newest whole checkpoint, exactly as if it had never stopped.

    A run that is finished already just returns its figures.
    """
    from unmask import stages
    from unmask.training.parallel import process_group

    saved(stages.found(Path(folder)) / "run.json")
    with process_group() as me:
        return _until_stopped(Path(folder), me, display)


def saved(path: Path) -> Run:
    """The Run of a run.json; ModelError when it is damaged or of fine-tuning, SettingError for unknown settings."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); give a run.json that unmask wrote") from None
    data = data.get("run", data)
    if "task" in data:
        raise ModelError(f"{path} is of a fine-tuning run: go on with unmask finetune --resume {path.parent}")
    return from_dict(Run, data)


def _until_stopped(folder: Path, me: World, display: Display | None) -> Outcome:
    """The flow; whatever of it is stopped beside the training, which saves itself, is done again."""
    with stoppable(f"stopped before its end; go on with: unmask pretrain --resume {folder}"):
        return _trained(folder, me, display)


def _trained(folder: Path, me: World, display: Display | None) -> Outcome:
    """The flow: everything made ready, training, held-out figures, a model folder."""
    from unmask import stages

    if (finished := stages.finished(folder)) is not None:
        return finished
    run, store, judge, fit = ready(folder, me, display)
    spent = fit.run()
    return stages.published(run, folder, store, fit, spent, judge, me)


def ready(folder: Path, me: World, display: Display | None = None) -> tuple[Run, Store, Judge, Fit]:
    """A run folder made ready for its next step: text, store, rows, masks, model, optimizer."""
    from unmask import stages
    from unmask.batches import Batches
    from unmask.tokens.pairs import laid_out

    run = saved(folder / "run.json")
    stages.same_masks(run, folder, me)
    run, store = stages.stored(run, folder, me)
    machine = stages.machine(run, folder, me)
    mixture = stages.mixture(run, store, folder, me)
    rows = laid_out(mixture, "train", run.data.row_length, run.data.packing, run.seed)
    batches = Batches(rows, run.masking, run.seed, run.objective if run.objective.causal_rows else None)
    objective = stages.objective(run, store, machine)
    stages.begin(run, folder, store, objective)
    stages.teach(run, folder, store, objective, machine, me)
    judge = stages.Judge(run, store, objective, machine.device)
    return run, store, judge, stages.fit(run, folder, batches, objective, judge, machine, me, display)

"""Students: what `unmask distill` trains, made from a teacher's folder and, where one is named, a recipe.

distill("runs/wiki", settings=["training.minutes=30"])     half the teacher's layers, over the teacher's own store
student("runs/wiki", RECIPES.load("bert-mini")(), [...])   -> a Run to look at first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.config import changed, from_dict, overridden
from unmask.errors import SettingError
from unmask.objectives.distillation import Distillation
from unmask.run import Data, Run, pretrain

if TYPE_CHECKING:
    from unmask.models import Model
    from unmask.stages import Outcome
    from unmask.training.display import Display


def distill(
    teacher: str | Path,
    run: Run | None = None,
    settings: Sequence[str] = (),
    to: str | Path | None = None,
    display: Display | None = None,
) -> Outcome:
    """Train a smaller model that answers like a teacher, and leave it in `to`/model (default runs/<name>).

    teacher: a run or model folder, or a name on the Hub. Without a run the student is the teacher with half its layers.
    Raises as `load` does for a teacher that is none, and as `pretrain` does.
    """
    return pretrain(student(teacher, run, settings), to, display)


def student(teacher: str | Path, run: Run | None = None, settings: Sequence[str] = ()) -> Run:
    """The run that distils a teacher: `section.field=value` settings over a run, or over one made of the teacher.

    Text that is named is prepared with the teacher's tokenizer; where none is, the teacher's own store is taken.
    """
    from unmask.models import load

    model = load(teacher, device="cpu")
    base = _halved(model, teacher) if run is None else replace(run, name=f"{_called(teacher)}-{run.name}")
    made = changed(base, objective=Distillation(teacher=str(teacher)), tokenizer={"folder": str(model.path)})
    made = overridden(made, settings)
    if made.data.source is None and made.data.store is None and (known := _data_of(model)) is not None:
        made = changed(made, data={"store": known.store, "source": known.source})
    return made


def _halved(model: Model, teacher: str | Path) -> Run:
    """The teacher's architecture with half the layers, over rows like those the teacher learned from."""
    from unmask.objectives.masked_language_modeling import MaskedObjective

    if not isinstance(model.module, MaskedObjective):
        kind = model.module.config.model_type  # type: ignore[union-attr]
        raise SettingError(
            f"{teacher} is a '{kind}' model, which unmask has no smaller one of: name the student's recipe, "
            f"unmask distill {teacher} bert data.packing=document"
        )
    architecture: Any = model.module.encoder.config
    layers = (architecture.layers + 1) // 2
    data = replace(_data_of(model) or Data(), source=None, store=None)
    return Run(name=f"{_called(teacher)}-distilled", data=data, architecture=replace(architecture, layers=layers))


def _data_of(model: Model) -> Data | None:
    """What a model learned from, when it came with its run."""
    return None if model.run is None else from_dict(Data, model.run.get("data", {}), "data.")


def _called(teacher: str | Path) -> str:
    """What a teacher is called, by its folder: runs/wiki, runs/wiki/model and runs/wiki/checkpoints/step-9 are wiki."""
    path = Path(teacher)
    while path.name in ("model", "checkpoints") or path.name.startswith("step-"):
        path = path.parent
    return path.name or path.resolve().name

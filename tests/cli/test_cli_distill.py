"""`unmask distill`: a teacher, perhaps a recipe, settings; refusals in one line before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertForMaskedLM

import unmask.run
from unmask.architectures.bert import Bert
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed, to_dict
from unmask.corpus.documents import Document
from unmask.objectives.distillation import Distillation
from unmask.objectives.masked_language_modeling import MaskedLanguageModeling
from unmask.run import Run
from unmask.stages import Outcome
from unmask.tokens.training import TokenizerSettings, train_tokenizer
from unmask.weights import save_objective

V = 60
HOW_ON = "the same without --dry-run; what each setting means: unmask list settings"


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of a ModernBERT of four layers with random weights, below the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/wiki/model")
    folder.mkdir(parents=True)
    architecture = ModernBert(layers=4, width=16, heads=2, feedforward=24)
    objective = MaskedLanguageModeling().build(architecture.build(V), V)
    save_objective(folder, architecture, objective.state_dict(), {"pad": 0})
    tokenizer().save(folder)
    run = changed(Run(name="wiki"), data={"store": "stores/wiki", "row_length": 64})
    (folder.parent / "run.json").write_text(json.dumps({"run": to_dict(run), "environment": {}}))
    return folder.parent


def tokenizer():
    return train_tokenizer([Document("1", "a cat and a dog " * 9, "")], TokenizerSettings(vocabulary_size=V))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Run, Path]]:
    """Training replaced by a record of what it was asked for."""
    asked: list[tuple[Run, Path]] = []

    def pretrain(run, to, display=None, expected=None):
        asked.append((run, to))
        return Outcome(Path(to), {"loss": 1.0, "masked_tokens": 3}, [])

    monkeypatch.setattr(unmask.run, "pretrain", pretrain)
    return asked


def test_a_teacher_alone_gives_a_student_of_half_its_layers_over_its_store(trained, teacher, unmask):
    code, out, err = unmask("distill", "runs/wiki", "training.minutes=3", "objective.temperature=4")
    assert code == 0
    assert "runs/wiki-distilled/model" in out
    assert err.startswith("next: unmask fill runs/wiki-distilled")
    (run, folder), *others = trained
    assert (folder, others) == (Path("runs/wiki-distilled"), [])
    assert run.architecture == ModernBert(layers=2, width=16, heads=2, feedforward=24)
    assert (run.data.store, run.data.row_length, run.training.minutes) == ("stores/wiki", 64, 3)
    assert run.objective == Distillation(teacher="runs/wiki", temperature=4.0)


def test_a_recipe_is_the_student_and_names_the_run_with_its_teacher(trained, teacher, unmask):
    unmask("distill", "runs/wiki/model", "bert-tiny", "data.source=texts", "training.steps=3", "--to", "runs/small")
    ((run, folder),) = trained
    assert (run.name, folder) == ("wiki-bert-tiny", Path("runs/small"))
    assert isinstance(run.architecture, Bert)
    assert (run.data.source, run.data.store, run.tokenizer.folder) == ("texts", None, "runs/wiki/model")


def test_a_dry_run_shows_the_plan_and_trains_nothing(trained, teacher, unmask):
    code, out, err = unmask("distill", "runs/wiki", "training.steps=3", "--dry-run", "--json")
    assert (code, trained, err) == (0, [], f"next: {HOW_ON}\n")
    assert json.loads(out)["objective"]["teacher"] == "runs/wiki"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which teacher? unmask distill TEACHER [RECIPE] section.field=value, e.g. runs/demo"),
        (["training.steps=3"], "which teacher?"),
        (["runs/wki", "training.steps=3"], "runs/wki: no such folder; did you mean 'runs/wiki'?"),
        (["runs/wiki", "brt-tiny"], "unknown recipe 'brt-tiny'; did you mean 'bert-tiny'?"),
        (["runs/wiki", "objective.temprature=3"], "unknown setting 'objective.temprature'; did you mean"),
        (["runs/wiki"], "training: one of steps, epochs, tokens, minutes, flops is needed, none given"),
    ],
)
def test_a_mistake_is_told_in_one_line(trained, teacher, unmask, words, said):
    code, out, err = unmask("distill", *words)
    assert (code in (1, 2), out, trained) == (True, "", [])
    assert err.count("\n") == 1
    assert said in err


def test_a_teacher_that_unmask_has_no_class_of_needs_a_recipe(trained, teacher, unmask):
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=V, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=64)
    DistilBertForMaskedLM(config).save_pretrained("distil")
    tokenizer().save("distil")
    _, _, err = unmask("distill", "distil", "data.store=s", "training.steps=3")
    assert err == (
        "error: distil is a 'distilbert' model, which unmask has no smaller one of: name the student's recipe, "
        "unmask distill distil bert data.packing=document\n"
    )
    assert unmask("distill", "distil", "bert-tiny", "data.store=s", "training.steps=3").code == 0

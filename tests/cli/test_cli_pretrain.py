"""`unmask pretrain`: recipes and run.json, folders that are never overwritten, and what it says at the end."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import unmask.run
from unmask.cli.options import filling, question
from unmask.cli.pretrain import next_free, resolved
from unmask.errors import SettingError
from unmask.stages import Outcome

FIGURES = {
    "loss": 4.3121,
    "perplexity": 74.6,
    "token_accuracy": 0.3121,
    "word_accuracy": 0.2731,
    "word_error_rate": 0.1214,
    "bits_per_character": 1.934,
    "unigram_loss": 6.9012,
    "masked_tokens": 20312,
}
SAMPLES = [("Returns a ___ tensor.", "Returns a new tensor."), ("The ___ of it.", "The end of it.")]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list:
    """Training replaced by a record of what it was asked for."""
    asked: list = []

    def pretrain(run, to, display=None, expected=None):
        asked.append((run, to))
        return Outcome(Path(to), FIGURES, SAMPLES)

    def resume(folder, display=None):
        asked.append(("resume", folder))
        return Outcome(Path(folder), FIGURES, SAMPLES)

    monkeypatch.setattr(unmask.run, "pretrain", pretrain)
    monkeypatch.setattr(unmask.run, "resume", resume)
    monkeypatch.chdir(tmp_path)
    return asked


def test_a_recipe_is_trained_with_the_settings_behind_it(trained, unmask):
    code, _, _ = unmask("pretrain", "demo", "training.steps=7", "seed=3")
    (run, folder), *others = trained
    assert (code, others) == (0, [])
    assert (run.name, run.seed, run.training.steps, run.training.minutes) == ("demo", 3, 7, None)
    assert folder == Path("runs/demo")


def test_at_the_end_stand_the_figures_the_sentences_the_model_and_the_next_command(trained, unmask):
    _, out, err = unmask("pretrain", "demo", "--to", "runs/mine")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "loss 4.312 nats per token, 2.59 under the unigram line" in lines
    assert "words right 27.3 % of the masked ones, every token of the word" in lines
    assert "masked tokens 20,312" in lines
    assert "Returns a new tensor." in lines
    assert "model runs/mine/model" in lines
    assert err == 'next: unmask fill runs/mine "The ___ of it."\n'


def test_json_is_the_figures_and_the_model(trained, unmask):
    _, out, _ = unmask("pretrain", "demo", "--json")
    assert json.loads(out) == {**FIGURES, "model": "runs/demo/model"}


def test_again_takes_the_next_free_folder(trained, unmask, tmp_path):
    for name in ("demo", "demo-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    unmask("pretrain", "demo", "--again")
    assert trained[0][1] == Path("runs/demo-3")
    assert next_free(tmp_path / "runs" / "other") == tmp_path / "runs" / "other"


def test_a_saved_run_is_the_same_run_again(trained, unmask, tmp_path):
    from unmask.config import to_dict

    run = resolved(["demo", "training.batch_size=48", "masking.selection=whole_word"])
    saved = tmp_path / "run.json"
    saved.write_text(json.dumps({"run": to_dict(run), "environment": {}}))
    assert resolved([str(saved)]) == run
    assert resolved([str(saved), "seed=2"]).seed == 2
    unmask("pretrain", str(saved), "--to", "runs/second")
    assert trained == [(run, Path("runs/second"))]


def test_resume_goes_on_with_a_run(trained, unmask):
    assert unmask("pretrain", "--resume", "runs/mine").code == 0
    assert trained == [("resume", Path("runs/mine"))]


def test_only_the_first_process_reports(trained, unmask, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert unmask("pretrain", "demo") == (0, "", "")


def test_a_dry_run_shows_every_setting_and_trains_nothing(trained, unmask, tmp_path):
    code, out, _ = unmask("pretrain", "demo", "seed=3", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["seed"] == 3
    assert (trained, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which recipe? unmask pretrain RECIPE section.field=value (known: auto, demo, modernbert"),
        (["training.steps=3"], "which recipe?"),
        (["dmo"], "unknown recipe 'dmo'; did you mean 'demo'?"),
        (["demo", "training.step=3"], "unknown setting 'training.step'; did you mean 'training.steps'?"),
        (["demo", "fast"], "'fast' is not a setting: write section.field=value"),
        (["demo", "--resume", "runs/a"], "--resume goes on with a run as it was saved"),
        (["modernbert", "--dry-run"], "data.source=TEXTS (prepared first) or data.store=STORE"),
    ],
)
def test_a_command_that_makes_no_run_is_refused_on_one_line(words, said, trained, unmask):
    code, out, err = unmask("pretrain", *words)
    assert (code, out, trained) == (2, "", [])
    assert said in err
    assert err.count("\n") == 1


def test_a_run_json_that_does_not_exist_is_named(trained, unmask):
    code, _, err = unmask("pretrain", "nowhere/run.json")
    assert code == 1
    assert "nowhere/run.json cannot be read" in err


def test_the_question_at_the_end_survives_the_shell():
    samples = [("It's a ___ of $HOME and `ls`.", ""), ("word " * 100, "")]
    assert shlex.split(question(samples)) == ["It's a ___ of $HOME and `ls`."]
    assert "[MASK]" in question([])


def test_a_run_is_asked_a_sentence_it_was_judged_by_and_a_stranger_one_of_ours(tmp_path):
    (tmp_path / "model").mkdir()
    samples = [["今天[MASK]气很好。", "今天天气很好。"]]
    (tmp_path / "model" / "figures.json").write_text(json.dumps({"figures": {}, "samples": samples}))
    for name in (tmp_path, tmp_path / "model"):
        assert filling(name) == f'unmask fill {name} "今天[MASK]气很好。"'
    assert filling("bert-base-uncased") == 'unmask fill bert-base-uncased "A day of [MASK] and ___."'


def test_a_recipe_is_needed_for_its_settings():
    with pytest.raises(SettingError, match=r"known: .*demo"):
        resolved(["nothing"])

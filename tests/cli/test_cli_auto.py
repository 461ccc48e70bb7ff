"""`unmask pretrain auto`: decided and shown before it is trained, and never twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import unmask.run
from unmask.architectures.modernbert import ModernBert
from unmask.config import changed, to_dict
from unmask.scaling import Choice
from unmask.scaling.candidates import Candidate
from unmask.scaling.law import Lines
from unmask.scaling.sizes import Size
from unmask.stages import Outcome

CONSIDERED = (
    Candidate(Size(6, 256), 48, 0.5, 1_000, 3_000_000, 5.4321),
    Candidate(Size(4, 192), 48, 0.3, 1_700, 5_000_000, 5.5),
)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list:
    """Deciding and training replaced by a record of what they were asked for."""
    asked: list = []

    def choose(run):
        asked.append(("choose", run))
        decided = changed(run, architecture=ModernBert(), auto=False, training={"batch_size": 48})
        return Choice(decided, CONSIDERED, Lines(7.32, 6.0), 17_000_000, 0.06, False, "cpu")

    def pretrain(run, to, display=None, expected=None):
        asked.append(("train", run, expected))
        return Outcome(Path(to), {"loss": 5.4}, [])

    monkeypatch.setattr("unmask.scaling.choose", choose)
    monkeypatch.setattr(unmask.run, "pretrain", pretrain)
    monkeypatch.chdir(tmp_path)
    return asked


WORDS = ("pretrain", "auto", "data.store=s", "training.minutes=5")


def test_the_choice_is_shown_before_training_and_the_expectation_again_at_the_end(trained, unmask):
    code, _, err = unmask(*WORDS, "seed=3")
    (_, asked), (_, run, expected) = trained
    assert code == 0
    assert (asked.auto, asked.seed, asked.training.minutes) == (True, 3, 5)
    assert (run.auto, run.training.batch_size, expected["loss"]) == (False, 48, 5.4321)
    end = err.index("before training a loss of 5.43 was expected")
    assert err.index("held-out loss 5.43, give or take 0.06") < end


def test_a_dry_run_decides_and_prints_the_run_and_trains_nothing(trained, unmask):
    code, out, _ = unmask(*WORDS, "--dry-run", "--json")
    assert code == 0
    assert [what for what, *_ in trained] == ["choose"]
    assert json.loads(out) == to_dict(changed(trained[0][1], auto=False, training={"batch_size": 48}))


def test_the_printed_run_is_trained_without_deciding_again(trained, unmask, tmp_path):
    (tmp_path / "run.json").write_text(unmask(*WORDS, "--dry-run", "--json").out)
    trained.clear()
    assert unmask("pretrain", "run.json").code == 0
    assert [what for what, *_ in trained] == ["train"]


def test_a_folder_that_is_there_is_refused_before_anything_is_measured(trained, unmask, tmp_path):
    (tmp_path / "runs" / "auto").mkdir(parents=True)
    (tmp_path / "runs" / "auto" / "run.json").touch()
    code, _, err = unmask(*WORDS)
    assert (code, trained) == (2, [])
    assert "runs/auto exists already" in err


def test_an_open_run_is_refused_where_it_cannot_be_decided(unmask, tmp_path):
    code, _, err = unmask("compare", "auto", "bert", "data.store=s", "training.minutes=5", "--to", str(tmp_path / "c"))
    assert code == 2
    assert "auto: the size is still open where auto=true: unmask pretrain auto decides it" in err

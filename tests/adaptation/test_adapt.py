"""Adaptation: what it trains, what it reports, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import unmask
from unmask.adaptation import adapt
from unmask.adaptation.gain import compared, kept
from unmask.cli import main
from unmask.errors import DataError, ModelError, SettingError, Stopped
from unmask.evaluation.blanks import make_blanks
from unmask.evaluation.masked import score_blanks
from unmask.run import saved
from unmask.tokens.build import prepare
from unmask.tokens.training import TokenizerSettings

SHORT = ["training.steps=12", "training.batch_size=8", "training.evaluations=0", "training.threads=1"]
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Stores are made below a folder of the test's own, and the machine's speed is not measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)


@pytest.fixture(scope="module")
def extended_run(place, tmp_path_factory):
    """The model adapted to the new text with more tokens, the old text replayed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("extended"))
        patched.setattr("unmask.stages.peak_flops", lambda *given: 1e12)
        settings = [*SHORT, "data.replay_share=0.4", "training.steps=40"]
        made = adapt(place.before, place.new, "run", settings, replay=place.old, new_tokens=15)
        yield made, Path.cwd()


def test_new_tokens_are_learned_and_the_gain_is_measured_on_the_same_words(extended_run, place):
    made, home = extended_run
    gain, before, after = made.gain, unmask.load(place.before), unmask.load(home / "run")
    assert gain["new_tokens"] == 15 == after.vocabulary_size - before.vocabulary_size
    run = saved(home / "run" / "run.json")
    for name, store in (("new", run.data.store), ("old", run.data.replay)):
        texts = kept(store, run)
        words = []
        for when, model in (("before", before), ("after", after)):
            blanks = make_blanks(model.tokenizer, texts, run.data.row_length)
            words.append([blanks.texts[d][a:b] for d, (a, b) in zip(blanks.documents, blanks.spans, strict=True)])
            figures = score_blanks(blanks, model.predict)
            assert gain[name][when] == pytest.approx({key: figures[key] for key in gain[name][when]}, rel=1e-4)
        assert words[0] == words[1]
    assert gain["new"]["after"]["bits_per_character"] < gain["new"]["before"]["bits_per_character"] - 0.1


def test_the_report_stands_in_the_card_and_in_the_figures(extended_run):
    made, home = extended_run
    card = (home / "run" / "model" / "README.md").read_text()
    assert card.count("## Adaptation") == 1
    assert "Continued from before." in card
    assert "With 15 new tokens losses per token do not compare; bits per character do." in card
    assert "| old text | Bits per masked character |" in card
    assert "trained from scratch" not in card
    assert json.loads((home / "run" / "model" / "figures.json").read_text())["adaptation"] == made.gain
    assert [row[:2] for row in compared(made.gain)] == [
        [text, figure]
        for text in ("new text", "old text")
        for figure in ("Masked word accuracy", "Bits per masked character")
    ]


def test_the_adapted_folder_is_read_by_stock_transformers_with_the_same_logits(extended_run):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    _, home = extended_run
    folder = home / "run" / "model"
    model, stock = unmask.load(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()
    text = "the hypertensive patient [MASK] ."
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)(text)["input_ids"]])
    assert ids[0, 1:-1].tolist() == model.tokenizer.encode([text])[0].ids.tolist()
    assert bool((ids >= model.vocabulary_size - 15).any())  # new tokens are used
    places = torch.arange(ids.shape[1])
    ours = model.predict(ids, torch.ones_like(ids), torch.zeros_like(places), places)
    with torch.inference_mode():
        torch.testing.assert_close(ours, stock(input_ids=ids).logits[0], atol=1e-4, rtol=1e-4)


def test_the_same_call_again_returns_what_was_measured(extended_run, place, monkeypatch):
    made, home = extended_run
    monkeypatch.chdir(home)
    settings = [*SHORT, "data.replay_share=0.4", "training.steps=40"]
    again = adapt(place.before, place.new, "run", settings, replay=place.old, new_tokens=15)
    assert again.gain == made.gain
    with pytest.raises(SettingError, match="run exists already, as another run: take another folder with --to PATH"):
        adapt(place.before, place.new, "run", [*settings, "seed=9"], replay=place.old, new_tokens=15)


def test_a_stopped_adaptation_goes_on_with_the_same_call(place, tmp_path, stop_at):
    texts = prepare(
        [place.new], tmp_path / "s", tokenizer=TokenizerSettings(folder=f"{place.before}/model"), progress=False
    )
    with pytest.raises(Stopped, match="stopped at step 5, which is saved; go on with the same command"):
        adapt(place.before, texts.folder, "parts", SHORT, display=stop_at(5))
    parts = adapt(place.before, texts.folder, "parts", SHORT)
    whole = adapt(place.before, texts.folder, "whole", SHORT)
    assert parts.gain["new"] == whole.gain["new"]
    # Without more tokens, replay or --old: the store of the model's own run is the old text.
    assert whole.gain["new_tokens"] == 0
    assert [row[1] for row in compared(whole.gain)][:2] == ["Loss", "Masked word accuracy"]
    run = saved(tmp_path / "whole" / "run.json")
    peak = saved(Path(place.before) / "run.json").optimizer.learning_rate
    assert run.optimizer.learning_rate == pytest.approx(0.3 * peak)
    assert run.training.schedule.multiplier(0.0) < 0.1 < 1 == run.training.schedule.multiplier(0.1)  # warmed up again
    assert whole.gain["old"]["before"]["masked_tokens"] == parts.gain["old"]["before"]["masked_tokens"] > 0


def test_what_does_not_fit_is_refused_before_anything_is_trained(place, tmp_path):
    other = prepare([place.new], tmp_path / "other", tokenizer=TokenizerSettings(vocabulary_size=60), progress=False)
    with pytest.raises(DataError, match=r"was prepared with another tokenizer than that of .*: unmask prepare TEXTS"):
        adapt(place.before, other.folder, "run", SHORT)
    with pytest.raises(DataError, match=r"data.replay=.*other was prepared with another tokenizer than"):
        adapt(place.before, place.store, "run", SHORT, replay=other.folder)
    with pytest.raises(SettingError, match="is cut into tokens already: new tokens need its texts"):
        adapt(place.before, place.store, "run", SHORT, new_tokens=5)
    with pytest.raises(SettingError, match="is a store: give one store, or texts"):
        adapt(place.before, [place.store, place.new], "run", SHORT)
    assert not (tmp_path / "run").exists()


def test_a_budget_that_cannot_be_is_refused_before_any_text_is_prepared(place, monkeypatch):
    monkeypatch.setattr("unmask.adaptation._prepared", lambda *given: pytest.fail("text was prepared"))
    for settings, told in (
        (["training.minutes=-3"], r"training.minutes=-3.0: more than 0 is needed"),
        (["training.flops=1e9", "training.steps=2"], r"steps and flops given; set the others to none"),
    ):
        with pytest.raises(SettingError, match=told):
            adapt(place.before, place.new, "run", settings)


def test_a_model_that_is_no_masked_language_model_is_refused(place, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(vocab_size=120, n_positions=16, n_embd=8, n_layer=1, n_head=1)).save_pretrained("gpt2")
    unmask.load(place.before).tokenizer.save("gpt2")
    with pytest.raises(ModelError, match=r"gpt2 holds a 'gpt2' model, which has no masked-LM head: give a BERT"):
        adapt("gpt2", place.new, "run", SHORT)


def test_the_command_prints_the_gain_in_eighty_columns(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["adapt", place.before, place.store, "--to", "run", "--old", place.new, *SHORT]) == 0
    printed = capsys.readouterr().out.splitlines()
    [row] = [line for line in printed if line.startswith("new text") and "Loss" in line]
    assert len(row.split()) == 6
    table = [line for line in printed if line.startswith(("new text", "old text"))]
    assert len(table) == 6
    assert max(map(len, table)) <= 80
    assert main(["adapt", place.before]) == 2
    assert "which model, and which text? unmask adapt MODEL TEXTS" in capsys.readouterr().err

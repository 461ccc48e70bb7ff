"""`unmask compare` from the legs to the table: interrupted, continued, adopted, refused."""

import json
import shutil
import signal

import pytest

from unmask.comparison import compare
from unmask.comparison.table import Comparison, explained, markdown
from unmask.comparison.verdicts import same_blanks
from unmask.errors import DataError, SettingError, Stopped
from unmask.run import resume

pytestmark = pytest.mark.usefixtures("known_peak")


@pytest.fixture
def known_peak(monkeypatch):
    """The speed of this machine is not asked: measuring it takes longer than the shortest runs."""
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)


class StopAt:
    """Watches a run and asks it to stop, as Ctrl-C does, once its first step is done."""

    def start(self, *given, **settings): ...
    def evaluation(self, *given): ...
    def message(self, text): ...

    def step(self, record):
        signal.raise_signal(signal.SIGTERM)


def steady(comparison):
    """The figures that do not depend on the clock or on the process."""
    clock = ("minutes", "tokens_per_second", "peak_memory")
    return {
        key: {name: value for name, value in leg.items() if name not in clock} for key, leg in comparison.legs.items()
    }


def test_every_leg_is_an_ordinary_run_folder_with_a_verdict_and_the_table_has_a_row_for_each_recipe(made):
    found, to, _ = made
    assert {row.name: row.seeds for row in found.rows} == {"bert": 2, "cbow": 2, "unigram": 1, "n-gram": 1}
    assert [row.figures["loss"].value for row in found.rows] == sorted(row.figures["loss"].value for row in found.rows)
    for key in ("bert-0", "bert-1", "cbow-0", "cbow-1"):
        figures = json.loads((to / "runs" / key / "model" / "figures.json").read_text())
        verdict = json.loads((to / "legs" / f"{key}.json").read_text())
        assert verdict["figures"] == figures["figures"]
        assert verdict["peak_memory"] == figures["peak_memory"] > 1e7
        assert verdict["steps"] == 2
    assert (to / "comparison.png").stat().st_size > 10_000


def test_baselines_are_asked_the_same_blanks_and_the_unigram_is_on_its_line(made):
    found, _, _ = made
    assert {leg["masked_tokens"] for leg in found.legs.values()} == {found.masked_tokens}
    unigram = found.legs["unigram"]
    assert unigram["loss"] == pytest.approx(unigram["unigram_loss"], rel=1e-5)
    assert found.legs["n-gram"]["loss"] < unigram["loss"] - 1


def test_parameters_are_those_of_the_model_that_fills(made):
    """A bag of words: an embedding, its norm, and the head's dense layer, norm and bias."""
    found, to, _ = made
    size = json.loads((to / "runs" / "cbow-0" / "model" / "config.json").read_text())["vocab_size"]
    assert found.legs["cbow-0"]["parameters"] == 16 * size + 16 + 16 * 16 + 16 + size


def test_the_same_call_again_trains_nothing_and_gives_the_same(made):
    found, to, words = made
    again = compare(words, to, seeds=2, train=lambda folder: pytest.fail(f"{folder} is trained again"))
    assert again == found


def test_a_comparison_that_is_stopped_and_continued_equals_one_never_stopped(words, tmp_path):
    whole = compare(words, tmp_path / "whole", train=resume)
    with pytest.raises(Stopped, match=r"^stopped in bert-0, which is saved; run the same command again to go on$"):
        compare(words, tmp_path / "parts", train=lambda folder: resume(folder, StopAt()))
    assert not (tmp_path / "parts" / "comparison.md").exists()
    continued = compare(words, tmp_path / "parts", train=resume)
    assert steady(continued) == steady(whole)


def test_finished_runs_put_there_are_taken_as_they_are(made, farm, tmp_path):
    found, to, words = made
    shutil.copytree(to / "runs", tmp_path / "runs")
    for path in tmp_path.glob("runs/*/run.json"):  # as another folder would spell the store, without the later settings
        path.write_text(path.read_text().replace(str(farm.folder), "stores/elsewhere"))
    adopted = compare(words, tmp_path, seeds=2, train=lambda folder: pytest.fail(f"{folder} is trained again"))
    assert steady(adopted) == steady(found)


def test_other_settings_than_those_of_a_leg_that_is_there_are_refused_before_anything_is_trained(made):
    _, to, words = made
    with pytest.raises(SettingError, match=r"bert-0.run\.json was made with masking\.ratio=0\.3, now it is 0\.2: take"):
        compare([*words, "masking.ratio=0.2"], to, train=lambda folder: pytest.fail("trained"))


def test_legs_that_were_asked_other_blanks_are_refused():
    one = {"figures": {"masked_tokens": 10, "unigram_loss": 3.0}}
    with pytest.raises(DataError, match=r"^b and a were not asked the same blanks: train b again, without its folder$"):
        same_blanks({"a": one, "b": {"figures": {"masked_tokens": 10, "unigram_loss": 3.1}}})
    same_blanks({"a": one, "b": one})


def test_minimal_pairs_are_added_to_legs_that_are_judged_already_baselines_too(made, tmp_path):
    found, to, words = made
    line = {"sentence_good": "the dog barks .", "sentence_bad": "the dog meows .", "UID": "voices"}
    pairs = tmp_path / "voices.jsonl"
    pairs.write_text(json.dumps(line | {"field": "farm", "linguistics_term": "voice"}) + "\n")
    shutil.copytree(to, tmp_path / "copy")
    again = compare(words, tmp_path / "copy", seeds=2, blimp=pairs, train=lambda folder: pytest.fail("trained"))
    assert again.legs["n-gram"]["blimp"] == 1.0
    assert all("blimp" in leg for leg in again.legs.values())
    assert "blimp" not in found.legs["n-gram"]
    with pytest.raises(DataError, match="--blimp takes the folder with BLiMP"):
        compare(words, to, seeds=2, blimp=tmp_path / "nowhere")


def test_means_and_spreads_are_those_of_the_seeds(made):
    found, _, _ = made
    losses = [found.legs[f"bert-{seed}"]["loss"] for seed in (0, 1)]
    (row,) = (row for row in found.rows if row.name == "bert")
    assert row.figures["loss"].value == pytest.approx(sum(losses) / 2)
    assert row.figures["loss"].spread == pytest.approx(abs(losses[0] - losses[1]) / 2**0.5)


def verdict(loss, accuracy, **more):
    figures = {"loss": loss, "word_accuracy": accuracy, "masked_tokens": 1234}
    return {"figures": figures, "parameters": 8_100_000} | more


def test_the_table_in_words():
    verdicts = {
        "b-0": verdict(4.0, 0.25, tokens_per_second=12_300.0, peak_memory=1.25e9),
        "a-0": verdict(3.0, 0.30, tokens_per_second=9_000.0),
        "a-1": verdict(3.2, 0.34, tokens_per_second=9_000.0),
        "unigram": verdict(7.0, 0.05),
    }
    made = Comparison.of({"b-0": "b", "a-0": "a", "a-1": "a", "unigram": "unigram"}, verdicts, "5 minutes")
    lines = markdown(made, "comparison.png").splitlines()
    assert explained(made) == (
        "5 minutes for each; means over 2 seeds, ± their standard deviation; "
        "loss in nats on the same 1,234 masked tokens"
    )
    assert lines[4] == "| model | seeds | loss | words right | size | tokens/s | memory |"
    assert lines[6:9] == [
        "| a | 2 | 3.100 ± 0.141 | 32.0 ± 2.8 % | 8.1 M | 9.0 k | – |",
        "| b | 1 | 4.000 | 25.0 % | 8.1 M | 12.3 k | 1.2 GB |",
        "| unigram | – | 7.000 | 5.0 % | 8.1 M | – | – |",
    ]
    assert "![validation loss against time](comparison.png)" in lines


@pytest.mark.slow
def test_a_leg_is_trained_in_a_process_of_its_own_and_what_goes_wrong_there_is_told_here(words, tmp_path):
    from unmask.errors import UnmaskError

    found = compare([*words, "lstm:optimizer=adamw"], tmp_path / "apart", baselines=False)
    assert {row.name for row in found.rows} == {"bert", "lstm"}
    with pytest.raises(UnmaskError, match="the loss is not finite"):
        compare([*words, "optimizer.adam_learning_rate=1e30"], tmp_path / "broken", baselines=False)

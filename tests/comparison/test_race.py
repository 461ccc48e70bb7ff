"""The race: all are given the same rows, questions and seconds, and what is done is not done again."""

import itertools
import json
import math
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import SettingError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("known_peak", "benchmarks")


@pytest.fixture
def known_peak(monkeypatch):
    """The speed of this machine is not asked: measuring it takes longer than the shortest runs."""
    monkeypatch.setattr("unmask.stages.peak_flops", lambda *given: 1e12)


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


class Ticks:
    """A clock on which every look takes a second, so that a leg takes the same steps on any machine."""

    def __init__(self):
        self.shown = itertools.count()

    def seconds(self):
        return float(next(self.shown))

    def stopped(self):
        return nullcontext()


@pytest.fixture
def course(farm, benchmarks):
    from benchmarks.race.legs import Course
    from benchmarks.race.rows import grouped

    return Course(
        str(farm.folder), str(grouped(farm, 32)), marks=4, quick_tokens=300, whole_tokens=600, search=((1e-3, 4),)
    )


def ticking(leg, course):
    """The record of a leg by `Ticks`."""
    from benchmarks.race.running import trained_by
    from benchmarks.race.track import Track

    track = Track(course, 60 * leg.minutes, Ticks())
    return track.finish(trained_by(leg)(leg, track))


def uniform(words):
    """Knows nothing: every token is as likely as any."""
    return lambda tokens, groups, rows, columns: torch.zeros(len(rows), words)


# ---------------------------------------------------------------- the rows and the clock


def test_grouped_rows_are_those_that_run_mlm_makes(farm, course):
    from transformers import AutoTokenizer

    texts = [farm.tokenizer().decode(shard_document.tolist()) for shard_document in training_documents(farm)]
    encoded = AutoTokenizer.from_pretrained(Path(farm.folder) / "tokenizer")(texts)["input_ids"]
    stream = list(itertools.chain.from_iterable(encoded))
    expected = [stream[start : start + 32] for start in range(0, len(stream) // 32 * 32, 32)]
    assert np.load(course.rows).tolist() == expected


def training_documents(store):
    (shard,) = store.shards("train")
    return [shard.tokens[start:end] for start, end in itertools.pairwise(shard.document_starts)]


def test_the_clock_counts_from_the_start_of_the_process_and_stands_still_for_questions(benchmarks, monkeypatch):
    from benchmarks.race import track

    now = [100.0]
    monkeypatch.setattr(track.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(track.time, "time", lambda: now[0] + 5000)
    clock = track.Clock(began=5090.0)
    assert clock.seconds() == pytest.approx(10)
    now[0] += 3
    with clock.stopped():
        now[0] += 50
        assert clock.seconds() == pytest.approx(13)
    now[0] += 1
    assert clock.seconds() == pytest.approx(14)


def test_every_contestant_is_asked_once_at_each_mark_and_at_its_end(farm, course):
    from benchmarks.race.track import Finish, Track

    track, predict = Track(course, 100, Ticks()), uniform(farm.vocabulary_size)
    track.begin()
    steps = 0
    while not track.over:
        steps += 1
        track.step(predict, steps, 8 * steps)
    record = track.finish(Finish(predict, 0, steps, 8 * steps))
    assert [point["mark"] for point in record["curve"]] == [1, 2, 3, 4]
    assert [point["seconds"] for point in record["curve"]] == pytest.approx([25, 50, 75, 100], abs=5)
    assert [point["loss"] for point in record["curve"]] == pytest.approx([math.log(farm.vocabulary_size)] * 4)
    assert record["figures"]["loss"] == pytest.approx(math.log(farm.vocabulary_size))


def test_the_schedule_goes_from_the_first_step_to_the_end_of_the_time(course):
    from benchmarks.race.track import Track

    track = Track(course, 110, Ticks())
    track.clock.shown = itertools.repeat(10)
    track.begin()
    assert track.progress == 0
    track.clock.shown = itertools.repeat(60)
    assert track.progress == 0.5
    track.clock.shown = itertools.repeat(500)
    assert (track.progress, track.over) == (1.0, True)


# ---------------------------------------------------------------- the contestants


@pytest.fixture
def stock(benchmarks):
    """B's model, with random weights far from their start."""
    from benchmarks.steps import stock_modernbert

    torch.manual_seed(0)
    model = stock_modernbert({"layers": 2, "width": 16, "heads": 2, "feedforward": 32, "words": 50}, sparse=True)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_b_projects_at_the_masked_places_alone_with_torchs_fused_attention(stock):
    labels = torch.full((2, 12), -100)
    labels[0, 3], labels[1, 7], labels[1, 9] = 5, 6, 7
    assert stock(input_ids=torch.randint(5, 50, (2, 12)), labels=labels).logits.shape == (3, 50)
    assert stock.config._attn_implementation == "sdpa"


def test_a_stock_model_is_asked_for_the_logits_of_its_own_forward(stock):
    from benchmarks.race.trainer import predictor

    tokens, groups = torch.randint(5, 50, (2, 12)), torch.ones(2, 12, dtype=torch.long)
    groups[1, 9:] = 0
    rows, columns = torch.tensor([0, 0, 1]), torch.tensor([1, 11, 4])
    found = predictor(stock)(tokens, groups, rows, columns)
    assert stock.training
    with torch.no_grad():
        whole = stock.eval()(input_ids=tokens, attention_mask=groups).logits
    torch.testing.assert_close(found, whole[rows, columns])


def test_the_last_rows_of_c_are_causal_and_every_place_answers_for_the_next():
    from benchmarks.race.clone import hybrid
    from benchmarks.steps import masked_batch

    batch = masked_batch({"batch": 2, "row_length": 6, "words": 40, "ratio": 0.3})
    batch = replace(batch, groups=torch.tensor([[1, 1, 1, 2, 2, 2]] * 2))
    true = torch.where(batch.targets == -100, batch.inputs, batch.targets)
    made = hybrid(batch, masked=1)
    assert made.inputs.t().tolist() == [batch.inputs[0, :-1].tolist(), true[1, :-1].tolist()]
    expected = [batch.targets[0, 1:].clone(), true[1, 1:].clone()]
    for targets in expected:
        targets[2] = -100  # a text does not foretell the next one
    assert made.targets.t().tolist() == [targets.tolist() for targets in expected]
    seen = ~made.hidden
    assert seen[0].int().tolist() == [[1, 1, 1, 0, 0]] * 3 + [[0, 0, 0, 1, 1]] * 2
    assert seen[1].nonzero().tolist() == [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2], [3, 3], [4, 3], [4, 4]]


def test_a_recipe_keeps_its_shape_at_another_size(farm):
    from benchmarks.race.legs import Leg
    from benchmarks.race.ours import run_of

    assert vars(run_of(Leg("ours", "12x384"), str(farm.folder)).architecture).items() >= {
        "layers": 12, "width": 384, "heads": 6, "feedforward": 768,
    }.items()  # fmt: skip
    assert run_of(Leg("electra", "2x128"), str(farm.folder)).architecture.feedforward == 512


def test_auto_decides_its_size_within_the_minutes_of_its_leg(farm, monkeypatch):
    from types import SimpleNamespace

    from benchmarks.race.legs import Leg
    from benchmarks.race.ours import NEVER, run_of

    import unmask.scaling

    decided = []
    monkeypatch.setattr(unmask.scaling, "choose", lambda run: decided.append(run) or SimpleNamespace(run="decided"))
    assert run_of(Leg("ours-auto", "6x256", 5.0, 3), str(farm.folder)) == "decided"
    (asked,) = decided
    assert asked.auto
    assert (asked.seed, asked.data.store) == (3, str(farm.folder))
    assert (asked.training.minutes, asked.training.checkpoint_every, asked.training.evaluations) == (5.0, NEVER, 0)


# ---------------------------------------------------------------- the legs


def test_a_race_of_a_b_and_ours_gives_curves_and_goes_on_where_it_stopped(farm, course, tmp_path, capsys):
    from benchmarks.race.legs import planned, with_search
    from benchmarks.race.running import race, records
    from benchmarks.race.tables import PAGE, write_tables

    legs = with_search(planned(("A", "B", "ours"), "1x16", 1.0, 1), course)
    race(legs[:2], course, tmp_path, ticking)
    race(legs, course, tmp_path, ticking)
    assert capsys.readouterr().out.count("held-out loss") == 3
    made = {record["leg"]["contestant"]: record for record in records(tmp_path)}
    assert made.keys() == {"A", "B", "ours"}
    for record in made.values():
        assert [point["mark"] for point in record["curve"]][-1] == 4
        assert len(record["curve"]) >= 3
        assert 60 <= record["seconds"] < 80
        assert record["steps"] > 2
        assert record["figures"]["loss"] < math.log(farm.vocabulary_size) + 0.5
        assert {"commit", "machine", "versions", "store"} <= record.keys()
    assert made["B"]["settings"]["learning_rate"] == 1e-3
    assert made["A"]["settings"]["per_device_train_batch_size"] == 8
    same = {record["figures"]["unigram_loss"] for record in made.values()}
    assert len(same) == 1
    write_tables(tmp_path, tmp_path / "docs")
    page = (tmp_path / "docs" / PAGE).read_text(encoding="utf-8")
    assert "| B: Trainer, ModernBERT, tuned | 1 | 1 |" in page
    assert "ours in 1 minutes ends" in page
    assert (tmp_path / "docs" / "race-1x16.png").stat().st_size > 10_000
    write_tables(tmp_path, tmp_path / "docs")
    assert (tmp_path / "docs" / PAGE).read_text(encoding="utf-8") == page


def test_a_leg_of_another_text_is_not_taken_for_this_ones(course, tmp_path):
    from benchmarks.race.legs import Leg, file_of
    from benchmarks.race.running import race

    leg = Leg("ours", "1x16", 1.0)
    file_of(leg, tmp_path).parent.mkdir()
    file_of(leg, tmp_path).write_text(json.dumps({"store": "another"}))
    with pytest.raises(SettingError, match=r"was run on another text: take another folder with --to, or remove it"):
        race([leg], course, tmp_path, ticking)


def test_b_takes_the_best_of_its_search(course):
    from benchmarks.race.legs import SEARCH, best_settings, planned, with_search

    course = replace(course, search=((1e-3, 16), (1e-3, 32), (2e-3, 16)))
    legs = with_search(planned(("B",), "6x256", 20, 1), course)
    assert [leg.contestant for leg in legs] == [SEARCH] * 3 + ["B"]
    assert len({leg.key for leg in legs}) == 4
    losses = (6.9, 6.5, 7.1)
    made = [{"leg": vars(leg), "figures": {"loss": loss}} for leg, loss in zip(legs[:3], losses, strict=True)]
    assert best_settings(made, course) == {"learning_rate": 1e-3, "batch": 32}
    assert with_search(planned(("ours",), "6x256", 20, 2), course) == planned(("ours",), "6x256", 20, 2)


def test_the_whole_race_holds_what_its_claim_needs(benchmarks):
    from benchmarks.race.legs import whole_race

    found = {(leg.contestant, leg.minutes, leg.seed) for leg in whole_race(clone=True)}
    assert found >= {(name, 20, seed) for name in ("A", "B", "ours") for seed in (0, 1)}
    assert found >= {("ours", 5, 0), ("ours", 5, 1), ("C", 5, 0), ("mae", 5, 0)}
    assert all(leg.contestant != "C" for leg in whole_race(clone=False))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((("our",), "6x256", 5, 1), r"unknown contestant 'our'; did you mean 'ours'\?"),
        ((("ours",), "6", 5, 1), r"size 6: LAYERSxWIDTH is needed, e.g. 6x256"),
        ((("ours",), "6x256", 0, 1), r"minutes 0: more than 0 are needed"),
        ((("ours",), "6x256", 5, 0), r"seeds 0: 1 or more are needed"),
    ],
)
def test_a_race_that_cannot_be_says_what_is_needed(benchmarks, given, words):
    from benchmarks.race.legs import planned

    with pytest.raises(SettingError, match=words):
        planned(*given)


def test_c_without_its_clone_says_where_to_get_it(benchmarks, tmp_path):
    from benchmarks.race.clone import MODEL, code_of

    with pytest.raises(SettingError, match=r"git clone .*ltgoslo/gpt-bert, then --clone FOLDER"):
        code_of(str(tmp_path), MODEL)


def test_the_time_to_a_loss_lies_between_the_two_points_around_it(benchmarks):
    from benchmarks.race.tables import seconds_to

    curve = np.array([10.0, 20.0, 30.0]), np.array([7.0, 6.0, 5.5])
    assert seconds_to(curve, 6.25) == pytest.approx(17.5)
    assert seconds_to(curve, 8.0) == 10
    assert seconds_to(curve, 5.4) is None


def test_the_share_of_the_peak_is_operations_over_time_and_speed(benchmarks, monkeypatch):
    from benchmarks.steps import Step, share_of_peak

    monkeypatch.setattr("unmask.training.throughput.peak_flops", lambda *given: 1e6)
    layer, hidden = torch.nn.Linear(8, 16), torch.randn(5, 8, requires_grad=True)
    step = Step(learn=lambda: layer(hidden).sum().backward(), update=lambda: hidden @ hidden.t())
    assert share_of_peak(step, seconds=0.1)["peak_share"] == pytest.approx(6 * 5 * 8 * 16 / 0.1 / 1e6)


@pytest.mark.slow
def test_the_command_runs_each_leg_in_a_process_of_its_own(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(60):
        (texts / f"{number}.txt").write_text(" ".join(f"w{(number * n * n) % 97} stands ." for n in range(90)))
    command = [
        sys.executable, "-m", "benchmarks.race", str(texts), "--only", "A,ours", "--size", "1x16", "--minutes", "0.05",
        "--seeds", "1", "--words", "300", "--to", str(tmp_path / "race"), "--docs", str(tmp_path / "docs"),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path.name for path in (tmp_path / "race" / "legs").iterdir()} == {
        "A-1x16-0.05m-0.json", "ours-1x16-0.05m-0.json",
    }  # fmt: skip
    assert "race-1x16.png" in (tmp_path / "docs" / "performance.md").read_text()

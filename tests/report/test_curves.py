"""Learning curves show what metrics.jsonl says, all of it, and nothing else."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from unmask.errors import DataError
from unmask.report.curves import _ticks, apart, curves, plot, read_metrics, series, terminal


def write_run(folder: Path, losses: list[float], every: int = 10, unigram: float | None = 6.4) -> Path:
    folder.mkdir(parents=True)
    with open(folder / "metrics.jsonl", "w", encoding="utf-8") as file:
        for step, loss in enumerate(losses, start=1):
            record = {"step": step, "seconds": step * 60.0, "tokens": step * 1_000_000, "loss": loss}
            if step % every == 0:
                record |= {"validation_loss": loss + 0.1} | ({} if unigram is None else {"unigram_loss": unigram})
            file.write(json.dumps(record) + "\n")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "mine", [9 - step / 10 for step in range(40)])


def test_curves_hold_every_loss_and_every_evaluation(run: Path) -> None:
    found = curves(run)
    assert found.training.tolist() == pytest.approx([9 - step / 10 for step in range(40)])
    assert found.validation_x.tolist() == [10, 20, 30, 40]
    assert found.unigram == 6.4
    assert found.end == (40, pytest.approx(5.2))


@pytest.mark.parametrize(("x", "last"), [("steps", 40), ("seconds", 2400), ("tokens", 40_000_000)])
def test_x_is_what_was_asked(run: Path, x: str, last: float) -> None:
    assert curves(run, x).training_x[-1] == last


@given(some.lists(some.floats(0, 12), min_size=1, max_size=500))
def test_smoothing_keeps_the_mean_of_the_curve(losses: list[float]) -> None:
    from unmask.report.curves import Curves

    xs, nothing = np.arange(len(losses), dtype=float), np.empty(0)
    made = Curves("a", xs, np.array(losses), nothing, nothing, None)
    smooth_x, smooth = made.smoothed
    assert len(smooth) == min(150, len(losses))
    assert (np.diff(smooth_x) > 0).all()
    assert min(losses) - 1e-9 <= smooth.min() <= smooth.max() <= max(losses) + 1e-9
    if len(losses) % len(smooth) == 0:
        assert smooth.mean() == pytest.approx(np.mean(losses))


def test_a_loss_that_is_not_finite_is_left_out() -> None:
    records = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": math.nan}, {"step": 3}, {"step": 4, "loss": math.inf}]
    assert series(records, "step", "loss")[1].tolist() == [3.0]


def test_a_last_line_cut_short_by_a_kill_is_passed_over(run: Path) -> None:
    with open(run / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 41, "lo')
    assert len(read_metrics(run)) == 40


def test_a_broken_line_in_the_middle_is_named(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*lines[:3], "{", *lines[3:]]))
    with pytest.raises(DataError, match="line 4 is not JSON: remove the line"):
        read_metrics(run)


def test_a_folder_without_figures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no run with figures: metrics\.jsonl is not in it"):
        plot([tmp_path], tmp_path / "a.png")


def test_a_run_that_has_not_begun_is_told_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no figures yet"):
        terminal([write_run(tmp_path / "new", [])])


def test_the_picture_is_a_png_of_its_size_in_a_folder_that_is_made(run: Path) -> None:
    from matplotlib.image import imread

    picture = plot([run], run / "report" / "curves.png")
    assert imread(picture).shape == (720, 1280, 4)


def test_each_run_has_a_colour_of_its_own(tmp_path: Path) -> None:
    from matplotlib.image import imread

    runs = [write_run(tmp_path / f"run{n}", [9 - n - step / 20 for step in range(40)]) for n in range(3)]
    pixels = (imread(plot(runs, tmp_path / "a.png"))[..., :3] * 255).round().astype(int).reshape(-1, 3)
    shown = set(map(tuple, pixels.tolist()))
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= shown


def test_the_terminal_plot_is_80_columns_of_plain_text_when_nobody_watches(run: Path) -> None:
    text = terminal([run], "seconds")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "minutes" in text
    assert "validation 5.20" in text
    assert "unigram line 6.40" in text


def test_runs_of_one_name_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / part / "demo", [5.0] * 20) for part in ("a", "b")]
    assert "a/demo" in terminal(runs)
    assert "b/demo" in terminal(runs)


def test_a_run_without_evaluation_is_drawn_too(tmp_path: Path) -> None:
    run = write_run(tmp_path / "young", [9.0, 8.0, 7.0], unigram=None)
    assert plot([run], tmp_path / "a.png").stat().st_size > 1000
    assert "training 7.00" in terminal([run])


@given(some.floats(1e-3, 1e12))
def test_ticks_are_round_few_and_inside(last: float) -> None:
    ticks = _ticks(last)
    assert 2 <= len(ticks) <= 6 + 1
    assert ticks[0] == 0
    assert ticks[-1] <= last * (1 + 1e-9)
    assert f"{ticks[1]:e}"[0] in "125"


@given(some.lists(some.floats(0, 10), min_size=1, max_size=8), some.floats(0.01, 1))
def test_names_never_overlap_and_keep_their_order(values: list[float], distance: float) -> None:
    moved = sorted(apart(values, distance))
    assert all(b - a >= distance - 1e-9 for a, b in itertools.pairwise(moved))
    assert all(after >= before for before, after in zip(values, apart(values, distance), strict=True))

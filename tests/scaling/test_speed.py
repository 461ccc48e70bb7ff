"""Seconds of any size from those of a few: the arithmetic on made-up times, the measurement on tiny steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unmask.masking import Masking
from unmask.scaling import speed as speed_of
from unmask.scaling.sizes import Size
from unmask.scaling.speed import Setup, Shapes, Speed, Timed, interpolated, measured


@pytest.mark.parametrize("size", [Size(2, 128), Size(6, 256), Size(4, 192), Size(12, 384), Size(12, 768)], ids=str)
def test_sizes_between_and_beyond_the_measured_ones_follow_the_same_lines(size, speed, made_up):
    true = made_up(size.layers, size.width, 64)
    assert speed.learning_seconds(size, 64) == pytest.approx(true.learning, rel=1e-3)
    assert speed.update_seconds(size) == pytest.approx(true.update, rel=1e-3)
    assert speed.step_seconds(size, 64) == pytest.approx(true.learning + true.update, rel=1e-3)


def test_a_noisy_measurement_never_makes_a_larger_step_cheaper():
    # Four layers were timed faster than two.
    noisy = Speed(tuple(Timed(depth, 128, rows, 1 / depth + rows, 1 / depth) for depth in (2, 4) for rows in (8, 32)))
    seconds = [noisy.step_seconds(Size(layers, 128), 16) for layers in (1, 2, 4, 8, 16)]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_interpolation_is_linear_between_points_and_drawn_on_beyond_them():
    xs, ys = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 3.0])
    assert [interpolated(x, xs, ys) for x in (-1, 0.5, 2, 5)] == [-2, 1, 2.5, 4]


@pytest.fixture
def setup(store, monkeypatch):
    """Eight tiny shapes in place of the real ones."""
    monkeypatch.setattr(speed_of, "ON_PROCESSOR", Shapes(widths=(16, 32), layers=(1, 2), rows=(4, 8)))
    monkeypatch.setattr(speed_of, "SECONDS", 0.1)
    monkeypatch.setattr(speed_of, "_known", {})
    return Setup(store, Masking(), 32, "packed", torch.device("cpu"), torch.float32, 1)


def test_every_shape_is_timed_by_real_steps_once_in_a_process(setup):
    found = measured(setup)
    shapes = [(timed.width, timed.layers, timed.rows) for timed in found.timed]
    assert shapes == [(width, layers, rows) for width in (16, 32) for layers in (1, 2) for rows in (4, 8)]
    assert all(timed.learning > 0 and timed.update > 0 for timed in found.timed)
    assert measured(setup) is found

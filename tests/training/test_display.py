"""The live display: what it shows, where it shows it, and that it holds still where nobody watches."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from unmask import console
from unmask.training import display as module
from unmask.training.display import Curve, Display, clock, compact, progress, seconds_left

RUN = SimpleNamespace(name="demo")
SAMPLE = ("Returns a [MASK] tensor.", "Returns a new tensor.")
STEP = {
    "step": 40,
    "seconds": 60.0,
    "tokens": 655360,
    "loss": 5.25,
    "learning_rate": 1e-3,
    "tokens_per_second": 41203.4,
    "peak_share": 0.62,
}
EVALUATION = {"step": 40, "validation_loss": 4.312, "word_accuracy": 0.273}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def panel(display: Display, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(display._panel())
    return stream.getvalue()


def shown(monkeypatch: pytest.MonkeyPatch) -> Display:
    display = Display()
    monkeypatch.setattr(module, "PLAIN_SECONDS", 0.0)
    display.start(RUN, 3_912_000, ("minutes", 5.0))
    display.step(STEP)
    display.evaluation(EVALUATION, SAMPLE)
    return display


def test_the_panel_has_every_figure_and_the_sentence_being_filled(monkeypatch):
    text = panel(shown(monkeypatch))
    for part in (
        "demo · 3.9 M parameters · 5 minutes",
        "5.250",
        "27.3 %",
        "4.312",
        "41,203",
        "62 % of the machine's peak",
        "20 %",
        "4:00 left",
        "step 40",
        *SAMPLE,
    ):
        assert part in text


def test_the_panel_fits_eighty_columns_whatever_the_sentence(monkeypatch):
    display = shown(monkeypatch)
    display.evaluation(EVALUATION, ("word [MASK] " * 50, "word other " * 50))
    lines = panel(display).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 13


def test_before_the_first_step_the_panel_shows_dashes():
    display = Display()
    console.set_quiet(True)
    display.start(RUN, 10, ("steps", 100))
    assert "–:–– left" in panel(display)


def test_without_a_terminal_there_are_lines_and_every_evaluation_is_one(monkeypatch, capsys):
    display = shown(monkeypatch)
    display.message("saved [step 40]")
    display.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "demo · 3.9 M parameters · 5 minutes",
        "step     40  loss 5.250  41,203 tokens/s  62 % of the machine's peak  20 %  4:00 left",
        "step     40  held out: loss 4.312  words right 27.3 %",
        "  Returns a new tensor.",
        "saved [step 40]",
    ]


def test_plain_lines_come_now_and_then_not_every_step(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    display = Display()
    display.start(RUN, 10, ("steps", 100))
    for number in range(1, 101):
        now[0] = 100 + 0.5 * number
        display.step({**STEP, "step": number})
    assert [line.split()[1] for line in capsys.readouterr().err.splitlines()[1:]] == ["1", "21", "41", "61", "81"]


def test_quiet_shows_nothing_but_still_gathers_samples(monkeypatch, capsys):
    console.set_quiet(True)
    display = shown(monkeypatch)
    display.message("saved")
    display.close()
    assert capsys.readouterr() == ("", "")
    assert display.samples == [SAMPLE]


def test_on_a_terminal_the_panel_is_drawn_and_what_is_said_stays(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    display = shown(monkeypatch)
    display.message("saved [step 40]")
    display.close()
    display.close()  # a second time does no harm
    drawn = stream.getvalue()
    assert "\x1b[" in drawn
    assert "words right" in drawn
    assert "saved [step 40]" in drawn
    assert drawn.endswith("\x1b[?25h"), "the cursor is shown again at the end"


def test_the_final_table_is_a_result_and_goes_to_standard_output(capsys):
    display = Display()
    display.close(console.table("figures", ["what", "value"], [["loss", 4]]))
    out, err = capsys.readouterr()
    assert "loss" in out
    assert err == ""


@example([2.2250738585e-313, 0.0])
@given(st.lists(st.floats(0, 100), max_size=500))
def test_the_curve_is_never_wider_than_its_place_and_forgets_no_stretch(losses: list[float]):
    curve = Curve(points=10)
    for loss in losses:
        curve.add(loss)
    assert len(curve.drawn()) <= 10
    assert len(curve.values) < 20
    if losses:
        assert curve.drawn()
        kept = curve.values[: len(losses) // curve._stride]
        stretch = curve._stride
        for number, value in enumerate(kept):
            part = losses[number * stretch : (number + 1) * stretch]
            assert math.isclose(value, sum(part) / stretch, rel_tol=1e-9, abs_tol=1e-9)


def test_the_curve_falls_from_its_highest_bar_to_its_lowest():
    curve = Curve(points=8)
    for loss in (8, 7, 6, 5, 4, 3, 2, 1):
        curve.add(loss)
    curve.add(math.nan)
    curve.add(math.inf)
    assert curve.drawn() == "█▇▆▅▄▃▂▁"


@pytest.mark.parametrize(
    ("budget", "share", "left"),
    [
        (("minutes", 5.0), 0.2, 240.0),
        (("minutes", 0.5), 1.0, 0.0),
        (("steps", 160), 0.25, 180.0),
        (("tokens", 655360 * 2), 0.5, 60.0),
        (("epochs", 2.0), 0.0, None),
    ],
)
def test_progress_and_the_time_left_follow_the_budget(budget, share, left):
    assert progress(STEP, budget) == share
    assert seconds_left(STEP, budget) == left


def test_a_records_own_progress_counts_before_all_else():
    assert progress({**STEP, "progress": 0.75}, ("steps", 160)) == 0.75


@pytest.mark.parametrize(("number", "text"), [(7, "7"), (1500, "1.5 k"), (3_912_000, "3.9 M"), (395e6, "395 M")])
def test_counts_are_short(number, text):
    assert compact(number) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "–:––"), (5, "0:05"), (125.4, "2:05"), (3725, "1:02:05")])
def test_clock(seconds, text):
    assert clock(seconds) == text

"""The terminal: results on standard output, all else on standard error, and silence when it is asked for."""

import io
import json

import pytest

from unmask import console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_notices_go_to_standard_error_and_results_to_standard_output(capsys: pytest.CaptureFixture[str]):
    console.say("reading")
    console.warn("two lines skipped")
    console.print_json({"word": "schön", "n": 1})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"word": "schön", "n": 1}
    assert "schön" in out
    assert err == "reading\nnote: two lines skipped\n"


def test_quiet_silences_notices_and_never_errors_or_results(capsys: pytest.CaptureFixture[str]):
    console.set_quiet(True)
    console.say("reading")
    console.warn("skipped")
    console.next_step("unmask fill runs/demo")
    console.complain("error", "no such file")
    console.console().print("result")
    assert capsys.readouterr() == ("result\n", "error: no such file\n")


def test_the_next_step_is_printed_as_it_is_typed(capsys: pytest.CaptureFixture[str]):
    command = 'unmask fill runs/demo "a [bold] [MASK] day" && pip install unmask[hub]'
    console.next_step(command)
    assert capsys.readouterr().err == f"next: {command}\n"


def test_a_line_stays_one_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    console.say("word " * 100)
    console.complain("error", "first\nsecond " + "x" * 200)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1] == "error: first second " + "x" * 200


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_whose_owner_wants_plain_text_gets_plain_text(
    plain: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in plain.items():
        monkeypatch.setenv(name, value)
    console.warn("[bold]careful[/bold]")
    assert stream.getvalue() == "note: careful\n"
    assert not console.live(stream)


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    console.warn("careful")
    assert "\x1b[" in stream.getvalue()
    assert console.live(stream)


def test_a_table_has_its_first_column_left_and_figures_right(capsys: pytest.CaptureFixture[str]):
    console.console().print(console.table("figures", ["what", "value"], [["loss", 3.25], ["tokens", 12345]]))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["figures", "what    value", "loss     3.25", "tokens  12345"]

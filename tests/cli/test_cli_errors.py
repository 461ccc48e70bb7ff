"""A user's mistake is one line on standard error and an exit code; our own mistake is a traceback."""

import errno
import os
import subprocess
import sys

import pytest

from unmask.cli import listing
from unmask.errors import DataError, SettingError, Stopped


def failing_with(error: BaseException):
    def entries_of(name: str):
        raise error

    return entries_of


def test_an_unknown_verb_is_answered_with_the_nearest(unmask):
    assert unmask("fil") == (2, "", "error: no such command 'fil'. Did you mean 'fill'? (see unmask --help)\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fill"], "missing argument 'MODEL' (see unmask fill --help)"),
        (["fill", "m", "t", "--top-k", "many"], "invalid value for '--top-k'"),
        (["fill", "m", "t", "--topk", "3"], "no such option: --topk"),
        (["plot", "runs/a", "--x", "minutes"], "'minutes' is not one of 'seconds', 'steps', 'tokens'"),
        (["prepare", "texts"], "missing option '--to' (see unmask prepare --help)"),
        (["list", "recipe"], "unknown menu 'recipe'; did you mean 'recipes'?"),
        (["list", "settings", "demp"], "unknown recipe or task 'demp'; did you mean 'demo'?"),
    ],
)
def test_words_that_cannot_be_understood_are_named_on_one_line(words, said, unmask):
    code, out, err = unmask(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingError("seed=x: a whole number is needed"), 2, "error: seed=x: a whole number is needed\n"),
        (DataError("texts/ is empty; name a folder with text"), 1, "error: texts/ is empty; name a folder with text\n"),
        (Stopped("saved; go on with --resume runs/a"), 75, "stopped: saved; go on with --resume runs/a\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a/tokens.bin"),
            1,
            "error: runs/a/tokens.bin: the disk is full; free some space and run the same command again\n",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/opt/store"),
            1,
            "error: /opt/store: permission denied; choose a folder that you may use\n",
        ),
    ],
)
def test_every_kind_of_error_has_its_line_and_its_exit_code(error, code, said, unmask, monkeypatch):
    monkeypatch.setattr(listing, "entries_of", failing_with(error))
    assert unmask("list", "recipes") == (code, "", said)


def test_quiet_does_not_silence_errors(unmask, monkeypatch):
    monkeypatch.setattr(listing, "entries_of", failing_with(DataError("broken")))
    assert unmask("--quiet", "list", "recipes").err == "error: broken\n"


def test_a_mistake_of_ours_is_a_traceback(unmask, monkeypatch):
    monkeypatch.setattr(listing, "entries_of", failing_with(FileNotFoundError(errno.ENOENT, "no such file", "x")))
    with pytest.raises(FileNotFoundError):
        unmask("list", "recipes")


@pytest.mark.parametrize("words", [["list", "selections"], ["list", "selections", "--json"]])
def test_nobody_reading_is_no_reason_for_a_traceback(words):
    code = f"import sys; from unmask.cli import main; sys.exit(main({words}))"
    read, write = os.pipe()
    os.close(read)  # nobody will ever read what is printed
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run([sys.executable, "-c", code], stdout=gone, stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
    assert done.returncode == 1


def test_without_a_terminal_nothing_is_coloured(unmask):
    code, out, err = unmask("list", "selections")
    assert code == 0
    assert "\x1b" not in out + err

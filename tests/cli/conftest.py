"""Running the command line as a person does, in this process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from unmask.cli import main


class Outcome(NamedTuple):
    """What a command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def unmask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """unmask("fill", "runs/demo", ...) -> its exit code and what it printed."""

    def run(*words: str) -> Outcome:
        capsys.readouterr()
        code = main(words)
        return Outcome(code, *capsys.readouterr())

    return run

"""What a person is told when something they gave cannot be used.

    UnmaskError                 one line: the thing, and the mend
    ├── SettingError            an unknown name, a value out of range, two settings that exclude each other
    ├── DataError               text or a token store that cannot be read
    ├── ModelError              a model folder or checkpoint that cannot be loaded
    ├── MissingExtra            an optional dependency that is not installed
    └── Stopped                 asked to stop (Ctrl-C, SIGTERM, a full disk): the work is saved, run again

The command line prints the message after `error:` and exits with `exit_code`; a traceback means a mistake of ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class UnmaskError(Exception):
    """A user's mistake or a broken input. The message is one line that names the thing and how to mend it."""

    exit_code = 1


class SettingError(UnmaskError):
    """A setting or a name that cannot be used."""

    exit_code = 2


class DataError(UnmaskError):
    """Text, a file, or a token store that cannot be read."""


class ModelError(UnmaskError):
    """A model folder or a checkpoint that cannot be loaded."""


class MissingExtra(UnmaskError):
    """An optional dependency is needed: `MissingExtra("datasets", extra="hub", why="to read hf: sources")`."""

    def __init__(self, package: str, *, extra: str, why: str) -> None:
        super().__init__(f"{package} is needed {why}: pip install 'unmask[{extra}]'")
        self._told = {"extra": extra, "why": why}
        self._package = package

    def __reduce__(self) -> Any:  # a worker process hands it to its parent
        return partial(MissingExtra, self._package, **self._told), ()


class Stopped(UnmaskError):
    """The run was asked to stop and has saved what it made. 75 is EX_TEMPFAIL: run the same thing again."""

    exit_code = 75

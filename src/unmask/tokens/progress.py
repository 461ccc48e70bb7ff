"""How far preparation is: a bar with rate and time left on a terminal, plain lines where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from unmask.console import progress_console

_SECONDS_BETWEEN_LINES = 10.0


class Stages:
    """Stages one after the other; `update` starts the stage it names. Silent when not `shown`."""

    def __init__(self, shown: bool = True) -> None:
        self._console = progress_console()
        self._shown = shown
        self._bars = _bars(self._console) if shown and self._console.is_terminal else None
        self._name, self._task = "", None
        self._first = 0
        self._began = self._printed = 0.0

    def __enter__(self) -> Stages:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage that is as long as the block, and cannot tell how far it is."""
        self.update(name)
        yield
        self.done()

    def update(self, name: str, done: int = 0, total: int | None = None, unit: str = "") -> None:
        """`done` of `total` bytes or characters of a stage are done; `unit` is a million of them."""
        if name != self._name:
            self.done()
            self._begin(name, done, total, unit)
        if self._bars and self._task is not None:
            self._bars.update(self._task, completed=done, total=total)
        elif self._shown and total and time.monotonic() - self._printed > _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            self._console.print(f"{name}: {line(done, total, self._first, self._printed - self._began, unit)}")

    def done(self) -> None:
        """The present stage is finished."""
        if self._bars and self._task is not None:
            total = self._bars.tasks[-1].total or 1
            self._bars.update(self._task, total=total, completed=total)
        self._name, self._task = "", None

    def _begin(self, name: str, done: int, total: int | None, unit: str) -> None:
        self._name, self._first = name, done
        self._began = self._printed = time.monotonic()
        if self._bars:
            self._task = self._bars.add_task(name, total=total, completed=done, unit=unit, first=done)
        elif self._shown:
            self._console.print(f"{name} ...")


def line(done: int, total: int, first: int, seconds: float, unit: str) -> str:
    """How far a stage is, in words: "45 %, 12.3 MB/s, 80 s left". `first` was done before its `seconds` began."""
    rate = (done - first) / max(seconds, 1e-9)
    left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
    return f"{100 * done / max(1, total):.0f} %, {rate / 1e6:.1f} {unit}/s{left}"


class _Rate(ProgressColumn):
    """Millions a second since the stage began."""

    def render(self, task: Task) -> Text:
        unit = task.fields.get("unit")
        if not unit or not task.elapsed:
            return Text("")
        return Text(f"{(task.completed - task.fields['first']) / task.elapsed / 1e6:.1f} {unit}/s", style="dim")


def _bars(console: object) -> Progress:
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(bar_width=24))
    return Progress(*columns, TextColumn("{task.percentage:>3.0f} %"), _Rate(), TimeRemainingColumn(), console=console)  # type: ignore[arg-type]

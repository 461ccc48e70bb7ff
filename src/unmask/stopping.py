"""Being asked to stop: by Ctrl-C, by SIGTERM (a scheduler's, a machine's shutting down), by SIGUSR1 (Slurm's warning).

| | |
|---|---|
| `asked_to_stop` | tells a loop, which stops where it can be gone on with |
| `stoppable` | ends everything else, in one line that says how to go on |

A second signal ends at once. Only the main thread hears signals: in others nothing changes.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from unmask.errors import Stopped

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name))


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that the signals set while the block lasts."""
    asked = threading.Event()
    with _heard(lambda: asked.set()):
        yield asked


@contextmanager
def stoppable(told: str) -> Iterator[None]:
    """Stopped(told) when one of the signals comes while the block lasts: for work that another try begins again."""

    def end() -> None:
        raise KeyboardInterrupt  # what no `except Exception` on the way swallows

    try:
        with _heard(end):
            yield
    except KeyboardInterrupt:
        raise Stopped(told) from None


@contextmanager
def _heard(do: Callable[[], Any]) -> Iterator[None]:
    """Call `do` at the first signal; whatever heard them before hears the second, and those after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: Any) -> None:
        give_back()
        do()

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield
    finally:
        give_back()

"""Being asked to stop: by Ctrl-C, by SIGTERM (a scheduler's, a machine's shutting down), by SIGUSR1 (Slurm's warning);
or made to, by a full disk.

| | |
|---|---|
| `asked_to_stop` | tells a loop, which stops where it can be gone on with |
| `stoppable` | ends everything else, in one line that says how to go on |

A second signal ends at once. Only the main thread hears signals: in others nothing changes.
"""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from unmask.errors import Stopped, UnmaskError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name))


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """An event that the signals set while the block lasts."""
    asked = threading.Event()
    with _heard(lambda: asked.set()):
        yield asked


@contextmanager
def stoppable(told: str) -> Iterator[None]:
    """Stopped(told) when one of the signals comes while the block lasts, or the disk is full: for work that another try
    begins again. told: "stopped WHERE; HOW TO GO ON"."""

    def end() -> None:
        raise KeyboardInterrupt  # what no `except Exception` on the way swallows

    try:
        with _heard(end):
            yield
    except KeyboardInterrupt:
        raise Stopped(told) from None
    except UnmaskError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        raise Stopped(f"stopped by a full disk ({error}): make room; {told.partition('; ')[2]}") from None


def is_full(error: Exception) -> bool:
    """Whether a disk, a quota or the longest file is full; safetensors says so in an error of its own."""
    words = ("No space left", "File too large", "os error 28", "os error 27", "os error 122")
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return getattr(error, "errno", None) in full or any(word in str(error) for word in words)


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

"""Training in a process of its own, so that its speed and its peak memory are those of one leg alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask import console
from unmask.errors import Stopped, UnmaskError
from unmask.stopping import SIGNALS


def resumed_apart(folder: Path) -> None:
    """Go on with a run in another process until it is finished, with its progress shown.

    What the process raises as an UnmaskError is raised here. SIGTERM and SIGUSR1 are passed on and a Ctrl-C reaches
    both: the run saves itself, then this is Stopped.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_resume, args=(folder, console.quiet(), there))
    process.start()
    there.close()
    with _passed_on(process.pid) as stopped:
        error = _received(here)
        process.join()
    if error is not None:
        raise error
    if stopped.is_set():
        raise Stopped(f"stopped while {folder} was trained")
    if process.exitcode != 0:
        raise UnmaskError(f"{folder}: its process ended with {process.exitcode}; run the same command again to go on")


def _received(pipe: Any) -> UnmaskError | None:
    """What the other process says at its end: an error of its own, or nothing."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def _resume(folder: Path, quiet: bool, pipe: Any) -> None:
    """In the other process: train to the end, and say what went wrong."""
    from unmask.run import resume
    from unmask.training.display import Display

    threading.Thread(target=_stop_with_parent, daemon=True).start()
    console.set_quiet(quiet)
    display, error = Display(), None
    try:
        resume(folder, display)
    except UnmaskError as raised:
        error = raised
    except KeyboardInterrupt:
        error = Stopped(f"stopped while {folder} was trained")
    finally:
        display.close()
    pipe.send(error)


def _stop_with_parent() -> None:
    """Save and stop when the process that wanted this leg is there no more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _passed_on(process: int | None) -> Iterator[threading.Event]:
    """Signals that ask to stop set the event and are passed on; a terminal sends Ctrl-C to both processes by itself."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread() or process is None:
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        asked.set()
        if number != signal.SIGINT:
            os.kill(process, number)

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

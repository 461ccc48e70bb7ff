"""A pool of fresh processes for work that is pure: a task goes in, a small result comes out."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from unmask.errors import UnmaskError

_shared: dict[str, Any] = {}


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def advance(amount: int) -> None:
    """From inside a task: so much more is done. Shown as `progress` where the pool was made."""
    counter = _shared.get("counter")
    if counter is not None and amount:
        with counter.get_lock():
            counter.value += amount


def mapped(
    function: Callable[[Any], Any], tasks: Sequence[Any], workers: int, progress: Callable[[int], None]
) -> Iterator[tuple[Any, Any]]:
    """(task, result) of every task, in the order in which they finish; in this process when one worker is enough.

    `progress` is called, about twice a second, with the sum of what the tasks said to `advance`. The first error ends
    the work: tasks that run are finished, the others are left.
    """
    if min(workers, len(tasks)) <= 1:
        yield from _here(function, tasks, progress)
        return
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _begin, (counter,)) as pool:
        waiting = {pool.submit(function, task): task for task in tasks}
        try:
            while waiting:
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                progress(counter.value)
                for future in done:
                    yield waiting.pop(future), future.result()
        except UnmaskError as error:
            raise error from None  # the worker's traceback says nothing to a person
        except BrokenProcessPool:
            raise UnmaskError(
                "a worker process ended: either memory ran out (take fewer workers), or the program that called this "
                "needs an `if __name__ == '__main__':` around its work"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Counter:
    """What a shared counter is to many processes, for one."""

    value = 0

    def get_lock(self) -> threading.RLock:
        return threading.RLock()  # type: ignore[return-value]


def _here(function: Callable[[Any], Any], tasks: Sequence[Any], progress: Callable[[int], None]) -> Iterator[Any]:
    counter = _shared["counter"] = _Counter()
    try:
        for task in tasks:
            result = function(task)
            progress(counter.value)
            yield task, result
    finally:
        _shared.pop("counter", None)


def _begin(counter: Any) -> None:
    """In a new worker: Ctrl-C is for the parent, threads are other processes', and no parent means no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["RAYON_NUM_THREADS"] = "1"
    _shared["counter"] = counter
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)

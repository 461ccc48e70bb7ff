"""Being asked to stop: a loop is told, everything else ends in one line, and a second signal ends at once."""

import errno
import signal
import threading

import pytest

from unmask.errors import DataError, Stopped
from unmask.stopping import SIGNALS, asked_to_stop, stoppable


def interrupted(told, *numbers):
    """Signals one after the other in work that can be stopped; the work swallows every ordinary exception."""
    with stoppable(told):
        try:
            for number in numbers:
                signal.raise_signal(number)
        except Exception:
            pytest.fail("swallowed")
        pytest.fail("the work went on")


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_that_asks_to_stop_is_told_in_one_line(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match="run it again"):
        interrupted("stopped: run it again", number)
    assert signal.getsignal(number) is before


def test_what_is_stopped_inside_keeps_its_own_words():
    with pytest.raises(Stopped, match="inside"), stoppable("outside"):
        interrupted("inside", signal.SIGINT)


def test_a_loop_goes_on_until_it_looks_and_the_second_signal_ends_it():
    with stoppable("outside"), asked_to_stop() as asked:
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_another_thread_hears_nothing():
    heard = []

    def work():
        with stoppable("stopped"), asked_to_stop() as asked:
            heard.append((signal.getsignal(signal.SIGTERM), asked.is_set()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [(signal.getsignal(signal.SIGTERM), False)]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("Error while serializing: IoError(os error 28)")],
)
def test_a_full_disk_is_told_with_how_to_go_on(error):
    with pytest.raises(Stopped, match=r"stopped by a full disk \(.*\): make room; go on with: x --resume"):
        failing("stopped before its end; go on with: x --resume", error)


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(errno.EACCES, "x"), DataError("the disk has: No space left")]
)
def test_other_errors_are_what_they_were(error):
    with pytest.raises(type(error)) as raised:
        failing("stopped; go on", error)
    assert raised.value is error


def failing(told, error):
    """Work that can be stopped, and fails."""
    with stoppable(told):
        raise error

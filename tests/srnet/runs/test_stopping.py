"""Ending a run: the clock, signals, and the handlers that were there before."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from srnet.runs.stopping import Stopping

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("srnet.runs.stopping.time.monotonic", lambda: clock.now)
    return clock


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_the_time_is_over_after_runtime(clock):
    with Stopping(runtime=5) as stop:
        clock.now = 105.0
        assert (stop(), stop.reason) == (False, None)
        clock.now = 105.5
        assert (stop(), stop.reason) == (True, "runtime")
        clock.now = 0.0
        assert stop()  # from then on


def test_without_runtime_the_time_is_never_over(clock):
    with Stopping(runtime=None) as stop:
        clock.now = 1e9
        assert not stop()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_sets_a_mark(number):
    before = handlers()
    with Stopping(runtime=None) as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert (stop(), stop.reason) == (True, "interrupted")
        assert handlers() == before  # a second one acts as outside
    assert handlers() == before


def test_a_second_ctrl_c_interrupts():
    before, asked = handlers(), []

    def twice():
        with Stopping(runtime=None) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            asked.append(stop())
            os.kill(os.getpid(), signal.SIGINT)
            asked.append("still here")

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert (asked, handlers()) == ([True], before)


def test_the_first_reason_stays(clock):
    with Stopping(runtime=5) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        clock.now = 200.0
        assert (stop(), stop.reason) == (True, "interrupted")


def test_handlers_come_back_after_an_error():
    before, inside = handlers(), []

    def fails():
        with Stopping(runtime=None):
            inside.extend(handlers())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert len(inside) == 2
    assert not set(inside) & set(before)
    assert handlers() == before


def test_one_inside_another():
    with Stopping(runtime=None) as outer:
        with Stopping(runtime=None) as inner:
            os.kill(os.getpid(), signal.SIGINT)
            assert (inner(), outer()) == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert outer()


def test_in_another_thread_only_the_time_counts(clock):
    before, found = handlers(), []

    def work():
        with Stopping(runtime=1) as stop:
            found.extend([stop(), handlers() == before])
            clock.now += 2
            found.extend([stop(), stop.reason])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, True, True, "runtime"]

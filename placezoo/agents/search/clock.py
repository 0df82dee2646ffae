"""What a budget's seconds are: of wall time, or of the processor's where other work shares the machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLOCK = "PLACEZOO_CLOCK"  # an environment variable, so that processes that do runs inherit it
CLOCKS = ("wall", "cpu")
_POLL = 0.005  # seconds
_elsewhere = 0.0  # processor seconds of other processes that worked for this one


def clock() -> str:
    """Return which clock runs: ``wall`` unless the environment says ``cpu``.

    Raises:
        ValueError: the environment says anything else.
    """
    chosen = os.environ.get(CLOCK) or CLOCKS[0]
    if chosen not in CLOCKS:
        raise ValueError(f"{CLOCK} must be one of {', '.join(CLOCKS)}, not {chosen!r}")
    return chosen


def now() -> float:
    """Return the clock's seconds since some moment; the processor's are those of all threads of this process."""
    return time.perf_counter() if clock() == CLOCKS[0] else time.process_time() + _elsewhere


def spent_elsewhere(seconds: float) -> None:
    """Count processor seconds that another process spent on this one's work."""
    global _elsewhere
    _elsewhere += seconds


def alarm(seconds: float) -> None:
    """Let this process be ended by a signal after so many of the clock's seconds; 0 takes the alarm back."""
    signal.setitimer(signal.ITIMER_REAL if clock() == CLOCKS[0] else signal.ITIMER_PROF, seconds)


ALARMS = (signal.SIGALRM, signal.SIGPROF)


@contextmanager
def stopped(stop: Callable[[], None], is_over: Callable[[], bool]) -> Iterator[None]:
    """Call ``stop`` as soon as the clock says so while the block runs: a solver of others knows wall time only."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL):
            if is_over():
                stop()  # again and again: it may not have begun yet

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()

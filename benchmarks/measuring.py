"""What the benchmarks share: on which machine, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable

from placezoo.agents.solution import describe_machine


def best_time(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of some calls, seconds; the first, which may compile, does not count."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def machine_line() -> str:
    """Return processor, system, Python and date in a line."""
    machine = describe_machine()
    return f"{machine['processor']}, {machine['machine']}, Python {machine['python']}, {machine['date']}"

"""What the benchmarks share: rows that are measured, their printer, their command line, how long and on which machine.

A script is a function that returns rows, or several of them by name, and ``run(__doc__, ...)``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from placezoo.agents.search.clock import CLOCK
from placezoo.agents.solution import describe_machine

# With eight jobs on two cores even the best of several takes up to five times as long: bounds in seconds are ten times
# the goal, rates a tenth of it. What they catch is a loop that is no longer compiled, not a tenth lost.
SLACK = 10.0


class Row(NamedTuple):
    """A measurement: a line of a table, or one cell of it where several rows have its name and other columns."""

    name: str
    value: float
    unit: str = ""  # "s" is shown as s, ms or us; of units with "/s" more is better, of all others less
    bound: float | None = None  # what the value must reach; None: nothing to compare with, it never fails
    yardstick: str = ""  # what it stands beside, and whose measurement that is
    column: str = "measured"
    shown: str = ""  # the value in words; by default the number and its unit
    table: str = ""  # the title of its table
    key: str = "what"  # the heading of the names

    @property
    def missed(self) -> bool:
        """Return whether the value misses its bound; a value that is no number misses any."""
        if self.bound is None:
            return False
        return not (self.value >= self.bound if "/s" in self.unit else self.value <= self.bound)

    @property
    def text(self) -> str:
        """Return the value as the table has it."""
        return self.shown or quantity(self.value, self.unit)


def quantity(value: float, unit: str) -> str:
    """Return a number with its unit: seconds as s, ms or us, rates without decimals."""
    if unit == "s":
        scale, name = (1, "s") if value > 0.5 else (1e3, "ms") if value > 1e-4 else (1e6, "us")
        return f"{value * scale:.3g} {name}" if value * scale < 100 else f"{value * scale:,.0f} {name}"
    number = f"{value:,.0f}" if "/s" in unit else f"{value:g}"
    return f"{number}{unit}" if unit.startswith("/") else f"{number} {unit}".strip()


@contextmanager
def processor_seconds() -> Iterator[None]:
    """Let budgets count the processor's seconds, as ``placezoo leaderboard --clock cpu``: other work is left out."""
    before = os.environ.get(CLOCK)
    os.environ[CLOCK] = "cpu"
    try:
        yield
    finally:
        os.environ.pop(CLOCK)
        if before is not None:
            os.environ[CLOCK] = before


def best_time(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of some calls, seconds; the first, which may compile, does not count."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def measured_apart(module: str, *arguments: str) -> list[float] | str:
    """Return the numbers that a script prints after ``RESULT`` in a process of its own, or why there are none."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return [float(part) for part in lines[-1].split()[1:]] if lines else done.stderr.strip().splitlines()[-1][:60]


def machine_line() -> str:
    """Return processor, system, Python and date in a line."""
    machine = describe_machine()
    return f"{machine['processor']}, {machine['machine']}, Python {machine['python']}, {machine['date']}"


def show(rows: list[Row]) -> None:
    """Print rows as Markdown tables, one a title."""
    for title in dict.fromkeys(row.table for row in rows):
        mine = [row for row in rows if row.table == title]
        columns = list(dict.fromkeys(row.column for row in mine))
        extra = [name for name in ("yardstick", "bound") if any(getattr(row, name) not in ("", None) for row in mine)]
        table = Table(mine[0].key, *columns, *extra, box=box.MARKDOWN)
        lines: list[dict[str, Row]] = []
        by_name: dict[str, dict[str, Row]] = {}
        for row in mine:  # a second row of a name and column begins another line: nothing is lost
            if row.column in (line := by_name.setdefault(row.name, {})) or not line:
                lines.append(line := {})
                by_name[row.name] = line
            line[row.column] = row
        for line in lines:
            first = next(iter(line.values()))
            bound = "" if first.bound is None else quantity(first.bound, first.unit)
            table.add_row(
                first.name, *(line[column].text if column in line else "" for column in columns),
                *({"yardstick": first.yardstick, "bound": bound}[name] for name in extra),
            )  # fmt: skip
        print(f"\n{title}" if title else "")
        Console(width=max(150, len(columns) * 14 + 60), highlight=False, markup=False).print(table)


def check(rows: Iterable[Row]) -> int:
    """Print the rows that miss their bound; return how many do."""
    missed = [row for row in rows if row.missed]
    for row in missed:
        than = "at least" if "/s" in row.unit else "at most"
        print(f"missed: {row.name}: {row.text}, {than} {quantity(row.bound or 0.0, row.unit)}", file=sys.stderr)
    return len(missed)


def run(description: str | None, parts: dict[str, Callable[..., Iterable[Row]]], *arguments: tuple[str, dict]) -> None:
    """Run a benchmark from the command line: measure, print, and with ``--check`` exit 1 where a bound is missed.

    Args:
        description: the script's docstring.
        parts: what can be measured, by name; the first is the default. With several, the first argument names one.
        arguments: further ones, name and settings for ``argparse``; every part gets them by name.
    """
    assert description is not None
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if len(parts) > 1:
        parser.add_argument("part", nargs="?", choices=parts, default=next(iter(parts)))
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    parser.add_argument("--check", action="store_true", help="exit with 1, and say so, where a row misses its bound")
    given: dict[str, Any] = vars(parser.parse_args())
    part, checking = given.pop("part", next(iter(parts))), given.pop("check")
    print(machine_line())
    rows = []
    try:
        for row in parts[part](**given):  # what takes an hour says on the way how far it is
            rows.append(row)
            print(" | ".join([row.name, row.column, row.text]), file=sys.stderr, flush=True)
    except FileNotFoundError as error:  # a folder or a file that the user named
        sys.exit(str(error))
    show(rows)
    if checking and check(rows):
        sys.exit(1)

"""Progress bars on stderr, for people; a pipe gets none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


def printable(text: Any) -> Any:
    """Return a text without what a terminal would obey: names and messages may come from a stranger's file."""
    if not isinstance(text, str):
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


class _PlainConsole(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(printable, objects), **options)


class _PlainTable(Table):
    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*map(printable, cells), **options)


# One line each: a pipe has no width of its own.
console = _PlainConsole(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1000)
progress_console = Console(stderr=True, highlight=False)


@contextmanager
def progress_bar(description: str, total: float | None) -> Iterator[tuple[Progress, Any]]:
    """Show a bar; yields it and its task, to be updated."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=progress_console, disable=not progress_console.is_terminal, transient=True) as bar:
        yield bar, bar.add_task(description, total=total)


_TICKS = " ▁▂▃▄▅▆▇█"
_SPARKS = 20  # characters


def sparkline(values: Sequence[float], width: int = _SPARKS) -> str:
    """Return values as a line of bars, the least as the lowest; of many, evenly chosen ones.

    >>> sparkline([4.0, 3.0, 2.0, 1.0])
    '█▆▃▁'
    """
    last = len(values) - 1
    shown = list(values) if last < width else [values[round(i * last / (width - 1))] for i in range(width)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    if not high > low:
        return _TICKS[1] * len(shown)
    return "".join(_TICKS[1 + int((value - low) / (high - low) * (len(_TICKS) - 2) + 0.5)] for value in shown)


@contextmanager
def solving_bar(description: str) -> Iterator[Callable[[Any], None] | None]:
    """Show how much of a search's budget is over, and the best cost so far; yields what ``solve`` is watched by.

    From a thread of its own: searches run in compiled loops. A pipe gets nothing, and its search is not watched.
    """
    if not progress_console.is_terminal:
        yield None
        return
    stop = threading.Event()
    watched: list[Any] = []
    with progress_bar(f"{description}: preparing", 1.0) as (bar, task):

        def tick() -> None:
            while not stop.wait(0.2):
                for search in watched:
                    best = "" if search.best_cost is None else f" {search.best_cost.total:g}"
                    line = sparkline([point.total for point in search.trace.copy()])
                    bar.update(task, completed=search.progress, description=f"{description}{best} {line}")

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield lambda search: None if watched else watched.append(search)
        finally:
            stop.set()
            thread.join()


@contextmanager
def training_bar() -> Iterator[Callable[[Any, float], None]]:
    """Show how much of a training is done; a pipe gets one line for each validation."""
    with progress_bar("training", 1.0) as (bar, task):

        def show(point: Any, done: float) -> None:
            bar.update(task, completed=done, description=f"training, cost {point.training_cost:.3f} x greedy")
            if not progress_console.is_terminal and point.validation_cost == point.validation_cost:
                print(
                    f"training: {100 * done:3.0f} %, {point.timesteps:,} steps, "
                    f"validation cost {point.validation_cost:.3f} x greedy",
                    file=sys.stderr,
                )

        yield show


def name_table(*columns: str) -> Table:
    """Return an empty table whose cells are never broken, for names."""
    table = _PlainTable(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table

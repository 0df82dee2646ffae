"""Progress bars on stderr, for people; a pipe gets none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
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


@contextmanager
def clock(description: str, seconds: float | None) -> Iterator[None]:
    """Show how much of a time budget is over, from a thread of its own: searches run in compiled loops."""
    stop = threading.Event()
    with progress_bar(description, seconds) as (bar, task):

        def tick() -> None:
            while not stop.wait(0.2):
                bar.update(task, advance=0.2)

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
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

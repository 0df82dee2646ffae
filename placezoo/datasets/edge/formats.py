"""What files of task graphs and clusters ``load`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from placezoo.datasets.edge.edge_format import read_edge
from placezoo.datasets.registry import FileFormat


def _read(path: str, others: list[str], name: str) -> Any:
    if len(others) > 1:
        raise ValueError(f"{name}: a task graph has one cluster file, not {len(others)}")
    return read_edge(path, others[0] if others else None, name=name)


def _refuse_cases(_: Path, __: Path | None, name: str) -> Any:
    split = name.split("-")[1]
    raise ValueError(f"{name} is a file of many cases: load one of them, giph-published/{split}/0")


FORMATS = (FileFormat((".json",), _read),)
PUBLIC_FORMATS = {"giph": _refuse_cases}

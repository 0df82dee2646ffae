"""What files of chips ``load`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from placezoo.datasets.chip.bookshelf_format import read_bookshelf
from placezoo.datasets.chip.def_format import read_def
from placezoo.datasets.chip.netlist import Netlist
from placezoo.datasets.chip.netlist_format import read_netlist
from placezoo.datasets.registry import FileFormat, read_alone


def _read_netlist(path: str, others: list[str], name: str) -> Any:
    if len(others) > 1:
        raise ValueError(f"{name}: a netlist has one placement file, not {len(others)}")
    return read_netlist(path, others[0] if others else None, name=name)


FORMATS = (
    FileFormat((".pb.txt", ".pb"), _read_netlist),
    FileFormat((".def",), lambda path, others, name: read_def(path, others, name=name)),
    FileFormat((".aux",), read_alone(read_bookshelf)),
)


def _read_public(path: Path, placement: Path | None, name: str) -> Netlist:
    return read_netlist(path, placement, name=name)


PUBLIC_FORMATS = {"netlist": _read_public}

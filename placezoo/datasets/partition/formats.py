"""What files of graphs ``load`` reads."""

from __future__ import annotations

from pathlib import Path

from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.hmetis_format import read_hmetis
from placezoo.datasets.partition.metis_format import read_metis
from placezoo.datasets.registry import FileFormat, read_alone

FORMATS = (
    FileFormat((".graph", ".metis"), read_alone(read_metis)),
    FileFormat((".hgr",), read_alone(read_hmetis)),
)


def _read_public(path: Path, _: Path | None, name: str) -> Graph:
    return read_metis(path, name=name)


PUBLIC_FORMATS = {"metis": _read_public}

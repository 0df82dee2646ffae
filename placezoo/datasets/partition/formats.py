"""What files of graphs ``load`` reads."""

from __future__ import annotations

from placezoo.datasets.partition.hmetis_format import read_hmetis
from placezoo.datasets.partition.metis_format import read_metis
from placezoo.datasets.registry import FileFormat, read_alone

FORMATS = (
    FileFormat((".graph", ".metis"), read_alone(read_metis)),
    FileFormat((".hgr",), read_alone(read_hmetis)),
)
PUBLIC_FORMATS = {"metis": lambda path, _, name: read_metis(path, name=name)}

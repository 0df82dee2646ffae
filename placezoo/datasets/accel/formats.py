"""What files of workloads ``load`` reads, and which names are networks and several of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from placezoo.datasets.accel.nasbench201 import NAME, cell_network, skeleton
from placezoo.datasets.accel.workload import FORMAT, Workload, read_workload
from placezoo.datasets.json_content import read_json
from placezoo.datasets.registry import Embedded, FileFormat, load, read_alone

SEVERAL = "accel:"


def _is_workload(path: str, others: list[str]) -> bool:
    return not others and read_json(path).get("format") == FORMAT


def _several(name: str) -> Workload:
    parts = name.removeprefix(SEVERAL).split("+")
    networks = [Workload.of(load(one)) for one in parts if one]
    if len(networks) < len(parts) or not all(isinstance(one, Workload) for one in networks):
        raise ValueError(f"{name}: networks joined by + expected, {SEVERAL}transformers:resnet-50+torch:fuseconv")
    return Workload(tuple(network for one in networks for network in one.networks), name)


def _refuse_table(_: Path, __: Path | None, name: str) -> Any:
    raise ValueError(f"{name} is a table of measurements, not an instance")


FORMATS = (FileFormat((".json",), read_alone(read_workload), _is_workload),)
PUBLIC_FORMATS = {"accel-table": _refuse_table}
NAMES = {f"{NAME}:": cell_network, SEVERAL: _several}
EMBEDDED = (Embedded(NAME, "NAS-Bench-201's network with the operations of its cells left open", lambda _: skeleton()),)

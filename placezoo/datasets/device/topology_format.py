"""Topologies by name, and the user's own as YAML."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.json_content import part
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name
from placezoo.datasets.yaml_content import number_of, preset_or_file, read_presets

_DEVICE_FIELDS = ("peak_flops", "memory_bandwidth", "memory")
_WHOLE_FIELDS = ("efficiency", "launch_overhead")


def topology_names() -> dict[str, str]:
    """Return the topologies that come with the package, and what they are."""
    return {name: entry["description"] for name, entry in _presets()["topologies"].items()}


@refuses_in_one_line
def load_topology(name: str | Path, memory: float | None = None) -> DeviceTopology:
    """Return a topology by name, or from a YAML file.

    A file has ``devices`` (``kind`` and ``count``; a kind of the package's, or one of the file's own ``kinds``),
    ``switches`` (how many) and ``links`` (``between``, ``all`` or ``star``, with ``bandwidth`` and ``latency``); and
    may have ``efficiency`` and ``launch_overhead``. The package's ``topologies.yaml`` is full of examples.

    Args:
        name: of the topology, or a path that ends in ``.yaml`` or ``.yml``.
        memory: bytes that each device has, instead of what its data sheet says.

    Raises:
        ValueError: no such topology (near names are given), or ``path:line: what`` for a file.
        OSError: the file cannot be read.
    """
    text, presets = str(name), _presets()["topologies"]
    topology: DeviceTopology = preset_or_file(text, "topology", presets, lambda content: _build(content, text, memory))
    return topology


@functools.cache
def _presets() -> dict[str, Any]:
    return read_presets(__package__, "topologies.yaml")


def _build(content: dict[str, Any], name: str, memory: float | None) -> DeviceTopology:
    known = {**_presets()["devices"], **content.get("kinds", {})}
    kinds: list[str] = []
    for entry in part(content, "devices", list):
        kind = part(entry, "kind", str)
        if kind not in known:
            raise ValueError(unknown_name("kind", kind, known))
        kinds += [kind] * int(entry.get("count", 1))
    columns = {field: [number_of(known[kind], field, kind) for kind in kinds] for field in _DEVICE_FIELDS}
    if memory is not None:
        columns["memory"] = [memory] * len(kinds)
    links, bandwidth, latency = [], [], []
    for entry in content.get("links", []):
        for a, b in _pairs(entry):
            links += [(a, b), (b, a)]
            bandwidth += [number_of(entry, "bandwidth", "a link")] * 2
            latency += [number_of(entry, "latency", "a link")] * 2
    return DeviceTopology(
        kinds=kinds,
        peak_flops=np.array(columns["peak_flops"]),
        memory_bandwidth=np.array(columns["memory_bandwidth"]),
        memory=np.array(columns["memory"]),
        links=np.array(links, np.int64).reshape(-1, 2),
        link_bandwidth=np.array(bandwidth),
        link_latency=np.array(latency),
        num_switches=int(content.get("switches", 0)),
        name=name,
        **{field: number_of(content, field, name) for field in _WHOLE_FIELDS if field in content},
    )


def _pairs(entry: Any) -> list[tuple[int, int]]:
    if not isinstance(entry, dict):
        raise ValueError(f"a link must be a mapping, not {entry!r}")
    if "all" in entry:
        return list(itertools.combinations(map(int, entry["all"]), 2))
    if "star" in entry:
        first, *others = map(int, entry["star"])
        return [(first, other) for other in others]
    a, b = map(int, part(entry, "between", list))
    return [(a, b)]

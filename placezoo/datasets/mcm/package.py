"""Multi-chip modules: equal chiplets in a row that pass data one way. The package's own, and the user's as YAML."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from placezoo.datasets.json_content import part
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name
from placezoo.datasets.yaml_content import check_number, number_of, preset_or_file, read_presets

MOST_CHIPLETS = 64  # sets of chiplets are bits of a word
_FIELDS = ("peak_flops", "memory_bandwidth", "sram", "link_bandwidth", "link_latency", "value_bytes")


@dataclass(frozen=True)
class MultiChipModule:
    """Equal chiplets 0..count-1; each receives from the one before it and sends to the one after it.

    Args:
        count: how many chiplets.
        peak_flops: FLOP/s of one.
        memory_bandwidth: bytes/s between its memory and its processing elements.
        sram: bytes of one.
        link_bandwidth: bytes/s of a link.
        link_latency: seconds of a link.
        value_bytes: how many bytes a value takes; traced models count 4 (float32).
        name: of the package.

    Raises:
        ValueError: a value is out of range.
    """

    count: int
    peak_flops: float
    memory_bandwidth: float
    sram: float
    link_bandwidth: float
    link_latency: float
    value_bytes: float = 4.0
    name: str = "mcm"

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_CHIPLETS:
            raise ValueError(f"{self.name}: a package has 1..{MOST_CHIPLETS} chiplets, not {self.count}")
        for field in _FIELDS:
            check_number(f"{self.name}: {field}", getattr(self, field), field == "link_latency")


def package_names() -> dict[str, str]:
    """Return the packages that come with placezoo, and what they are."""
    return {name: entry["description"] for name, entry in _presets()["packages"].items()}


@refuses_in_one_line
def load_package(name: str | Path, sram: float | None = None) -> MultiChipModule:
    """Return a package by name, or from a YAML file.

    A file has ``count`` and either ``chiplet`` (one of placezoo's) or the fields of one.

    Args:
        name: of the package, or a path that ends in ``.yaml`` or ``.yml``.
        sram: bytes of each chiplet, instead of the package's.

    Raises:
        ValueError: no such package (near names are given), or ``path:line: what`` for a file.
        OSError: the file cannot be read.
    """
    text, presets = str(name), _presets()["packages"]
    package: MultiChipModule = preset_or_file(text, "package", presets, lambda content: _build(content, text))
    return package if sram is None else replace(package, sram=sram)


@functools.cache
def _presets() -> dict[str, Any]:
    return read_presets(__package__, "packages.yaml")


def _build(content: dict[str, Any], name: str) -> MultiChipModule:
    count = part(content, "count", int)
    chiplet = content
    if "chiplet" in content:
        known = _presets()["chiplets"]
        if content["chiplet"] not in known:
            raise ValueError(unknown_name("chiplet", str(content["chiplet"]), known))
        chiplet = {**known[content["chiplet"]], **content}
    return MultiChipModule(count, **{field: number_of(chiplet, field, name) for field in _FIELDS}, name=name)

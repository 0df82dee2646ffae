"""Technologies: what cycles, accesses and areas cost. The package's own, and the user's as YAML."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.yaml_content import check_number, number_of, preset_or_file, read_presets

_POSITIVE = ("clock_hz", "value_bytes", "sum_bytes", "sram_bank_kb")


@dataclass(frozen=True)
class Technology:
    """What an accelerator is made of; energies in pJ, areas in mm2.

    Attributes:
        clock_hz: cycles a second.
        value_bytes: of an input, a weight or an output.
        sum_bytes: of a sum that is not yet an output.
        mac_pj: a multiply-add.
        register_pj: an access of a processing element's register; each multiply-add has one.
        sram_pj: an access of one value in a memory of inputs or weights, however small.
        sram_pj_per_kb: more for each KB of it.
        sram_bank_kb: larger memories are banks of this size.
        sums_pj: an access of a sum in a memory of outputs.
        sums_pj_per_kb: more for each KB that a column has of it.
        dram_pj_per_byte: of a transfer.
        vector_pj: an elementwise operation.
        mac_mm2: a processing element.
        edge_mm2: a row or a column of an array, beside its processing elements.
        sums_mm2_per_kb: memory of outputs.
        sram_mm2_per_kb: all other memory.
        name: of the technology.

    Raises:
        ValueError: a number is not finite or is below 0, or is 0 where nothing would work then.
    """

    clock_hz: float
    value_bytes: float
    sum_bytes: float
    mac_pj: float
    register_pj: float
    sram_pj: float
    sram_pj_per_kb: float
    sram_bank_kb: float
    sums_pj: float
    sums_pj_per_kb: float
    dram_pj_per_byte: float
    vector_pj: float
    mac_mm2: float
    edge_mm2: float
    sums_mm2_per_kb: float
    sram_mm2_per_kb: float
    name: str = "technology"

    def __post_init__(self) -> None:
        for number in _numbers():
            check_number(f"technology {self.name}: {number}", getattr(self, number), number not in _POSITIVE)


def technology_names() -> dict[str, str]:
    """Return the technologies that come with placezoo, and what they are."""
    return {name: entry["description"] for name, entry in _presets().items()}


@refuses_in_one_line
def load_technology(name: str | Path) -> Technology:
    """Return a technology by name, or from a YAML file.

    A file has each field of ``Technology`` as a number, or as ``{value: number, source: text}``.

    Raises:
        ValueError: no such technology (near names are given), or ``path:line: what`` for a file.
        OSError: the file cannot be read.
    """
    text = str(name)
    technology: Technology = preset_or_file(text, "technology", _presets(), lambda content: _build(content, text))
    return technology


@functools.cache
def _presets() -> dict[str, Any]:
    return read_presets(__package__, "technologies.yaml")


def _numbers() -> list[str]:
    return [field.name for field in fields(Technology) if field.name != "name"]


def _build(content: dict[str, Any], name: str) -> Technology:
    plain = {key: entry.get("value") if isinstance(entry, dict) else entry for key, entry in content.items()}
    return Technology(**{number: number_of(plain, number, name) for number in _numbers()}, name=name)

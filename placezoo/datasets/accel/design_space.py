"""Design spaces: the decisions that make an accelerator. The package's own, and the user's as YAML."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from placezoo.datasets.json_content import part
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name
from placezoo.datasets.yaml_content import check_number, number_of, preset_or_file, read_presets

DATAFLOWS = ("os", "ws", "is", "st-os")
QUANTITIES = (
    "arrays", "rows", "columns", "lanes", "input_sram", "weight_sram", "output_sram", "l2_sram", "shared_sram",
    "instruction_sram", "parameter_sram", "activation_sram", "bandwidth", "batch", "joined",
)  # fmt: skip
_DEFAULTS = {"arrays": 1.0, "rows": 1.0, "columns": 1.0, "lanes": 1.0, "bandwidth": 1e9, "batch": 1.0}
_TOO_LARGE = 1e18  # products of such quantities stay finite
_MAY_BE_ZERO = ("l2_sram", "shared_sram", "instruction_sram", "parameter_sram", "activation_sram", "joined")
LIMITS = ("area_mm2", "power_w", "memory_mb")


@dataclass(frozen=True)
class Decision:
    """A decision of a design space.

    Attributes:
        name: of the decision.
        options: what each is called.
        values: of each, in the decision's own unit; of a dataflow its number.
        sets: the quantities that it multiplies, and by how much for each unit.
        divides: the quantities that it divides.
    """

    name: str
    options: tuple[str, ...]
    values: tuple[float, ...]
    sets: Mapping[str, float] = field(default_factory=dict)
    divides: tuple[str, ...] = ()

    @property
    def is_dataflow(self) -> bool:
        """Whether it is the dataflow of all layers."""
        return self.name == "dataflow"


@dataclass(frozen=True)
class DesignSpace:
    """The decisions of an accelerator.

    Attributes:
        decisions: about the hardware.
        fixed: quantities that no decision sets; ``dataflow`` is one, as its number.
        layer_dataflow: whether each layer has a dataflow of its own.
        edge_fusion: whether each edge is a decision of its own: to keep the tensor on the chip.
        limits: that hold unless others are given.
        name: of the space.

    Raises:
        ValueError: a decision has no options, a quantity is unknown, a number is out of range, or nothing is decided.
    """

    decisions: tuple[Decision, ...]
    fixed: Mapping[str, float] = field(default_factory=dict)
    layer_dataflow: bool = False
    edge_fusion: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)
    name: str = "space"

    def __post_init__(self) -> None:
        if not (self.decisions or self.layer_dataflow or self.edge_fusion):
            raise ValueError(f"design space {self.name} has no decisions")
        for decision in self.decisions:
            self._check(decision)
        for quantity, value in self.fixed.items():
            if quantity != "dataflow":
                self._check_quantity(quantity)
                _check_number(f"design space {self.name}: {quantity}", value, quantity in _MAY_BE_ZERO)
        for quantity in ("input_sram", "weight_sram", "output_sram"):
            if quantity not in self.fixed and not any(quantity in decision.sets for decision in self.decisions):
                raise ValueError(f"design space {self.name} says nothing of {quantity}")
        for limit, value in self.limits.items():
            if limit not in LIMITS:
                raise ValueError(f"design space {self.name}: {unknown_name('limit', limit, LIMITS)}")
            _check_number(f"design space {self.name}: {limit}", value, False)

    def _check(self, decision: Decision) -> None:
        where = f"design space {self.name}: {decision.name}"
        if not decision.options:
            raise ValueError(f"{where} has no options")
        if len(set(decision.options)) < len(decision.options) or len(decision.options) != len(decision.values):
            raise ValueError(f"{where} has an option twice")
        for quantity in (*decision.sets, *decision.divides):
            self._check_quantity(quantity)
        zero = all(quantity in _MAY_BE_ZERO for quantity in decision.sets) and not decision.divides
        for value in decision.values:
            _check_number(f"{where}: an option", value, zero or decision.is_dataflow)
        for quantity, factor in decision.sets.items():
            _check_number(f"{where}: {quantity} for each unit", factor, False)

    def _check_quantity(self, quantity: str) -> None:
        if quantity not in QUANTITIES:
            raise ValueError(f"design space {self.name}: {unknown_name('quantity', quantity, QUANTITIES)}")

    def base(self, quantity: str) -> float:
        """Return what a quantity is before any decision multiplies it."""
        if quantity in self.fixed:
            return self.fixed[quantity]
        is_set = any(quantity in decision.sets for decision in self.decisions)
        return 1.0 if is_set else _DEFAULTS.get(quantity, 0.0)

    @property
    def size(self) -> int:
        """How many designs there are, without the decisions of a network's graph."""
        return math.prod(len(decision.options) for decision in self.decisions)


def _check_number(what: str, value: float, zero: bool) -> None:
    check_number(what, value, zero)
    if value >= _TOO_LARGE:
        raise ValueError(f"{what} must be below {_TOO_LARGE:g}, not {value}")


def design_space_names() -> dict[str, str]:
    """Return the design spaces that come with placezoo, and what they are."""
    return {name: entry["description"] for name, entry in _presets().items()}


@refuses_in_one_line
def load_design_space(name: str | Path) -> DesignSpace:
    """Return a design space by name, or from a YAML file; the package's ``design_spaces.yaml`` says what one has.

    Raises:
        ValueError: no such space (near names are given), or ``path:line: what`` for a file.
        OSError: the file cannot be read.
    """
    text = str(name)
    space: DesignSpace = preset_or_file(text, "design space", _presets(), lambda content: _build(content, text))
    return space


@functools.cache
def _presets() -> dict[str, Any]:
    return read_presets(__package__, "design_spaces.yaml")


def _build(content: dict[str, Any], name: str) -> DesignSpace:
    decisions = tuple(_decision(key, entry) for key, entry in part(content, "parameters", dict).items())
    given = content.get("fixed", {})
    fixed = {key: number_of(given, key, name) for key in given if key != "dataflow"}
    if "dataflow" in given:
        fixed["dataflow"] = float(_dataflow(given["dataflow"]))
    limits = content.get("limits", {})
    return DesignSpace(
        decisions,
        fixed,
        content.get("for_each_layer") == "dataflow",
        content.get("for_each_edge") == "fusion",
        {key: number_of(limits, key, name) for key in limits},
        name,
    )


def _decision(name: str, entry: Any) -> Decision:
    if not isinstance(entry, dict):
        raise ValueError(f"{name} must be a mapping with options")
    options = part(entry, "options", list)
    if name == "dataflow":
        return Decision(name, tuple(map(str, options)), tuple(float(_dataflow(one)) for one in options))
    values = {place: value for place, value in enumerate(entry.get("values", options))}
    numbers = tuple(number_of(values, place, f"option of {name}") for place in values)  # type: ignore[arg-type]
    sets = entry.get("sets", {})
    if not isinstance(sets, dict) or not isinstance(entry.get("divides", []), list):
        raise ValueError(f"{name}: sets must be a mapping, divides a list")
    factors = {str(key): number_of(sets, key, name) for key in sets}
    return Decision(str(name), tuple(map(str, options)), numbers, factors, tuple(map(str, entry.get("divides", []))))


def _dataflow(name: Any) -> int:
    if name not in DATAFLOWS:
        raise ValueError(unknown_name("dataflow", str(name), DATAFLOWS))
    return DATAFLOWS.index(name)

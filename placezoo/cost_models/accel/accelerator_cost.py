"""What an accelerator costs: networks on a design of a space, in a technology, within limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.accel import moves
from placezoo.cost_models.accel.layer_cost import MEMORY_BYTES, PEAK_WATTS, derive
from placezoo.cost_models.accel.moves import AcceleratorState
from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.datasets.accel.design_space import DATAFLOWS, QUANTITIES, DesignSpace
from placezoo.datasets.accel.layer_graph import KINDS, LayerGraph
from placezoo.datasets.accel.technology import Technology
from placezoo.datasets.arrays import read_only

OBJECTIVES = {  # powers of latency, energy and peak power; whether by sample of a batch
    "latency": (1, 0, 0, False),
    "energy": (0, 1, 0, True),
    "edp": (1, 1, 0, True),
    "perf-per-tdp": (1, 0, 1, True),
    "throughput": (1, 0, 0, True),
}
_PARTS = 16  # in how many steps the usual options are looked for


@dataclass(frozen=True)
class Item:
    """A decision of the whole task.

    Attributes:
        name: of the decision.
        kind: of ``moves``.
        options: what each is called.
        values: of each.
        target: the layer or the edge that it is about, else -1.
        sets: quantities of the hardware that it multiplies.
        divides: that it divides.
    """

    name: str
    kind: int
    options: tuple[str, ...]
    values: tuple[float, ...]
    target: int = -1
    sets: Mapping[str, float] = field(default_factory=dict)
    divides: tuple[str, ...] = ()


class AcceleratorCost:
    """The cost model of accelerator search; ``layer_cost`` and ``moves`` say what takes how long.

    Args:
        networks: what runs; of several, latency and energy are geometric means.
        space: the decisions about the hardware.
        technology: what it is made of.
        objective: ``latency`` (seconds of a batch), ``energy`` (joules a sample), ``edp`` (their product, by sample),
            ``perf-per-tdp`` (peak watts times seconds a sample) or ``throughput`` (seconds a sample).
        limits: ``area_mm2``, ``power_w`` (peak), ``memory_mb`` and ``accuracy`` (at least), those that there are.
        accuracies: float64 [options of the first choice, of the second, ...], of the one network that has a table; nan
            where it is not known.

    Attributes:
        items: the decisions: of the hardware, of the networks, of layers, of edges.
        penalty: no design costs more, feasible or not.

    Raises:
        ValueError: no design keeps to a limit, or there is a limit of accuracy and no table.
    """

    def __init__(
        self,
        networks: Sequence[LayerGraph],
        space: DesignSpace,
        technology: Technology,
        objective: str = "latency",
        limits: Mapping[str, float] | None = None,
        accuracies: NDArray[np.float64] | None = None,
    ) -> None:
        self.networks, self.space, self.technology = tuple(networks), space, technology
        self.objective = objective
        self.limits = dict(limits or {})
        self._collect_layers()
        self._choices = [(number, choice) for number, one in enumerate(self.networks) for choice in one.choices]
        self.items = self._make_items()
        self.num_items = len(self.items)
        self.num_options = np.array([len(item.options) for item in self.items])
        if accuracies is None and self.limits.get("accuracy", 0.0) > 0.0:
            raise ValueError("a limit of accuracy needs a network with choices and a table of what each is worth")
        self._accuracies = accuracies
        self.penalty = float(self._upper_bound())
        self._check_limits()

    def _collect_layers(self) -> None:
        """Put the layers of all networks together; where none is decided about by itself, equal ones are one."""
        first = np.cumsum([0, *(network.num_layers for network in self.networks)])
        layers = [layer for network in self.networks for layer in network.layers]
        owner = np.repeat(np.arange(len(self.networks)), np.diff(first))
        if self.space.layer_dataflow or self.space.edge_fusion:
            self.layers, self._network_of, self._repeats = layers, owner, np.ones(len(layers))
            edges = [np.asarray(one.edges) + start for one, start in zip(self.networks, first[:-1], strict=True)]
            self.edges = np.concatenate(edges).astype(np.int64)
            return
        numbers: dict[Any, int] = {}
        of = np.array([
            numbers.setdefault((network, layer._replace(name="")), len(numbers))
            for network, layer in zip(owner.tolist(), layers, strict=True)
        ])  # fmt: skip
        once = [int(np.argmax(of == number)) for number in range(len(numbers))]
        self.layers, self._network_of = [layers[one] for one in once], owner[once]
        self._repeats = np.bincount(of).astype(np.float64)
        self.edges = np.zeros((0, 2), np.int64)

    def _make_items(self) -> list[Item]:
        items = []
        for one in self.space.decisions:
            kind = moves.DATAFLOW if one.is_dataflow else moves.HARDWARE
            items.append(Item(one.name, kind, one.options, one.values, -1, one.sets, one.divides))
        for number, choice in self._choices:
            prefix = f"{self.networks[number].name}: " if len(self.networks) > 1 else ""
            numbers = tuple(map(float, range(len(choice.options))))
            items.append(Item(prefix + choice.name, moves.CHOICE, choice.options, numbers))
        self._first_layer_item = len(items)
        if self.space.layer_dataflow:
            flows = tuple(map(float, range(len(DATAFLOWS))))
            for number, layer in enumerate(self.layers):
                if layer.kind != "elementwise":
                    count = 4 if layer.kind == "separable" else 3
                    items.append(
                        Item(
                            f"dataflow of {layer.name}", moves.LAYER_DATAFLOW, DATAFLOWS[:count], flows[:count], number
                        )
                    )
        if self.space.edge_fusion:
            for number, (a, b) in enumerate(self.edges.tolist()):
                name = f"{self.layers[a].name} to {self.layers[b].name}"
                items.append(Item(name, moves.FUSION, ("apart", "fused"), (0.0, 1.0), number))
        return items

    @cached_property
    def _tables(self) -> dict[str, NDArray[Any]]:
        """The task as the kernels read it, undecided items counting as their smallest options."""
        n, strides = self.num_items, self._table_strides
        items = np.zeros((n, 10), np.int64)
        option_values = np.zeros((n, int(self.num_options.max())))
        quantities: list[list[int]] = []
        factors: list[float] = []
        for number, item in enumerate(self.items):
            option_values[number, : len(item.values)] = item.values
            # A quantity that an item only divides is least where the item's own value is most.
            least = np.argmin(item.values) if item.sets or not item.divides else np.argmax(item.values)
            fixed = 0 if item.kind != moves.HARDWARE else int(least)
            items[number, :6] = item.kind, item.target, len(item.options), fixed, fixed, strides[number]
            quantities.append([QUANTITIES.index(name) for name in (*item.sets, *item.divides)])
            factors += [*item.sets.values(), *(0.0 for _ in item.divides)]
        layers, gates = self._layer_table()
        hanging: list[list[int]] = [[] for _ in range(n)]
        for layer, row in enumerate(gates):
            for choice in row[::2]:
                hanging[choice].append(layer)
        edges = np.concatenate([self.edges, np.full((len(self.edges), 1), -1)], axis=1)
        for number, item in enumerate(self.items):
            if item.kind == moves.LAYER_DATAFLOW:
                layers[item.target, moves.DATAFLOW_ITEM] = number
                hanging[number].append(item.target)
            elif item.kind == moves.DATAFLOW:
                layers[:, moves.DATAFLOW_ITEM] = number
            elif item.kind == moves.FUSION:
                edges[item.target, moves.FUSION_ITEM] = number
                hanging[number] += self.edges[item.target].tolist()
        ends = [
            [np.flatnonzero(self.edges[:, end] == layer).tolist() for layer in range(len(layers))] for end in (0, 1)
        ]
        lists: list[int] = []
        _append(lists, quantities, items, moves.SETS)
        lists += [0] * (len(lists) % 2)  # gates are pairs
        _append(lists, gates, layers, moves.GATES)
        layers[:, [moves.GATES, moves.GATES_END]] //= 2
        _append(lists, hanging, items, moves.HANGING)
        _append(lists, ends[0], layers, moves.OUT)
        _append(lists, ends[1], layers, moves.IN)
        base = np.zeros(MEMORY_BYTES + 1)
        base[: len(QUANTITIES)] = [self.space.base(name) for name in QUANTITIES]
        tables = {
            "items": items,
            "option_values": option_values,
            "factors": np.array(factors, np.float64),
            "base": base,
            "layer_table": layers,
            "shapes": self._shapes,
            "edges": edges,
            "lists": np.array(lists or [0], np.int64),
            "technology": self._technology,
            "bounds": self._bounds(),
            "table": self._table,
        }
        return {name: read_only(table) for name, table in tables.items()}

    def _layer_table(self) -> tuple[NDArray[np.int64], list[list[int]]]:
        """Return the whole numbers of layers, and the items and options that each hangs on, one after another."""
        table = np.full((len(self.layers), moves.IN_END + 1), -1)
        table[:, moves.LAYER_KIND] = [KINDS.index(layer.kind) for layer in self.layers]
        table[:, moves.NETWORK] = self._network_of
        gates = [
            [one for choice, option in layer.when for one in (self._choice_item(network, choice), option)]
            for network, layer in zip(self._network_of.tolist(), self.layers, strict=True)
        ]
        return table, gates

    @property
    def _shapes(self) -> NDArray[np.float64]:
        """What ``layer_cost`` reads of each layer: float64 [L, 12]."""
        columns = (
            "batch", "rows", "inner", "columns", "lines", "line_length", "kernel", "stride", "inputs", "weights",
            "outputs",
        )  # fmt: skip
        sizes = [[getattr(layer, name) for name in columns] for layer in self.layers]
        return np.concatenate([np.array(sizes, np.float64), self._repeats[:, None]], axis=1)

    @property
    def is_whole(self) -> bool:
        """Whether each layer stands for itself; else equal ones are one."""
        return bool((self._repeats == 1.0).all())

    @property
    def multiply_adds(self) -> NDArray[np.float64]:
        """The multiply-adds of a sample in each layer and its equals: float64 [num_layers]."""
        return self._repeats * np.array([layer.multiply_adds for layer in self.layers])

    @cached_property
    def layers_of_items(self) -> list[list[int]]:
        """The layers that each decision is about; none for those of the hardware."""
        items, lists = self._tables["items"], self._tables["lists"]
        return [lists[start:end].tolist() for start, end in items[:, [moves.HANGING, moves.HANGING_END]]]

    @property
    def _technology(self) -> NDArray[np.float64]:
        return np.array(astuple(self.technology)[:-1], np.float64)

    def _bounds(self) -> NDArray[np.float64]:
        limits, (latency, energy, tdp, by_sample) = self.limits, OBJECTIVES[self.objective]
        bounds = [
            limits.get("area_mm2", np.inf), limits.get("power_w", np.inf), 1e6 * limits.get("memory_mb", np.inf),
            limits.get("accuracy", 0.0), self.penalty, by_sample, latency, energy, tdp,
            self.space.fixed.get("dataflow", 0.0),
        ]  # fmt: skip
        return np.array(bounds, np.float64)

    def _choice_item(self, network: int, choice: int) -> int:
        own = sum(1 for number, _ in self._choices if number < network)
        return len(self.space.decisions) + own + choice

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        """The accuracy of all combinations, undecided items last: the most possible; flat, or one 0."""
        if self._accuracies is None:
            return np.zeros(1)
        table = np.where(np.isnan(self._accuracies), 0.0, self._accuracies)
        for axis in range(table.ndim):
            table = np.concatenate([table, table.max(axis=axis, keepdims=True)], axis=axis)
        return np.ascontiguousarray(table).reshape(-1)

    @property
    def _table_strides(self) -> NDArray[np.int64]:
        strides = np.zeros(self.num_items, np.int64)
        if self._accuracies is not None:
            owner = next(number for number, network in enumerate(self.networks) if network.table)
            stride = 1
            for axis in reversed(range(self._accuracies.ndim)):
                strides[self._choice_item(owner, axis)] = stride
                stride *= self._accuracies.shape[axis] + 1
        return strides

    @cached_property
    def _usual_items(self) -> NDArray[np.int64]:
        """The items' table in which undecided ones count as halfway to the largest, or less to keep the limits."""
        items = np.array(self._tables["items"])
        smallest = items[:, moves.SMALLEST]
        way = np.where(smallest == 0, self.num_options - 1, -smallest) * (items[:, moves.KIND_OF] == moves.HARDWARE)
        for part in range(_PARTS // 2, -1, -1):
            items[:, moves.USUAL] = smallest + way * part // _PARTS
            if self._state(None, items=items).totals[moves.EXCESS] == 0.0:
                break
        return read_only(items)

    def _check_limits(self) -> None:
        """Check that the smallest design keeps to each limit, and the most accurate network to its own.

        Raises:
            ValueError: it does not; says what it has.
        """
        state = self._state(None)
        least = {
            "area_mm2": (state.totals[moves.AREA], "mm2", "an area"),
            "power_w": (state.totals[moves.TDP], "W", "a peak power"),
            "memory_mb": (state.totals[moves.MEMORY_SUM] / 1e6, "MB", "a memory"),
        }
        for limit, (value, unit, what) in least.items():
            if limit in self.limits and value > self.limits[limit] * (1.0 + 1e-12):
                raise ValueError(
                    f"no design of {self.space.name} has {what} of at most {self.limits[limit]:g} {unit}: the smallest "
                    f"has {value:.4g} {unit}"
                )
        wanted, best = self.limits.get("accuracy", 0.0), self._table[-1]
        if wanted > best:
            raise ValueError(f"no network has an accuracy of at least {wanted:g}: the best has {best:g}")

    def _upper_bound(self) -> float:
        """Return what no design costs more than.

        Folds are counted for the fewest rows and columns, what filling one takes for the most; operands are read for
        each piece of the smallest memory, at the energy of the largest.
        """
        low, high = self._ranges()
        tech, batch = self.technology, high["batch"]
        groups, m, k, n, rows, length, kernel, _, inputs, weights, outputs, repeats = self._shapes.T
        m, inputs, outputs = batch * m, batch * inputs, batch * outputs
        narrow, fill = min(low["rows"], low["columns"]), 2 * high["rows"] + high["columns"]
        folds = np.max([np.ceil(a / narrow) * np.ceil(b / narrow) for a, b in ((m, n), (k, n), (k, m))], axis=0)
        longest = np.maximum(np.maximum(m, n), k)
        pieces = 1.0 + longest * high["columns"] / max(0.5 * low["output_sram"] / tech.sum_bytes, 1.0)
        lines = (batch * rows + 1.0) * np.maximum(length, 1.0) * (high["columns"] + kernel)
        elementwise = 1.0 + np.maximum(inputs, outputs) / min(low["lanes"], 1.0)
        cycles = np.max([groups * folds * (longest + pieces * fill), lines, elementwise], axis=0)
        rooms = [max(0.5 * low[name] / tech.value_bytes, 1.0) for name in ("input_sram", "weight_sram")]
        moved = inputs + weights + outputs
        moved += weights * (1.0 + inputs / rooms[0]) + inputs * (1.0 + weights / rooms[1])
        seconds = cycles / tech.clock_hz + moved * tech.value_bytes / low["bandwidth"]
        bank = tech.sram_pj + tech.sram_pj_per_kb * tech.sram_bank_kb
        sum_pj = tech.sums_pj + tech.sums_pj_per_kb * tech.sram_bank_kb / low["columns"]
        # Each array of a team rounds its share up: that can be as much again for each of them.
        reads = (groups * m * k * n + inputs + weights + outputs) * (1.0 + high["arrays"])
        energy = reads * (tech.mac_pj + tech.register_pj + tech.vector_pj + 3 * bank + sum_pj)
        energy += moved * (tech.value_bytes * tech.dram_pj_per_byte + 3 * bank)
        hardware = np.zeros(MEMORY_BYTES + 1)
        hardware[: len(QUANTITIES)] = [high[name] for name in QUANTITIES]
        derive(hardware, self._technology)
        totals = float(repeats @ seconds), 1e-12 * float(repeats @ energy), float(hardware[PEAK_WATTS])
        powers = OBJECTIVES[self.objective]
        return float(np.prod([max(total, 1e-300) ** power for total, power in zip(totals, powers[:3], strict=True)]))

    def _ranges(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the least and the most that each quantity of the hardware can be."""
        low, high = ({name: self.space.base(name) for name in QUANTITIES} for _ in range(2))
        for item in self.items:
            for name, factor in item.sets.items():
                low[name] *= factor * min(item.values)
                high[name] *= factor * max(item.values)
            for name in item.divides:
                low[name] /= max(item.values)
                high[name] /= min(item.values)
        return low, high

    def state(self, assignment: NDArray[np.int64] | None = None) -> AcceleratorState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing decided).

        Raises:
            ValueError: wrong shape or type, or an option that the item does not have.
        """
        return self._state(assignment, items=self._usual_items)

    def _state(self, assignment: NDArray[np.int64] | None, **tables: NDArray[Any]) -> AcceleratorState:
        n, count = self.num_items, len(self.layers)
        given = np.full(n, -1) if assignment is None else assignment
        checked = check_assignment(given, n, int(self.num_options.max()))
        strange = np.flatnonzero(checked >= self.num_options)
        if strange.size:
            item = int(strange[0])
            known = f"options 0..{self.num_options[item] - 1}"
            raise ValueError(f"item {item} ({self.items[item].name}) has {known}, not {checked[item]}")
        state = AcceleratorState(
            assignment=checked,
            hardware=np.zeros(MEMORY_BYTES + 1),
            tried=np.zeros(MEMORY_BYTES + 1),
            layers=np.zeros((count, 5)),
            sums=np.zeros((len(self.networks), 2)),
            totals=np.zeros(11),
            saved_layers=np.zeros((count, 5)),
            saved_totals=np.zeros(11),
            previous=np.zeros(1, np.int64),
            **{**self._tables, **{name: read_only(table.copy()) for name, table in tables.items()}},
        )
        moves.initialise(state)
        return state

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment: int64 [num_items], an option or -1 for each decision.

        Raises:
            ValueError: as ``state``.
        """
        return self.cost_of(self.state(assignment))

    def cost_of(self, state: AcceleratorState) -> Cost:
        """Return the cost of a state: seconds, joules, watts, mm2, watts, bytes and percent."""
        totals = state.totals
        terms = dict(zip(moves.TERM_NAMES, totals[1:8].tolist(), strict=True))
        told = (
            ("area_mm2", terms["area"], "mm2", "the area is"),
            ("power_w", terms["tdp"], "W", "the peak power is"),
            ("memory_mb", terms["memory"] / 1e6, "MB", "the memory is"),
        )
        violations = [
            f"{what} {value:.4g} {unit}, at most {self.limits[limit]:g} is allowed"
            for limit, value, unit, what in told
            if limit in self.limits and value > self.limits[limit] * (1.0 + 1e-12)
        ]
        if terms["accuracy"] < self.limits.get("accuracy", 0.0):
            violations.append(f"the accuracy is {terms['accuracy']:g}, at least {self.limits['accuracy']:g} is wanted")
        if totals[moves.UNPLACED]:
            violations.append(f"{int(totals[moves.UNPLACED])} decisions are not made")
        return Cost(float(totals[moves.TOTAL]), terms, not violations, tuple(violations))


def _append(lists: list[int], rows: Sequence[Sequence[int]], owners: NDArray[np.int64], column: int) -> None:
    """Append rows to a list, and write into two columns of their owners where each begins and ends."""
    for owner, row in zip(owners, rows, strict=True):
        owner[column], owner[column + 1] = len(lists), len(lists) + len(row)
        lists += row

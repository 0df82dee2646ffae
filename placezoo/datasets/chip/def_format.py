"""DEF: a design's floorplan, components, pins and nets, read with the LEF files that describe its blocks.

Source: Cadence LEF/DEF 5.8 Language Reference.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.canvas import Canvas, choose_grid
from placezoo.datasets.chip.def_design import Design, parse_def
from placezoo.datasets.chip.def_statements import Blockage
from placezoo.datasets.chip.lef_format import read_library
from placezoo.datasets.chip.lef_library import LefMacro, Library
from placezoo.datasets.chip.lef_shapes import Box
from placezoo.datasets.chip.netlist import Netlist, NodeType, placed_extents
from placezoo.datasets.chip.rectilinear import rectangles
from placezoo.datasets.refusal import refuses_in_one_line

_SUPPLY = ("POWER", "GROUND")


@refuses_in_one_line
def read_def(
    path: str | Path,
    lefs: Iterable[str | Path] = (),
    grid: tuple[int, int] | None = None,
    unknown_size: tuple[float, float] | None = None,
    name: str | None = None,
) -> Netlist:
    """Read a DEF design as a netlist.

    The canvas is the box of DIEAREA with its lower left at (0, 0). What of the box is not die, and what lies outside
    the box around the rows, is blocked for hard macros, as are placement blockages. Components of a LEF block (CLASS
    BLOCK, RING, PAD) are hard macros; covers (CLASS COVER, bumps for example) lie above all and are ports; others are
    standard cells. A net is driven by its input port or output pin, else by its first. Power and ground nets are left
    out.

    Args:
        path: the DEF file, perhaps compressed.
        lefs: LEF files that describe its blocks.
        grid: columns and rows of the canvas's grid, default such that hard macros lose little room on it.
        unknown_size: width and height (micron) of components that no LEF file describes: they become soft macros.
            Default: they are an error.
        name: of the instance, default the file's.

    Raises:
        ValueError: ``path:line: what`` for bad content.
        FileNotFoundError: a file is missing.
    """
    path = Path(path)
    library = read_library(lefs)
    with _without_garbage_collection():
        return _Builder(parse_def(path), library, unknown_size).netlist(grid, name or path.name.split(".")[0])


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Spare the collector from looking again and again at a million tuples that are all in use."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Builder:
    """Nodes in the order of the netlist: ports, components, then pins as nets name them."""

    def __init__(self, design: Design, library: Library, unknown_size: tuple[float, float] | None) -> None:
        self.design, self.unknown_size = design, unknown_size
        self.exact = design.case_sensitive and library.case_sensitive
        self.library = {self._key(name): macro for name, macro in library.macros.items()}
        if not self.exact:
            self.library = {
                key: LefMacro(m.name, m.width, m.height, m.kind, {pin.upper(): m.pins[pin] for pin in m.pins})
                for key, m in self.library.items()
            }
        self.sites = library.sites
        low, high = np.min(design.die, axis=0), np.max(design.die, axis=0)
        self.low, self.high = low, high
        self.width, self.height = ((high - low) / design.units).tolist()
        if min(self.width, self.height) <= 0:
            design.tokens.refuse(design.die_place, "DIEAREA has no area")
        self.names: list[str] = []
        self.types: list[int] = []
        self.ports: dict[str, tuple[int, bool]] = {}  # node, and whether it drives its net
        self.components: dict[str, tuple[int, LefMacro | None]] = {}

    def _key(self, name: str) -> str:
        return name if self.exact else name.upper()

    def netlist(self, grid: tuple[int, int] | None, name: str) -> Netlist:
        """Return the netlist."""
        port_centers = self._add_ports()
        sizes, turns, fixed, corners, halos = self._add_components()
        num_ports, num_blocks = len(self.ports_in_order), len(self.names)
        centers = np.full((num_blocks, 2), [self.width / 2, self.height / 2])
        centers[:num_ports] = port_centers
        extents = placed_extents(sizes, turns)
        placed = np.flatnonzero(np.isfinite(corners[:, 0]))
        centers[placed] = (corners[placed] - self.low) / self.design.units + extents[placed] / 2
        types = np.array(self.types, np.int8)
        sizes[types == NodeType.PORT] = 0.0  # covers too
        owners, offsets, net_indptr, net_nodes, weights = self._add_nets()
        n = len(self.names)

        def padded(values: NDArray, shape: tuple[int, ...] = ()) -> NDArray:
            return np.concatenate([values, np.zeros((n - num_blocks, *shape), values.dtype)])

        hard = types == NodeType.HARD_MACRO
        boxes = self._blocked()
        if grid is None:
            stuck = hard & fixed
            walls = np.concatenate([centers[stuck] - extents[stuck] / 2, centers[stuck] + extents[stuck] / 2], axis=1)
            obstacles = np.concatenate([walls, np.array(boxes, np.float64).reshape(-1, 4)])
            grid = choose_grid(self.width, self.height, sizes[hard], extents[hard & ~fixed], obstacles)
        canvas = Canvas(self.width, self.height, *grid, blockages=tuple((*box, 1.0) for box in boxes), block=name)
        return Netlist(
            tuple(self.names), np.array(self.types, np.int8), np.array(owners, np.int32), padded(sizes, (2,)),
            padded(centers, (2,)), np.array(offsets).reshape(-1, 2), padded(turns), padded(fixed), net_indptr,
            net_nodes, weights, canvas, name, halos=padded(halos, (4,)),
        )  # fmt: skip

    def _add_ports(self) -> NDArray[np.float64]:
        """Add the ports; return their centres: float64 [ports, 2], micron."""
        self.ports_in_order = [pin for pin in self.design.pins if pin.use not in _SUPPLY]
        centers = np.zeros((len(self.ports_in_order), 2))
        for node, pin in enumerate(self.ports_in_order):
            self.names.append(pin.name)
            self.types.append(NodeType.PORT)
            self.ports[self._key(pin.name)] = node, pin.direction == "INPUT"
            if pin.points:
                middle = (np.min(pin.points, axis=0) + np.max(pin.points, axis=0)) / 2
                centers[node] = (middle - self.low) / self.design.units
        return centers

    def _add_components(self) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
        """Add the components.

        Returns:
            Of ports and components: sizes float64 [n, 2], micron; orientations int8 [n]; fixed bool [n]; lower left
            corners float64 [n, 2], database units, nan if not placed; halos float64 [n, 4], micron.
        """
        design, units, refuse = self.design, self.design.units, self.design.tokens.refuse
        num_ports, n = len(self.names), len(self.names) + len(design.components)
        sizes, corners, halos = [(0.0, 0.0)] * num_ports, [(np.nan, np.nan)] * num_ports, np.zeros((n, 4))
        turns, fixed = [0] * num_ports, [True] * num_ports
        models: dict[str, tuple[LefMacro | None, NodeType, tuple[float, float]]] = {}
        for node, component in enumerate(design.components, len(self.names)):
            place, name, model_name, x, y, turn, is_fixed, halo = component
            key = name if self.exact else name.upper()
            if key in self.components:
                refuse(place, f"a second component {name}")
            found = models.get(model_name)
            if found is None:
                found = models[model_name] = self._model(model_name)
            model, kind, extent = found
            if model is None and self.unknown_size is None:
                refuse(place, f"{name} is a {model_name}, which no LEF file describes")
            self.components[key] = node, model
            self.names.append(name)
            self.types.append(kind)
            sizes.append(extent)
            turns.append(turn)
            fixed.append(is_fixed or kind == NodeType.PORT)
            if x is not None and y is not None:
                corners.append((x, y))
            else:
                corners.append((np.nan, np.nan))
                if kind == NodeType.HARD_MACRO and (extent[0] > self.width or extent[1] > self.height):
                    refuse(place, f"{name} does not fit on the die of {self.width:g} x {self.height:g} micron")
            if halo:
                halos[node] = np.array(halo) / units
        return (
            np.array(sizes, np.float64).reshape(n, 2), np.array(turns, np.int8), np.array(fixed, np.bool_),
            np.array(corners, np.float64).reshape(n, 2), halos,
        )  # fmt: skip

    def _model(self, name: str) -> tuple[LefMacro | None, NodeType, tuple[float, float]]:
        """Return a block of the library, what its components are, and its size; none if no file describes it."""
        model = self.library.get(self._key(name))
        if model is None:
            return None, NodeType.SOFT_MACRO, self.unknown_size or (0.0, 0.0)
        kind = NodeType.HARD_MACRO if model.is_block else NodeType.PORT if model.is_cover else NodeType.STDCELL
        return model, kind, (model.width, model.height)

    def _add_nets(self) -> tuple[list[int], list[tuple[float, float]], NDArray, NDArray, NDArray]:
        """Add the pins that nets name; return owners and offsets of all nodes, and the nets."""
        refuse = self.design.tokens.refuse
        names, types, components, ports, key = self.names, self.types, self.components, self.ports, self._key
        owners = list(range(len(names)))
        offsets = [(0.0, 0.0)] * len(names)
        known: dict[tuple[str, str], tuple[int, bool]] = {}  # pins: node, and whether it drives
        members: list[int] = []
        counts, weights = [0], []
        for place, label, pins, use, weight in self.design.nets:
            if use in _SUPPLY:
                continue
            nodes: list[int] = []
            driver = -1
            for written in pins:
                pin = written if self.exact else (key(written[0]), key(written[1]))
                found = known.get(pin)
                if found is None:
                    component, terminal = pin
                    if component.upper() == "PIN":
                        if terminal not in ports:
                            refuse(place, f"net {label}: no pin {terminal} in PINS")
                        found = ports[terminal]
                    else:
                        if component not in components:
                            refuse(place, f"net {label}: no component {component}")
                        owner, model = components[component]
                        drives, offset = False, (0.0, 0.0)
                        if model is not None:
                            if terminal not in model.pins:
                                refuse(place, f"net {label}: {model.name} has no pin {terminal}")
                            drives = model.pins[terminal].direction == "OUTPUT"
                            offset = model.pins[terminal].offset
                        found = len(names), drives
                        names.append(f"{written[0]}/{written[1]}")
                        soft = types[owner] == NodeType.SOFT_MACRO
                        types.append(NodeType.SOFT_PIN if soft else NodeType.HARD_PIN)
                        owners.append(owner)
                        offsets.append(offset)
                    known[pin] = found
                if found[1] and driver < 0:
                    driver = len(nodes)
                nodes.append(found[0])
            if len(nodes) > 1:
                if driver > 0:
                    nodes.insert(0, nodes.pop(driver))
                members += nodes
                counts.append(len(nodes))
                weights.append(weight)
        indptr = np.cumsum(counts).astype(np.int64)
        return owners, offsets, indptr, np.array(members, np.int32), np.array(weights, np.float64)

    def _blocked(self) -> list[Box]:
        """Return what no hard macro may overlap, micron: blockages, what is not die, and the margins of the rows."""
        design, low, high = self.design, self.low, self.high
        boxes: list[Box] = []
        for blockage in design.blockages:
            if not self._moves_with_component(blockage):
                for shape in blockage.shapes:
                    boxes += self._rectangles(blockage, shape)
        if len(design.die) > 2:
            try:
                boxes += rectangles(design.die, outside=True)
            except ValueError as error:
                design.tokens.refuse(design.die_place, f"DIEAREA: {error}")
        if len(design.rows) > 1:
            left, bottom, right, top = self._core()
            boxes += [
                (low[0], low[1], left, high[1]), (right, low[1], high[0], high[1]),
                (low[0], low[1], high[0], bottom), (low[0], top, high[0], high[1]),
            ]  # fmt: skip
        return [
            tuple(float(value) for value in (np.array(box) - np.tile(low, 2)) / design.units)  # type: ignore[misc]
            for box in boxes
            if box[2] > box[0] and box[3] > box[1]
        ]

    def _rectangles(self, blockage: Blockage, shape: list[tuple[float, float]]) -> list[Box]:
        try:
            return rectangles(shape)
        except ValueError as error:
            self.design.tokens.refuse(blockage.place, str(error))

    def _moves_with_component(self, blockage: Blockage) -> bool:
        if not blockage.component:
            return False
        found = self.components.get(self._key(blockage.component))
        if found is None:
            self.design.tokens.refuse(blockage.place, f"no component {blockage.component}")
        return not self.design.components[found[0] - len(self.ports_in_order)].fixed

    def _core(self) -> Box:
        """Return the box around the rows, database units.

        A row's last site ends one step on, or, without a step, by the site's width; if no LEF file has the site, the
        row may be as long as the die.
        """
        ends = []
        for row in self.design.rows:
            width, height = (side * self.design.units for side in self.sites.get(row.site, (0.0, 0.0)))
            if row.turned:
                width, height = height, width
            step_x, step_y = row.step_x or width, row.step_y or height
            right = row.x + row.columns * step_x if step_x else self.high[0]
            ends.append((row.x, row.y, right, row.y + (row.rows - 1) * step_y, height))
        rows = np.array(ends)
        levels = np.unique(rows[:, 1])
        row_height = np.diff(levels).min() if levels.size > 1 else 0.0
        tops = rows[:, 3] + np.where(rows[:, 4] > 0, rows[:, 4], row_height)
        return rows[:, 0].min(), rows[:, 1].min(), rows[:, 2].max(), tops.max()

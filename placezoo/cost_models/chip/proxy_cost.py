"""The proxy cost of chip placement: wirelength + density + congestion.

Source: Mirhoseini et al. 2021; exactly Circuit Training's plc_client as published by TILOS (Docs/ProxyCost), with pins
outside the canvas counted in the nearest cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.layout import overlap
from placezoo.cost_models.chip.proxy_state import ProxyState
from placezoo.cost_models.chip.spreading import Springs, springs
from placezoo.cost_models.cost import Cost
from placezoo.datasets.chip.netlist import Netlist, NodeType, Placement
from placezoo.parameters import at_least, check_parameters

WEIGHTS = (1.0, 0.5, 0.5)  # Google's own and TILOS's; Circuit Training's code has 1, 1, 0.5
SmoothingRange = Annotated[int | None, at_least(0)]


class ProxyCost:
    """What a placement of a netlist costs.

    ``wirelength`` is the sum of the nets' weighted half perimeters over (width + height) x the sum of the weights;
    ``density`` half the mean of the fullest 10 % of the cells; ``congestion`` the mean of the most congested 5 % of
    vertical and horizontal cells.

    Args:
        netlist: of which.
        smoothing_range: over how many cells to each side congestion is spread; default the canvas's own.
        weights: of wirelength, density and congestion in the total.

    Raises:
        ValueError: a parameter is out of range.

    Example:
        >>> from placezoo.datasets import generate_netlist
        >>> netlist = generate_netlist(num_hard=8, num_soft=20, seed=0)
        >>> cost = ProxyCost(netlist).evaluate(netlist.placement)
        >>> sorted(cost.terms)
        ['congestion', 'density', 'wirelength']
    """

    def __init__(
        self, netlist: Netlist, smoothing_range: SmoothingRange = None, weights: Sequence[float] = WEIGHTS
    ) -> None:
        if not isinstance(netlist, Netlist):
            raise ValueError(f"the proxy cost is of a Netlist, not a {type(netlist).__name__}")
        reach = check_parameters(ProxyCost, "ProxyCost", smoothing_range=smoothing_range)["smoothing_range"]
        self.netlist = netlist
        self.smoothing_range: int = netlist.canvas.smoothing_range if reach is None else reach
        try:
            self.weights = tuple(float(weight) for weight in weights if not isinstance(weight, str))
        except (TypeError, OverflowError):
            self.weights = ()
        if len(self.weights) != 3 or not np.isfinite(self.weights).all() or min(self.weights) < 0:
            raise ValueError(f"ProxyCost: weights must be three finite numbers of at least 0, not {weights!r}")
        self.blocks = netlist.blocks
        self.block_of_node = np.full(netlist.num_nodes, -1, np.int64)  # pins: their macro's block
        self.block_of_node[self.blocks] = np.arange(self.blocks.size)
        self.block_of_node = self.block_of_node[netlist.owners]

    @cached_property
    def _fixed(self) -> dict[str, NDArray]:
        """The arrays of a state that no placement changes."""
        netlist, canvas = self.netlist, self.netlist.canvas
        types = netlist.types[self.blocks]
        kinds = np.where(types == NodeType.HARD_MACRO, proxy_state.HARD, proxy_state.POINT)
        kinds[types == NodeType.SOFT_MACRO] = proxy_state.SOFT
        terminal_block = self.block_of_node[netlist.net_nodes].astype(np.int32)
        is_pin = netlist.types[netlist.net_nodes] == NodeType.HARD_PIN
        weight_sum = netlist.net_weights.sum()
        grid = np.array([
            canvas.cell_width, canvas.cell_height, canvas.width, canvas.height,
            1 / (weight_sum * (canvas.width + canvas.height)) if weight_sum > 0 else 0.0,
            1 / (canvas.cell_width * canvas.routes_per_micron[1]), 1 / (canvas.cell_height *
            canvas.routes_per_micron[0]),
        ])  # fmt: skip
        cells = canvas.num_cells
        # int(0.1 * cells), as published; for fewer than ten cells 0 stands for the mean of the cells in use.
        top_density = max(int(0.1 * cells), 1) if cells >= 10 else 0
        top_congestion = max(int(0.05 * 2 * cells), 1)
        return {
            "grid": grid,
            "shape": np.array([canvas.columns, canvas.rows, self.smoothing_range, top_density, top_congestion]),
            "weights": np.array(self.weights),
            "macro_routes": np.array(canvas.macro_routes),
            "sizes": np.ascontiguousarray(netlist.sizes[self.blocks]),
            "kinds": kinds.astype(np.int8),
            **_indexed(
                netlist.net_indptr.copy(), netlist.net_weights.copy(), terminal_block,
                np.where(is_pin[:, None], netlist.offsets[netlist.net_nodes], 0.0), self.blocks.size,
            ),
        }  # fmt: skip

    def state(self, placement: Placement | None = None, placed: NDArray[np.bool_] | None = None) -> ProxyState:
        """Return a fresh state of a placement (default: the netlist's own).

        Args:
            placement: where the blocks are.
            placed: bool [num_blocks], blocks that are not have no influence; default all are.

        Raises:
            ValueError: the placement is of another netlist.
        """
        state = self.empty_state(placement, placed)
        proxy_state.rebuild(state)
        return state

    @cached_property
    def _merged(self) -> dict[str, NDArray]:
        """The fixed arrays with fewer nets, at the same costs.

        Nets with one driver and the same other terminals become one, their weights added; terminals that a net has
        twice, and nets of a single terminal, fall away. Weights below one, which count as one in congestion, stay.
        """
        fixed = self._fixed
        blocks, offsets = fixed["terminal_block"].tolist(), fixed["terminal_offset"].tolist()
        terminals = [(block, *offset) for block, offset in zip(blocks, offsets, strict=True)]
        weights, first = fixed["net_weights"].tolist(), fixed["net_ptr"].tolist()
        merged: dict[Any, tuple[list[Any], float]] = {}
        for net, weight in enumerate(weights):
            distinct = list(dict.fromkeys(terminals[first[net] : first[net + 1]]))
            if len(distinct) < 2:
                continue
            key = (distinct[0], frozenset(distinct)) if weight >= 1 else net
            merged[key] = distinct, weight + (merged[key][1] if key in merged else 0.0)
        degrees = np.array([len(distinct) for distinct, _ in merged.values()], np.int64)
        kept = [terminal for distinct, _ in merged.values() for terminal in distinct]
        block = np.array([terminal[0] for terminal in kept], np.int32)
        return fixed | _indexed(
            np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64),
            np.array([weight for _, weight in merged.values()], np.float64),
            block,
            np.array([terminal[1:] for terminal in kept], np.float64).reshape(-1, 2),
            self.blocks.size,
        )

    def merged_state(self, placement: Placement | None = None) -> ProxyState:
        """Return an empty state, as ``empty_state`` does, in which equal nets are one; its costs are the netlist's."""
        return self._empty(self._merged, placement, None)

    def empty_state(self, placement: Placement | None = None, placed: NDArray[np.bool_] | None = None) -> ProxyState:
        """Return a state, as ``state`` does, from which nothing has been computed: call ``rebuild`` first."""
        return self._empty(self._fixed, placement, placed)

    def _empty(
        self, fixed: dict[str, NDArray], placement: Placement | None, placed: NDArray[np.bool_] | None
    ) -> ProxyState:
        placement = self.netlist.placement if placement is None else placement
        if placement.netlist is not self.netlist and placement.netlist != self.netlist:
            raise ValueError(f"the placement is of {placement.netlist.name}, the cost of {self.netlist.name}")
        num_blocks, num_terminals = self.blocks.size, fixed["terminal_block"].size
        num_nets, cells = fixed["net_weights"].size, self.netlist.canvas.num_cells
        longest = int(np.diff(fixed["net_ptr"]).max(initial=1))
        most = proxy_state.MAX_MOVED
        return ProxyState(
            **fixed,
            x=placement.centers[self.blocks, 0],
            y=placement.centers[self.blocks, 1],
            orientation=placement.orientations[self.blocks],
            placed=np.ones(num_blocks, np.int8) if placed is None else placed.astype(np.int8),
            terminal_shift=np.zeros((num_terminals, 2)),
            terminal_cell=np.full(num_terminals, -1, np.int32),
            net_length=np.zeros(num_nets),
            grids=np.zeros((5, cells)),
            totals=np.zeros(4),
            hints=np.zeros(2),
            trial_grids=np.zeros((5, cells)),
            trial_totals=np.zeros(4),
            trial_hints=np.zeros(2),
            counts=np.zeros(3, np.int64),
            moved=np.zeros(most, np.int64),
            moved_to=np.zeros((most, 2)),
            moved_orientation=np.zeros(most, np.int64),
            moved_placed=np.zeros(most, np.int64),
            net_stamp=np.zeros(num_nets, np.int64),
            trial_nets=np.zeros(num_nets, np.int32),
            trial_lengths=np.zeros(num_nets),
            values=np.zeros(2 * cells),
            scratch=np.zeros(2 * cells),
            net_cells=np.zeros(longest, np.int64),
        )

    def springs(self, blocks: NDArray[np.int64]) -> Springs:
        """Return the springs that hold some blocks."""
        fixed = self._fixed
        return springs(
            blocks, fixed["net_ptr"], fixed["net_weights"], fixed["terminal_block"], fixed["terminal_offset"]
        )

    @cached_property
    def _own_state(self) -> ProxyState:
        return self.state()

    def evaluate(self, placement: Placement) -> Cost:
        """Return the cost of a placement; overlaps of hard macros and macros outside the canvas make it infeasible.

        Raises:
            ValueError: the placement is of another netlist.
        """
        if placement.netlist is not self.netlist and placement.netlist != self.netlist:
            raise ValueError(f"the placement is of {placement.netlist.name}, the cost of {self.netlist.name}")
        state = self._own_state
        np.take(placement.centers[:, 0], self.blocks, out=state.x)
        np.take(placement.centers[:, 1], self.blocks, out=state.y)
        np.take(placement.orientations, self.blocks, out=state.orientation)
        proxy_state.rebuild(state)
        return self.cost_of(state, violations(placement))

    def cost_of(self, state: ProxyState, violations: tuple[str, ...] = ()) -> Cost:
        """Return the cost of a state."""
        totals = state.totals
        terms = {
            "wirelength": float(totals[proxy_state.LENGTH] * state.grid[proxy_state.LENGTH_SCALE]),
            "density": float(totals[proxy_state.DENSITY]),
            "congestion": float(totals[proxy_state.CONGESTION]),
        }
        return Cost(float(totals[proxy_state.TOTAL]), terms, not violations, violations)


def _indexed(
    net_ptr: NDArray[np.int64],
    net_weights: NDArray[np.float64],
    terminal_block: NDArray[np.int32],
    terminal_offset: NDArray[np.float64],
    num_blocks: int,
) -> dict[str, NDArray]:
    """Return a state's arrays of nets and terminals, with those that lead back."""
    return {
        "net_ptr": net_ptr,
        "net_weights": net_weights,
        "terminal_block": terminal_block,
        "terminal_offset": terminal_offset,
        "terminal_net": np.repeat(np.arange(net_weights.size), np.diff(net_ptr)).astype(np.int32),
        "block_ptr": np.concatenate([[0], np.cumsum(np.bincount(terminal_block, minlength=num_blocks))]),
        "block_terminals": np.argsort(terminal_block, kind="stable").astype(np.int32),
    }


def violations(placement: Placement) -> tuple[str, ...]:
    """Say which hard macros overlap or stick out of the canvas, the first of each by name."""
    netlist, canvas = placement.netlist, placement.netlist.canvas
    hard = netlist.hard_macros
    if not _any_conflict(placement.centers, placement.orientations, netlist.sizes, hard, canvas.width, canvas.height):
        return ()
    found = []
    overlaps, outside = placement.overlaps(), placement.outside()
    if overlaps:
        found.append(f"{len(overlaps)} pairs of hard macros overlap, {overlaps[0][0]} and {overlaps[0][1]} for example")
    if outside:
        found.append(f"{len(outside)} hard macros stick out of the canvas, {outside[0]} for example")
    return tuple(found)


@jit.kernel
def _any_conflict(centers, orientations, sizes, hard, width, height):
    """Return whether any hard macros overlap or stick out, up to the tolerance of ``Placement.overlaps``."""
    half = np.empty((hard.size, 2))
    for i in range(hard.size):
        extent_x, extent_y = proxy_state.placed_extent(sizes, hard[i], orientations[hard[i]])
        half[i, 0], half[i, 1] = 0.5 * extent_x, 0.5 * extent_y
        x, y = centers[hard[i], 0], centers[hard[i], 1]
        if min(x - half[i, 0], y - half[i, 1], width - x - half[i, 0], height - y - half[i, 1]) < -proxy_state.TOUCH:
            return True
        for j in range(i):
            reach_x, reach_y = half[i, 0] + half[j, 0], half[i, 1] + half[j, 1]
            if overlap(x - centers[hard[j], 0], y - centers[hard[j], 1], reach_x, reach_y):
                return True
    return False

"""The proxy cost with gradients, in torch, batched over placements.

Which cells a net visits, and so which way it is routed, is taken as it is at the given places; where the routes lie,
how far they reach, and everything else is smooth in the places. As the smoothing goes to zero the values become those
of ``ProxyCost``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from placezoo import jit
from placezoo.cost_models.chip.proxy_cost import WEIGHTS, ProxyCost
from placezoo.cost_models.chip.proxy_state import HARD, POINT
from placezoo.datasets.chip.netlist import ORIENTATION_MATRICES, Netlist, Placement, placed_extents

_BISECTIONS = 40
_MAX_SEGMENTS = 5  # of a net of three cells; other nets have two for each sink


class DifferentiableProxyCost(nn.Module):
    """Smooth wirelength, density and congestion of a netlist.

    Wirelength is a log-sum-exp of terminal places (Naylor et al. 2001); an edge of the grid between two cells is
    crossed by the difference of two sigmoids; means of the largest values are soft above their threshold.

    Args:
        netlist: of which.
        smoothing_range: as for ``ProxyCost``.
        weights: of wirelength, density and congestion in the total.
        dtype: of all computation.

    Example:
        >>> import torch
        >>> from placezoo.datasets import generate_netlist
        >>> netlist = generate_netlist(num_hard=8, num_soft=20, seed=0)
        >>> cost = DifferentiableProxyCost(netlist)
        >>> places = cost.places(netlist.placement).requires_grad_()
        >>> cost(places, smoothing=0.1).sum().backward()
        >>> places.grad.shape == places.shape
        True
    """

    macros: Tensor
    extents: Tensor
    is_hard: Tensor
    terminal_block: Tensor
    terminal_net: Tensor
    terminal_offset: Tensor
    net_weights: Tensor
    cell: Tensor
    left_edges: Tensor
    lower_edges: Tensor
    spread_columns: Tensor
    spread_rows: Tensor

    def __init__(
        self,
        netlist: Netlist,
        smoothing_range: int | None = None,
        weights: Sequence[float] = WEIGHTS,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        self.exact = ProxyCost(netlist, smoothing_range, weights)
        self.netlist = netlist
        fixed = self.exact._fixed
        canvas = netlist.canvas
        self.columns, self.rows = canvas.columns, canvas.rows
        self._arrays = (fixed["net_ptr"], fixed["net_weights"])

        def keep(name: str, values: np.ndarray) -> None:
            kind = dtype if values.dtype.kind == "f" else torch.int64
            self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(values)).to(kind))

        orientation = netlist.orientations[self.exact.blocks]
        macros = np.flatnonzero(fixed["kinds"] != POINT)
        a, b, c, d = ORIENTATION_MATRICES[orientation[fixed["terminal_block"]]].T
        x, y = fixed["terminal_offset"].T
        keep("macros", macros)
        keep("extents", placed_extents(fixed["sizes"][macros], orientation[macros]))
        keep("is_hard", (fixed["kinds"][macros] == HARD).astype(np.float64))
        keep("terminal_block", fixed["terminal_block"].astype(np.int64))
        keep("terminal_net", fixed["terminal_net"].astype(np.int64))
        keep("terminal_offset", np.stack([a * x + b * y, c * x + d * y], axis=1))
        keep("net_weights", fixed["net_weights"])
        keep("cell", np.array([canvas.cell_width, canvas.cell_height]))
        keep("left_edges", np.arange(canvas.columns) * canvas.cell_width)
        keep("lower_edges", np.arange(canvas.rows) * canvas.cell_height)
        self._top_density, self._top_congestion = (int(k) for k in fixed["shape"][3:5])
        self._length_scale, self._scale_v, self._scale_h = (float(value) for value in fixed["grid"][4:7])
        keep("spread_columns", _spreading(canvas.columns, self.exact.smoothing_range))
        keep("spread_rows", _spreading(canvas.rows, self.exact.smoothing_range))

    def places(self, placement: Placement) -> Tensor:
        """Return the centres of a placement's blocks (``netlist.blocks``): [1, num_blocks, 2], micron."""
        centers = torch.as_tensor(placement.centers[self.exact.blocks].copy())
        return centers.to(self.cell.dtype).to(self.cell.device)[None]

    def forward(self, places: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the total cost of each placement: [B].

        Args:
            places: centres of all blocks, ports included, in the order of ``netlist.blocks``: [B, num_blocks, 2],
                micron; orientations are the netlist's.
            smoothing: in cells; 0 for the exact cost.
        """
        weights = self.exact.weights
        terms = self.terms(places, smoothing)
        return weights[0] * terms["wirelength"] + weights[1] * terms["density"] + weights[2] * terms["congestion"]

    def terms(self, places: Tensor, smoothing: float = 0.0) -> dict[str, Tensor]:
        """Return wirelength, density and congestion of each placement: [B] each; arguments as for ``forward``.

        Raises:
            ValueError: the shape is not that of placements of this netlist, or the smoothing is negative.
        """
        if places.ndim != 3 or places.shape[1:] != (self.exact.blocks.size, 2):
            raise ValueError(f"places must have the shape [B, {self.exact.blocks.size}, 2], not {list(places.shape)}")
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be at least 0, not {smoothing}")
        terminals = places[:, self.terminal_block] + self.terminal_offset
        overlap_x, overlap_y = self._overlaps(places)
        density = torch.einsum("bmr,bmc->brc", overlap_y, overlap_x) / self.cell.prod()
        return {
            "wirelength": self._wirelength(terminals, smoothing),
            "density": self._density(density.flatten(1), smoothing),
            "congestion": self._congestion(terminals, places, overlap_x, overlap_y, smoothing),
        }

    def hard_density(self, places: Tensor) -> Tensor:
        """Return what hard macros cover of each cell: [B, rows, columns]; above 1 they must overlap."""
        overlap_x, overlap_y = self._overlaps(places)
        return torch.einsum("m,bmr,bmc->brc", self.is_hard, overlap_y, overlap_x) / self.cell.prod()

    def _overlaps(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far each macro overlaps each column and each row: [B, macros, columns], [B, macros, rows]."""
        low = places[:, self.macros] - self.extents / 2
        high = places[:, self.macros] + self.extents / 2
        result = []
        for axis, edges in ((0, self.left_edges), (1, self.lower_edges)):
            upper = torch.minimum(high[:, :, axis, None], edges + self.cell[axis])
            result.append((upper - torch.maximum(low[:, :, axis, None], edges)).clamp(min=0))
        return result[0], result[1]

    def _wirelength(self, terminals: Tensor, smoothing: float) -> Tensor:
        index = self.terminal_net[None, :, None].expand(len(terminals), -1, 2)
        shape = (len(terminals), self.net_weights.numel(), 2)
        extremes = []
        for sign in (1.0, -1.0):
            values = sign * terminals
            largest = values.new_full(shape, -torch.inf).scatter_reduce(1, index, values, "amax")
            if smoothing > 0:
                gamma = smoothing * self.cell
                shifted = (values - largest.detach().gather(1, index)) / gamma
                sums = values.new_zeros(shape).scatter_add(1, index, shifted.exp())
                largest = largest.detach() + gamma * sums.log()
            extremes.append(largest)
        return ((extremes[0] + extremes[1]).sum(2) * self.net_weights).sum(1) * self._length_scale

    def _top_mean(self, values: Tensor, k: int, smoothing: float) -> Tensor:
        """Return the mean of the k largest of [B, n]: [B].

        It is the least of ``t + sum(max(v - t, 0)) / k`` over all t (Rockafellar & Uryasev 2000); the maximum is
        softened by a tenth of the smoothing. At the least t the derivative by t vanishes, so t may be held while
        differentiating.
        """
        if smoothing <= 0 or k >= values.shape[1]:
            return values.topk(min(k, values.shape[1]), dim=1).values.mean(1)
        width = 0.1 * smoothing
        fixed = values.detach()
        low = fixed.amin(1, keepdim=True) - 40 * width
        high = fixed.amax(1, keepdim=True) + 40 * width
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            too_low = torch.sigmoid((fixed - middle) / width).sum(1, keepdim=True) > k
            low, high = torch.where(too_low, middle, low), torch.where(too_low, high, middle)
        threshold = (low + high) / 2
        return threshold[:, 0] + (width * F.softplus((values - threshold) / width)).sum(1) / k

    def _density(self, density: Tensor, smoothing: float) -> Tensor:
        if self._top_density > 0:
            return 0.5 * self._top_mean(density, self._top_density, smoothing)
        used = (density > 1e-12).to(density.dtype)
        return 0.5 * (density * used).sum(1) / used.sum(1).clamp(min=1)

    def _congestion(
        self, terminals: Tensor, places: Tensor, overlap_x: Tensor, overlap_y: Tensor, smoothing: float
    ) -> Tensor:
        grids = []
        for axis, (cells, lines) in enumerate(((self.columns, self.rows), (self.rows, self.columns))):
            # axis 0: horizontal wires cross right edges of columns on a row; axis 1: vertical ones upper edges of rows.
            demand = torch.stack(
                [self._demand(points, axis, cells, lines, smoothing) for points in terminals]
            )  # [B, lines, cells]
            grids.append(demand if axis == 0 else demand.transpose(1, 2))
        horizontal, vertical = grids
        horizontal = torch.einsum("sr,brc->bsc", self.spread_rows, horizontal)
        vertical = torch.einsum("sc,brc->brs", self.spread_columns, vertical)
        macro_vertical, macro_horizontal = self._macro_demand(places.detach(), overlap_x, overlap_y)
        values = torch.cat(
            [
                (vertical + macro_vertical).flatten(1) * self._scale_v,
                (horizontal + macro_horizontal).flatten(1) * self._scale_h,
            ],
            1,
        )
        return self._top_mean(values, self._top_congestion, smoothing)

    def _demand(self, points: Tensor, axis: int, cells: int, lines: int, smoothing: float) -> Tensor:
        """Return the demand of one placement's wires along an axis: [lines, cells]."""
        spot = (points.detach() / self.cell).floor().long()
        spot[:, 0].clamp_(0, self.columns - 1)
        spot[:, 1].clamp_(0, self.rows - 1)
        net_ptr, net_weights = self._arrays
        found = _segments(spot.cpu().numpy(), net_ptr, net_weights, axis)
        on, first, last = (torch.as_tensor(index, device=points.device) for index in found[:3])
        weight = torch.as_tensor(found[3], device=points.device).to(points.dtype)
        along, across = points[:, axis], points[:, 1 - axis]
        edges = (torch.arange(cells, device=points.device) + 1).to(points.dtype) * self.cell[axis]
        bounds = torch.arange(lines + 1, device=points.device).to(points.dtype) * self.cell[1 - axis]
        if smoothing > 0:
            crossed = torch.sigmoid((along[:, None] - edges) / (smoothing * self.cell[axis] / 4))
            above = torch.sigmoid((across[:, None] - bounds) / (smoothing * self.cell[1 - axis] / 4))
        else:
            crossed = (spot[:, axis, None] > torch.arange(cells, device=points.device)).to(points.dtype)
            above = (spot[:, 1 - axis, None] >= torch.arange(lines + 1, device=points.device)).to(points.dtype)
        # Nothing leaves the grid: the outermost lines hold what lies beyond.
        above = torch.cat([torch.ones_like(above[:, :1]), above[:, 1:-1], torch.zeros_like(above[:, :1])], 1)
        member = above[:, :-1] - above[:, 1:]
        crossed = torch.cat([crossed[:, :-1], torch.zeros_like(crossed[:, :1])], 1)
        reach = (crossed[last] - crossed[first]).abs() * weight[:, None]
        return member[on].T @ reach

    def _macro_demand(self, places: Tensor, overlap_x: Tensor, overlap_y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tracks that hard macros use, vertical and horizontal: [B, rows, columns] each."""
        horizontal_routes, vertical_routes = self.netlist.canvas.macro_routes
        counted_columns, counted_rows = (
            _without_last_if_partial(
                overlap.detach(), places[:, self.macros, axis], self.extents[:, axis], self.cell[axis]
            )
            * self.is_hard[:, None]
            for axis, overlap in enumerate((overlap_x, overlap_y))
        )
        vertical = torch.einsum("bmr,bmc->brc", counted_rows, overlap_x) * vertical_routes
        horizontal = torch.einsum("bmr,bmc->brc", overlap_y, counted_columns) * horizontal_routes
        return vertical, horizontal


def _without_last_if_partial(overlap: Tensor, centre: Tensor, extent: Tensor, size: Tensor) -> Tensor:
    """Return 1 where a macro overlaps a line, but 0 on the last of several lines if the first or last is partial.

    The last line is that of the upper edge even where the edge only touches it. Lines before the first are out even
    where rounding leaves a sliver of overlap there, as ``ProxyCost`` does not visit them.

    Args:
        overlap: [B, macros, lines], micron.
        centre: [B, macros], along this axis, micron.
        extent: [macros], micron.
        size: of a cell, micron.
    """
    most = overlap.shape[2] - 1
    lines = torch.arange(most + 1, device=overlap.device)
    first = ((centre - extent / 2) / size).floor().long().clamp(0, most)[:, :, None]
    last = ((centre + extent / 2) / size).floor().long().clamp(0, most)[:, :, None]
    partial = (overlap.gather(2, first) - size).abs() > 1e-5
    partial |= (overlap.gather(2, last) - size).abs() > 1e-5
    dropped = partial & (last > first) & (lines == last)
    return ((overlap > 0) & (first <= lines) & (lines <= last) & ~dropped).to(overlap.dtype)


def _spreading(count: int, reach: int) -> np.ndarray:
    """Return the matrix that spreads each value evenly over its neighbours up to ``reach``: [count, count]."""
    near = np.abs(np.arange(count)[:, None] - np.arange(count)) <= reach
    return near / near.sum(axis=0)


@jit.kernel
def _segments(spot, net_ptr, net_weights, axis):
    """Return the straight wires along one axis as terminals: the line's, the first end's, the last end's; weights.

    Args:
        spot: int64 [T, 2], column and row of each terminal.
        net_ptr: int64 [M + 1].
        net_weights: float64 [M].
        axis: 0 for horizontal wires, 1 for vertical ones.
    """
    room = max(_MAX_SEGMENTS * (net_ptr.size - 1), spot.shape[0])
    on, first, last = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    weights = np.empty(room)
    longest = 1
    for net in range(net_ptr.size - 1):
        longest = max(longest, net_ptr[net + 1] - net_ptr[net])
    cells = np.empty(longest, np.int64)
    count = 0
    for net in range(net_ptr.size - 1):
        distinct = 0
        for terminal in range(net_ptr[net], net_ptr[net + 1]):
            known = False
            for i in range(distinct):
                if spot[cells[i], 0] == spot[terminal, 0] and spot[cells[i], 1] == spot[terminal, 1]:
                    known = True
                    break
            if not known:
                cells[distinct] = terminal
                distinct += 1
        begin = count
        if distinct == 3:
            count = _three(spot, cells[0], cells[1], cells[2], axis, on, first, last, count)
        else:
            for i in range(1, distinct):
                on[count] = cells[0] if axis == 0 else cells[i]
                first[count], last[count] = cells[0], cells[i]
                count += 1
        for k in range(begin, count):
            weights[k] = max(net_weights[net], 1.0)
    return on[:count], first[:count], last[:count], weights[:count]


@jit.kernel
def _three(spot, a, b, c, axis, on, first, last, count):
    """Add the wires of a net of three cells; the cases are those of ``congestion.list_wires``."""
    for _ in range(2):  # by column, then row
        if (spot[a, 0], spot[a, 1]) > (spot[b, 0], spot[b, 1]):
            a, b = b, a
        if (spot[b, 0], spot[b, 1]) > (spot[c, 0], spot[c, 1]):
            b, c = c, b
    x1, y1, x2, y2, x3, y3 = spot[a, 0], spot[a, 1], spot[b, 0], spot[b, 1], spot[c, 0], spot[c, 1]
    wires = np.full((4, 3), -1, np.int64)
    if x1 < x2 < x3 and min(y1, y3) < y2 < max(y1, y3):
        if axis == 0:
            wires[0], wires[1] = (a, a, b), (b, b, c)
        else:
            wires[0], wires[1] = (b, a, b), (c, b, c)
    elif x2 == x3 and x1 < x2 and y1 < min(y2, y3):
        if axis == 0:
            wires[0] = (a, a, b)
        else:
            wires[0] = (b, a, b if y2 > y3 else c)
    elif y2 == y3:
        if axis == 0:
            wires[0], wires[1] = (a, a, b), (b, b, c)
        else:
            wires[0] = (b, a, b)
    else:
        left, right = a, c  # by column they are the outer ones
        for _ in range(2):  # now by row, then column
            if (spot[a, 1], spot[a, 0]) > (spot[b, 1], spot[b, 0]):
                a, b = b, a
            if (spot[b, 1], spot[b, 0]) > (spot[c, 1], spot[c, 0]):
                b, c = c, b
        if axis == 0:
            wires[0] = (b, left, right)
        else:
            wires[0], wires[1] = (a, a, b), (c, b, c)
    for k in range(4):
        if wires[k, 0] >= 0:
            on[count], first[count], last[count] = wires[k]
            count += 1
    return count

"""Clustering flat netlists: standard cells become soft macros.

Source: Circuit Training's grouper as published by TILOS; with their ``groups.final`` it gives their clustered netlists
byte for byte.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.chip.canvas import Canvas, default_canvas
from placezoo.datasets.chip.netlist import Netlist, NodeType
from placezoo.datasets.files import read_bytes
from placezoo.datasets.mtkahypar_library import mtkahypar_library
from placezoo.datasets.refusal import refuses_in_one_line

UTILIZATION = 0.5  # a soft macro has twice the area of its cells
MOST_GROUPS = 2_000  # that a flat netlist is clustered into unless asked for
MAX_FANOUT = 500  # nets of more sinks are left out


@refuses_in_one_line
def read_groups(path: str | Path, netlist: Netlist) -> NDArray[np.int64]:
    """Read ``groups.final``: a group for each node of a flat netlist, one a line, -1 = none.

    Raises:
        ValueError: ``path:line: what`` for bad content.
    """
    path = Path(path)
    lines = read_bytes(path).decode(errors="replace").split()
    groups = np.empty(len(lines), np.int64)
    for number, text in enumerate(lines):
        try:
            groups[number] = int(text)
        except ValueError:
            raise ValueError(f"{path}:{number + 1}: not a whole number: {text}") from None
    if groups.size != netlist.num_nodes:
        raise ValueError(f"{path}:{groups.size}: groups of {groups.size} nodes, {netlist.name} has {netlist.num_nodes}")
    return groups


def group_netlist(
    netlist: Netlist,
    groups: NDArray[np.int64],
    grid: tuple[int, int],
    canvas: Canvas | None = None,
    name: str | None = None,
) -> Netlist:
    """Replace the standard cells of a netlist by one soft macro for each group.

    A soft macro is as wide as a grid cell, has twice the area of its cells, and lies at their area-weighted centre.
    Those nets of its cells that have one target are merged by target into one output pin, weighted with the sum of
    their weights; each other net keeps an output pin of its own; all inputs are one pin. Cells may be in nets
    themselves, as in Circuit Training's netlists, or by pins of theirs, as in DEF and Bookshelf.

    Args:
        netlist: flat, with standard cells.
        groups: int64 [num_nodes], the group of each standard cell, at least 0; ignored for all other nodes.
        grid: columns and rows of the canvas.
        canvas: of the clustered netlist, with that grid; default the flat one's, or, if that only follows from the
            area, as it does without a placement file, a square used to 60 %.
        name: of the clustered netlist, default the flat one's.

    Raises:
        ValueError: the shapes disagree, or a standard cell has no group.
    """
    groups = np.asarray(groups, np.int64)
    if groups.shape != (netlist.num_nodes,):
        raise ValueError(f"groups must have the shape ({netlist.num_nodes},), not {groups.shape}")
    if canvas is None:
        canvas = _canvas(netlist, grid)
    elif (canvas.columns, canvas.rows) != tuple(grid):
        raise ValueError(f"the canvas has a grid of {canvas.columns} x {canvas.rows}, not {grid[0]} x {grid[1]}")
    is_cell = netlist.types == NodeType.STDCELL
    if np.any(groups[is_cell] < 0):
        cell = int(np.flatnonzero(is_cell & (groups < 0))[0])
        raise ValueError(f"standard cell {netlist.names[cell]} has no group")
    of_cell = is_cell[netlist.owners]  # cells and their pins
    kept = np.flatnonzero(~of_cell)
    position = np.full(netlist.num_nodes, -1)
    position[kept] = np.arange(kept.size)
    fanouts = _fanouts(netlist, groups, of_cell)

    names = [netlist.names[node] for node in kept]
    types = list(netlist.types[kept])
    owners = list(position[netlist.owners[kept]])
    sizes, centers = list(netlist.sizes[kept]), list(netlist.centers[kept])
    offsets = list(netlist.offsets[kept])
    nets: list[tuple[int, float, tuple[int, ...]]] = []  # driver, weight, targets
    for node in kept.tolist():
        nets += [(int(position[node]), weight, targets) for weight, targets in fanouts.get(node, ())]

    def add(
        label: str, kind: NodeType, owner: int | None, size: tuple[float, float], centre: tuple[float, float]
    ) -> int:
        node = len(names)
        names.append(label)
        types.append(kind)
        owners.append(node if owner is None else owner)
        sizes.append(np.array(size))
        centers.append(np.array(centre))
        offsets.append(np.zeros(2))
        return node

    cells = np.flatnonzero(is_cell)
    order = np.argsort(groups[cells], kind="stable")
    present, starts = np.unique(groups[cells][order], return_index=True)
    input_pin: dict[int, int] = {}
    for group, members in zip(present, np.split(cells[order], starts[1:]), strict=True):
        size, centre = _soft_macro(netlist, members, canvas)
        macro = add(f"Grp_{group}", NodeType.SOFT_MACRO, None, size, centre)
        single: dict[int, float] = {}
        multi = 0
        for weight, targets in (net for cell in members.tolist() for net in fanouts.get(cell, ())):
            if len(targets) == 1:
                single[targets[0]] = single.get(targets[0], 0.0) + weight
            else:
                pin = add(f"Grp_{group}/Poutput_multi_{multi}", NodeType.SOFT_PIN, macro, (0, 0), (0, 0))
                nets.append((pin, weight, targets))
                multi += 1
        for number, target in enumerate(sorted(single, key=_target_order)):
            pin = add(f"Grp_{group}/Poutput_single_{number}", NodeType.SOFT_PIN, macro, (0, 0), (0, 0))
            nets.append((pin, single[target], (target,)))
        input_pin[int(group)] = add(f"Grp_{group}/Pinput", NodeType.SOFT_PIN, macro, (0, 0), (0, 0))

    net_nodes: list[int] = []
    counts: list[int] = []
    for driver, _, targets in nets:
        sinks = [int(position[t]) if t >= 0 else input_pin[-1 - t] for t in targets]
        net_nodes += [driver, *sinks]
        counts.append(1 + len(sinks))
    n = len(names)
    orientations, fixed, halos = np.zeros(n, np.int8), np.zeros(n, np.bool_), np.zeros((n, 4))
    orientations[: kept.size], fixed[: kept.size] = netlist.orientations[kept], netlist.fixed[kept]
    if netlist.halos is not None:
        halos[: kept.size] = netlist.halos[kept]
    return Netlist(
        tuple(names), np.array(types, np.int8), np.array(owners, np.int32), np.array(sizes), np.array(centers),
        np.array(offsets), orientations, fixed, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(net_nodes, np.int32), np.array([weight for _, weight, _ in nets], np.float64), canvas,
        name or netlist.name, (*(netlist.sides[node] for node in kept), *[""] * (n - kept.size)), halos,
    )  # fmt: skip


def _target_order(target: int) -> tuple[int, int]:
    """Sort key of targets: groups by descending number, then nodes as in the file."""
    return (0, target) if target < 0 else (1, target)


def _canvas(netlist: Netlist, grid: tuple[int, int]) -> Canvas:
    """Return the canvas of the clustered netlist: the flat one's with another grid, or one by the area."""
    own = default_canvas(netlist.total_area, netlist.canvas.columns, netlist.canvas.rows)
    if netlist.canvas != own:
        return replace(netlist.canvas, columns=grid[0], rows=grid[1])
    area = float(np.prod(netlist.sizes.astype(np.float32).astype(np.float64), axis=1).sum())
    return default_canvas(area, *grid)


def _fanouts(
    netlist: Netlist, groups: NDArray[np.int64], of_cell: NDArray[np.bool_]
) -> dict[int, list[tuple[float, tuple[int, ...]]]]:
    """Return the nets of each driver, a cell or another node: their weight, and their targets.

    Targets are ``-1 - group`` for cells of another group, the node itself for all else.
    """
    fanouts: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
    ends = np.where(of_cell, netlist.owners, np.arange(netlist.num_nodes))  # a pin of a cell stands for the cell
    target_of = np.where(of_cell, -1 - groups[ends], ends)[netlist.net_nodes]
    drivers = ends[netlist.net_nodes[netlist.net_indptr[:-1]]]
    bounds = netlist.net_indptr.tolist()
    for net, driver in enumerate(drivers.tolist()):
        first, last = bounds[net], bounds[net + 1]
        if last - first - 1 > MAX_FANOUT:
            continue
        targets = set(target_of[first + 1 : last].tolist())
        if of_cell[driver]:
            targets.discard(int(target_of[first]))
        if targets:
            weight = float(netlist.net_weights[net])
            fanouts.setdefault(driver, []).append((weight, tuple(sorted(targets, key=_target_order))))
    return fanouts


def _soft_macro(
    netlist: Netlist, members: NDArray[np.int64], canvas: Canvas
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return size and centre of a group's soft macro."""
    # As published: sums of float64 over sizes and places that were float32.
    area = np.prod(netlist.sizes[members].astype(np.float32).astype(np.float64), axis=1)
    total = float(area.sum())
    width = canvas.cell_width
    places = netlist.centers[members].astype(np.float32).astype(np.float64)
    centre = (places * area[:, None]).sum(axis=0) / total
    return (width, total / UTILIZATION / width), (float(centre[0]), float(centre[1]))


def cluster_flat(netlist: Netlist) -> Netlist:
    """Return a flat netlist with its standard cells clustered: soft macros on the same canvas.

    There are four times the square root of the number of cells, at most 2,000; of up to 16 cells each is a soft macro.

    Raises:
        ImportError: mtkahypar is not installed.
    """
    return replace(_clustered(netlist), name=netlist.name)


@functools.lru_cache(maxsize=4)  # many environments of one design cluster it once
def _clustered(netlist: Netlist) -> Netlist:
    cells = np.flatnonzero(netlist.types == NodeType.STDCELL)
    num_groups = min(round(4 * np.sqrt(cells.size)), MOST_GROUPS)
    if num_groups < cells.size:
        groups = cluster_cells(netlist, num_groups)
    else:
        groups = np.full(netlist.num_nodes, -1)
        groups[cells] = np.arange(cells.size)
    grid = netlist.canvas.columns, netlist.canvas.rows
    return group_netlist(netlist, groups, grid, netlist.canvas)


def cluster_cells(netlist: Netlist, num_groups: int, imbalance: float = 0.05, seed: int = 0) -> NDArray[np.int64]:
    """Cluster the standard cells of a flat netlist by hypergraph partitioning: few nets between groups of equal area.

    Args:
        netlist: flat, with standard cells.
        num_groups: into how many groups, at most.
        imbalance: by how much of the mean a group may be larger.
        seed: of the partitioner.

    Returns:
        int64 [num_nodes], the group of each standard cell, -1 for all other nodes; ``group_netlist`` takes it.

    Raises:
        ValueError: a parameter is out of range, or there are fewer cells than groups.
        ImportError: mtkahypar is not installed.

    Source: Gottesbueren et al. 2022, Mt-KaHyPar; Circuit Training uses hMETIS.
    """
    library = mtkahypar_library()
    import mtkahypar

    is_cell = netlist.types == NodeType.STDCELL
    cells = np.flatnonzero(is_cell)
    if not 2 <= num_groups <= cells.size:
        raise ValueError(f"num_groups must be 2..{cells.size} (standard cells), not {num_groups}")
    if not 0 <= imbalance < 1:
        raise ValueError(f"imbalance must be in [0, 1), not {imbalance}")
    vertex = np.full(netlist.num_nodes, -1)
    vertex[cells] = np.arange(cells.size)
    vertex_of = vertex[netlist.owners[netlist.net_nodes]]  # pins of cells stand for their cells
    nets, weights = [], []
    for first, last, weight in zip(netlist.net_indptr[:-1], netlist.net_indptr[1:], netlist.net_weights, strict=True):
        members = np.unique(vertex_of[first:last])
        members = members[members >= 0]
        if 2 <= members.size <= MAX_FANOUT + 1:
            nets.append(members.tolist())
            weights.append(max(round(float(weight)), 1))
    area = np.prod(netlist.sizes[cells], axis=1)
    node_weights = np.maximum(np.rint(area / area.min()), 1).astype(np.int64).tolist()
    mtkahypar.set_seed(seed)
    context = library.context_from_preset(mtkahypar.PresetType.DEFAULT)
    context.set_partitioning_parameters(num_groups, imbalance, mtkahypar.Objective.KM1)
    context.logging = False
    hypergraph = library.create_hypergraph(context, cells.size, len(nets), nets, node_weights, weights)
    groups = np.full(netlist.num_nodes, -1, np.int64)
    groups[cells] = hypergraph.partition(context).get_partition()
    return groups

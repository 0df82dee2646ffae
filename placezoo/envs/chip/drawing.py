"""Pictures of chip placements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.cost import Cost
from placezoo.datasets.chip.netlist import ORIENTATION_MATRICES, NodeType, Placement
from placezoo.envs.look import BLUE, DARK, GREY, ORANGE, VERMILLION, give_legend, give_title

_BLOCKAGE = "#cccccc"


def draw_placement(
    placement: Placement, axes: Any, cost: Cost | None = None, placed: NDArray[np.bool_] | None = None
) -> None:
    """Draw the canvas with its hard macros (blue; a dark corner marks orientation), soft macros (orange) and ports.

    Args:
        placement: what to draw.
        axes: matplotlib axes.
        cost: for the title.
        placed: bool [num_blocks], which blocks to draw, default all.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Polygon, Rectangle

    netlist, canvas = placement.netlist, placement.netlist.canvas
    blocks = netlist.blocks if placed is None else netlist.blocks[placed]
    axes.add_patch(Rectangle((0, 0), canvas.width, canvas.height, facecolor="white", edgecolor="black", linewidth=1.2))
    for x0, y0, x1, y1, _ in canvas.blockages:
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, facecolor=_BLOCKAGE, hatch="//", edgecolor=GREY))
    for kind, colour, alpha, order in ((NodeType.SOFT_MACRO, ORANGE, 0.5, 2), (NodeType.HARD_MACRO, BLUE, 0.8, 3)):
        nodes = blocks[netlist.types[blocks] == kind]
        extents = placement.extents[nodes]
        corners = placement.centers[nodes] - extents / 2
        patches = [Rectangle(tuple(c), *e) for c, e in zip(corners, extents, strict=True)]
        axes.add_collection(
            PatchCollection(patches, facecolor=colour, edgecolor=DARK, linewidth=0.4, alpha=alpha, zorder=order)
        )
        if kind == NodeType.HARD_MACRO:
            marks = [Polygon(_corner_mark(placement, int(node)), closed=True) for node in nodes]
            axes.add_collection(PatchCollection(marks, facecolor=DARK, linewidth=0, zorder=order + 1))
    ports = blocks[netlist.types[blocks] == NodeType.PORT]
    axes.scatter(*placement.centers[ports].T, s=5, c=VERMILLION, zorder=5, linewidths=0, clip_on=False)
    margin = 0.015 * max(canvas.width, canvas.height)
    axes.set_xlim(-margin, canvas.width + margin)
    axes.set_ylim(-margin, canvas.height + margin)
    axes.set_aspect("equal")
    axes.set_xlabel("micron")
    if cost is not None:
        terms = ", ".join(f"{name} {value:.3f}" for name, value in cost.terms.items())
        give_title(axes, netlist.name, f"proxy cost {cost.total:.4f}: {terms}", cost.feasible)
    kinds = (
        ("hard macro", BLUE, NodeType.HARD_MACRO),
        ("soft macro", ORANGE, NodeType.SOFT_MACRO),
        ("port", VERMILLION, NodeType.PORT),
    )
    entries = [(label, colour) for label, colour, kind in kinds if np.any(netlist.types == kind)]
    give_legend(axes, [*entries, *([("blockage", _BLOCKAGE)] if len(canvas.blockages) else [])])


def _corner_mark(placement: Placement, node: int) -> NDArray[np.float64]:
    """Return the triangle at the corner that is lower left in orientation N: float64 [3, 2]."""
    a, b, c, d = ORIENTATION_MATRICES[placement.orientations[node]]
    half = placement.netlist.sizes[node] / 2
    size = 0.3 * half.min()
    points = np.array([[-half[0], -half[1]], [-half[0] + size, -half[1]], [-half[0], -half[1] + size]])
    return placement.centers[node] + points @ np.array([[a, c], [b, d]])


def draw_heat_map(values: NDArray[np.float64], placement: Placement, axes: Any, title: str) -> None:
    """Draw a grid of values, float64 [rows, columns], over the canvas with the outlines of the hard macros."""
    from matplotlib.patches import Rectangle

    netlist, canvas = placement.netlist, placement.netlist.canvas
    image = axes.imshow(
        values,
        origin="lower",
        extent=(0, canvas.width, 0, canvas.height),
        cmap="magma",
        vmin=0,
        interpolation="nearest",
    )
    for node in netlist.hard_macros:
        extent = placement.extents[node]
        axes.add_patch(
            Rectangle(
                tuple(placement.centers[node] - extent / 2), *extent, fill=False, edgecolor="white", linewidth=0.3
            )
        )
    axes.set_title(title)
    axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)

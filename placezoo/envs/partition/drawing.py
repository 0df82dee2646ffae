"""Pictures of partitioned graphs."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.cost import Cost
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import to_networkx
from placezoo.datasets.partition.laplacian import laplacian_coordinates
from placezoo.envs.look import DARK, assigned_colours, give_legend, give_title, resource_colours

_SPRING_UP_TO = 100  # nodes; small social graphs read best with springs, larger meshes in their eigenvectors


def layout(graph: Graph) -> NDArray[np.float64]:
    """Return where to draw nodes, float64 [num_nodes, 2]: their own positions, springs, or Laplacian eigenvectors."""
    if graph.positions is not None:
        return graph.positions
    if graph.num_nodes <= _SPRING_UP_TO:
        places = nx.spring_layout(to_networkx(graph), seed=0, weight=None)
        return np.array([places[node] for node in range(graph.num_nodes)])
    return laplacian_coordinates(graph, 2)


def draw_partitioned_graph(graph: Graph, assignment: NDArray[np.int64], cost: Cost, axes: Any) -> None:
    """Draw nodes coloured by part, edges within a part in its colour, cut edges dark.

    Args:
        graph: the graph.
        assignment: int64 [num_nodes], -1 = unplaced (grey).
        cost: for the title.
        axes: matplotlib axes.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_hex

    places = layout(graph)
    tails, heads = graph.edges.T
    parts = np.asarray(assignment)
    colours = assigned_colours(parts)
    is_cut = (parts[tails] != parts[heads]) & (parts[tails] >= 0) & (parts[heads] >= 0)
    width = float(np.clip(60 / np.sqrt(graph.num_edges + 1), 0.3, 1.5))
    segments = np.stack([places[tails], places[heads]], axis=1)
    axes.add_collection(LineCollection(segments[~is_cut], colors=colours[tails[~is_cut]], linewidths=width, alpha=0.6))
    axes.add_collection(LineCollection(segments[is_cut], colors=DARK, linewidths=1.5 * width))
    axes.scatter(*places.T, c=colours, s=float(np.clip(20000 / graph.num_nodes, 1, 120)), zorder=2, linewidths=0)
    figures = f"{_objective(cost)}, imbalance {100 * cost.terms['imbalance']:.1f} %"
    give_title(axes, graph.name, figures, cost.feasible)
    weights = np.bincount(parts[parts >= 0], np.asarray(graph.node_weights)[parts >= 0]).astype(int)
    colour_of = resource_colours(len(weights))
    give_legend(axes, [(f"part {part}: {weight:,}", to_hex(colour_of[part])) for part, weight in enumerate(weights)])
    axes.set_aspect("equal" if graph.positions is not None else "auto")
    axes.set_axis_off()


def _objective(cost: Cost) -> str:
    """Return the terms of a cost that say what is cut."""
    names = {"cut": "cut", "cut_net": "cut nets", "km1": "km1"}
    return ", ".join(f"{what} {cost.terms[term]:g}" for term, what in names.items() if term in cost.terms)

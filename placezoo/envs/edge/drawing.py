"""Pictures of placements on a cluster: the Gantt chart, and the task graph coloured by device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.edge.makespan import Makespan

_CRITICAL = "#c0392b"
_TRANSFER = "#7f8c8d"
_UNPLACED = (0.82, 0.82, 0.82, 1.0)


def _colour(device: int) -> Any:
    from matplotlib import colormaps

    wheel = colormaps["tab20"]
    return wheel(device % wheel.N) if device >= 0 else _UNPLACED


def draw_schedule(model: Makespan, assignment: NDArray[np.int64], axes: Any, name: str) -> None:
    """Draw when each device runs which task, and the transfers between devices; the critical path is red.

    Args:
        model: the cost model.
        assignment: int64 [num_tasks], -1 = unplaced (not drawn).
        axes: matplotlib axes.
        name: for the title.
    """
    from matplotlib.collections import LineCollection

    graph, schedule = model.task_graph, model.schedule(assignment)
    path, path_edges = model.critical_path(assignment)
    critical, critical_edges = set(path.tolist()), set(path_edges.tolist())
    placed = np.flatnonzero(assignment >= 0)
    devices = np.unique(assignment[placed])
    row = {int(device): position for position, device in enumerate(devices)}
    for task in placed.tolist():
        begin, end, device = schedule.start[task], schedule.end[task], int(assignment[task])
        axes.barh(
            row[device], end - begin, left=begin, height=0.62, color=_colour(device),
            edgecolor=_CRITICAL if task in critical else "white", linewidth=1.6 if task in critical else 0.6, zorder=3,
        )  # fmt: skip
        if len(placed) <= 60:
            label = graph.task_names[task]
            axes.text(
                (begin + end) / 2, row[device], label if len(label) <= 4 else str(task),
                ha="center", va="center", fontsize=6, zorder=4,
            )  # fmt: skip
    lines, colours = [], []
    for edge, (source, target) in enumerate(graph.links.tolist()):
        a, b = int(assignment[source]), int(assignment[target])
        if a >= 0 and b >= 0 and a != b:
            begin = schedule.end[source]
            took = model.cluster.delay[a, b] + np.asarray(graph.bytes)[edge] * model.cluster.inverse_bandwidth[a, b]
            lines.append([(begin, row[a]), (begin + took, row[b])])
            colours.append(_CRITICAL if edge in critical_edges else _TRANSFER)
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.8, alpha=0.7, zorder=2))
    axes.set_yticks(range(len(devices)), [f"device {device}" for device in devices], fontsize=7)
    cost = model.evaluate(assignment)
    state = "" if cost.feasible else ", infeasible"
    axes.set_title(f"{name}: makespan {cost.terms['makespan']:.1f}, SLR {cost.terms['slr']:.3f}{state}")
    axes.set_xlabel("time (red: critical path; lines: transfers)")
    axes.set_xlim(0, max(float(schedule.end.max()) * 1.01, 1e-9))
    axes.set_ylim(len(devices) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)


def draw_task_graph(model: Makespan, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw the task graph in layers from left to right, tasks coloured by device, the critical path red."""
    from matplotlib.collections import LineCollection

    graph = model.task_graph
    places = np.zeros((graph.num_tasks, 2))
    for depth in range(int(graph.depth.max()) + 1):
        tasks = np.flatnonzero(graph.depth == depth)
        # A slight wave keeps edges that skip layers of one task apart from those between neighbours.
        spread = np.arange(tasks.size) - (tasks.size - 1) / 2 + 0.35 * np.sin(1.7 * depth)
        places[tasks] = np.stack([np.full(tasks.size, depth), spread], axis=1)
    critical = set(model.critical_path(assignment)[1].tolist())
    segments = [[places[source], places[target]] for source, target in graph.links]
    red = [edge in critical for edge in range(graph.num_edges)]
    widths, colours = [1.6 if one else 0.6 for one in red], [_CRITICAL if one else _TRANSFER for one in red]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=widths, alpha=0.7))
    axes.scatter(*places.T, c=[_colour(int(device)) for device in assignment], s=90, zorder=3, edgecolors="white")
    if graph.num_tasks <= 60:
        for task, (x, y) in enumerate(places):
            axes.text(x, y, str(task), ha="center", va="center", fontsize=6, zorder=4)
    axes.set_title(f"{graph.num_tasks} tasks by depth, coloured by device")
    axes.set_xlabel("depth")
    axes.set_yticks([])
    axes.autoscale_view()

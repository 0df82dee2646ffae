"""Pictures of placements on a cluster: the Gantt chart, and the task graph coloured by device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.edge.makespan import Makespan
from placezoo.envs.look import DARK, GREY, assigned_colours, give_title, ink


def draw_schedule(model: Makespan, assignment: NDArray[np.int64], axes: Any, name: str) -> None:
    """Draw when each device runs which task, and the transfers between devices; the critical path is dark.

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
    colours = assigned_colours(assignment)
    inks = ink(colours)
    for task in placed.tolist():
        begin, end, device = schedule.start[task], schedule.end[task], int(assignment[task])
        axes.barh(
            row[device], end - begin, left=begin, height=0.62, color=colours[task],
            edgecolor=DARK if task in critical else "white", linewidth=1.6 if task in critical else 0.6, zorder=3,
        )  # fmt: skip
        if len(placed) <= 60:
            label = graph.task_names[task]
            axes.text(
                (begin + end) / 2, row[device], label if len(label) <= 4 else str(task),
                ha="center", va="center", fontsize=6, color=inks[task], zorder=4,
            )  # fmt: skip
    lines, shades = [], []
    for edge, (source, target) in enumerate(graph.links.tolist()):
        a, b = int(assignment[source]), int(assignment[target])
        if a >= 0 and b >= 0 and a != b:
            begin = schedule.end[source]
            took = model.cluster.delay[a, b] + np.asarray(graph.bytes)[edge] * model.cluster.inverse_bandwidth[a, b]
            lines.append([(begin, row[a]), (begin + took, row[b])])
            shades.append(DARK if edge in critical_edges else GREY)
    axes.add_collection(LineCollection(lines, colors=shades, linewidths=0.8, alpha=0.7, zorder=2))
    axes.set_yticks(range(len(devices)), [f"device {device}" for device in devices])
    cost = model.evaluate(assignment)
    give_title(axes, name, f"makespan {cost.terms['makespan']:.1f}, SLR {cost.terms['slr']:.3f}", cost.feasible)
    axes.set_xlabel("time (dark: critical path; lines: transfers)")
    axes.set_xlim(0, max(float(schedule.end.max()) * 1.01, 1e-9))
    axes.set_ylim(len(devices) - 0.4, -0.6)
    axes.grid(axis="x")


def draw_task_graph(model: Makespan, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw the task graph in layers from left to right, tasks coloured by device, the critical path dark."""
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    graph = model.task_graph
    places = np.zeros((graph.num_tasks, 2))
    for depth in range(int(graph.depth.max()) + 1):
        tasks = np.flatnonzero(graph.depth == depth)
        # A slight wave keeps edges that skip layers of one task apart from those between neighbours.
        spread = np.arange(tasks.size) - (tasks.size - 1) / 2 + 0.35 * np.sin(1.7 * depth)
        places[tasks] = np.stack([np.full(tasks.size, depth), spread], axis=1)
    critical = set(model.critical_path(assignment)[1].tolist())
    segments = [[places[source], places[target]] for source, target in graph.links]
    dark = [edge in critical for edge in range(graph.num_edges)]
    widths, colours = [1.6 if one else 0.6 for one in dark], [DARK if one else GREY for one in dark]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=widths, alpha=0.7))
    fills = assigned_colours(assignment)
    axes.scatter(*places.T, c=fills, s=90, zorder=3, edgecolors="white")
    if graph.num_tasks <= 60:
        for task, ((x, y), colour) in enumerate(zip(places, ink(fills), strict=True)):
            axes.text(x, y, str(task), ha="center", va="center", fontsize=6, color=colour, zorder=4)
    axes.set_title(f"{graph.num_tasks} tasks by depth, coloured by device")
    axes.set_xlabel("depth")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_yticks([])
    axes.autoscale_view()

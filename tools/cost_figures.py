"""Draw the small figures that explain what each environment's cost counts: ``python tools/cost_figures.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from placezoo.cost_models import Makespan
from placezoo.datasets import DeviceCluster, TaskGraph
from placezoo.envs.look import BLUE, DARK, GREEN, GREY, ORANGE, SKY, STYLE, UNPLACED, VERMILLION

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "cost"


def chip(left: Any, right: Any) -> None:
    """Wirelength as half the box around a net; density and congestion as what cells hold."""
    for x, y, width, height in ((0.6, 0.6, 1.8, 1.4), (4.2, 2.8, 1.4, 1.6), (3.9, 0.7, 1.2, 1.0)):
        left.add_patch(Rectangle((x, y), width, height, facecolor=BLUE, alpha=0.8, edgecolor=DARK))
    pins = np.array([[1.5, 1.6], [4.9, 3.4], [4.4, 1.2]])
    left.scatter(*pins.T, color=ORANGE, zorder=3, s=28)
    low, high = pins.min(axis=0), pins.max(axis=0)
    left.add_patch(
        Rectangle(tuple(low), *(high - low), fill=False, linestyle="--", edgecolor=VERMILLION, linewidth=1.6)
    )
    left.text(3.2, 3.55, "width", ha="center", color=VERMILLION)
    left.text(1.4, 2.4, "height", ha="right", color=VERMILLION)
    left.set_title("wirelength: width + height of each net's box")
    _canvas(left, 6, 5)
    full = np.zeros((5, 6))
    full[0:2, 0:3] = [[0.3, 0.6, 0.2], [0.5, 1.0, 0.4]]
    full[2:4, 4] = 0.9
    right.imshow(full, origin="lower", extent=(0, 6, 0, 5), cmap="Blues", vmin=0, vmax=1.3)
    right.plot([1.5, 1.5, 4.9], [1.5, 3.4, 3.4], color=VERMILLION, linewidth=2)
    right.scatter([1.5, 4.9], [1.5, 3.4], color=ORANGE, zorder=3, s=28)
    right.set_title("density: how full cells are; congestion: who crosses")
    _canvas(right, 6, 5)


def device(left: Any, right: Any) -> None:
    """An operator takes the longer of computing and moving bytes; a step ends with the last one."""
    x = np.logspace(-1, 2, 50)
    left.loglog(x, np.minimum(x, 10.0), color=BLUE, linewidth=2)
    left.set(xticks=[], yticks=[], title="an operator: the roofline")
    left.minorticks_off()
    left.set_xlabel("FLOPs a byte")
    left.set_ylabel("FLOPs a second")
    left.text(0.35, 0.6, "memory", color=VERMILLION, rotation=34, ha="center")
    left.text(30, 6.6, "compute", color=VERMILLION, ha="center")
    bars = ((0, 0.0, 3.0, "a", BLUE), (1, 4.0, 2.5, "b", BLUE), (0, 3.0, 2.0, "c", BLUE), (0, 7.5, 1.5, "d", BLUE))
    for row, start, length, name, colour in bars:
        _bar(right, row, start, length, name, colour)
    _bar(right, 1.42, 3.0, 1.0, "", GREY, 0.16)
    _bar(right, 0.42, 6.5, 1.0, "", GREY, 0.16)
    right.axvline(9.0, color=VERMILLION, linestyle="--")
    right.text(8.9, -0.62, "step time", color=VERMILLION, ha="right", va="bottom")
    _rows(right, ["device 0", "device 1"], 10.0, "a step: transfers (grey) run beside operators")


def edge(left: Any, right: Any) -> None:
    """Computing takes compute / speed, a transfer delay and bytes; the makespan is when the last task ends."""
    graph = TaskGraph(compute=[10, 20, 15], hardware_type=[0, 1, 0], edges=[[0, 1], [0, 2]], bytes=[100, 50])
    cluster = DeviceCluster(
        speed=[1.0, 2.0], delay=[[0, 5], [5, 0]], inverse_bandwidth=[[0, 0.1], [0.1, 0]], supports=[[0], [0, 1]]
    )
    places = {0: (0.0, 0.5), 1: (1.0, 1.0), 2: (1.0, 0.0)}
    for source, target in graph.links.tolist():
        arrow = FancyArrowPatch(places[source], places[target], arrowstyle="-|>", mutation_scale=14, shrinkA=16,
                                shrinkB=16, color=GREY)  # fmt: skip
        left.add_patch(arrow)
    for task, (x, y) in places.items():
        left.scatter([x], [y], s=700, color=BLUE if task != 1 else ORANGE, zorder=3)
        left.text(x, y, f"{task}\n{graph.compute[task]:g}", ha="center", va="center", color="white", zorder=4)
    left.text(0.46, 0.86, "100 bytes", ha="right")
    left.text(0.46, 0.14, "50 bytes", ha="right", va="top")
    left.set(xlim=(-0.3, 1.3), ylim=(-0.35, 1.35), title="tasks with compute, edges with bytes")
    left.set_axis_off()
    model, assignment = Makespan(graph, cluster), np.array([0, 1, 0])
    schedule = model.schedule(assignment)
    for task, place in enumerate(assignment):
        length = float(schedule.end[task] - schedule.start[task])
        _bar(right, place, float(schedule.start[task]), length, str(task), BLUE if task != 1 else ORANGE)
    right.annotate("", (25, 0.7), (10, 0.3), arrowprops={"arrowstyle": "-|>", "color": GREY})
    right.text(16.5, 0.42, "5 + 100 x 0.1", color=GREY)
    end = model.evaluate(assignment).terms["makespan"]
    right.axvline(end, color=VERMILLION, linestyle="--")
    right.text(end - 0.4, -0.62, f"makespan {end:g}", color=VERMILLION, ha="right", va="bottom")
    _rows(
        right,
        ["device 0\nspeed 1", "device 1\nspeed 2"],
        end * 1.05,
        "compute / speed, and delay + bytes x inverse bandwidth",
    )


def partition(left: Any, right: Any) -> None:
    """The cut is the weight of the edges between parts; no part may be too heavy."""
    places = np.array([[0, 0], [0, 1], [0.9, 0.5], [2.1, 0.5], [3, 0], [3, 1]])
    edges = [(0, 1, 3), (0, 2, 2), (1, 2, 2), (2, 3, 1), (3, 4, 2), (3, 5, 2), (4, 5, 3), (1, 5, 1)]
    part = np.array([0, 0, 0, 1, 1, 1])
    for u, v, weight in edges:
        is_cut = part[u] != part[v]
        left.plot(*places[[u, v]].T, color=VERMILLION if is_cut else GREY, linewidth=1 + weight, zorder=1)
        left.text(*places[[u, v]].mean(axis=0), str(weight), ha="center", va="center", bbox={"facecolor": "white",
                  "edgecolor": "none", "pad": 1.5})  # fmt: skip
    left.scatter(*places.T, s=300, c=[BLUE if p == 0 else ORANGE for p in part], zorder=2)
    left.set_title("cut = 1 + 1 = 2: the edges between parts")
    left.set(xlim=(-0.4, 3.4), ylim=(-0.4, 1.4))
    left.set_axis_off()
    right.bar(["part 0", "part 1"], [3, 3], color=[BLUE, ORANGE], width=0.5)
    right.axhline(3.6, color=VERMILLION, linestyle="--")
    right.text(1.45, 3.65, "L = (1 + epsilon) W / k", color=VERMILLION, ha="right", va="bottom")
    right.set(ylim=(0, 4.6), ylabel="weight", title="balance: no part above L")


def mcm(left: Any, right: Any) -> None:
    """The slowest chiplet sets the pace; a link that a longer way goes around is forbidden."""
    computes, receives, sends = np.array([3.0, 4.2, 2.6]), np.array([0.0, 0.5, 0.8]), np.array([0.5, 0.8, 0.0])
    chiplets = np.arange(3)
    left.bar(chiplets, computes, color=BLUE, width=0.6)
    left.bar(chiplets, receives, bottom=computes, color=SKY, width=0.6)
    left.bar(chiplets, sends, bottom=computes + receives, color=ORANGE, width=0.6)
    left.axhline(5.5, color=VERMILLION, linestyle="--")
    left.text(2.4, 5.6, "interval", color=VERMILLION, ha="right", va="bottom")
    left.set_xticks(chiplets, [f"chiplet {number}" for number in chiplets])
    left.set(ylim=(0, 6.6), ylabel="time an input", title="computes, receives, sends: the slowest counts")
    for number in range(3):
        right.add_patch(Rectangle((number * 1.6, 0.0), 1.0, 1.0, facecolor=UNPLACED, edgecolor=DARK))
        right.text(number * 1.6 + 0.5, 0.5, f"chiplet {number}", ha="center", va="center")
    for start, end, colour in ((1.0, 1.6, GREEN), (2.6, 3.2, GREEN)):
        right.annotate("", (end, 0.5), (start, 0.5), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
    arrow = {"arrowstyle": "-|>", "color": VERMILLION, "lw": 2, "connectionstyle": "arc3,rad=-0.35", "linestyle": "--"}
    right.annotate("", (3.7, 1.02), (0.5, 1.02), arrowprops=arrow)
    right.text(2.1, 1.75, "forbidden", color=VERMILLION, ha="center")
    right.set(xlim=(-0.2, 4.4), ylim=(-0.6, 2.2), title="triangle rule: no way around a link")
    right.set_axis_off()


def _canvas(axes: Any, columns: int, rows: int) -> None:
    axes.set(xlim=(0, columns), ylim=(0, rows), xticks=range(columns + 1), yticks=range(rows + 1))
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    axes.tick_params(length=0)
    axes.grid(visible=True)
    axes.set_aspect("equal")


def _bar(axes: Any, row: float, start: float, length: float, name: str, colour: str, height: float = 0.5) -> None:
    axes.barh(row, length, left=start, height=height, color=colour)
    axes.text(start + length / 2, row, name, ha="center", va="center", color="white")


def _rows(axes: Any, names: list[str], until: float, title: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, until), ylim=(len(names) - 0.3, -0.75), xlabel="time", title=title)


FIGURES: dict[str, Callable[[Any, Any], None]] = {
    "chip-place": chip, "device-place": device, "edge-place": edge, "graph-partition": partition, "mcm-partition": mcm,
}  # fmt: skip

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        with rc_context({**STYLE, "axes.titlesize": 9, "svg.fonttype": "path"}):
            figure = Figure(figsize=(8.4, 2.7), layout="constrained")
            FigureCanvasAgg(figure)
            draw(*figure.subplots(1, 2))
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None}, facecolor="white")
        print(FOLDER / f"{name}.svg")

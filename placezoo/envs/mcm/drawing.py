"""Pictures of pipelines over chiplets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval
from placezoo.envs.look import BLUE, DARK, ORANGE, SKY, VERMILLION, give_legend, give_title


def draw_pipeline(model: PipelineInterval, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw a bar for each chiplet, what it computes and what it sends and receives, and its memory as a line.

    Args:
        model: the cost model.
        assignment: int64 [num_items], -1 = unplaced (not drawn).
        axes: matplotlib's.
    """
    state = model.state(assignment)
    cost = model.cost_of(state)
    package = model.package
    chiplets = np.arange(package.count)
    links = state.sent / package.link_bandwidth + package.link_latency * (state.sent > 0)
    compute = 1e6 * state.compute
    axes.bar(chiplets, compute, color=BLUE)
    axes.bar(chiplets, 1e6 * links[:-1], bottom=compute, color=SKY)
    axes.bar(chiplets, 1e6 * links[1:], bottom=compute + 1e6 * links[:-1], color=ORANGE)
    axes.axhline(1e6 * cost.terms["interval"], color=DARK, linewidth=0.8, linestyle="--")
    axes.set_xlabel("chiplet")
    axes.set_ylabel("microseconds an input")
    axes.set_xlim(-0.7, package.count - 0.3)
    memory = axes.twinx()
    memory.plot(chiplets, state.memory / 1e6, color=VERMILLION, marker=".", linewidth=1.0)
    memory.axhline(package.sram / 1e6, color=VERMILLION, linewidth=0.8, linestyle=":")
    memory.set_ylabel("memory, MB (dotted: SRAM)", color=VERMILLION)
    memory.set_ylim(bottom=0.0)
    memory.spines["right"].set_visible(True)
    axes.set_ylim(0.0, 1.05 * max(1e6 * cost.terms["interval"], 1e-3))
    give_legend(axes, [("computes", BLUE), ("receives", SKY), ("sends", ORANGE), ("memory", VERMILLION)])
    figures = f"{1e6 * cost.terms['interval']:.2f} microseconds an input (dashed)"
    give_title(axes, model.op_graph.name, figures, cost.feasible)

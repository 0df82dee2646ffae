"""Pictures of pipelines over chiplets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.mcm.pipeline_interval import PipelineInterval


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
    axes.bar(chiplets, compute, color="#0072b2", label="computes")
    axes.bar(chiplets, 1e6 * links[:-1], bottom=compute, color="#56b4e9", label="receives")
    axes.bar(chiplets, 1e6 * links[1:], bottom=compute + 1e6 * links[:-1], color="#e69f00", label="sends")
    axes.axhline(1e6 * cost.terms["interval"], color="black", linewidth=0.8, linestyle="--")
    axes.set_xlabel("chiplet")
    axes.set_ylabel("microseconds an input")
    axes.set_xlim(-0.7, package.count - 0.3)
    memory = axes.twinx()
    memory.plot(chiplets, state.memory / 1e6, color="#d55e00", marker=".", linewidth=1.0)
    memory.axhline(package.sram / 1e6, color="#d55e00", linewidth=0.8, linestyle=":")
    memory.set_ylabel("memory, MB (dotted: SRAM)", color="#d55e00")
    memory.set_ylim(bottom=0.0)
    axes.set_ylim(0.0, 1.2 * max(1e6 * cost.terms["interval"], 1e-3))
    axes.legend(loc="upper right", fontsize="small", ncol=3)
    valid = "" if cost.feasible else ", infeasible"
    axes.set_title(f"{model.op_graph.name}: {1e6 * cost.terms['interval']:.2f} us{valid}")

"""Pictures of placed models: when each device computes, and what goes over the links."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.device.step_time import StepTime

_FORWARD, _BACKWARD, _TRANSFER = "#2980b9", "#c0392b", "#7f8c8d"


def draw_timeline(model: StepTime, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw the operators of each device as bars (forward blue, backward red), transfers to it below them (grey).

    Args:
        model: the cost model.
        assignment: int64 [num_groups], -1 = unplaced (not drawn).
        axes: matplotlib axes.
    """
    from matplotlib.patches import Patch

    timeline, device = model.timeline(assignment), model.expand(assignment)
    backward = np.asarray(model.op_graph.backward)
    for place in range(model.num_devices):
        for chosen, colour in ((~backward, _FORWARD), (backward, _BACKWARD)):
            ops = np.flatnonzero((device == place) & chosen)
            spans = np.stack([timeline.start[ops], timeline.end[ops] - timeline.start[ops]], axis=1) * 1e3
            axes.broken_barh([tuple(span) for span in spans], (place - 0.32, 0.42), facecolors=colour)
        sent = np.flatnonzero(timeline.transfer_to[: timeline.sent[0]] == place)
        spans = np.stack([timeline.transfer_begin, timeline.transfer_end - timeline.transfer_begin], axis=1)[sent] * 1e3
        axes.broken_barh([tuple(span) for span in spans], (place + 0.14, 0.16), facecolors=_TRANSFER)
    cost = model.evaluate(assignment)
    memory = timeline.peak / np.maximum(np.asarray(model.topology.memory), 1.0)
    labels = [
        f"{kind} {place}\n{100 * share:.0f} % of memory"
        for place, (kind, share) in enumerate(zip(model.topology.kinds, memory, strict=True))
    ]
    axes.set_yticks(range(model.num_devices), labels, fontsize=7)
    axes.set_ylim(model.num_devices - 0.4, -0.6)
    state = "" if cost.feasible else ", infeasible"
    axes.set_title(f"{model.op_graph.name}: {1e3 * cost.terms['step_time']:.3f} ms a step{state}")
    axes.set_xlabel("milliseconds")
    axes.set_xlim(0, max(1.01e3 * cost.terms["step_time"], 1e-9))
    axes.grid(axis="x", alpha=0.3)
    handles = [
        Patch(color=_FORWARD, label="forward"), Patch(color=_BACKWARD, label="backward"),
        Patch(color=_TRANSFER, label="arriving"),
    ]  # fmt: skip
    axes.legend(handles=handles, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3)

"""Pictures of placed models: when each device computes, and what goes over the links."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.device.step_time import StepTime
from placezoo.envs.look import BLUE, GREY, VERMILLION, give_legend, give_title


def draw_timeline(model: StepTime, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw the operators of each device as bars (forward blue, backward vermillion), transfers to it below them (grey).

    Args:
        model: the cost model.
        assignment: int64 [num_groups], -1 = unplaced (not drawn).
        axes: matplotlib axes.
    """
    timeline, device = model.timeline(assignment), model.expand(assignment)
    backward = np.asarray(model.op_graph.backward)
    for place in range(model.num_devices):
        for chosen, colour in ((~backward, BLUE), (backward, VERMILLION)):
            ops = np.flatnonzero((device == place) & chosen)
            spans = np.stack([timeline.start[ops], timeline.end[ops] - timeline.start[ops]], axis=1) * 1e3
            axes.broken_barh([tuple(span) for span in spans], (place - 0.32, 0.42), facecolors=colour)
        sent = np.flatnonzero(timeline.transfer_to[: timeline.sent[0]] == place)
        spans = np.stack([timeline.transfer_begin, timeline.transfer_end - timeline.transfer_begin], axis=1)[sent] * 1e3
        axes.broken_barh([tuple(span) for span in spans], (place + 0.14, 0.16), facecolors=GREY)
    cost = model.evaluate(assignment)
    memory = timeline.peak / np.maximum(np.asarray(model.topology.memory), 1.0)
    labels = [
        f"{kind} {place}\n{100 * share:.0f} % memory"
        for place, (kind, share) in enumerate(zip(model.topology.kinds, memory, strict=True))
    ]
    axes.set_yticks(range(model.num_devices), labels)
    axes.set_ylim(model.num_devices - 0.4, -0.6)
    give_title(axes, model.op_graph.name, f"{1e3 * cost.terms['step_time']:.3f} ms a step", cost.feasible)
    axes.set_xlabel("milliseconds")
    axes.set_xlim(0, max(1.01e3 * cost.terms["step_time"], 1e-9))
    axes.grid(axis="x")
    kinds = [("forward", BLUE), ("backward", VERMILLION), ("arriving", GREY)]
    give_legend(axes, [kind for kind in kinds if kind[1] != VERMILLION or backward.any()])

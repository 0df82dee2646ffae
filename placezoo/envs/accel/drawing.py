"""Pictures of accelerators: what each layer's time goes into, and the roofline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.accel.accelerator_cost import AcceleratorCost
from placezoo.cost_models.accel.layer_cost import (
    ARRAYS,
    BANDWIDTH,
    BATCH,
    COLUMNS,
    COMPUTE,
    DRAM_BYTES,
    MEMORY,
    ROWS,
    SECONDS,
)  # fmt: skip

_COMPUTES, _WAITS, _BOTH = "#0072b2", "#d55e00", "#bbbbbb"


def draw_layers(model: AcceleratorCost, assignment: NDArray[np.int64], name: str, axes: Any) -> None:
    """Draw a bar for each layer: the time in which it both computes and moves bytes, and what then takes longer.

    Args:
        model: the cost model.
        assignment: int64 [num_items]; what is undecided counts as usual.
        name: of the workload.
        axes: matplotlib's.
    """
    state = model.state(assignment)
    cost = model.cost_of(state)
    present = state.layers[:, SECONDS] > 0
    milliseconds = 1e3 * state.layers[present]
    places, both = np.arange(len(milliseconds)), np.minimum(milliseconds[:, COMPUTE], milliseconds[:, MEMORY])
    axes.bar(places, both, width=1.0, color=_BOTH, label="computes and moves bytes")
    for column, color, label in ((COMPUTE, _COMPUTES, "computes alone"), (MEMORY, _WAITS, "waits for DRAM")):
        axes.bar(places, milliseconds[:, column] - both, width=1.0, bottom=both, color=color, label=label)
    axes.set_xlabel("layer" if model.is_whole else "layer (equal ones are one bar)")
    axes.set_ylabel("milliseconds")
    axes.legend(loc="upper right", fontsize="small")
    hardware = state.hardware
    size = f"{hardware[ROWS]:g} x {hardware[COLUMNS]:g}"
    size = size if hardware[ARRAYS] == 1 else f"{hardware[ARRAYS]:g} of {size}"
    valid = "" if cost.feasible else ", infeasible"
    axes.set_title(
        f"{name}\n{size}: {1e3 * cost.terms['latency']:.3g} ms, {1e3 * cost.terms['energy']:.3g} mJ, "
        f"{cost.terms['area']:.3g} mm2{valid}",
        fontsize="medium",
    )


def draw_roofline(model: AcceleratorCost, assignment: NDArray[np.int64], axes: Any) -> None:
    """Draw what each layer reaches over its multiply-adds for each byte of DRAM, below what the hardware allows.

    Args:
        model: the cost model.
        assignment: int64 [num_items].
        axes: matplotlib's.

    Source: Williams, Waterman & Patterson 2009.
    """
    state = model.state(assignment)
    hardware, layers = state.hardware, state.layers
    macs = hardware[BATCH] * model.multiply_adds
    kept = (layers[:, SECONDS] > 0) & (macs > 0)
    seconds, traffic = layers[kept, SECONDS], np.maximum(layers[kept, DRAM_BYTES], 1.0)
    intensity, reached = macs[kept] / traffic, macs[kept] / seconds / 1e9
    peak = hardware[ARRAYS] * hardware[ROWS] * hardware[COLUMNS] * model.technology.clock_hz / 1e9
    points = np.geomspace(intensity.min(initial=1.0) / 3.0, 3.0 * intensity.max(initial=1.0), 200)
    axes.plot(points, np.minimum(peak, points * hardware[BANDWIDTH] / 1e9), color="black", linewidth=1.0)
    bound = layers[kept, MEMORY] > layers[kept, COMPUTE]
    for chosen, color, label in ((~bound, _COMPUTES, "bound by computing"), (bound, _WAITS, "bound by DRAM")):
        axes.scatter(intensity[chosen], reached[chosen], s=14, color=color, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("multiply-adds for each byte over DRAM")
    axes.set_ylabel("billion multiply-adds a second")
    axes.legend(loc="lower right", fontsize="small")

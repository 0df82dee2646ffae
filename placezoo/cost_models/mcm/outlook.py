"""What placing an operator on each chiplet would mean: features of pairs for policies that construct a chain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.mcm.moves import BANDWIDTH, LATENCY, SRAM, PipelineProgram

PAIR_FEATURE_NAMES = ("pace", "busy", "rest", "opens", "cut_here", "cut_ahead", "fills")
PACE, BUSY, REST, OPENS, CUT_HERE, CUT_AHEAD, FILLS = range(7)
BEFORE, CUT, LEAST_CUT_AHEAD, TOTAL_SECONDS = range(4)  # of PipelineState.outlook
_AHEAD = 1.0 / 3.0  # of a chiplet's share of the time: how far ahead cheaper cuts are looked for


def outlook_of(
    program: PipelineProgram, order: NDArray[np.int64], chiplets: int, bandwidth: float, latency: float
) -> NDArray[np.float64]:
    """Return what ``look`` knows of each operator before anything is placed: float64 [num_items, 4].

    Its columns, all in seconds: what comes before it in the order; what a cut just before it sends; the least that a
    cut sends between its end and a third of a chiplet's share later; all operators together.

    Args:
        program: the instance.
        order: int64 [num_items], topological.
        chiplets: how many there are.
        bandwidth: of a link, bytes a second.
        latency: of a link, seconds.
    """
    n = order.size
    position = np.empty(n, np.int64)
    position[order] = np.arange(n)
    farthest = np.arange(n)  # reader of each operator, by position
    np.maximum.at(farthest, position[program.source], position[program.target])
    crossing = np.zeros(n + 2)  # bytes that a cut before each position sends: those of operators before it, read after
    np.add.at(crossing, np.arange(n) + 1, program.output_bytes[order])
    np.subtract.at(crossing, farthest + 1, program.output_bytes[order])
    sent = np.maximum(np.cumsum(crossing)[: n + 1], 0.0)
    cut = sent / bandwidth + np.where(sent > 0, latency, 0.0)
    seconds = program.seconds[order]
    after = np.cumsum(seconds)
    before = after - seconds
    ends = np.concatenate([[0.0], after])  # when a cut before each position would be, the last after all
    window = np.searchsorted(ends, after + _AHEAD * seconds.sum() / chiplets, side="right")
    ahead = [cut[begin : max(end, begin + 1)].min() for begin, end in enumerate(window.tolist(), start=1)]
    found = np.empty((n, 4))
    found[order] = np.stack([before, cut[:n], ahead, np.full(n, seconds.sum())], axis=1)
    return found


@jit.ieee_kernel
def look(state, item, mask, features):
    """Write the features of an operator on each chiplet that the mask allows, each in [0, 1].

    The block on the last chiplet in use should end when it has its share of what is left for it and the chiplets after
    it. Features: by how much of that share the chiplet is the wrong one, too late or too early; its time with the
    operator, over twice an equal share; what would be left for each chiplet after it, likewise; whether the operator
    would begin a block there; what a cut just before the operator sends, and the least just ahead, over an equal share;
    and how full its memory is.

    Args:
        state: a ``PipelineState``.
        item: the operator.
        mask: int8 [num_chiplets], which chiplets are looked at.
        features: float32 [num_chiplets, 7].
    """
    features[:] = 0.0
    chiplets = mask.size
    static, own = state.outlook[item], state.program.seconds[item]
    total = static[TOTAL_SECONDS]
    share = max(total / chiplets, 1e-300)
    last = -1
    for place in range(chiplets):
        if state.items[place] > 0:
            last = place
    left = total - static[BEFORE]  # this operator and those after it
    over = 0.0
    if last >= 0:
        fair = max((state.compute[last] + left) / (chiplets - last), 1e-300)
        over = (state.compute[last] + 0.5 * own) / fair - 1.0
    for place in range(chiplets):
        if not mask[place]:
            continue
        row = features[place]
        if last < 0:
            row[PACE] = 0.0
        elif place > last:
            row[PACE] = min(max(-over, 0.0), 1.0)
        elif place == last:
            row[PACE] = min(max(over, 0.0), 1.0) if last < chiplets - 1 else 0.0
        else:
            row[PACE] = 1.0
        sends = 0.0
        if state.sent[place] > 0.0:
            sends = state.sent[place] / state.weights[BANDWIDTH] + state.weights[LATENCY]
        elif place > last and place > 0:
            sends = static[CUT]
        row[BUSY] = min((state.compute[place] + own + sends) / (2.0 * share), 1.0)
        row[REST] = min((left - own) / max(chiplets - place - 1, 1) / (2.0 * share), 1.0)
        row[OPENS] = place > last
        row[CUT_HERE] = min(static[CUT] / share, 1.0)
        row[CUT_AHEAD] = min(static[LEAST_CUT_AHEAD] / share, 1.0)
        row[FILLS] = min(state.memory[place] / state.weights[SRAM], 1.0)

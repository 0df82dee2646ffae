"""What placing a task on each device would mean: features of pairs for policies that construct."""

from __future__ import annotations

import numpy as np

from placezoo import jit
from placezoo.cost_models.edge.moves import BOUND, MAKESPAN, MAKESPAN_WEIGHT, TOTAL, evaluate_into

PAIR_FEATURE_NAMES = ("lookahead", "later", "adds", "ends", "queues", "waits", "slower", "done")
LOOKAHEAD, LATER, ADDS, ENDS, QUEUES, WAITS, SLOWER, DONE = range(8)


@jit.ieee_kernel
def look(state, item, mask, features):
    """Write the features of a task on each device that can run it, each in [0, 1], by simulating what is placed so far.

    Features, of which the best device has 0: when the task would end plus PEFT's optimistic cost of what follows, over
    the range of the devices (where the objective is no makespan: the cost that it adds); when it would end, likewise;
    what it adds to the makespan; when it would end, over twice its mean time or the range; how long it would queue;
    how much later its inputs would be there; how much slower it would run, over twice its mean time each; and, not
    relative to the best, when it would end over twice the makespan's bound.

    Args:
        state: a ``MakespanState``.
        item: the task.
        mask: int8 [num_devices], which devices are looked at.
        features: float32 [num_devices, 8].

    Source: Topcuoglu et al. 2002 (HEFT) for the end, Arabnejad & Barbosa 2014 (PEFT) for what follows.
    """
    features[:] = 0.0
    program, trial, assignment = state.program, state.trial, state.assignment
    devices = mask.size
    before = assignment[item]
    # When it ends, with what follows, the cost, the makespan, its queueing, its inputs, its time.
    found = np.zeros((devices, 7))
    least, most = np.full(7, np.inf), np.full(7, -np.inf)
    own, count = 0.0, 0
    for device in range(devices):
        if mask[device]:
            assignment[item] = device
            evaluate_into(assignment, program, state.weights, trial, state.workspace, state.trial_totals)
            row = found[device]
            row[0] = trial.end[item]
            row[1] = trial.end[item] + state.optimistic[item, device]
            row[2] = state.trial_totals[TOTAL]
            row[3] = state.trial_totals[MAKESPAN]
            row[4] = trial.start[item] - trial.ready[item]
            row[5] = trial.ready[item]
            row[6] = program.compute_time[item, device]
            for column in range(7):
                least[column] = min(least[column], row[column])
                most[column] = max(most[column], row[column])
            own += program.compute_time[item, device]
            count += 1
    assignment[item] = before
    if count == 0:
        return
    double = max(2.0 * own / count, 1e-300)
    ahead = 1 if state.weights[MAKESPAN_WEIGHT] > 0 else 2
    for device in range(devices):
        if mask[device]:
            row, out = found[device], features[device]
            if ahead == 1:
                out[LOOKAHEAD] = (row[1] - least[1]) / max(most[1] - least[1], double)
            else:
                out[LOOKAHEAD] = (row[2] - least[2]) / max(most[2] - least[2], 1e-300)
            out[LATER] = (row[0] - least[0]) / max(most[0] - least[0], 1e-300)
            out[ADDS] = min((row[3] - least[3]) / double, 1.0)
            out[ENDS] = (row[0] - least[0]) / max(most[0] - least[0], double)
            out[QUEUES] = min(max(row[4], 0.0) / double, 1.0)
            out[WAITS] = min((row[5] - least[5]) / double, 1.0)
            out[SLOWER] = min((row[6] - least[6]) / double, 1.0)
            out[DONE] = min(row[0] / (2.0 * state.weights[BOUND]), 1.0)

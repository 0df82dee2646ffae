"""List scheduling of neural networks on devices with memory: ETF, HEFT, and small communication times (SCT)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from placezoo import jit
from placezoo.cost_models.device.step_time import StepTime

_FAVOURITE = 0.1  # Baechi rounds the relaxation here


def _mean_transfer(model: StepTime) -> NDArray[np.float64]:
    """Return what sending each operator's output takes on average, seconds: float64 [num_ops]."""
    bandwidth, latency = model.routes
    apart = ~np.eye(model.topology.num_devices, dtype=bool).ravel()
    mean_rate, mean_latency = 0.0, 0.0
    if apart.any():
        mean_rate, mean_latency = float((1.0 / bandwidth[apart]).mean()), float(latency[apart].mean())
    return np.asarray(mean_latency + mean_rate * np.asarray(model.op_graph.output_bytes), np.float64)


def favourite_children(model: StepTime) -> NDArray[np.int64]:
    """Return the favourite child of each operator, or -1: int64 [num_ops].

    A child that starts on its parent's device without a transfer; each operator has at most one, and is at most one's.
    From the linear relaxation of scheduling on unlimited devices.

    Source: Hanen & Munier 1995; Jeon et al. 2020 (Baechi), section 3.2.
    """
    graph, edges = model.op_graph, np.asarray(model.op_graph.edges)
    n, count = graph.num_ops, len(edges)
    favourite = np.full(n, -1)
    if count == 0:
        return favourite
    seconds, transfer = model.op_time.mean(axis=1), _mean_transfer(model)
    scale = 1.0 / max(seconds.max(), transfer.max())
    # Variables: starts [n], apart [count], the end. Rows: start_i + time_i + apart * transfer_i <= start_j; all end.
    row = np.arange(count)
    matrix = [
        (row, edges[:, 0], np.ones(count)), (row, edges[:, 1], -np.ones(count)),
        (row, n + row, scale * transfer[edges[:, 0]]),
        (count + np.arange(n), np.arange(n), np.ones(n)), (count + np.arange(n), np.full(n, n + count), -np.ones(n)),
        # All but one child of an operator are apart from it, and all but one parent.
        (count + n + edges[:, 0], n + row, -np.ones(count)), (count + 2 * n + edges[:, 1], n + row, -np.ones(count)),
    ]  # fmt: skip
    rows, columns, values = (np.concatenate(parts) for parts in zip(*matrix, strict=True))
    limits = np.concatenate([
        -scale * seconds[edges[:, 0]], -scale * seconds,
        1.0 - np.bincount(edges[:, 0], minlength=n), 1.0 - np.bincount(edges[:, 1], minlength=n),
    ])  # fmt: skip
    objective = np.zeros(n + count + 1)
    objective[-1] = 1.0
    bounds = np.zeros((n + count + 1, 2))
    bounds[:, 1] = np.inf
    bounds[n : n + count, 1] = 1.0
    solved = linprog(
        objective, A_ub=coo_array((values, (rows, columns)), (count + 3 * n, n + count + 1)).tocsr(),
        b_ub=limits, bounds=bounds,
    )  # fmt: skip
    if solved.x is None:
        return favourite
    together = np.flatnonzero(solved.x[n : n + count] < _FAVOURITE)
    taken = np.zeros(n, bool)
    for edge in together[np.argsort(-transfer[edges[together, 0]], kind="stable")]:
        parent, child = edges[edge]
        if favourite[parent] < 0 and not taken[child]:
            favourite[parent], taken[child] = child, True
    return favourite


def list_placement(
    model: StepTime, earliest_first: bool, favourite: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return the placement of a list scheduler that knows memory: a group goes where its first operator ends earliest.

    Args:
        model: what placements cost.
        earliest_first: of the ready operators the one that can start earliest is next (m-ETF of Baechi), else the one
            with the longest way to the end (HEFT).
        favourite: int64 [num_ops], the operator that should follow each on its device, or -1: the device waits for it
            as long as its output would take to another device.
    """
    graph = model.op_graph
    transfer = _mean_transfer(model)
    rank = graph.dag.longest_to_end(model.op_time.mean(axis=1), transfer[graph.dag.links[:, 0]])
    program = model.program
    assignment = np.full(model.num_groups, -1)
    if favourite is None:
        favourite = np.full(graph.num_ops, -1)
    _list_place(program, rank, transfer, favourite, earliest_first, assignment)
    return assignment


@jit.ieee_kernel
def _list_place(program, rank, transfer, favourite, earliest_first, assignment):
    op_time, group, held, memory = program.op_time, program.group, program.held_bytes, program.memory
    target, output = program.target, program.output_bytes
    n, devices = op_time.shape
    waiting = np.zeros(n, np.int64)
    for edge in range(target.size):
        waiting[target[edge]] += 1
    ready = np.empty(n, np.int64)
    count = 0
    for op in range(n):
        if waiting[op] == 0:
            ready[count] = op
            count += 1
    end, free, used = np.zeros(n), np.zeros(devices), np.zeros(devices)
    last = np.full(devices, -1)
    scheduled = np.zeros(n, np.int8)
    arrivals = np.zeros((n, devices))  # when all inputs of an operator are on a device
    while count > 0:
        best, best_device, best_key, second_key = -1, -1, np.inf, np.inf
        for position in range(count):
            op = ready[position]
            if not earliest_first and best >= 0 and rank[op] <= rank[ready[best]]:
                continue
            place = assignment[group[op]]
            found, finish_key, start_key = -1, np.inf, np.inf
            emptiest = 0
            for device in range(devices):
                if used[device] / max(memory[device], 1.0) < used[emptiest] / max(memory[emptiest], 1.0):
                    emptiest = device
                if place >= 0 and device != place:
                    continue
                if place < 0 and used[device] + held[group[op]] + output[op] > memory[device]:
                    continue
                begin = max(free[device], arrivals[op, device])
                if last[device] >= 0:
                    awaited = favourite[last[device]]
                    if awaited >= 0 and awaited != op and not scheduled[awaited]:
                        begin = max(begin, free[device] + transfer[last[device]])
                finish = begin + op_time[op, device]
                if finish < finish_key:
                    found, finish_key, start_key = device, finish, begin
            if found < 0:  # no room anywhere
                found = emptiest
                start_key = max(free[found], arrivals[op, found])
                finish_key = start_key + op_time[op, found]
            if not earliest_first:
                best, best_device = position, found
            elif start_key < best_key or (start_key == best_key and finish_key < second_key):
                best, best_device, best_key, second_key = position, found, start_key, finish_key
        op = ready[best]
        count -= 1
        ready[best] = ready[count]
        if assignment[group[op]] < 0:
            assignment[group[op]] = best_device
            used[best_device] += held[group[op]]
        used[best_device] += output[op]
        end[op] = max(free[best_device], arrivals[op, best_device]) + op_time[op, best_device]
        free[best_device] = end[op]
        last[best_device] = op
        scheduled[op] = 1
        for position in range(program.out_start[op], program.out_start[op + 1]):
            child = target[program.out_edges[position]]
            for device in range(devices):
                arrival = end[op]
                if device != best_device:
                    pair = best_device * devices + device
                    arrival += program.route_latency[pair] + output[op] / program.route_bandwidth[pair]
                arrivals[child, device] = max(arrivals[child, device], arrival)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready[count] = child
                count += 1

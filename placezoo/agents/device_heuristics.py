"""Placements of neural networks without search: one device, an expert's blocks, Baechi's schedulers, HEFT.

What overflows a memory is legalised before it is scored, except on a single device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search import Search
from placezoo.envs.device_place import DevicePlaceProblem


def expert_blocks(problem: DevicePlaceProblem, num_devices: int) -> NDArray[np.int64]:
    """Return contiguous blocks of the item order, of about equal time, on the first so many devices.

    A block ends early where the device's memory would not hold its parameters.
    """
    model = problem.cost_model
    seconds = np.bincount(model.groups, model.op_time.mean(axis=1), minlength=problem.num_items)
    memory = np.asarray(problem.topology.memory)
    assignment = np.zeros(problem.num_items, np.int64)
    device, held, spent, share = 0, 0.0, 0.0, seconds.sum() / num_devices
    for item in problem.item_order:
        full = held + model.held_bytes[item] > memory[device]
        if (full or spent >= share * (device + 1)) and device + 1 < num_devices:
            device, held = device + 1, 0.0
        assignment[item] = device
        held += model.held_bytes[item]
        spent += seconds[item]
    return assignment


def topological_fill(problem: DevicePlaceProblem) -> NDArray[np.int64]:
    """Return Baechi's m-TOPO: devices filled with memory one after another, in topological order.

    Each device takes its share of all memory needed, and what goes beyond it of the item that passes it.
    """
    model = problem.cost_model
    outputs = np.bincount(model.groups, np.asarray(problem.instance.output_bytes), minlength=problem.num_items)
    needs = model.held_bytes + outputs
    cap = needs.sum() / problem.num_resources + needs.max()
    assignment = np.zeros(problem.num_items, np.int64)
    device, used = 0, 0.0
    for item in problem.item_order:
        if used + needs[item] > cap and device + 1 < problem.num_resources:
            device, used = device + 1, 0.0
        assignment[item] = device
        used += needs[item]
    return assignment


def list_placement(problem: DevicePlaceProblem, earliest_first: bool) -> NDArray[np.int64]:
    """Return the placement of a list scheduler that knows memory: a group goes where its first operator ends earliest.

    Args:
        problem: to place.
        earliest_first: of the ready operators the one that can start earliest is next (m-ETF of Baechi), else the one
            with the longest way to the end (HEFT).
    """
    model, graph = problem.cost_model, problem.instance
    bandwidth, latency = model.routes
    apart = ~np.eye(problem.num_resources, dtype=bool).ravel()
    mean_rate, mean_latency = 0.0, 0.0
    if apart.any():
        mean_rate, mean_latency = float((1.0 / bandwidth[apart]).mean()), float(latency[apart].mean())
    rank = model.op_time.mean(axis=1).copy()
    start, edges = graph.dag.successors
    for op in graph.dag.order[::-1]:
        out = edges[start[op] : start[op + 1]]
        if out.size:
            transfer = mean_latency + mean_rate * np.asarray(graph.output_bytes)[op]
            rank[op] += transfer + rank[graph.dag.links[out, 1]].max()
    program = model.program
    assignment = np.full(problem.num_items, -1)
    _list_place(program, rank, earliest_first, assignment)
    return assignment


@njit(cache=True, nogil=True, error_model="numpy")
def _list_place(program, rank, earliest_first, assignment):
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


@dataclass(frozen=True)
class SingleDevice(Agent):
    """Everything on one device: the best of them."""

    name = "single-device"
    problem_class = DevicePlaceProblem

    def _search(self, search: Search) -> None:
        for device in range(search.problem.num_resources):
            search.evaluate(np.full(search.problem.num_items, device))
            if search.is_over:
                return


@dataclass(frozen=True)
class Expert(Agent):
    """The "human expert" of the papers: contiguous blocks of layers, balanced by time.

    Args:
        devices: on how many; None: the best of every number.
    """

    name = "expert"
    problem_class = DevicePlaceProblem

    devices: int | None = None

    def _search(self, search: Search) -> None:
        problem = search.problem
        assert isinstance(problem, DevicePlaceProblem)
        most = problem.num_resources
        if self.devices is not None:
            self.require(1 <= self.devices <= most, f"devices must be in 1..{most}, not {self.devices}")
        for count in range(1, most + 1) if self.devices is None else (self.devices,):
            search.evaluate(problem.legalize(expert_blocks(problem, count)))
            if search.is_over:
                return


@dataclass(frozen=True)
class MTopo(Agent):
    """Baechi's m-TOPO (Jeon et al. 2020): devices filled one after another in topological order."""

    name = "m-topo"
    problem_class = DevicePlaceProblem

    def _search(self, search: Search) -> None:
        placement = topological_fill(search.problem)  # type: ignore[arg-type]
        search.evaluate(search.problem.legalize(placement))


@dataclass(frozen=True)
class MEtf(Agent):
    """Baechi's m-ETF (Jeon et al. 2020): the operator that can start earliest, where it can, within memory."""

    name = "m-etf"
    problem_class = DevicePlaceProblem

    def prepare(self, problem: DevicePlaceProblem) -> None:  # type: ignore[override]
        """Compile the scheduler."""
        list_placement(problem, earliest_first=True)

    def _search(self, search: Search) -> None:
        placement = list_placement(search.problem, earliest_first=True)  # type: ignore[arg-type]
        search.evaluate(search.problem.legalize(placement))


@dataclass(frozen=True)
class MHeft(Agent):
    """HEFT within memory: the operator with the longest way to the end, where it ends earliest."""

    name = "m-heft"
    problem_class = DevicePlaceProblem

    def prepare(self, problem: DevicePlaceProblem) -> None:  # type: ignore[override]
        """Compile the scheduler."""
        list_placement(problem, earliest_first=False)

    def _search(self, search: Search) -> None:
        placement = list_placement(search.problem, earliest_first=False)  # type: ignore[arg-type]
        search.evaluate(search.problem.legalize(placement))

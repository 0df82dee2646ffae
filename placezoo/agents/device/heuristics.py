"""Placements of neural networks without search: one device, an expert's blocks, Baechi's schedulers, HEFT.

What overflows a memory is legalised before it is scored, except on a single device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.envs.device.list_scheduling import favourite_children, list_placement
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.parameters import at_least


def expert_blocks(problem: DevicePlaceProblem, num_devices: int) -> NDArray[np.int64]:
    """Return contiguous blocks of the item order, of about equal time, on the first so many devices.

    A block ends early where the device's memory would not hold its parameters.
    """
    model = problem.cost_model
    seconds = np.bincount(model.groups, model.op_time.mean(axis=1), minlength=problem.cost_model.num_groups)
    memory = np.asarray(problem.topology.memory)
    assignment = np.zeros(problem.cost_model.num_groups, np.int64)
    device, held, spent, share = 0, 0.0, 0.0, seconds.sum() / num_devices
    for item in problem.group_order:
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
    outputs = np.bincount(
        model.groups, np.asarray(problem.instance.output_bytes), minlength=problem.cost_model.num_groups
    )
    needs = model.held_bytes + outputs
    cap = needs.sum() / problem.topology.num_devices + needs.max()
    assignment = np.zeros(problem.cost_model.num_groups, np.int64)
    device, used = 0, 0.0
    for item in problem.group_order:
        if used + needs[item] > cap and device + 1 < problem.topology.num_devices:
            device, used = device + 1, 0.0
        assignment[item] = device
        used += needs[item]
    return assignment


def _score(search: Search[DevicePlaceProblem], placement: NDArray[np.int64]) -> None:
    """Evaluate a placement of groups, legalised."""
    problem = search.problem
    search.evaluate(problem.legalize(problem.with_priorities(placement)))


@dataclass(frozen=True)
class SingleDevice(Agent[DevicePlaceProblem]):
    """Everything on one device: the best of them."""

    name = "single-device"

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        problem = search.problem
        for device in range(problem.topology.num_devices):
            search.evaluate(problem.with_priorities(np.full(problem.cost_model.num_groups, device)))
            if search.is_over:
                return


@dataclass(frozen=True)
class Expert(Agent[DevicePlaceProblem]):
    """The "human expert" of the papers: contiguous blocks of layers, balanced by time.

    Args:
        devices: on how many; None: the best of every number.
    """

    name = "expert"

    devices: Annotated[int | None, at_least(1)] = None

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        problem = search.problem
        most = problem.topology.num_devices
        if self.devices is not None:
            self.require(1 <= self.devices <= most, f"devices must be in 1..{most}, not {self.devices}")
        for count in range(1, most + 1) if self.devices is None else (self.devices,):
            _score(search, expert_blocks(problem, count))
            if search.is_over:
                return


@dataclass(frozen=True)
class MTopo(Agent[DevicePlaceProblem]):
    """Baechi's m-TOPO (Jeon et al. 2020): devices filled one after another in topological order."""

    name = "m-topo"

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        placement = topological_fill(search.problem)
        _score(search, placement)


@dataclass(frozen=True)
class MEtf(Agent[DevicePlaceProblem]):
    """Baechi's m-ETF (Jeon et al. 2020): the operator that can start earliest, where it can, within memory."""

    name = "m-etf"

    def prepare(self, problem: DevicePlaceProblem) -> None:
        """Compile the scheduler."""
        list_placement(problem.cost_model, earliest_first=True)

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        placement = list_placement(search.problem.cost_model, earliest_first=True)
        _score(search, placement)


@dataclass(frozen=True)
class MSct(Agent[DevicePlaceProblem]):
    """Baechi's m-SCT (Jeon et al. 2020): m-ETF whose devices wait for the favourite child of what they ran last.

    Which child is an operator's favourite is decided by the linear relaxation of scheduling without limits (HiGHS).
    """

    name = "m-sct"

    def prepare(self, problem: DevicePlaceProblem) -> None:
        """Compile the scheduler."""
        list_placement(problem.cost_model, earliest_first=True)

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        problem = search.problem
        _score(search, list_placement(problem.cost_model, True, favourite_children(problem.cost_model)))


@dataclass(frozen=True)
class MHeft(Agent[DevicePlaceProblem]):
    """HEFT within memory: the operator with the longest way to the end, where it ends earliest."""

    name = "m-heft"

    def prepare(self, problem: DevicePlaceProblem) -> None:
        """Compile the scheduler."""
        list_placement(problem.cost_model, earliest_first=False)

    def _search(self, search: Search[DevicePlaceProblem]) -> None:
        placement = list_placement(search.problem.cost_model, earliest_first=False)
        _score(search, placement)

"""``random-task-eft``: a random task goes where it would end earliest, again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placezoo import jit
from placezoo.agents.agent import Agent
from placezoo.agents.search.search import Search
from placezoo.cost_models.edge.moves import TOTAL
from placezoo.envs.edge.problem import EdgePlaceProblem


@dataclass(frozen=True)
class RandomTaskEFT(Agent[EdgePlaceProblem]):
    """GiPH's heuristic baseline: from a random placement, a random task moves to its earliest finish device.

    A task's finish on a device is computed from where and when its inputs end now; queues do not count (Hu et al. 2023,
    section 5). Every move is made and is one evaluation.
    """

    name = "random-task-eft"

    def prepare(self, problem: EdgePlaceProblem) -> None:
        """Compile what the search calls."""
        kernel = problem.kernel(problem.initial_assignment(np.random.default_rng(0)))
        kernel.apply(kernel.state, (0, int(kernel.state.assignment[0]), int(kernel.state.assignment[0]), -1))
        earliest_finish_device(kernel.state, 0, -1)

    def _search(self, search: Search[EdgePlaceProblem]) -> None:
        kernel = search.problem.kernel(search.problem.initial_assignment(search.rng))
        state = kernel.state
        search.evaluate(state.assignment)
        while not search.is_over:
            task = int(search.rng.integers(state.assignment.size))
            device = earliest_finish_device(state, task, -1)
            kernel.apply(state, (task, int(state.assignment[task]), device, -1))
            search.evaluations += 1
            assert search.best_cost is not None
            if state.totals[TOTAL] < search.best_cost.total:
                search.record(state.assignment)


@jit.ieee_kernel
def earliest_finish_device(state, task, besides):
    """Return the device on which a task would end earliest, given its inputs as they are (ties: lowest number).

    The device ``besides`` counts only where there is no other.
    """
    program, assignment, end = state.program, state.assignment, state.schedule.end
    supported = program.supported[task]
    finish = program.compute_time[task].copy()
    for edge in range(program.source.size):
        if program.target[edge] == task:
            source = program.source[edge]
            at = assignment[source]
            for device in range(finish.size):
                arrival = end[source]
                if device != at:
                    arrival += program.delay[at, device] + program.bytes[edge] * program.inverse_bandwidth[at, device]
                finish[device] = max(finish[device], arrival + program.compute_time[task, device])
    best = -1
    for device in range(finish.size):
        if supported[device] and device != besides and (best < 0 or finish[device] < finish[best]):
            best = device
    return best if best >= 0 else besides

"""Placements on edge clusters with proved bounds: placement and schedule as one model of CP-SAT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.search.clock import clock, stopped
from placezoo.agents.search.search import Search
from placezoo.cost_models.edge.makespan import Makespan
from placezoo.envs.edge.list_scheduling import heft_placement
from placezoo.envs.edge.problem import EdgePlaceProblem

_HORIZON = 1e8  # integer time units that the longest schedule takes


def prepare(problem: EdgePlaceProblem) -> None:
    """Check that the problem has a schedule to plan, and compile the starting heuristic.

    Raises:
        ValueError: times are drawn.
    """
    if problem.cost_model.noise != 0:
        raise ValueError("cp-sat: noise has no schedule that could be planned")
    heft_placement(problem)


def plan(search: Search[EdgePlaceProblem], limit: float, workers: int) -> None:
    """Search until a placement is optimal or the time is over, beginning at HEFT's.

    The solver may order the tasks of a device as it likes, while the simulator runs them first come first served: what
    it proves is a lower bound for every placement, and the placements it finds on the way are scored by the simulator.
    A placement whose order cannot be had is ruled out and the search goes on, until both meet (up to the rounding of
    times to 1e-8 of the longest schedule) and the placement is optimal.

    Args:
        search: of which problem.
        limit: seconds.
        workers: threads.
    """
    from ortools.sat.python import cp_model

    problem = search.problem
    start = heft_placement(problem)[0]
    search.evaluate(start)
    if search.is_over:
        return
    model, chosen, scale = _build(problem.cost_model, problem.parameters["objective"])
    for (task, device), literal in chosen.items():
        model.add_hint(literal, int(start[task] == device))
    rounding = (problem.num_items + problem.instance.task_graph.num_edges + 1) * scale

    class Scorer(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            if search.is_over:
                self.stop_search()
                return
            search.evaluate(_placement(chosen, problem.num_items, self.boolean_value))

    while not search.is_over:
        solver = cp_model.CpSolver()
        if clock() == "wall":
            solver.parameters.max_time_in_seconds = max(limit - search.seconds, 0.01)
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = int(search.rng.integers(2**31 - 1))
        with stopped(solver.stop_search, lambda: search.seconds >= limit):
            status = solver.solve(model, Scorer())
        assert search.best_cost is not None
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return
        # Of the placements that have been ruled out none is better than the best that was scored.
        search.bound = min(solver.best_objective_bound * scale, search.best_cost.total)
        if status != cp_model.OPTIMAL or search.best_cost.total - search.bound <= rounding:
            return
        # First come first served takes longer here than the planned order: rule this placement out, go on.
        model.add_bool_or(literal.negated() for literal in chosen.values() if solver.boolean_value(literal))


def _placement(chosen: dict[tuple[int, int], Any], num_tasks: int, value: Any) -> NDArray[np.int64]:
    placement = np.zeros(num_tasks, np.int64)
    for (task, device), literal in chosen.items():
        if value(literal):
            placement[task] = device
    return placement


def _build(cost_model: Makespan, objective: str) -> tuple[Any, dict[tuple[int, int], Any], float]:
    """Return the model, its placement variables, and the cost of one unit of its objective.

    All times are rounded down to integers, so that a bound of the model is one of the problem.
    """
    from ortools.sat.python import cp_model

    graph, cluster, allowed = cost_model.task_graph, cost_model.cluster, cost_model.instance.allowed
    serial = cost_model.compute_time.max(axis=1).sum() + float(
        (np.max(cluster.delay) + np.asarray(graph.bytes) * np.max(cluster.inverse_bandwidth)).sum()
    )
    unit = max(float(serial), 1e-9) / _HORIZON
    ticks = np.floor(cost_model.compute_time / unit).astype(np.int64)
    horizon = int(_HORIZON) + 1
    model = cp_model.CpModel()
    chosen: dict[tuple[int, int], Any] = {}
    on_device: dict[int, list[Any]] = {device: [] for device in range(cost_model.num_devices)}
    starts = [model.new_int_var(0, horizon, "") for _ in range(graph.num_tasks)]
    ends = [model.new_int_var(0, horizon, "") for _ in range(graph.num_tasks)]
    total: list[Any] = []
    for task in range(graph.num_tasks):
        devices = np.flatnonzero(allowed[task]).tolist()
        for device in devices:
            literal = chosen[task, device] = model.new_bool_var("")
            size = int(ticks[task, device])
            interval = model.new_optional_interval_var(starts[task], size, ends[task], literal, "")
            on_device[device].append(interval)
            total.append(size * literal)
        model.add_exactly_one(chosen[task, device] for device in devices)
    for intervals in on_device.values():
        model.add_no_overlap(intervals)
    for edge, (source, target) in enumerate(graph.links.tolist()):
        transfer = np.asarray(cluster.delay) + np.asarray(graph.bytes)[edge] * np.asarray(cluster.inverse_bandwidth)
        took = model.new_int_var(0, horizon, "")
        total.append(took)
        model.add(starts[target] >= ends[source] + took)
        for a in np.flatnonzero(allowed[source]).tolist():
            for b in np.flatnonzero(allowed[target]).tolist():
                size = int(transfer[a, b] / unit) if a != b else 0
                if size > 0:
                    model.add(took >= size).only_enforce_if(chosen[source, a], chosen[target, b])
    if objective == "total-cost":
        model.minimize(sum(total))
        return model, chosen, unit
    makespan = model.new_int_var(0, horizon, "")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    slr_of_one = 1.0 / cost_model.lower_bound if objective == "slr" and cost_model.lower_bound > 0 else 1.0
    return model, chosen, unit * slr_of_one

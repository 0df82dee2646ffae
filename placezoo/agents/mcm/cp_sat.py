"""Partitions over chiplets with proved bounds: the rules and the interval as a model of CP-SAT."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.mcm.contiguous_blocks import best_blocks
from placezoo.agents.search.clock import clock, stopped
from placezoo.agents.search.search import Search
from placezoo.envs.mcm.problem import MCMPartitionProblem

_UNITS = 1_000_000  # integer units of the best interval known


def prepare(problem: MCMPartitionProblem) -> None:
    """Compile the starting heuristic."""
    best_blocks(problem.cost_model, problem.item_order)


def plan(search: Search[MCMPartitionProblem], limit: float, workers: int) -> None:
    """Search until the bound is met or the time is over, beginning at the best contiguous partition.

    Args:
        search: of which problem.
        limit: seconds.
        workers: threads.
    """
    from ortools.sat.python import cp_model

    problem = search.problem
    blocks = best_blocks(problem.cost_model, problem.item_order)
    start = problem.equal_blocks() if blocks is None else blocks
    cost = search.evaluate(start)
    if search.is_over:
        return
    unit = cost.terms["interval"] / _UNITS
    model, at_most = _build(problem, unit)
    for item, literals in enumerate(at_most):
        for chiplet, literal in enumerate(literals):
            model.add_hint(literal, int(start[item] <= chiplet))

    class Scorer(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            if search.is_over:
                self.stop_search()
                return
            search.evaluate(_assignment(at_most, self.boolean_value))

    solver = cp_model.CpSolver()
    if clock() == "wall":
        solver.parameters.max_time_in_seconds = max(limit - search.seconds, 0.01)
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = int(search.rng.integers(2**31 - 1))
    with stopped(solver.stop_search, lambda: search.seconds >= limit):
        status = solver.solve(model, Scorer())
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        assert search.best_cost is not None
        proved = max(solver.best_objective_bound * unit, problem.cost_model.lower_bound)
        search.bound = min(proved, search.best_cost.total)


def _assignment(at_most: list[list[Any]], value: Any) -> NDArray[np.int64]:
    """Return each item's chiplet: the first that it is at most on."""
    found = [next((c for c, one in enumerate(row) if value(one)), len(row)) for row in at_most]
    return np.array(found, np.int64)


def _build(problem: MCMPartitionProblem, unit: float) -> tuple[Any, list[list[Any]]]:
    """Return the model and its literals: item i is on chiplet c or before, for c < C - 1.

    Times are rounded down, so that a bound of the model is one of the problem.
    """
    from ortools.sat.python import cp_model

    cost_model = problem.cost_model
    program, package, n, count = cost_model.program, problem.package, problem.num_items, problem.num_resources
    model = cp_model.CpModel()
    at_most = [[model.new_bool_var("") for _ in range(count - 1)] for _ in range(n)]
    is_on = [[model.new_bool_var("") for _ in range(count)] for _ in range(n)]
    for below, on in zip(at_most, is_on, strict=True):
        for a, b in itertools.pairwise(below):
            model.add_implication(a, b)
        padded: list[Any] = [0, *below, 1]
        for chiplet in range(count):
            model.add(padded[chiplet + 1] - padded[chiplet] == on[chiplet])
    links = list(zip(program.source.tolist(), program.target.tolist(), strict=True))
    for u, v in links:
        for before, after in zip(at_most[u], at_most[v], strict=True):
            model.add_implication(after, before)
    _no_skips(model, is_on, count)
    _triangle(model, is_on, links, count)

    def ticks(seconds: float) -> int:
        return int(seconds / unit)

    interval = model.new_int_var(0, 2 * _UNITS, "")
    readers: dict[int, list[int]] = {}
    for u, v in links:
        readers.setdefault(u, []).append(v)
    rows = [program.needs[program.need_start[i] : program.need_start[i + 1]].tolist() for i in range(n)]
    crossings = []
    for border in range(count - 1):
        terms, sizes = [], []
        used = model.new_bool_var("")
        for u, after in readers.items():
            crosses = model.new_bool_var("")
            for v in after:
                model.add_bool_or(crosses, at_most[u][border].negated(), at_most[v][border])
            model.add_implication(crosses, used)
            terms.append(ticks(program.output_bytes[u] / package.link_bandwidth) * crosses)
            sizes.append(int(program.output_bytes[u]) * crosses)
        crossings.append((sum(terms) + ticks(package.link_latency) * used, sum(sizes)))
    nothing = (0, 0)
    for chiplet in range(count):
        arriving = crossings[chiplet - 1] if chiplet else nothing
        leaving = crossings[chiplet] if chiplet < count - 1 else nothing
        replicas = []
        for replica in range(program.replica_seconds.size):
            is_needed = model.new_bool_var("")
            for item in range(n):
                if replica in rows[item]:
                    model.add_implication(is_on[item][chiplet], is_needed)
            replicas.append(ticks(program.replica_seconds[replica]) * is_needed)
        compute = sum(ticks(program.seconds[item]) * is_on[item][chiplet] for item in range(n))
        model.add(compute + sum(replicas) + arriving[0] + leaving[0] <= interval)
        largest = model.new_int_var(0, int(program.working_bytes.max()) + 1, "")
        for item in range(n):
            model.add(largest >= int(program.working_bytes[item])).only_enforce_if(is_on[item][chiplet])
        held = sum(int(program.held_bytes[item]) * is_on[item][chiplet] for item in range(n))
        model.add(held + largest + 2 * (arriving[1] + leaving[1]) <= int(package.sram) + 1)
    model.minimize(interval)
    return model, at_most


def _no_skips(model: Any, is_on: list[list[Any]], count: int) -> None:
    """Chiplets are used from the first on."""
    used = [model.new_bool_var("") for _ in range(count)]
    for chiplet in range(count):
        model.add_max_equality(used[chiplet], [on[chiplet] for on in is_on])
        if chiplet:
            model.add_implication(used[chiplet], used[chiplet - 1])


def _triangle(model: Any, is_on: list[list[Any]], links: list[tuple[int, int]], count: int) -> None:
    """Where a chiplet sends to another there is no way over a third."""
    pairs = list(itertools.combinations(range(count), 2))
    direct = {pair: model.new_bool_var("") for pair in pairs}
    reaches = {pair: model.new_bool_var("") for pair in pairs}
    for u, v in links:
        for a, b in pairs:
            model.add_bool_or(is_on[u][a].negated(), is_on[v][b].negated(), direct[a, b])
    for a, b in pairs:
        model.add_implication(direct[a, b], reaches[a, b])
        for x in range(a + 1, b):
            model.add_bool_or(direct[a, x].negated(), reaches[x, b].negated(), reaches[a, b])
            model.add_bool_or(direct[a, b].negated(), direct[a, x].negated(), reaches[x, b].negated())

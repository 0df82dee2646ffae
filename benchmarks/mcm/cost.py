"""Chiplet partitions: speed of solver and cost, validity of the solver's answers, gaps of agents.

Run with ``make bench`` or ``python -m benchmarks.mcm.cost`` for speeds and validity;
``python -m benchmarks.mcm.cost quality`` for the gap table (traces models when first used).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, run
from placezoo.datasets import OpGraph

ENV = "MCMPartition-v0"
SECONDS = 5.0
AGENTS = ("random", "greedy", "dynamic-programming", "order-search", "simulated-annealing", "local-search", "cp-sat")
CASES = (
    ("transformers:distilbert", "mcm4"), ("transformers:bert-base", "mcm4"), ("transformers:bert-base", "mcm8"),
    ("transformers:resnet-50", "mcm8"), ("torch:inception-v3", "mcm16"), ("torch:gnmt,tokens=10", "mcm16"),
    ("transformers:bert-base,decomposed", "mcm36"), ("transformers:bert-large,decomposed", "mcm36"),
)  # fmt: skip
VALIDITY = [(nodes, package) for nodes in (10, 50, 200, 700, 2000) for package in ("mcm4", "mcm8", "mcm16", "mcm36")]
CANDIDATES = 12_000


def network(num_ops: int, rng: np.random.Generator) -> OpGraph:
    """Return a network of residual blocks with branches, of about so many operators."""
    edges: set[tuple[int, int]] = set()
    last, op = 0, 1
    while op < num_ops - 1:
        branches = int(rng.integers(1, 4))
        ends = []
        for _ in range(branches):
            length = int(rng.integers(1, 4))
            before = last
            for _ in range(length):
                if op >= num_ops - 1:
                    break
                edges.add((before, op))
                before, op = op, op + 1
            ends.append(before)
        edges.update((end, op) for end in ends if end != op)
        if rng.random() < 0.5:
            edges.add((last, op))  # the residual
        last, op = op, op + 1
    count = op
    return OpGraph(
        rng.uniform(1e7, 1e9, count), rng.uniform(1e4, 1e6, count), rng.uniform(1e3, 1e5, count),
        rng.uniform(0, 1e5, count), sorted(edges),
    )  # fmt: skip


def speeds_and_validity() -> list[Row]:
    return [*speeds(), *validity()]


def speeds() -> list[Row]:
    problem: Any = placezoo.make_problem(ENV, network(2000, np.random.default_rng(0)), package="mcm36")
    rng = np.random.default_rng(0)
    even = np.full((problem.num_items, 36), 1 / 36)
    candidates = [rng.integers(0, 36, problem.num_items) for _ in range(20)]
    name = f"{problem.num_items} operators, 36 chiplets"
    sample = best_time(lambda: problem.sample(even, 20, rng), 3) / 20
    fix = best_time(lambda: [problem.realize(candidate) for candidate in candidates], 3) / 20
    drawn = problem.sample(even, 1, rng)[0]
    evaluation = best_time(lambda: [problem.evaluate(drawn) for _ in range(50)], 3) / 50
    return [
        Row(f"SAMPLE, {name}", sample, "s", SLACK * 5e-3, "at most 5 ms"),
        Row(f"FIX, {name}", fix, "s", SLACK * 5e-3, "at most 5 ms"),
        Row(f"evaluation, {name}", evaluation, "s", SLACK * 0.2e-3, "at most 0.2 ms"),
    ]


def validity() -> list[Row]:
    rng = np.random.default_rng(1)
    tried, invalid = 0, 0
    each = CANDIDATES // len(VALIDITY) // 2
    for nodes, package in VALIDITY:
        model = network(nodes, rng)
        if model.num_ops < int(package.removeprefix("mcm")):
            continue
        problem: Any = placezoo.make_problem(ENV, model, package=package)
        weights = rng.random((problem.num_items, problem.num_resources)) ** 4
        found = [*problem.sample(weights / weights.sum(axis=1, keepdims=True), each, rng)]
        found += [problem.realize(rng.integers(0, problem.num_resources, problem.num_items)) for _ in range(each)]
        costs = [problem.evaluate(one) for one in found]
        tried += len(costs)
        invalid += sum(cost.terms["violations"] > 0 for cost in costs)
    return [Row(f"invalid of {tried:,} candidates, 10-2,000 operators, 4-36 chiplets", invalid, "", 0, "0")]


def quality() -> Iterator[Row]:
    title = f"microseconds an input; {SECONDS:g} s each, seed 0"
    for name, package in CASES:
        problem: Any = placezoo.make_problem(ENV, name, package=package)
        case, bound = f"{name.split(':')[1]}, {package}", float(problem.cost_model.lower_bound)
        cells = {"operators": (float(problem.num_items), str(problem.num_items))}
        for agent in AGENTS:
            solution = placezoo.make_agent(agent).solve(problem, placezoo.Budget(seconds=SECONDS), seed=0)
            shown = f"{1e6 * solution.cost.total:.2f}" if solution.cost.feasible else "infeasible"
            cells[agent] = solution.cost.total, shown
            bound = max(bound, solution.bound or 0.0)
        cells["proved bound"] = bound, f"{1e6 * bound:.2f}"
        for column, (value, shown) in cells.items():
            yield Row(case, value, column=column, shown=shown, table=title, key="model, package")


if __name__ == "__main__":
    run(__doc__, {"speeds": speeds_and_validity, "quality": quality})

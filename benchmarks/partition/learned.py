"""A trained policy beside the baselines on the 20 held-out Delaunay graphs, and on airfoil1 without retraining.

Run with a folder that ``placezoo train`` wrote: ``python -m benchmarks.partition.learned runs/ppo``.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import machine_line
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.problem import PlacementProblem

ENV = "GraphPartition-v0"
BUDGET = placezoo.Budget(seconds=60)


def main(folder: str) -> None:
    training = Checkpoint.load(folder).training
    parameters = training["parameters"]
    print(machine_line())
    effort = f"{training['timesteps_done']:,} steps in {training['seconds_done']:g} s"
    print(f"policy: {effort} on {training['dataset']}/train\n")
    rows = [
        ("random, 16 draws", "random", {}, placezoo.Budget(evaluations=16)),
        ("greedy", "greedy", {}, BUDGET),
        ("greedy, best of 16", "greedy", {"starts": 16}, BUDGET),
        ("spectral", "spectral", {}, BUDGET),
        ("ppo, likeliest actions", "ppo", {"checkpoint": folder, "samples": 1}, BUDGET),
        ("ppo, best of 16", "ppo", {"checkpoint": folder, "samples": 16}, BUDGET),
        ("fm, 16 starts", "fm", {"starts": 16}, BUDGET),
        ("metis", "metis", {"runs": 1}, BUDGET),
        ("mt-kahypar", "mt-kahypar", {"runs": 1}, BUDGET),
    ]
    problems = [placezoo.make_problem(ENV, f"delaunay/test/{index}", **parameters) for index in range(20)]
    held_out = [problem_row(problems, *row) for row in rows]
    table("delaunay/test, 20 graphs of 100-200 nodes, seed = number of the graph", held_out)
    if find_file(public_files()["airfoil1"]):
        large = [placezoo.make_problem(ENV, "airfoil1", **parameters)]
        table("airfoil1 (4,253 nodes), seed 0", [problem_row(large, *row) for row in rows])


def problem_row(
    problems: list[PlacementProblem], label: str, agent: str, settings: dict[str, Any], budget: placezoo.Budget
) -> tuple[str, ...]:
    solver = placezoo.make_agent(agent, **settings)
    solutions = [solver.solve(problem, budget, seed) for seed, problem in enumerate(problems)]
    assert all(solution.cost.feasible for solution in solutions)
    costs = np.array([solution.cost.total for solution in solutions])
    relative = np.mean([cost / problem.reference_cost for cost, problem in zip(costs, problems, strict=True)])
    seconds = np.mean([solution.seconds for solution in solutions])
    return label, f"{costs.mean():.1f}", f"{relative:.4f}", f"{seconds:.3f}"


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    result = Table("agent", "mean cut", "cut / random cut", "seconds", title=title, title_justify="left", box=None)
    for row in rows:
        result.add_row(*row)
    Console(width=120).print(result)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.partition.learned FOLDER (what `placezoo train --out FOLDER` wrote)")
    main(sys.argv[1])

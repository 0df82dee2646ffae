"""A trained policy beside the baselines on the 20 held-out Delaunay graphs, and on airfoil1 without retraining.

Run with a folder that ``placezoo train`` wrote: ``python -m benchmarks.partition.learned runs/ppo``, or ``pretrained``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.problem import PlacementProblem

ENV = "GraphPartition-v0"
BUDGET = placezoo.Budget(seconds=60)


def costs_of(folder: str) -> Iterator[Row]:
    training = Checkpoint.load(checkpoint_folder(folder, "ppo", ENV)).training
    parameters = training["parameters"]
    effort = f"{training['timesteps_done']:,} steps in {training['seconds_done']:g} s"
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
    sets = {"delaunay/test, 20 graphs of 100-200 nodes, seed = number of the graph": problems}
    if find_file(public_files()["airfoil1"]):
        sets["airfoil1 (4,253 nodes), seed 0"] = [placezoo.make_problem(ENV, "airfoil1", **parameters)]
    for title, members in sets.items():
        for row in rows:
            for cell in cells(members, *row):
                yield cell._replace(table=f"{title}; policy: {effort} on {training['dataset']}/train", key="agent")


def cells(
    problems: list[PlacementProblem], label: str, agent: str, settings: dict[str, Any], budget: placezoo.Budget
) -> Iterator[Row]:
    solver = placezoo.make_agent(agent, **settings)
    solutions = [solver.solve(problem, budget, seed) for seed, problem in enumerate(problems)]
    assert all(solution.cost.feasible for solution in solutions)
    costs = np.array([solution.cost.total for solution in solutions])
    relative = [cost / problem.reference_cost for cost, problem in zip(costs, problems, strict=True)]
    seconds = [solution.seconds for solution in solutions]
    for column, values, digits in (("mean cut", costs, 1), ("cut / random cut", relative, 4), ("seconds", seconds, 3)):
        mean = float(np.mean(values))
        yield Row(label, mean, column=column, shown=f"{mean:.{digits}f}")


if __name__ == "__main__":
    run(__doc__, {"costs": costs_of}, ("folder", {"help": "what `placezoo train --out FOLDER` wrote"}))

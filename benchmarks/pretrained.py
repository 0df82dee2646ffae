"""The policies that come with the package on held-out instances, beside the baselines of each environment.

Costs are over greedy construction's, means over the first 20 instances of the test split, one thread, seed 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.learning.learner import mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.networks.threads import single_thread
from placezoo.envs.registration import make_problem, problem_class
from placezoo.envs.source import ProblemSource

BASELINES: dict[str, tuple[str, ...]] = {
    "ChipPlace-v0": (),
    "DevicePlace-v0": ("m-etf", "metis"),
    "EdgePlace-v0": ("heft",),
    "GraphPartition-v0": ("fm", "metis"),
    "MCMPartition-v0": ("dynamic-programming",),
}


def policies() -> Iterator[Row]:
    for env_id, others in BASELINES.items():
        training = Checkpoint.load(checkpoint_folder("pretrained", "ppo", env_id)).training
        source = ProblemSource(
            problem_class(env_id), dataset=training["dataset"], split="test", parameters=training["parameters"]
        )
        assert source.dataset is not None
        problems = [
            make_problem(env_id, source.dataset.instance("test", index), **training["parameters"])
            for index in range(min(20, source.dataset.size("test")))
        ]
        policy: dict[str, Any] = {"checkpoint": "pretrained"}
        rows: list[tuple[str, dict[str, Any], str, placezoo.Budget]] = [
            ("random", {}, "16 evaluations", placezoo.Budget(evaluations=16)),
            ("ppo", {**policy, "samples": 1}, "likeliest actions", placezoo.Budget(evaluations=1)),
            ("ppo", {**policy, "samples": 16}, "best of 16", placezoo.Budget(evaluations=16)),
            *((name, {}, "2 s", placezoo.Budget(seconds=2)) for name in (*others, "simulated-annealing")),
        ]
        for name, settings, effort, budget in rows:
            solver = placezoo.make_agent(name, **settings)
            solutions = [solver.solve(problem, budget, seed=0) for problem in problems]
            ratios = [s.cost.total / mean_greedy_cost(p) for s, p in zip(solutions, problems, strict=True)]
            feasible = sum(solution.cost.feasible for solution in solutions)
            seconds = float(np.mean([solution.seconds for solution in solutions]))
            label, key = f"{env_id}, {name}, {effort}", "environment, agent, budget"
            mean = float(np.mean(ratios))
            yield Row(label, mean, column="cost / greedy's", shown=f"{mean:.3f}", key=key)
            yield Row(label, feasible, column="feasible", shown=f"{feasible} of {len(problems)}", key=key)
            yield Row(label, seconds, column="seconds", shown=f"{seconds:.3f}", key=key)


if __name__ == "__main__":
    with single_thread():
        run(__doc__, {"policies": policies})

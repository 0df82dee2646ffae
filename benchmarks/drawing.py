"""How evenly a trained policy should draw its constructions, chosen on the validation split.

``python -m benchmarks.drawing FOLDER`` prints the best of 16 draws, over greedy construction's cost, at several
temperatures; ``--write`` notes the best one in the folder's ``policy.json``, where ``ppo`` finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.learning.learner import mean_greedy_cost
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.networks.threads import single_thread
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource
from placezoo.experiments.train import validation_problems

TEMPERATURES = (1.0, 2.0, 4.0, 8.0)
DRAWS = 16
SEEDS = (0, 1, 2)


def temperatures(folder: Path, write: bool) -> Iterator[Row]:
    policy = Checkpoint.load(folder)
    source = ProblemSource(
        problem_class(policy.env_id), dataset=policy.training["dataset"], split="train",
        parameters=policy.training["parameters"],
    )  # fmt: skip
    problems = validation_problems(source)
    means = {}
    for temperature in TEMPERATURES:
        agent = placezoo.make_agent("ppo", checkpoint=str(folder), samples=DRAWS, temperature=temperature)
        ratios = [
            agent.solve(problem, placezoo.Budget(evaluations=DRAWS), seed).cost.total / mean_greedy_cost(problem)
            for problem in problems
            for seed in SEEDS
        ]
        means[temperature] = float(np.mean(ratios))
        title = f"{policy.env_id}, {len(problems)} validation problems, best of {DRAWS}, seeds {list(SEEDS)}"
        yield Row(f"{temperature:g}", means[temperature], column="cost / greedy's", table=title, key="temperature")
    if write:
        policy.training["temperature"] = min(means, key=means.__getitem__)
        policy.save(folder)


if __name__ == "__main__":
    with single_thread():
        run(
            __doc__, {"temperatures": temperatures}, ("folder", {"type": Path, "help": "what `placezoo train` wrote"}),
            ("--write", {"action": "store_true", "help": "note the best one in policy.json"}),
        )  # fmt: skip

"""What a trained policy is worth on another problem, and what it still knows of the old one after learning the new.

For three environments: from scratch, zero-shot, and fine-tuned by each method, with three seeds and equal numbers of
transitions; then the fine-tuned policies on the old problem. Scores are mean costs over greedy construction's on
held-out instances, the best of 4 answers. ``python -m benchmarks.transfer [CHECKPOINTS]``, default the package's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.agent import with_policy
from placezoo.agents.learning.learner import mean_greedy_cost
from placezoo.agents.learning.transfer import METHODS, without_adapter
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.ppo.agent import PPO
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.envs.registration import make_problem, problem_class
from placezoo.envs.source import ProblemSource

TIMESTEPS, PROBES, SEEDS = 65_536, 4, (0, 1, 2)
AFTER, REACHED = f"after {TIMESTEPS:,} transitions", "transitions to scratch's best"


@dataclass(frozen=True)
class Task:
    """A split to train on and one to score."""

    env_id: str
    dataset: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def source(self) -> ProblemSource:
        """Return where its training instances come from."""
        return ProblemSource(problem_class(self.env_id), dataset=self.dataset, parameters=self.parameters)

    def held_out(self) -> list[Any]:
        """Return the first problems of its test split."""
        dataset = self.source().dataset
        assert dataset is not None
        count = min(10, dataset.size("test"))
        return [make_problem(self.env_id, dataset.instance("test", i), **self.parameters) for i in range(count)]


SPECTRAL = {"num_parts": 4, "order": "spectral"}
PAIRS = (
    (Task("GraphPartition-v0", "delaunay", SPECTRAL), Task("GraphPartition-v0", "barabasi-albert", SPECTRAL)),
    (Task("EdgePlace-v0", "giph"), Task("EdgePlace-v0", "giph", {"objective": "total-cost"})),
    (Task("DevicePlace-v0", "networks"), Task("EdgePlace-v0", "giph")),
)


def score(policy: Checkpoint, problems: list[Any]) -> float:
    agent = with_policy(PPO(samples=4), policy)
    ratios = [
        agent.solve(problem, placezoo.Budget(evaluations=4), seed=0).cost.total / mean_greedy_cost(problem)
        for problem in problems
    ]
    return float(np.mean(ratios))


def train(task: Task, held_out: list[Any], seed: int, **more: Any) -> tuple[list[float], PPOLearner]:
    """Return the scores at equal distances on the way, and the learner."""
    learner = PPOLearner(task.source(), "construct", PPOConfig(num_envs=32, num_steps=64), seed, **more)
    scores = []

    def note(status: Any) -> None:
        if status.timesteps >= len(scores) * TIMESTEPS // PROBES + TIMESTEPS // PROBES:
            scores.append(score(learner.checkpoint(), held_out))

    learner.learn(timesteps=TIMESTEPS, on_update=note)
    return scores, learner


def transfer(checkpoints: str) -> Iterator[Row]:
    for old, new in PAIRS:
        start = Checkpoint.load(checkpoint_folder(checkpoints, "ppo", old.env_id))
        before, target = old.held_out(), new.held_out()
        same = old.env_id == new.env_id
        name = f"{old.env_id} {old.dataset} -> {new.env_id} {new.dataset} {new.parameters or ''}"

        def cell(method: str, column: str, values: list[float], shown: str = "", title: str = name) -> Row:
            spread = f" ± {np.std(values):.3f}" if len(values) > 1 else ""
            shown = shown or f"{np.mean(values):.3f}{spread}"
            return Row(method, float(np.mean(values)), column=column, shown=shown, table=title, key="method")

        scratch = [train(new, target, seed)[0] for seed in SEEDS]
        goal = float(np.mean([min(scores) for scores in scratch]))
        if same:
            known, zero = score(start, before), score(start, target)
        yield cell("scratch", AFTER, [scores[-1] for scores in scratch])
        yield cell("scratch", REACHED, [TIMESTEPS], f"{TIMESTEPS:,}")
        for method in METHODS:
            results = [train(new, target, seed, start=start, method=method) for seed in SEEDS]
            reached = [next((i + 1 for i, value in enumerate(scores) if value <= goal), None) for scores, _ in results]
            steps = ", ".join(f"{r * TIMESTEPS // PROBES:,}" if r else "never" for r in reached)
            if same:
                yield cell(method, "zero-shot", [zero])
            yield cell(method, AFTER, [scores[-1] for scores, _ in results])
            yield cell(method, REACHED, [r * TIMESTEPS // PROBES if r else np.inf for r in reached], steps)
            if same:
                yield cell(method, "on the old problem: before", [known])
                policies = [learner.checkpoint() for _, learner in results]
                yield cell(method, "after, not told which", [score(policy, before) for policy in policies])
                if method in ("superposition", "experts"):
                    for policy in policies:
                        policy.network = without_adapter(policy.network)
                    yield cell(method, "after, told which", [score(policy, before) for policy in policies])


if __name__ == "__main__":
    with single_thread():
        run(__doc__, {"scores": transfer}, ("checkpoints", {"nargs": "?", "default": "pretrained"}))

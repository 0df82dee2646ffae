"""Scoring a trained policy on held-out instances, beside heuristics that have the same budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from placezoo.agents.budget import Budget
from placezoo.agents.learning.learners import learner_entry
from placezoo.agents.registry import is_for, make_agent, require_extra
from placezoo.datasets.dataset import get_dataset
from placezoo.envs.registration import make_problem

HEURISTICS = ("random", "greedy", "local-search", "heft", "m-etf", "dynamic-programming", "fm")
_EVALUATIONS = 16  # for each instance


class Score(NamedTuple):
    """One agent on all instances.

    Attributes:
        agent: its name; the policy's with its folder.
        mean: of the costs.
        relative: mean of the costs over those of greedy construction.
        wins: on how many instances nobody was better.
        seconds: mean for an instance.
    """

    agent: str
    mean: float
    relative: float
    wins: int
    seconds: float


def score_policy(
    checkpoint: str,
    dataset: str,
    env_id: str | None = None,
    agent: str | None = None,
    split: str = "test",
    cases: int | None = None,
    budget: Budget | None = None,
    others: Sequence[str] | None = None,
    parameters: dict[str, Any] | None = None,
    on_case: Callable[[int, int], None] | None = None,
) -> list[Score]:
    """Solve the first instances of a split with a policy and with others, under one budget; return scores, best first.

    Args:
        checkpoint: the folder of ``placezoo train``, or ``pretrained``.
        dataset: of which.
        env_id: where the checkpoint holds policies for several environments.
        agent: whose the checkpoint is; default what it says of itself.
        split: ``train``, ``validation`` or ``test``.
        cases: how many instances, default 20 or all that there are.
        budget: of each agent on each instance; default 16 evaluations, or two an item for policies that move items.
        others: agents to compare with; default the general heuristics, and the environment's best known one. Of ppo its
            untrained twin as well.
        parameters: of the problem, besides those of the training.
        on_case: called with the number of instances that are done and of all.

    Raises:
        ValueError: something named does not exist.
        ImportError: the ``agents`` extra is missing.
    """
    require_extra("agents", "a trained policy")
    from placezoo.agents.learning.learner import mean_greedy_cost
    from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder

    policy = Checkpoint.load(checkpoint_folder(checkpoint, agent or "ppo", env_id))
    name = agent or policy.training.get("agent", "ppo")
    entry, env = learner_entry(name), policy.env_id
    fixed = {key: value for key, value in entry.validation.items() if key == "finetune"}
    label = f"{name} ({checkpoint if checkpoint == 'pretrained' else Path(checkpoint).name})"
    solvers = {label: make_agent(name, checkpoint=checkpoint, **fixed)}
    if name == "ppo":
        solvers["ppo (untrained)"] = make_agent("ppo", checkpoint="untrained")
    for other in HEURISTICS if others is None else others:
        if others is not None or is_for(other, env):
            solvers[other] = make_agent(other)
    family = get_dataset(dataset)
    count = min(cases or 20, family.size(split))
    settings = {**policy.training.get("parameters", {}), **(parameters or {})}
    costs, seconds = np.zeros((len(solvers), count)), np.zeros((len(solvers), count))
    greedy = np.zeros(count)
    for case in range(count):
        problem = make_problem(env, family.instance(split, case), **settings)
        greedy[case] = mean_greedy_cost(problem)
        evaluations = 2 * problem.num_items if policy.formulation == "improve" else _EVALUATIONS
        for row, solver in enumerate(solvers.values()):
            solution = solver.solve(problem, budget or Budget(evaluations=evaluations), seed=case)
            costs[row, case], seconds[row, case] = solution.cost.total, solution.seconds
        if on_case is not None:
            on_case(case + 1, count)
    wins = np.isclose(costs, costs.min(axis=0)).sum(axis=1)
    scores = [
        Score(label, float(costs[row].mean()), float((costs[row] / greedy).mean()), int(wins[row]),
              float(seconds[row].mean()))
        for row, label in enumerate(solvers)
    ]  # fmt: skip
    return sorted(scores, key=lambda score: score.relative)

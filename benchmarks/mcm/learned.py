"""The learned chiplet partitioner on BERT models it never saw, beside search, at equal candidates.

``python -m benchmarks.mcm.learned train FOLDER`` trains ``one-shot-ppo`` on other families (4 minutes);
``python -m benchmarks.mcm.learned FOLDER`` then prints the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.experiments.train import TrainingRun, train

ENV, DATASET, PACKAGE = "MCMPartition-v0", "mcm", "mcm36"
CANDIDATES = 2_000
SEEDS = (0, 1)
TRAINING_SECONDS = 240.0
AGENT = "one-shot-ppo"


def intervals(folder: Path) -> Iterator[Row]:
    size = placezoo.datasets.get_dataset(DATASET).size("test")
    problems = [placezoo.make_problem(ENV, f"{DATASET}/test/{index}", package=PACKAGE) for index in range(size)]
    budget, once = placezoo.Budget(evaluations=CANDIDATES), placezoo.Budget(evaluations=1)
    policy = {"checkpoint": str(folder)}
    rows: list[tuple[str, str, dict[str, Any], placezoo.Budget]] = [
        ("greedy (1 candidate)", "greedy", {}, once),
        ("dynamic programming (2)", "dynamic-programming", {}, budget),
        ("random + solver", "random", {}, budget),
        ("annealing", "simulated-annealing", {}, budget),
        ("local search, from greedy", "local-search", {}, budget),
        ("one-shot-ppo, from scratch", AGENT, {}, budget),
        ("one-shot-ppo, zero-shot (1)", AGENT, {**policy, "finetune": False}, once),
        ("one-shot-ppo, zero-shot, all drawn", AGENT, {**policy, "finetune": False}, budget),
        ("one-shot-ppo, fine-tuned", AGENT, policy, budget),
    ]
    names = [problem.instance.name.split(":")[1].split(",")[0] for problem in problems]
    title = f"microseconds an input, mean of seeds {SEEDS}; {CANDIDATES:,} candidates"
    solutions: dict[str, list[list[Any]]] = {}
    greedy: list[float] = []
    for label, agent, hyperparameters, allowed in rows:
        found = [
            [placezoo.make_agent(agent, **hyperparameters).solve(problem, allowed, seed) for seed in SEEDS]
            for problem in problems
        ]
        solutions[label] = found
        means = [float(np.mean([solution.cost.total for solution in runs])) for runs in found]
        greedy = greedy or means
        ratio = float(np.mean([first / mean for first, mean in zip(greedy, means, strict=True)]))
        for name, mean in zip(names, means, strict=True):
            yield Row(label, mean, "s", column=name, shown=f"{1e6 * mean:.1f}", table=title, key="agent")
        yield Row(label, ratio, column="throughput to greedy's", shown=f"{ratio:.3f}", table=title, key="agent")
    for name, problem in zip(names, problems, strict=True):
        bound = problem.cost_model.lower_bound  # type: ignore[attr-defined]
        yield Row("lower bound", bound, "s", column=name, shown=f"{1e6 * bound:.1f}", table=title, key="agent")
    title = "candidates of the fine-tuned policy until it reaches what training from scratch reaches with all"
    for name, scratch, tuned in zip(names, solutions[rows[5][0]], solutions[rows[8][0]], strict=True):
        made = [candidates_to(one, other) for one, other in zip(scratch, tuned, strict=True)]
        shown = ", ".join("never" if np.isinf(one) else f"{one:.0f}" for one in made)
        yield Row(name, max(made), column="candidates", shown=shown, table=title, key="model")


def candidates_to(scratch: Any, tuned: Any) -> float:
    """Return after how many candidates a search is as good as another one is at its end."""
    return next((point.evaluations for point in tuned.trace if point.total <= scratch.cost.total), np.inf)


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        training = TrainingRun(ENV, DATASET, agent=AGENT, parameters={"package": PACKAGE}, seconds=TRAINING_SECONDS)
        train(training, Path(sys.argv[2]))
    else:
        run(__doc__, {"intervals": intervals}, ("folder", {"type": Path, "help": "what `train FOLDER` wrote"}))

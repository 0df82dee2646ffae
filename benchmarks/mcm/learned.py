"""The learned chiplet partitioner on BERT models it never saw, beside search, at equal candidates.

``python -m benchmarks.mcm.learned train FOLDER`` trains ``one-shot-ppo`` on other families (4 minutes);
``python -m benchmarks.mcm.learned FOLDER`` then prints the table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import machine_line
from placezoo.experiments.train import TrainingRun, train

ENV, DATASET, PACKAGE = "MCMPartition-v0", "mcm", "mcm36"
CANDIDATES = 2_000
SEEDS = (0, 1)
TRAINING_SECONDS = 240.0
AGENT = "one-shot-ppo"


def main(folder: Path) -> None:
    print(machine_line() + "\n")
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
    table = Table("agent", *names, "throughput to greedy's", box=None, pad_edge=False, header_style="bold")
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
        cells = [f"{1e6 * mean:.1f}" for mean in means]
        table.add_row(label, *cells, f"{ratio:.3f}")
        print(label, *cells, f"{ratio:.3f}", flush=True)
    bounds = [f"{1e6 * problem.cost_model.lower_bound:.1f}" for problem in problems]  # type: ignore[attr-defined]
    table.add_row("lower bound", *bounds, "")
    print(f"\nmicroseconds an input, mean of seeds {SEEDS}; {CANDIDATES:,} candidates")
    Console(width=170).print(table)
    print("candidates of the fine-tuned policy until it reaches what training from scratch reaches with all:")
    for name, scratch, tuned in zip(names, solutions[rows[5][0]], solutions[rows[8][0]], strict=True):
        print(f"  {name}: {', '.join(candidates_to(one, other) for one, other in zip(scratch, tuned, strict=True))}")


def candidates_to(scratch: Any, tuned: Any) -> str:
    """Return after how many candidates a search is as good as another one is at its end."""
    return next((str(point.evaluations) for point in tuned.trace if point.total <= scratch.cost.total), "never")


if __name__ == "__main__":
    if sys.argv[1] == "train":
        run = TrainingRun(ENV, DATASET, agent=AGENT, parameters={"package": PACKAGE}, seconds=TRAINING_SECONDS)
        train(run, Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]))

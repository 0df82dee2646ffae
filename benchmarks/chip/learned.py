"""The learned chip placer beside the baselines: on held-out synthetic chips, and on one netlist for equal seconds.

    python -m benchmarks.chip.learned runs/chip [INSTANCE [SECONDS]]

The command that trains it is in docs/environments/chip-place.md.
"""

from __future__ import annotations

import sys

import numpy as np

import placezoo
from placezoo.datasets import get_dataset


def held_out(checkpoint: str) -> None:
    """Print mean costs on the 20 test chips."""
    dataset = get_dataset("synthetic-chips")
    problems = [placezoo.make_problem("ChipPlace-v0", dataset.instance("test", i)) for i in range(dataset.size("test"))]
    rows = {
        "random, 16 draws": ("random", {}, placezoo.Budget(evaluations=16)),
        "greedy": ("greedy", {}, placezoo.Budget(evaluations=1)),
        "greedy, best of 16": ("greedy", {"starts": 16}, placezoo.Budget(evaluations=16)),
        "ppo, likeliest actions": ("ppo", {"checkpoint": checkpoint, "samples": 1}, placezoo.Budget(evaluations=1)),
        "ppo, best of 16": ("ppo", {"checkpoint": checkpoint, "samples": 16}, placezoo.Budget(evaluations=16)),
        "wire-mask, 2 s": ("wire-mask", {}, placezoo.Budget(seconds=2)),
        "simulated-annealing, 2 s": ("simulated-annealing", {}, placezoo.Budget(seconds=2)),
    }
    print("| agent | mean cost | over greedy | seconds |\n|---|---|---|---|")
    base: list[float] = []
    for label, (name, hyperparameters, budget) in rows.items():
        agent = placezoo.make_agent(name, **hyperparameters)
        solutions = [agent.solve(problem, budget, seed=i) for i, problem in enumerate(problems)]
        totals = [solution.cost.total for solution in solutions]
        if label == "greedy":
            base = totals
        over = f"{np.mean(np.array(totals) / np.array(base)):.4f}" if base else ""
        print(
            f"| {label} | {np.mean(totals):.4f} | {over} | {np.mean([s.seconds for s in solutions]):.2f} |", flush=True
        )


def one_instance(checkpoint: str, instance: str, seconds: float) -> None:
    """Print costs on one netlist, all agents with the same seconds."""
    problem = placezoo.make_problem("ChipPlace-v0", instance)
    budget = placezoo.Budget(seconds=seconds)
    rows = {
        "random": ("random", {}),
        "greedy, restarted": ("greedy", {"starts": 10**9}),
        "ppo, zero-shot, samples until the end": ("ppo", {"checkpoint": checkpoint, "samples": 10**6}),
        "ppo, fine-tuned for 80 % of the time": ("ppo", {"checkpoint": checkpoint, "finetune": 0.8, "samples": 10**6}),
        "ppo, trained on it alone for 70 %": ("ppo", {"samples": 10**6}),
        "wire-mask": ("wire-mask", {}),
        "simulated-annealing": ("simulated-annealing", {}),
        "analytic": ("analytic", {}),
    }
    likeliest = placezoo.make_agent("ppo", checkpoint=checkpoint, samples=1).solve(
        problem, placezoo.Budget(evaluations=1)
    )
    print(f"\n{instance}, {seconds:g} s; ppo zero-shot, likeliest actions: {likeliest.cost.total:.4f}\n")
    print("| agent | cost | evaluations |\n|---|---|---|")
    for label, (name, hyperparameters) in rows.items():
        solution = placezoo.make_agent(name, **hyperparameters).solve(problem, budget, seed=0)
        print(f"| {label} | {solution.cost.total:.4f} | {solution.evaluations:,} |", flush=True)


if __name__ == "__main__":
    folder = sys.argv[1]
    if len(sys.argv) > 2:
        one_instance(folder, sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 120.0)
    else:
        held_out(folder)

"""The learned chip placer beside the baselines: on held-out synthetic chips, and on one netlist for equal seconds.

    python -m benchmarks.chip.learned runs/chip [INSTANCE [SECONDS]]

The command that trains it is in docs/environments/chip-place.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.datasets import get_dataset


def costs(checkpoint: str, instance: str | None, seconds: float) -> Iterator[Row]:
    return held_out(checkpoint) if instance is None else one_instance(checkpoint, instance, seconds)


def held_out(checkpoint: str) -> Iterator[Row]:
    """Return mean costs on the 20 test chips."""
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
    base: list[float] = []
    for label, (name, hyperparameters, budget) in rows.items():
        agent = placezoo.make_agent(name, **hyperparameters)
        solutions = [agent.solve(problem, budget, seed=i) for i, problem in enumerate(problems)]
        totals = [solution.cost.total for solution in solutions]
        if label == "greedy":
            base = totals
        mean, seconds = float(np.mean(totals)), float(np.mean([s.seconds for s in solutions]))
        yield Row(label, mean, column="mean cost", shown=f"{mean:.4f}", key="agent")
        if base:
            over = float(np.mean(np.array(totals) / np.array(base)))
            yield Row(label, over, column="over greedy", shown=f"{over:.4f}", key="agent")
        yield Row(label, seconds, column="seconds", shown=f"{seconds:.2f}", key="agent")


def one_instance(checkpoint: str, instance: str, seconds: float) -> Iterator[Row]:
    """Return costs on one netlist, all agents with the same seconds."""
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
    title = f"{instance}, {seconds:g} s; ppo zero-shot, likeliest actions: {likeliest.cost.total:.4f}"
    for label, (name, hyperparameters) in rows.items():
        solution = placezoo.make_agent(name, **hyperparameters).solve(problem, budget, seed=0)
        made, total = solution.evaluations, solution.cost.total
        yield Row(label, total, column="cost", shown=f"{total:.4f}", table=title, key="agent")
        yield Row(label, made, column="evaluations", shown=f"{made:,}", table=title, key="agent")


if __name__ == "__main__":
    run(
        __doc__, {"costs": costs},
        ("checkpoint", {"help": "what `placezoo train --out FOLDER` wrote"}),
        ("instance", {"nargs": "?", "help": "one netlist instead of the test chips"}),
        ("seconds", {"nargs": "?", "type": float, "default": 120.0, "help": "of each agent on it"}),
    )  # fmt: skip

"""Accelerators: speed of the model, what searches find at equal evaluations, and regret where the optimum is known.

Run with ``make bench`` or ``python -m benchmarks.accel.cost`` for speeds; ``python -m benchmarks.accel.cost quality``
for what 50, 200 and 1,000 evaluations find on the twelve tasks of the suite ``accel``; ``... regret`` for a network's
cell and a small array together, 6,750,000 designs, all of which are evaluated first (needs NAS-Bench-201's table).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, run
from placezoo import jit
from placezoo.experiments.leaderboard import load_suite

ENV = "AccelSearch-v0"
NETWORK = "transformers:resnet-50"
AGENTS = ("random", "greedy", "local-search", "simulated-annealing")
BUDGETS = (50, 200, 1000)
SEEDS = range(5)
COUNT = 2000
ACCURACIES = (80.0, 84.0)


@jit.generic_loop
def _look(state, delta, items, options):
    total = 0.0
    for place in range(items.size):
        total += delta(state, (items[place], state.assignment[items[place]], options[place], -1))
    return total


def speeds() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for space, bound, goal in (
        ("systolic", SLACK * 20e-6, "at most 20 us"), ("apollo", SLACK * 20e-6, "at most 20 us"), ("fast", None, ""),
    ):  # fmt: skip
        problem: Any = placezoo.make_problem(ENV, NETWORK, space=space)
        options = problem.cost_model.num_options
        designs = np.stack([rng.integers(0, options) for _ in range(COUNT)])
        seconds = best_time(lambda p=problem, d=designs: p.totals(d)) / COUNT
        yield Row(f"a design of {space} x {NETWORK}", seconds, "s", bound, goal)
        yield Row(f"designs of {space}", 1.0 / seconds, "/s", bound and 50_000 / SLACK, "50,000/s" if goal else "")
        kernel = problem.kernel(problem.initial_assignment(rng))
        first = len(problem.space.decisions) if space == "fast" else 0
        items = rng.integers(first, problem.num_items, COUNT)
        taken = (rng.random(COUNT) * options[items]).astype(np.int64)
        seconds = best_time(lambda k=kernel, i=items, t=taken: _look(k.state, k.delta, i, t)) / COUNT
        what = "of a layer or an edge, space fast" if first else f"of the hardware, space {space}"
        bound = SLACK * 2e-6 if first else None
        yield Row(f"a changed decision {what}", seconds, "s", bound, "at most 2 us" if first else "")


def solved(problem: Any, agent: str, evaluations: int, seed: int) -> float:
    solution = placezoo.make_agent(agent).solve(problem, placezoo.Budget(evaluations=evaluations), seed=seed)
    return solution.cost.total if solution.cost.feasible else np.inf


def quality() -> Iterator[Row]:
    """Return the mean over the seeds of each cost over the best of all runs on its task."""
    for group in load_suite("accel").problems:
        for name in group.instances:
            problem = placezoo.make_problem(ENV, name, **group.parameters)
            runs = {
                (agent, budget): [solved(problem, agent, budget, seed) for seed in SEEDS]
                for agent, budget in itertools.product(AGENTS, BUDGETS)
            }
            best = min(min(found) for found in runs.values())
            said = ", ".join(str(value) for value in group.parameters.values())
            short = name.replace("transformers:", "").replace("torch:", "").removeprefix("accel:")
            for (agent, budget), found in runs.items():
                ratio = float(np.mean(found)) / best
                yield Row(
                    f"{short}, {said}", ratio, column=f"{agent} {budget}", shown=f"{ratio:.3f}", key="task",
                    table="mean over 5 seeds of the cost over the best of all runs",
                )  # fmt: skip


def regret() -> Iterator[Row]:
    """Return how far above the optimum 1,000 evaluations end, mean over the seeds; joint search against separate."""
    for accuracy in ACCURACIES:
        problem: Any = placezoo.make_problem(ENV, "nasbench201", space="systolic-small", accuracy=accuracy)
        hardware = np.stack(np.unravel_index(np.arange(problem.space.size), problem.cost_model.num_options[:6]), axis=1)
        cells = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6), axis=1)
        best = np.inf
        for design in hardware:
            rows = np.concatenate([np.broadcast_to(design, (len(cells), 6)), cells], axis=1)
            best = min(best, float(problem.totals(rows).min()))
        title = f"above the optimum, {problem.space.size * 5**6:,} designs"
        for agent, budget in itertools.product(AGENTS, BUDGETS):
            above = float(np.mean([solved(problem, agent, budget, seed) for seed in SEEDS])) / best - 1.0
            key = f"accuracy at least {accuracy:g} % (optimum {1e6 * best:.2f} us)"
            yield Row(key, above, column=f"{agent} {budget}", shown=f"{100 * above:.1f} %", table=title, key="limit")


if __name__ == "__main__":
    run(__doc__, {"speeds": speeds, "quality": quality, "regret": regret})

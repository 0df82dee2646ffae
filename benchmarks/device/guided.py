"""``guided-search`` beside its twins without learning, at equal seconds of processor time.

``python -m benchmarks.device.guided [--groupings own layers] [--seconds 0.1 1 10] [--seeds 2] [--twins ...]`` places
the held-out networks. All twins solve each case and seed in turn; the clock is the process's, since others use the
machine too. Ratios are geometric means over cases and seeds, to the first twin; intervals are of cases drawn anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, processor_seconds, run
from placezoo.agents.networks.threads import single_thread
from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.leaderboard.scores import bootstrap

DATASET = "networks"
TOPOLOGIES = {
    "v100x8-pcie": {"topology": "v100x8-pcie", "memory_share": 0.3},
    "p100x2-pcie": {"topology": "p100x2-pcie", "memory_share": 0.75},
}
PRETRAINED = {"checkpoint": "pretrained"}
TWINS: dict[str, tuple[str, dict[str, Any]]] = {
    "no filter": ("local-search", {}),
    "by hand": ("guided-search", {"filter": "by-hand"}),
    "linear": ("guided-search", {**PRETRAINED, "filter": "linear"}),
    "network": ("guided-search", PRETRAINED),
    "network, annealing": ("guided-search", {**PRETRAINED, "acceptance": "annealing"}),
    "simulated-annealing": ("simulated-annealing", {}),
}
DEFAULT_TWINS = ["no filter", "by hand", "linear", "network"]


def devices(
    groupings: list[str], seconds: list[float], seeds: int, twins: list[str], topology: str, split: str
) -> Iterator[Row]:
    size = placezoo.datasets.get_dataset(DATASET).size(split)
    for grouping, budget in itertools.product(groupings, seconds):
        parameters = {"grouping": grouping, "priorities": 8, **TOPOLOGIES[topology]}
        cases = {}
        for index in range(size):
            problem = placezoo.make_problem("DevicePlace-v0", f"{DATASET}/{split}/{index}", **parameters)
            cases[problem.instance.name.split(":")[1].split(",")[0]] = problem
        title = f"grouping={grouping}, {topology}, {budget:g} s, {seeds} seeds; milliseconds a step, means of seeds"
        yield from _compared(cases, budget, seeds, twins, title)


def _compared(
    cases: dict[str, PlacementProblem], budget: float, seeds: int, twins: list[str], title: str
) -> Iterator[Row]:
    logs: dict[str, list[float]] = {name: [] for name in twins}
    for column, problem in cases.items():
        found: dict[str, list[float]] = {name: [] for name in twins}
        for seed, name in itertools.product(range(seeds), twins):  # alternating
            found[name].append(_solved(problem, *TWINS[name], budget, seed))
        for name in twins:
            mean = float(np.mean(found[name]))
            logs[name].append(float(np.mean(np.log(found[name]) - np.log(found[twins[0]]))))
            yield Row(name, mean, column=column, shown=f"{1e3 * mean:.1f}", table=title, key="filter")
    for name in twins:
        mean, low, high = np.exp(bootstrap([np.array(logs[name])], np.mean))
        shown = f"{mean:.3f} ({low:.3f}-{high:.3f})" if name != twins[0] else "1"
        yield Row(name, mean, column=f"to {twins[0]}", shown=shown, table=title, key="filter")


def _solved(problem: PlacementProblem, name: str, hyperparameters: dict[str, Any], seconds: float, seed: int) -> float:
    agent = placezoo.make_agent(name, **hyperparameters)
    agent.prepare(problem)
    with processor_seconds():
        solution = agent.solve(problem, placezoo.Budget(seconds=seconds), seed)
    assert solution.cost.feasible
    return solution.cost.total


if __name__ == "__main__":
    with single_thread():
        run(
            __doc__, {"devices": devices},
            ("--groupings", {"nargs": "+", "default": ["own", "layers"], "help": "of operators"}),
            ("--seconds", {"type": float, "nargs": "+", "default": [0.1, 1.0, 10.0]}),
            ("--seeds", {"type": int, "default": 2}),
            ("--twins", {"nargs": "+", "choices": TWINS, "default": DEFAULT_TWINS, "help": "the first is the base"}),
            ("--topology", {"choices": TOPOLOGIES, "default": "v100x8-pcie", "help": "of devices"}),
            ("--split", {"choices": ("validation", "test"), "default": "test", "help": "of the networks"}),
        )  # fmt: skip

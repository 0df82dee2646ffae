"""``guided-search`` beside its twins without learning, on the held-out networks, at equal seconds of processor time.

``python -m benchmarks.device.guided [--groupings own layers] [--seconds 0.1 1 10] [--seeds 3] [--twins ...]``. Each
model and seed is solved by all twins in turn; the clock is the process's, since others use the machine too. Ratios are
geometric means over models and seeds, to the search without a filter; intervals are of models drawn anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.networks.threads import single_thread
from placezoo.experiments.leaderboard.scores import bootstrap

ENV, DATASET = "DevicePlace-v0", "networks"
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


def twins(
    groupings: list[str], seconds: list[float], seeds: int, twins: list[str], topology: str, split: str
) -> Iterator[Row]:
    size = placezoo.datasets.get_dataset(DATASET).size(split)
    for grouping, budget in itertools.product(groupings, seconds):
        title = f"grouping={grouping}, {topology}, {budget:g} s, {seeds} seeds; milliseconds a step, means of seeds"
        found: dict[str, list[list[float]]] = {name: [] for name in twins}
        for index in range(size):
            problem = placezoo.make_problem(
                ENV, f"{DATASET}/{split}/{index}", grouping=grouping, priorities=8, **TOPOLOGIES[topology]
            )
            column = problem.instance.name.split(":")[1].split(",")[0]
            for name in twins:
                found[name].append([])
            for seed, name in itertools.product(range(seeds), twins):  # alternating
                found[name][-1].append(_solved(problem, *TWINS[name], budget, seed))
            for name in twins:
                mean = float(np.mean(found[name][-1]))
                yield Row(name, mean, column=column, shown=f"{1e3 * mean:.1f}", table=title, key="filter")
        for name in twins:
            logs = [
                float(np.mean(np.log(mine) - np.log(base)))
                for mine, base in zip(found[name], found[twins[0]], strict=True)
            ]
            mean, low, high = np.exp(bootstrap([np.array(logs)], np.mean))
            shown = f"{mean:.3f} ({low:.3f}-{high:.3f})" if name != twins[0] else "1"
            yield Row(name, mean, column=f"to {twins[0]}", shown=shown, table=title, key="filter")


def _solved(problem: Any, name: str, hyperparameters: dict[str, Any], seconds: float, seed: int) -> float:
    agent = placezoo.make_agent(name, **hyperparameters)
    agent.prepare(problem)
    with mock.patch("time.perf_counter", time.process_time):
        solution = agent.solve(problem, placezoo.Budget(seconds=seconds), seed)
    assert solution.cost.feasible
    return solution.cost.total


if __name__ == "__main__":
    with single_thread():
        run(
            __doc__, {"twins": twins},
            ("--groupings", {"nargs": "+", "default": ["own", "layers"]}),
            ("--seconds", {"type": float, "nargs": "+", "default": [0.1, 1.0, 10.0]}),
            ("--seeds", {"type": int, "default": 3}),
            ("--twins", {"nargs": "+", "choices": TWINS, "default": DEFAULT_TWINS, "help": "the first is the base"}),
            ("--topology", {"choices": TOPOLOGIES, "default": "v100x8-pcie"}),
            ("--split", {"choices": ("validation", "test"), "default": "test"}),
        )  # fmt: skip

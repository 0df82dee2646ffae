"""Learned placements of held-out neural networks beside planned and searched ones, each with the same seconds.

``python -m benchmarks.device.learned train FOLDER`` trains ``gdp`` and ``go`` on other families (11 minutes each on two
topologies); ``python -m benchmarks.device.learned TOPOLOGY FOLDER`` then prints the table of one of them
(with a third argument: the rows whose names have it).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.experiments.train import TrainingRun, train

ENV, DATASET = "DevicePlace-v0", "networks"
MEMORY_SHARES = {"p100x2-pcie": 0.75, "v100x8-pcie": 0.3}
PLANNED = ("single-device", "expert", "m-topo", "m-etf", "m-sct", "m-heft", "metis")
SEARCHED = ("random", "local-search", "simulated-annealing", "ppo")
SECONDS = 20.0
TRAINING_SECONDS = 660.0
HYPERPARAMETERS = {"encoder": "edge-gnn", "entropy_coefficient": 0.02}


def parameters(topology: str) -> dict[str, Any]:
    return {
        "topology": topology, "memory_share": MEMORY_SHARES[topology], "grouping": "layers", "priorities": 8,
    }  # fmt: skip


def train_all(folder: Path) -> None:
    for topology in MEMORY_SHARES:
        for agent in ("gdp", "go"):
            run = TrainingRun(
                ENV, DATASET, agent=agent, parameters=parameters(topology), seconds=TRAINING_SECONDS,
                hyperparameters=HYPERPARAMETERS,
            )  # fmt: skip
            train(run, folder / f"{agent}-{topology}")


def contenders(topology: str, folder: Path) -> dict[str, tuple[str, dict[str, Any], placezoo.Budget]]:
    """Return name -> agent, hyperparameters, budget."""
    seconds, once = placezoo.Budget(seconds=SECONDS), placezoo.Budget(evaluations=1)
    found: dict[str, tuple[str, dict[str, Any], placezoo.Budget]] = {
        name: (name, {}, seconds) for name in (*PLANNED, *SEARCHED)
    }
    for agent in ("gdp", "go"):
        checkpoint = {"checkpoint": str(folder / f"{agent}-{topology}")}
        found[f"{agent}, zero-shot"] = (agent, {**checkpoint, "finetune": False}, once)
        found[f"{agent}, fine-tuned"] = (agent, checkpoint, seconds)
        found[f"{agent}, from scratch"] = (agent, {}, seconds)
    return found


def step_times(topology: str, folder: Path, only: str) -> Iterator[Row]:
    size = placezoo.datasets.get_dataset(DATASET).size("test")
    problems = [placezoo.make_problem(ENV, f"{DATASET}/test/{index}", **parameters(topology)) for index in range(size)]
    names = [problem.instance.name.split(":")[1].split(",")[0] for problem in problems]
    bounds = [problem.cost_model.lower_bound for problem in problems]  # type: ignore[attr-defined]
    title = f"{topology}, training step, batch 8, milliseconds; {SECONDS:g} s each, seed 0"
    ratios: dict[str, list[float]] = {}
    traces: dict[str, list[list[list[float]]]] = {}
    for name, (agent, hyperparameters, budget) in contenders(topology, folder).items():
        if only not in name:
            continue
        for column, problem, bound in zip(names, problems, bounds, strict=True):
            solution = placezoo.make_agent(agent, **hyperparameters).solve(problem, budget, seed=0)
            step_time = solution.cost.terms["step_time"]
            shown = f"{1e3 * step_time:.1f}" if solution.cost.feasible else "memory"
            yield Row(name, step_time, "s", column=column, shown=shown, table=title, key="agent")
            ratios.setdefault(name, []).append(step_time / bound if solution.cost.feasible else np.nan)
            trace = [[point.evaluations, point.seconds, point.total] for point in solution.trace]
            traces.setdefault(name, []).append(trace)
        mean = float(np.mean(ratios[name]))
        shown = "-" if np.isnan(mean) else f"{100 * (mean - 1):+.0f} %"
        yield Row(name, mean, column="mean to the bound", shown=shown, table=title, key="agent")
    for column, bound in zip(names, bounds, strict=True):
        yield Row("lower bound", bound, column=column, shown=f"{1e3 * bound:.1f}", table=title, key="agent")
    title = "evaluations until fine-tuning is as good as training from scratch ends, of its evaluations"
    for agent in [agent for agent in ("gdp", "go") if f"{agent}, fine-tuned" in traces]:
        found = faster(traces[f"{agent}, from scratch"], traces[f"{agent}, fine-tuned"])
        for column, (made, shown) in zip(names, found, strict=True):
            yield Row(agent, made, column=column, shown=shown, table=title, key="agent")
    (folder / f"traces-{topology}.json").write_text(json.dumps(traces))


def faster(scratch: list[list[list[float]]], tuned: list[list[list[float]]]) -> list[tuple[float, str]]:
    """Return how many evaluations fine-tuning takes to the best that training from scratch reaches, and in words."""
    found = []
    for one, other in zip(scratch, tuned, strict=True):
        goal = one[-1][2]
        reached = next((point[0] for point in other if point[2] <= goal * (1 + 1e-9)), None)
        last = next(point[0] for point in one if point[2] <= goal * (1 + 1e-9))
        shown = f"{reached:.0f} of {last:.0f}" if reached is not None else f"never ({last:.0f})"
        found.append((np.inf if reached is None else reached, shown))
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        train_all(Path(sys.argv[2]))
    else:
        run(
            __doc__, {"step times": step_times},
            ("topology", {"choices": MEMORY_SHARES}),
            ("folder", {"type": Path, "help": "what `train FOLDER` wrote"}),
            ("only", {"nargs": "?", "default": "", "help": "part of the names of the rows to measure"}),
        )  # fmt: skip

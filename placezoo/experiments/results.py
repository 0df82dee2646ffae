"""Finished runs of a leaderboard, and how they compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.agents.solution import Solution
from placezoo.envs.problem import PlacementProblem
from placezoo.experiments.suite import SuiteAgent


@dataclass(frozen=True)
class Run:
    """One agent on one problem with one seed."""

    problem: PlacementProblem
    agent: SuiteAgent
    seed: int


@dataclass(frozen=True)
class Result:
    """A finished and verified run.

    Attributes:
        run: what was run.
        solution: what came out.
        path: the solution's file.
        is_new: False if an earlier call had already done it.
    """

    run: Run
    solution: Solution
    path: Path
    is_new: bool


def result_row(result: Result) -> dict[str, Any]:
    """Return a result as one row of the table."""
    solution = result.solution
    return {
        "env": solution.env_id,
        "instance": solution.instance,
        "parameters": json.dumps(solution.parameters, sort_keys=True),
        "agent": solution.agent,
        "seed": solution.seed,
        "total": solution.cost.total,
        **{name: solution.cost.terms[name] for name in solution.cost.terms},
        "feasible": solution.cost.feasible,
        "seconds": round(solution.seconds, 4),
        "evaluations": solution.evaluations,
        "file": f"runs/{result.path.name}",
    }


def gaps_to_best(results: list[Result]) -> dict[str, dict[str, float]]:
    """Return, for each agent and instance, by how much its mean cost over seeds exceeds the best cost any run found.

    An infeasible run counts as the mean random assignment does.
    """
    best: dict[str, float] = {}
    for result in results:
        if result.solution.cost.feasible:
            name = result.solution.instance
            best[name] = min(best.get(name, np.inf), result.solution.cost.total)
    costs: dict[str, dict[str, list[float]]] = {}
    for result in results:
        solution = result.solution
        cost = (
            solution.cost.total
            if solution.cost.feasible
            else max(solution.cost.total, result.run.problem.reference_cost)
        )
        costs.setdefault(solution.agent, {}).setdefault(solution.instance, []).append(cost)
    return {
        agent: {name: _gap(float(np.mean(values)), best.get(name)) for name, values in by_instance.items()}
        for agent, by_instance in costs.items()
    }


def _gap(mean: float, best: float | None) -> float:
    """Return the relative excess over the best cost; where nothing is feasible or the best is 0, the excess itself."""
    return mean if not best else max(mean / best - 1.0, 0.0)  # the mean of equal costs may fall short by a rounding

"""Leaderboards: agents x instances x seeds under one budget, every solution scored again from its instance."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.agents.budget import Budget
from placezoo.agents.registry import is_for, make_agent
from placezoo.agents.solution import Solution, describe_machine
from placezoo.datasets.files import sha256, write_atomically
from placezoo.datasets.laplacian import laplacian_coordinates
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import make_problem
from placezoo.experiments.evaluate import verify
from placezoo.experiments.report import render_report
from placezoo.experiments.results import Result, Run, gaps_to_best, result_row
from placezoo.experiments.suite import Suite, SuiteAgent
from placezoo.experiments.train import CURVE, CurvePoint, TrainingRun, read_curve, train

TRAINED = "trained"  # as a hyperparameter: the policy that the suite trains; and that policy's folder
FINISHED = "finished"  # a file in that folder, written last


class Leaderboard:
    """A suite's runs in a folder, which a second call takes up where the first one stopped.

    The folder holds ``runs/*.json`` (solutions, written one by one), ``trained/`` (the policy), ``results.json``,
    ``results.csv`` and ``report.html``.

    Args:
        suite: what to run.
        folder: where.

    Attributes:
        problems: the suite's problems that are at hand.
        missing: the names of optional instances that are not.

    Raises:
        ValueError: the suite names something that does not exist.
        OSError: an instance that is not optional cannot be had, or none at all.
    """

    def __init__(self, suite: Suite, folder: str | Path) -> None:
        self.suite = suite
        self.folder = Path(folder)
        self.problems: list[PlacementProblem] = []
        self.missing: list[str] = []
        for group in suite.problems:
            for name in group.instances:
                try:
                    self.problems.append(make_problem(group.env, name, **group.parameters))
                except (OSError, ImportError):
                    if not group.optional:
                        raise
                    self.missing.append(name)
        if not self.problems:
            raise OSError(
                f"suite {suite.name}: none of its instances ({', '.join(self.missing[:3])}, ...) is here or can "
                "be fetched (set PLACEZOO_DATA)"
            )
        for agent in suite.agents:  # a misspelt agent should not be found out after an hour
            make_agent(agent.name, **{k: v for k, v in agent.hyperparameters.items() if v != TRAINED})

    def runs(self) -> list[Run]:
        """Return every run of the suite: of each agent on the problems that it, or its trained policy, is for."""
        return [
            Run(problem, agent, seed)
            for problem in self.problems
            for agent in self.suite.agents
            for seed in self.suite.seeds
            if self._applies(agent, problem.env_id)
        ]

    def _applies(self, agent: SuiteAgent, env_id: str) -> bool:
        trained_elsewhere = (
            TRAINED in agent.hyperparameters.values()
            and self.suite.training is not None
            and self.suite.training["env_id"] != env_id
        )
        return is_for(agent.name, env_id) and agent.env in (None, env_id) and not trained_elsewhere

    @property
    def needs_training(self) -> bool:
        """Whether the suite trains a policy that is not in the folder yet."""
        return self.suite.training is not None and not (self.folder / TRAINED / FINISHED).exists()

    def train(self, on_progress: Callable[[CurvePoint, float], None] | None = None) -> None:
        """Train the suite's policy."""
        assert self.suite.training is not None
        train(TrainingRun(**self.suite.training), self.folder / TRAINED, on_progress)
        write_atomically(self.folder / TRAINED / FINISHED, "training finished\n")

    def run(self) -> Iterator[Result]:
        """Do the runs that are not done yet, in order, and yield all; every solution is verified."""
        for run in self.runs():
            path = self.folder / "runs" / self._file_name(run)
            solution = _load_if_valid(path, run.problem)
            is_new = solution is None
            if solution is None:
                agent = make_agent(run.agent.name, **self._hyperparameters(run.agent))
                # Each run starts cold: what an earlier one worked out about the instance is not there for it.
                laplacian_coordinates.cache_clear()
                problem = make_problem(run.problem.env_id, run.problem.instance, **run.problem.parameters)
                agent.solve(problem, Budget(seconds=self.suite.seconds), run.seed).save(path)
                solution = Solution.load(path)  # what is verified is what was written
                verify(solution, run.problem)
            yield Result(run, solution, path, is_new)

    def _hyperparameters(self, agent: SuiteAgent) -> dict[str, Any]:
        trained = str(self.folder / TRAINED)
        return {name: trained if value == TRAINED else value for name, value in agent.hyperparameters.items()}

    def _file_name(self, run: Run) -> str:
        """Name a run's file after everything that its result depends on, so that a changed suite is run again."""
        hyperparameters = dict(run.agent.hyperparameters)
        if TRAINED in hyperparameters.values():
            weights = self.folder / TRAINED / "policy.safetensors"
            hyperparameters["weights"] = sha256(weights.read_bytes())
        identity = [
            run.problem.env_id, run.problem.instance.digest, run.problem.parameters, run.agent.name, hyperparameters,
            run.seed, self.suite.seconds, self.suite.version, describe_machine()["placezoo"],
        ]  # fmt: skip
        key = sha256(json.dumps(identity, sort_keys=True).encode())[:12]
        instance = re.sub(r"[^A-Za-z0-9_.-]+", "-", run.problem.instance.name)
        return f"{run.problem.env_id}_{instance}_{run.agent.name}_seed{run.seed}_{key}.json"

    def write(self, results: list[Result]) -> None:
        """Write ``results.json``, ``results.csv`` and ``report.html``."""
        rows = [result_row(result) for result in results]
        table = io.StringIO()
        # Environments differ in the terms of their costs: a row has those of its own.
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(table, fieldnames=names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        summary = {
            "suite": {"name": self.suite.name, "version": self.suite.version, "seconds": self.suite.seconds},
            "missing_instances": self.missing,
            "machine": describe_machine(),
            "scores": {agent: float(np.mean(list(gaps.values()))) for agent, gaps in gaps_to_best(results).items()},
            "results": rows,
        }
        write_atomically(self.folder / "results.json", json.dumps(summary, indent=1) + "\n")
        write_atomically(self.folder / "results.csv", table.getvalue())
        write_atomically(
            self.folder / "report.html",
            render_report(self.suite, self.problems, self.missing, self.learning_curve(), results),
        )

    def learning_curve(self) -> list[CurvePoint]:
        """Return the curve of the suite's training, empty if there was none."""
        path = self.folder / TRAINED / CURVE
        return read_curve(path) if path.exists() else []


def _load_if_valid(path: Path, problem: PlacementProblem) -> Solution | None:
    """Return an earlier run's solution, or None if there is none or it does not bear out what it says."""
    try:
        solution = Solution.load(path)
        verify(solution, problem)
    except (FileNotFoundError, ValueError):
        return None
    return solution

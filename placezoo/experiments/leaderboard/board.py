"""Leaderboards: agents x cases x seeds, every solution scored again from its instance."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from placezoo.agents.registry import AGENTS, agent_class, is_for, make_agent
from placezoo.agents.search.clock import clock
from placezoo.agents.solution import Solution, budget_record, describe_machine
from placezoo.datasets.csv_cells import inert
from placezoo.datasets.files import sha256, write_atomically
from placezoo.datasets.json_content import converted
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import make_problem
from placezoo.experiments.evaluate import verify
from placezoo.experiments.folder_lock import alone_in
from placezoo.experiments.leaderboard.best_known import BestKnown
from placezoo.experiments.leaderboard.cases import Case, name_cases
from placezoo.experiments.leaderboard.claims import claims
from placezoo.experiments.leaderboard.comparison import BoardRun
from placezoo.experiments.leaderboard.report import Contents, render_report
from placezoo.experiments.leaderboard.runs import Row, Run, Task, finite, in_order, row_of, verified
from placezoo.experiments.leaderboard.scores import by_environment, by_limits, overall, saturated, standings, with_gaps
from placezoo.experiments.leaderboard.suite import TRAINED, Suite, SuiteAgent, SuiteProblem
from placezoo.experiments.leaderboard.trainings import training_line
from placezoo.experiments.leaderboard.workers import perform_all
from placezoo.experiments.train import CURVE, CurvePoint, TrainingRun, read_curve, train

_PACKAGES = (
    "gymnasium", "numba", "scipy", "networkx", "torch", "torch-geometric", "stable-baselines3", "sb3-contrib",
    "ortools", "pymetis", "mtkahypar", "transformers",
)  # fmt: skip
FINISHED = "finished"  # a file in that folder, written last


class Leaderboard:
    """A suite's runs in a folder, which a second call takes up where the first one stopped.

    The folder holds ``runs/*.json`` (solutions, written one by one), ``trained/`` (the policy), ``results.json``,
    ``results.csv`` and ``report.html``.

    Args:
        suite: what to run.
        folder: where.

    Attributes:
        cases: the suite's cases whose instances are at hand.
        missing: the names of optional instances that are not.
        agents: the suite's agents whose packages are installed.
        missing_agents: what the others need, a line each.
        best_known: the table that gaps refer to.

    Raises:
        ValueError: the suite names something that does not exist.
        OSError: an instance that is not optional cannot be had, or none at all.
    """

    def __init__(self, suite: Suite, folder: str | Path) -> None:
        self.suite = suite
        self.folder = Path(folder)
        self.missing: list[str] = []
        self.cases = name_cases(list(self._problems()))
        if not self.cases:
            raise OSError(
                f"suite {suite.name}: none of its instances ({', '.join(self.missing[:3])}, ...) is here or can "
                "be fetched (set PLACEZOO_DATA)"
            )
        self.missing_agents: list[str] = []
        self.agents = [agent for agent in suite.agents if self._is_usable(agent)]
        self.best_known = BestKnown()
        self._held = False

    def _problems(self) -> Iterator[tuple[SuiteProblem, str, PlacementProblem]]:
        made: dict[tuple[str, str, str], PlacementProblem | None] = {}  # one for all budgets
        for group in self.suite.problems:
            for name in group.instances:
                key = group.env, name, json.dumps(group.parameters, sort_keys=True, default=repr)
                if key not in made:
                    try:
                        made[key] = make_problem(group.env, name, **group.parameters)
                    except (OSError, ImportError):
                        if not group.optional:
                            raise
                        made[key] = None
                        self.missing.append(name)
                problem = made[key]
                if problem is not None:
                    yield group, name, problem

    def _is_usable(self, agent: SuiteAgent) -> bool:
        """Return whether an agent can be made; a misspelt one should not be found out after an hour."""
        if agent.prototype is not None:
            return True
        try:
            make_agent(agent.name, **{k: v for k, v in agent.hyperparameters.items() if v != TRAINED})
        except ImportError as error:
            if agent.name not in AGENTS:
                raise
            self.missing_agents.append(str(error))
            return False
        return True

    def runs(self) -> list[Run]:
        """Return every run of the suite: of each agent on the cases that it, or its trained policy, is for."""
        return [
            Run(case, agent, seed)
            for case in self.cases
            for agent in self.agents
            if self._applies(agent, case)
            for seed in case.group.seeds
        ]

    def _applies(self, agent: SuiteAgent, case: Case) -> bool:
        env_id = case.problem.env_id
        training = self.suite.training
        trained_elsewhere = agent.is_trained_here and training is not None and training["env_id"] != env_id
        is_meant = is_for(agent.name, env_id) if agent.prototype is None else agent.prototype.is_for(env_id)
        return is_meant and agent.env in (None, env_id) and case.fits(agent.where) and not trained_elsewhere

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder: no other process writes there meanwhile. When this one ends, killed or not, it is free.

        Raises:
            OSError: another process holds it, or it cannot be written.
        """
        if self._held:
            yield
            return
        with alone_in(self.folder, "leaderboard"):
            self._held = True
            try:
                yield
            finally:
                self._held = False

    @property
    def needs_training(self) -> bool:
        """Whether an agent acts by the policy that the suite trains, which is not in the folder yet."""
        wanted = self.suite.training is not None and any(agent.is_trained_here for agent in self.agents)
        return wanted and not (self.trained / FINISHED).exists()

    @property
    def trained(self) -> Path:
        """The folder of the suite's policy, named after all that it depends on: suites may share the board's folder."""
        key = sha256(json.dumps([self.suite.training, metadata.version("placezoo")], sort_keys=True).encode())[:12]
        return self.folder / TRAINED / key

    def train(self, on_progress: Callable[[CurvePoint, float], None] | None = None) -> None:
        """Train the suite's policy."""
        assert self.suite.training is not None
        with self.alone():
            train(TrainingRun(**self.suite.training), self.trained, on_progress)
            write_atomically(self.trained / FINISHED, "training finished\n")

    def run(self, jobs: int = 0, *, finished_only: bool = False) -> Iterator[Row]:
        """Do the runs that are not done yet, and yield a row for each run when it is done; every solution is verified.

        Args:
            jobs: how many processes, each with one thread; 0 for none: in this process, one after the other.
            finished_only: do none, and yield the rows of those that earlier calls have done.

        Raises:
            ValueError: another process cannot import an agent that was given as an object.
            OSError: a solution cannot be written, or another process is at work in the folder.
        """
        for agent in self.agents if jobs else ():
            _check_importable(agent)
        with self.alone():
            to_do = []
            for run in self.runs():
                if finished_only and run.agent.is_trained_here and self.needs_training:
                    continue
                path = self._path(run)
                solution = _load_if_valid(path, run)
                if solution is None:
                    to_do += [] if finished_only else [(run, path)]
                else:
                    yield self._row(run, solution, path, is_new=False)
            for number, error in perform_all([self._task(run, path) for run, path in to_do], jobs):
                run, path = to_do[number]
                solution = None
                try:
                    solution = None if error else verified(run, Solution.load(path))  # it is what was written
                except (FileNotFoundError, ValueError) as refusal:  # agents may come from anyone, and may lie
                    error = f"refused: {refusal}"
                    path.unlink(missing_ok=True)
                yield self._row(run, solution, path if solution else None, error=error)

    def submission(self, path: str | Path) -> Row:
        """Return the row of a solution that somebody hands in, once it is scored again from its instance.

        Raises:
            ClaimError: the solution is not what it says.
            ValueError: it is not of a case of the suite.
        """
        solution = Solution.load(path)
        for case in self.cases:
            problem = case.problem
            same = json.dumps(solution.parameters, sort_keys=True) == json.dumps(problem.parameters, sort_keys=True)
            if (solution.env_id, solution.digest) == (problem.env_id, problem.instance.digest) and same:
                solution = replace(solution, cost=verify(solution, problem))  # never what the claim says
                agent = SuiteAgent(solution.agent, solution.hyperparameters, label=f"{solution.agent} (submitted)")
                return self._row(Run(case, agent, solution.seed), solution, Path(path), is_submission=True)
        raise ValueError(f"{path}: {solution.instance} with these parameters is not in suite {self.suite.name}")

    def _row(self, run: Run, solution: Solution | None, path: Path | None = None, **others: Any) -> Row:
        file = "" if path is None else str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)
        known = self.best_known.cost_of(run.case.problem)
        return with_gaps([row_of(run, solution, best_known=known, file=file, **others)])[0]

    def _task(self, run: Run, path: Path) -> Task:
        trained = str(self.trained)
        chosen = run.agent.hyperparameters
        return Task(
            env_id=run.case.problem.env_id,
            instance=run.case.name,
            parameters=run.case.group.parameters,
            agent=run.agent.name,
            hyperparameters={name: trained if value == TRAINED else value for name, value in chosen.items()},
            budget=budget_record(run.case.group.budget),
            seed=run.seed,
            path=str(path),
            prototype=run.agent.prototype,
        )

    def _path(self, run: Run) -> Path:
        """Return a run's file, named after everything that its result depends on: a changed suite is run again."""
        hyperparameters = dict(run.agent.hyperparameters)
        if run.agent.is_trained_here:
            hyperparameters["weights"] = sha256((self.trained / "policy.safetensors").read_bytes())
        problem = run.case.problem
        identity = [
            problem.env_id, problem.instance.digest, problem.parameters, run.agent.name, hyperparameters, run.seed,
            asdict(run.case.group.budget), self.suite.version, metadata.version("placezoo"),
            *([] if clock() == "wall" else [clock()]),
        ]  # fmt: skip
        key = sha256(json.dumps(identity, sort_keys=True).encode())[:12]
        instance, label = (_plain(name) for name in (problem.instance.name, run.agent.label))
        return self.folder / "runs" / f"{problem.env_id}_{instance}_{label}_seed{run.seed}_{key}.json"

    def write(self, rows: list[Row], jobs: int = 1) -> Contents:
        """Write ``results.json``, ``results.csv`` and ``report.html``; return what the report shows.

        Args:
            rows: of ``run``, and of submissions; their gaps are computed anew, for all together.
            jobs: how many runs went side by side, for the record.
        """
        rows = in_order(with_gaps(rows), self.runs())
        records = [row.record() for row in rows]
        table = io.StringIO()
        # Environments differ in the terms of their costs: a row has those of its own.
        names = list(dict.fromkeys(name for record in records for name in record))
        writer = csv.DictWriter(table, fieldnames=names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: inert(cell) for name, cell in record.items()} for record in records)
        found = {env: standings(mine) for env, mine in by_environment(rows).items()}
        everywhere = [
            standing for mine in by_limits(rows).values() if len(by_environment(mine)) > 1 for standing in overall(mine)
        ]
        shown = claims([converted(record, BoardRun) for record in records])
        trainings = self._trainings()
        summary = {
            "suite": {"name": self.suite.name, "version": self.suite.version, "description": self.suite.description},
            "missing_instances": self.missing,
            "missing_agents": self.missing_agents,
            "jobs": jobs,
            "machine": describe_machine(),
            "packages": _versions(),
            "standings": {env: [finite(asdict(one)) for one in mine] for env, mine in found.items()},
            "saturated": sorted(f"{env}: {case}" for env, case in saturated(rows)),
            "claims": [finite(asdict(one)) | {"verdict": one.verdict} for one in shown],
            "trainings": trainings,
            "overall": [finite(asdict(one)) for one in everywhere],
            "results": records,
        }
        missing = [*self.missing, *self.missing_agents]
        contents = Contents(
            self.suite, self.cases, missing, self.learning_curve(), rows, found, everywhere, shown, trainings,
            len(self.better_than_known(rows)), len(self.runs()) - sum(not row.is_submission for row in rows), jobs,
        )  # fmt: skip
        page = render_report(contents)
        with self.alone():
            write_atomically(self.folder / "results.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
            write_atomically(self.folder / "results.csv", table.getvalue())
            write_atomically(self.folder / "report.html", page)
        return contents

    def better_than_known(self, rows: Iterable[Row]) -> list[Solution]:
        """Return the best solution of each problem for which the table of best known ones has none as good."""
        best: dict[tuple[str, str, str], Row] = {}
        for row in rows:
            known = best.get(row.problem_key)
            if row.solution is not None and row.feasible and (known is None or row.total < known.total):
                best[row.problem_key] = row
        return [row.solution for row in best.values() if row.solution and not row.total >= row.best_known * (1 - 1e-9)]

    def _trainings(self) -> dict[str, list[str]]:
        """Return how each learned agent's policy was trained, as its checkpoint tells, for each environment."""
        found: dict[str, list[str]] = {}
        for case in {case.problem.env_id: case for case in self.cases}.values():
            env = case.problem.env_id
            for agent in self.agents:
                if not any(self._applies(agent, one) for one in self.cases if one.problem.env_id == env):
                    continue
                settings = {name: value for name, value in agent.hyperparameters.items() if value != TRAINED}
                made = agent.prototype or make_agent(agent.name, **settings)
                line = training_line(agent.label, made, env, str(self.trained) if agent.is_trained_here else None)
                found.setdefault(env, []).extend([line] if line else [])
        return {env: lines for env, lines in found.items() if lines}

    def learning_curve(self) -> list[CurvePoint]:
        """Return the curve of the suite's training, empty if there was none."""
        path = self.trained / CURVE
        return read_curve(path) if path.exists() else []


def _versions() -> dict[str, str]:
    """Return the versions of the packages that results may depend on, of those that are installed."""
    found = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _check_importable(agent: SuiteAgent) -> None:
    if agent.prototype is None:
        return
    try:
        found = agent_class(agent.name)
    except (ValueError, ImportError):
        found = None
    if found is not type(agent.prototype) or agent.name.startswith("__main__:"):
        raise ValueError(f"agent {agent.label}: other processes cannot import its class; jobs=0, or put it in a module")


def _plain(name: str) -> str:
    """Return a name as a part of a file's name: no folders, nothing that a shell or a file system would mind."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:80]


def _load_if_valid(path: Path, run: Run) -> Solution | None:
    """Return an earlier run's solution, or None if there is none or it does not bear out what it says."""
    try:
        return verified(run, Solution.load(path))
    except (FileNotFoundError, ValueError):
        return None

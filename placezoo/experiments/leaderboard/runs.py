"""One run: an agent on a case with one seed, and what came of it."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from placezoo.agents.agent import Agent
from placezoo.agents.budget import Budget
from placezoo.agents.registry import make_agent
from placezoo.agents.solution import REPORTED, ClaimError, Solution, budget_record
from placezoo.cost_models.cost import Cost
from placezoo.datasets.registry import load
from placezoo.envs.registration import make_problem, problem_class
from placezoo.experiments.evaluate import verify
from placezoo.experiments.leaderboard.cases import Case
from placezoo.experiments.leaderboard.suite import TRAINED, SuiteAgent, budget_text


@dataclass(frozen=True)
class Run:
    """One agent on one case with one seed."""

    case: Case
    agent: SuiteAgent
    seed: int


@dataclass(frozen=True)
class Row:
    """What came of one run.

    Attributes:
        env: the environment's id.
        instance: the instance's name.
        case: the case's title: the instance, and what tells it from other cases of the suite.
        parameters: of the problem.
        agent: the agent's label.
        hyperparameters: the agent's.
        seed: the run's.
        budget: seconds, evaluations or both.
        total: cost that counts; NaN for a failed run.
        terms: of the cost.
        feasible: whether every constraint holds.
        seconds: that the search took.
        evaluations: that it took.
        evaluations_source: who counted them, see ``Solution.counted``.
        random_cost: mean cost of random assignments.
        best_known: the best cost in the table of best known solutions, NaN if there is none.
        best: the least cost of the problem in the table and on the board, at whatever budget; NaN if there is none.
        lower_bound: what no assignment costs less than, where gaps are to be relative to it; else NaN.
        gap: by how much the cost exceeds the reference (the lower bound, or the best known) relative to it.
        score: 1 for the best known, 0 for a random assignment or worse, linear in the cost between.
        is_learned: whether something in the agent was trained.
        twin: the label of the agent with an untrained or hand-made part that it must beat, empty if none is named.
        counts_evaluations: whether its evaluations compare with others'.
        is_submission: whether somebody handed in the solution: its times are claims, and it is not ranked.
        error: why there is no solution, empty if there is one.
        file: the solution's file, empty without one.
        is_new: False if an earlier call had already done it.
        solution: what was found, with its trace, or None.
    """

    env: str
    instance: str
    case: str
    parameters: dict[str, Any]
    agent: str
    hyperparameters: dict[str, Any]
    seed: int
    budget: dict[str, Any]
    total: float
    terms: dict[str, float]
    feasible: bool
    seconds: float
    evaluations: int
    random_cost: float
    evaluations_source: str = ""
    best_known: float = math.nan
    best: float = math.nan
    lower_bound: float = math.nan
    gap: float = math.nan
    score: float = math.nan
    is_learned: bool = False
    twin: str = ""
    counts_evaluations: bool = True
    is_submission: bool = False
    error: str = ""
    file: str = ""
    is_new: bool = True
    solution: Solution | None = field(default=None, compare=False, repr=False)

    @property
    def limits(self) -> str:
        """What the budget limits: ``seconds``, ``evaluations``, or ``seconds or evaluations``."""
        return Budget(**self.budget).limits

    @property
    def budget_text(self) -> str:
        """The budget in words."""
        return budget_text(Budget(**self.budget))

    @property
    def problem_key(self) -> tuple[str, str, str]:
        """What tells the problem from others, whatever the budget."""
        return self.env, self.instance, json.dumps(self.parameters, sort_keys=True)

    def record(self) -> dict[str, Any]:
        """Return the row as a flat dict of JSON values, the cost's terms among them; what is NaN is None."""
        flat = {
            "env": self.env, "instance": self.instance, "case": self.case,
            "parameters": json.dumps(self.parameters, sort_keys=True), "agent": self.agent,
            "hyperparameters": json.dumps(self.hyperparameters, sort_keys=True), "seed": self.seed,
            **{f"budget_{name}": self.budget.get(name) for name in ("seconds", "evaluations")},
            "total": self.total, "random_cost": self.random_cost, "best_known": self.best_known, "best": self.best,
            "lower_bound": self.lower_bound, "gap": self.gap, "score": self.score, "feasible": self.feasible,
            "seconds": round(self.seconds, 4), "evaluations": self.evaluations, **self.terms,
            "is_learned": self.is_learned, "twin": self.twin, "counts_evaluations": self.counts_evaluations,
            "evaluations_source": self.evaluations_source,
            "is_submission": self.is_submission, "error": self.error, "file": self.file,
        }  # fmt: skip
        return finite(flat)


def finite(value: Any) -> Any:
    """Return a value as JSON has it: what is not finite is None, in dicts and sequences too."""
    if isinstance(value, dict):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row_of(run: Run, solution: Solution | None, **others: Any) -> Row:
    """Return the row of a finished run, as yet without gap and score.

    Args:
        run: which.
        solution: what it found, or None if it failed.
        others: fields of the row that do not follow from these.
    """
    problem, group = run.case.problem, run.case.group
    bound = problem.lower_bound if group.reference == "lower-bound" else None
    return Row(
        env=problem.env_id,
        instance=problem.instance.name,
        case=run.case.title,
        parameters=dict(problem.parameters),
        agent=run.agent.label,
        hyperparameters=dict(run.agent.hyperparameters),
        seed=run.seed,
        budget=budget_record(group.budget),
        total=math.nan if solution is None else solution.cost.total,
        terms={} if solution is None else dict(solution.cost.terms),
        feasible=solution is not None and solution.cost.feasible,
        seconds=math.nan if solution is None else solution.seconds,
        evaluations=0 if solution is None else solution.evaluations,
        evaluations_source="" if solution is None else solution.provenance.get("evaluations", REPORTED),
        random_cost=problem.reference_cost,
        lower_bound=math.nan if bound is None else bound,
        is_learned=run.agent.is_learned,
        twin=run.agent.twin,
        # The agent of a submission is named by a stranger, and nothing of it is imported.
        counts_evaluations=others.get("is_submission", False) or run.agent.counts_evaluations,
        solution=solution,
        **others,
    )


@dataclass(frozen=True)
class Task:
    """All that a process needs to know to do a run; goes to workers as JSON.

    Attributes:
        env_id: the environment's id.
        instance: its name.
        parameters: of the problem.
        agent: the agent's name or ``module:Class``.
        hyperparameters: the agent's.
        budget: seconds, evaluations or both.
        seed: the run's.
        path: where to save the solution.
        prototype: the agent itself, where this process has it.
    """

    env_id: str
    instance: str
    parameters: dict[str, Any]
    agent: str
    hyperparameters: dict[str, Any]
    budget: dict[str, Any]
    seed: int
    path: str
    prototype: Agent | None = None

    def to_json(self) -> str:
        """Return the task as a line for another process."""
        return json.dumps({name: value for name, value in vars(self).items() if name != "prototype"})


def perform(task: Task) -> Solution:
    """Do a run.

    Raises:
        Exception: whatever the agent raises.
    """
    # Each run starts cold: what an earlier one worked out about the instance is not there for it.
    problem_class(task.env_id).forget()
    problem = make_problem(task.env_id, _instance(task.instance), **task.parameters)
    agent = task.prototype or make_agent(task.agent, **task.hyperparameters)
    solution = agent.solve(problem, Budget(**task.budget), task.seed)
    solution = replace(solution, agent=task.agent)  # an agent from elsewhere is named by where it is
    return solution.counted(problem.tally)  # of this run alone, also what it asked for before or beside its search


def verified(run: Run, solution: Solution) -> Solution:
    """Return a run's solution with the cost that its instance gives, if it is of this run and what it claims.

    Raises:
        ClaimError: it is of another run, or not what it says.
    """
    problem, agent = run.case.problem, run.agent
    made = agent.prototype or make_agent(agent.name, **agent.hyperparameters)
    # The folder of what the suite trains may have moved since; a run's file is named after the weights.
    moved = {name for name, value in agent.hyperparameters.items() if value == TRAINED}
    claimed_settings, settings = (
        {name: value for name, value in values.items() if name not in moved}
        for values in (solution.hyperparameters, asdict(made))
    )
    for what, claimed, wanted in (
        ("environment", solution.env_id, problem.env_id),
        ("parameters", solution.parameters, problem.parameters),
        ("agent", solution.agent, agent.name),
        ("hyperparameters", claimed_settings, settings),
        ("seed", solution.seed, run.seed),
        ("budget", solution.budget, budget_record(run.case.group.budget)),
    ):
        if _text(claimed) != _text(wanted):
            raise ClaimError(f"{what}: the run's is {_text(wanted):.60}, the solution's is {_text(claimed):.60}")
    if solution.is_over_budget:
        raise ClaimError(f"budget: {solution.evaluations:,} evaluations of {solution.budget['evaluations']:,} allowed")
    cost: Cost = verify(solution, problem)
    return replace(solution, cost=cost)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


@functools.lru_cache(maxsize=4)
def _instance(name: str) -> Any:
    return load(name)


def in_order(rows: Iterable[Row], runs: list[Run]) -> list[Row]:
    """Return rows in the order of the suite: workers finish in any."""
    place = {(run.case.title, run.case.problem.env_id, run.agent.label, run.seed): i for i, run in enumerate(runs)}
    return sorted(rows, key=lambda row: place.get((row.case, row.env, row.agent, row.seed), len(place)))

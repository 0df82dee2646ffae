"""Suites: named, versioned lists of what to run, as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec

from placezoo.agents.agent import Agent
from placezoo.agents.budget import Budget
from placezoo.agents.learning.learners import LEARNERS
from placezoo.agents.registry import agent_class
from placezoo.datasets.files import read_bytes
from placezoo.datasets.json_content import converted
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.registration import problem_class

TRAINED = "trained"  # as a hyperparameter: the policy that the suite trains; also that policy's folder
REFERENCES = ("best-known", "lower-bound")
_LIMITS = ("seconds", "evaluations")  # a table's own budget stands for both


def budget_text(budget: Budget) -> str:
    """Return a budget in words."""
    limits = [] if budget.seconds is None else [f"{budget.seconds:g} s"]
    if budget.evaluations is not None:
        limits.append(f"{budget.evaluations:,} evaluations")
    return " or ".join(limits)


class SuiteProblem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instances of one environment, under one budget.

    Attributes:
        env: the environment's id.
        instances: names.
        seeds: of each agent on each instance.
        seconds: of the budget of each run, or None for no limit.
        evaluations: of that budget, or None for no limit.
        parameters: of the problem.
        optional: leave instances out that are not on this machine and cannot be fetched or traced, instead of failing.
        metrics: the terms of the cost that tables show; empty for all.
        reference: what gaps are relative to: ``best-known``, or ``lower-bound`` where the problem has one.

    Raises:
        ValueError: something is out of range.
    """

    env: str
    instances: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    seeds: Annotated[tuple[int, ...], msgspec.Meta(min_length=1)]
    seconds: Any = None  # the budget says which numbers
    evaluations: Any = None
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    optional: bool = False
    metrics: tuple[str, ...] = ()
    reference: str = "best-known"

    def __post_init__(self) -> None:
        if self.reference not in REFERENCES:
            raise ValueError(unknown_name("reference", self.reference, REFERENCES))
        _ = self.budget  # it refuses what is out of range

    @property
    def budget(self) -> Budget:
        """The budget of each run."""
        return Budget(self.seconds, self.evaluations)


@dataclass(frozen=True)
class SuiteAgent:
    """An agent with its hyperparameters.

    Attributes:
        name: the agent's, or ``module:Class`` of one from any installed package.
        hyperparameters: the agent's; ``checkpoint = "trained"`` stands for the policy that the suite's training makes.
        env: the one environment that it runs on, None for all that it is for.
        where: runs only on problems with these parameters, ``{num_parts = 4}`` for example; ``instance`` is a pattern
            of the instance's name, ``giph/*`` for example, and ``budget`` what its budget limits, ``seconds``.
        label: what it is called in the results, by default its name; tells two settings of one agent apart.
        twin: the label of the same agent with an untrained, even or hand-made part, which a learned one must beat.
        prototype: the agent itself, where it was given as one and not by its name.
    """

    name: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    env: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    twin: str = ""
    prototype: Agent | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.name)

    @property
    def is_trained_here(self) -> bool:
        """Whether it acts by the policy that the suite trains."""
        return TRAINED in self.hyperparameters.values()

    @property
    def is_learned(self) -> bool:
        """Whether something in it was trained, or is: then beating others is no merit until it beats its twin."""
        return bool(self.twin) or "checkpoint" in self.hyperparameters or self.name in LEARNERS

    @property
    def counts_evaluations(self) -> bool:
        """Whether its evaluations compare with others' (``Agent.counts_evaluations``)."""
        return (self.prototype or agent_class(self.name)).counts_evaluations


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a leaderboard runs.

    Attributes:
        name: the suite's.
        version: counted up whenever results are no longer comparable.
        description: one line.
        problems: what to solve.
        agents: who solves.
        training: arguments of ``TrainingRun``, or None where nothing is trained.

    Raises:
        ValueError: there is nothing to run, two agents have one label on one environment, or an agent's twin is not
            among them.
    """

    name: str
    version: int
    description: str
    problems: tuple[SuiteProblem, ...]
    agents: tuple[SuiteAgent, ...]
    training: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not any(group.instances and group.seeds for group in self.problems):
            raise ValueError("problems: at least one instance and one seed")
        for env in dict.fromkeys(group.env for group in self.problems):
            labels = [agent.label for agent in self.agents if agent.env in (None, env)]
            for label in labels:
                if labels.count(label) > 1:
                    raise ValueError(f"two agents are called {label} on {env}: give one of them another label")

    def of(self, env: str) -> Suite:
        """Return the part of the suite that is of one environment, by its id or short name (``chip``).

        Raises:
            ValueError: it has no such part.
        """
        here = {problem_class(group.env).short_name: group.env for group in self.problems}
        env_id = here.get(env, env)
        problems = tuple(group for group in self.problems if group.env == env_id)
        if not problems:
            raise ValueError(f"suite {self.name}: {unknown_name('environment', env, here)}")
        training = self.training if self.training and self.training["env_id"] == env_id else None
        agents = tuple(agent for agent in self.agents if training or not agent.is_trained_here)
        return msgspec.structs.replace(
            self, name=f"{self.name}/{env}", problems=problems, agents=agents, training=training
        )

    def cut(self, seeds: int | None = None, seconds: Sequence[float] = (), evaluations: Sequence[int] = ()) -> Suite:
        """Return a smaller suite, whose runs are runs of this one.

        Args:
            seeds: how many of each problem's seeds, from the first; None for all.
            seconds: only these of its budgets of seconds; empty for all, unless some evaluations are given.
            evaluations: likewise of its budgets of evaluations.

        Raises:
            ValueError: the suite has no such budget, or seeds below 1.
        """
        if seeds is not None and seeds < 1:
            raise ValueError(f"seeds must be at least 1, not {seeds}")
        chosen = {Budget(seconds=limit) for limit in seconds} | {Budget(evaluations=limit) for limit in evaluations}
        for budget in chosen - {group.budget for group in self.problems}:
            raise ValueError(f"suite {self.name} has no budget of {budget_text(budget)}")
        problems = tuple(
            msgspec.structs.replace(group, seeds=group.seeds[:seeds])
            for group in self.problems
            if not chosen or group.budget in chosen
        )
        return msgspec.structs.replace(self, problems=problems)

    def with_agents(self, agents: tuple[SuiteAgent, ...], *, alone: bool = False) -> Suite:
        """Return the suite with more agents, or with these alone."""
        return msgspec.structs.replace(self, agents=agents if alone else (*self.agents, *agents))


def suite_names() -> list[str]:
    """Return the suites that come with the package."""
    folder = resources.files(__package__).joinpath("suites")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


@refuses_in_one_line
def load_suite(name: str) -> Suite:
    """Return a suite of the package (``standard``), its part of one environment (``standard/chip``), or a TOML file.

    Raises:
        ValueError: no such suite, or the file is not one.
        FileNotFoundError: no such file.
    """
    if name.endswith(".toml"):
        return _read(read_bytes(name).decode(errors="replace"), Path(name).stem, name)
    base, slash, env = name.partition("/")
    if base not in suite_names():
        raise ValueError(unknown_name("suite", name, suite_names()))
    text = resources.files(__package__).joinpath("suites", f"{base}.toml").read_text("utf-8")
    suite = _read(text, base, f"suite {base}")
    return suite.of(env) if slash else suite


def _read(text: str, name: str, where: str) -> Suite:
    try:
        return _parse(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where}: not TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from None


class _Tables(msgspec.Struct):
    problems: list[dict[str, Any]]
    agents: list[dict[str, Any]]


def _parse(content: dict[str, Any], name: str) -> Suite:
    tables = converted(content, _Tables)
    seeds, limits = _taken(content, "seeds"), _taken(content, *_LIMITS)
    problems = []
    for entry in tables.problems:
        budgets = _budgets(_taken(entry, *_LIMITS) or limits)
        problems += [{**seeds, **budget, **entry} for budget in budgets]
    # What else an agent's table has are hyperparameters.
    own = ("name", "env", "where", "label", "twin")
    agents = [{**_taken(entry, *own), "hyperparameters": entry} for entry in tables.agents]
    suite = converted({"name": name, **content, "problems": problems, "agents": agents}, Suite)
    labels = [agent.label for agent in suite.agents]
    for agent in suite.agents:
        if agent.twin and (agent.twin == agent.label or agent.twin not in labels):
            raise ValueError(f"the twin of {agent.label}: {unknown_name('agent', agent.twin, labels)}")
    return suite


def _budgets(limits: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each budget that a table names: numbers are limits of one, and of lists each entry is one of its own."""
    if not any(isinstance(limit, list) for limit in limits.values()):
        return [limits]
    return [
        {name: limit} for name, given in limits.items() for limit in (given if isinstance(given, list) else [given])
    ]


def _taken(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Take some keys out of a table."""
    return {key: table.pop(key) for key in keys if key in table}

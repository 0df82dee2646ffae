"""``Agent``, which all agents are: named, with typed hyperparameters, answering ``solve``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np

from placezoo.agents.budget import Budget
from placezoo.agents.search.search import Search
from placezoo.agents.solution import Solution, TracePoint, budget_record, describe_machine, problem_record
from placezoo.envs.problem import PlacementProblem

A = TypeVar("A", bound="Agent")
DEFAULT_BUDGET = Budget(seconds=10)


@dataclass(frozen=True)
class Agent(ABC):
    """Base of all agents; a subclass is a frozen dataclass whose fields are its hyperparameters.

    Class attributes:
        name: kebab-case.
        problem_class: the problems that the agent is for, a class or several, default all.

    Raises:
        ValueError: a hyperparameter has the wrong type or is not finite.
    """

    name: ClassVar[str]
    problem_class: ClassVar[Any] = PlacementProblem

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            kinds = getattr(hints[field.name], "__args__", (hints[field.name],))
            if float in kinds and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
                object.__setattr__(self, field.name, value)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
                raise ValueError(f"{self.name}: {field.name} must be {expected}, not {value!r}")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{self.name}: {field.name} must be finite, not {value}")

    @classmethod
    def is_for(cls, env_id: str) -> bool:
        """Return whether the agent is for an environment."""
        classes = cls.problem_class if isinstance(cls.problem_class, tuple) else (cls.problem_class,)
        return any(getattr(one, "env_id", env_id) == env_id for one in classes)

    def require(self, condition: bool, message: str) -> None:
        """Raise ValueError, naming the agent, if a condition on a hyperparameter does not hold."""
        if not condition:
            raise ValueError(f"{self.name}: {message}")

    def solve(self, problem: PlacementProblem, budget: Budget | None = None, seed: int = 0) -> Solution:
        """Search for a good assignment.

        Args:
            problem: any problem that the agent is for.
            budget: how long, default 10 seconds.
            seed: of everything random in the search.

        Raises:
            ValueError: the agent is not for this problem.
        """
        if not isinstance(problem, self.problem_class):
            classes = self.problem_class if isinstance(self.problem_class, tuple) else (self.problem_class,)
            ours = " and ".join(one.env_id for one in classes)
            raise ValueError(f"{self.name} is for {ours}, it cannot solve {problem.env_id}")
        self.prepare(problem)
        problem.evaluate(problem.initial_assignment(np.random.default_rng(0)))  # compiles what every search calls
        search = Search(problem, budget or DEFAULT_BUDGET, seed)
        self._search(search)
        assert search.best is not None
        assert search.best_cost is not None
        return Solution(
            **problem_record(problem),
            agent=self.name,
            hyperparameters=asdict(self),
            seed=seed,
            budget=budget_record(search.budget),
            assignment=search.best,
            cost=search.best_cost,
            trace=(*search.trace, TracePoint(search.evaluations, search.seconds, search.best_cost.total)),
            provenance=describe_machine(),
            bound=search.bound,
        )

    def prepare(self, problem: PlacementProblem) -> None:  # noqa: B027 - most agents have nothing to prepare
        """Do before the clock starts what is not search: load weights, compile kernels; by default nothing.

        Raises:
            ValueError: the agent is not for this problem.
        """

    @abstractmethod
    def _search(self, search: Search) -> None:
        """Record at least one assignment in the search."""


def with_policy(agent: A, policy: Any) -> A:
    """Return a learned agent that acts by a policy in memory (a ``Checkpoint``) instead of the one in a folder."""
    agent.__dict__["policy"] = policy
    return agent

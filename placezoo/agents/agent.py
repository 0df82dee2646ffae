"""``Agent``, which all agents are: named, with typed hyperparameters, answering ``solve``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, get_args, get_origin

import numpy as np
from typing_extensions import TypeVar  # with a default

from placezoo.agents.budget import Budget
from placezoo.agents.search.search import Search
from placezoo.agents.solution import Solution, TracePoint, budget_record, describe_machine, problem_record
from placezoo.envs.problem import PlacementProblem
from placezoo.parameters import check_fields

A = TypeVar("A", bound="Agent[Any]")
P = TypeVar("P", bound=PlacementProblem, default=PlacementProblem)
DEFAULT_BUDGET = Budget(seconds=10)


@dataclass(frozen=True)
class Agent(ABC, Generic[P]):
    """Base of all agents; a subclass is a frozen dataclass whose fields are its hyperparameters.

    An agent for one domain says so: ``class HEFT(Agent[EdgePlaceProblem])``. Bounds of hyperparameters are part of
    their types: ``starts: Annotated[int, at_least(1)] = 8`` (``placezoo.parameters``).

    Class attributes:
        name: kebab-case.
        problem_class: the problems that the agent is for, a class or several; by default those in its brackets, or all.
        counts_evaluations: False for one that looks at candidates without counting them, in a solver of others for
            example: under budgets of evaluations it does not compare.

    Raises:
        ValueError: a hyperparameter has the wrong type, is not finite or is out of bounds.
    """

    name: ClassVar[str]
    problem_class: ClassVar[Any] = PlacementProblem
    counts_evaluations: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in cls.__dict__.get("__orig_bases__", ()) if "problem_class" not in cls.__dict__ else ():
            in_brackets = get_args(base) if get_origin(base) is Agent else ()
            each = [one for argument in in_brackets for one in get_args(argument) or (argument,)]
            classes = tuple(one for one in each if isinstance(one, type) and issubclass(one, PlacementProblem))
            if classes:
                cls.problem_class = classes if len(classes) > 1 else classes[0]

    def __post_init__(self) -> None:
        check_fields(self, self.name)

    @classmethod
    def is_for(cls, env_id: str) -> bool:
        """Return whether the agent is for an environment."""
        classes = cls.problem_class if isinstance(cls.problem_class, tuple) else (cls.problem_class,)
        return any(getattr(one, "env_id", env_id) == env_id for one in classes)

    def require(self, condition: bool, message: str) -> None:
        """Raise ValueError, naming the agent, if a condition on a hyperparameter does not hold."""
        if not condition:
            raise ValueError(f"{self.name}: {message}")

    def solve(
        self,
        problem: P,
        budget: Budget | None = None,
        seed: int = 0,
        watch: Callable[[Search[Any]], None] | None = None,
    ) -> Solution:
        """Search for a good assignment.

        Args:
            problem: any problem that the agent is for.
            budget: how long, default 10 seconds.
            seed: of everything random in the search.
            watch: called with the search when its clock starts, and after each improvement: ``search.best_cost``,
                ``search.progress``. Its own time counts.

        Raises:
            ValueError: the agent is not for this problem.
        """
        if not isinstance(problem, self.problem_class):
            classes = self.problem_class if isinstance(self.problem_class, tuple) else (self.problem_class,)
            ours = " and ".join(one.env_id for one in classes)
            raise ValueError(f"{self.name} is for {ours}, it cannot solve {problem.env_id}")
        begun = problem.tally.copy()
        seen = self.presented(problem)
        self.prepare(seen)
        with seen.tally.paused():
            seen.evaluate(seen.initial_assignment(np.random.default_rng(0)))  # compiles what every search calls
        search = Search(seen, budget or DEFAULT_BUDGET, seed, watch)
        self._search(search)
        assert search.best is not None
        assert search.best_cost is not None
        end = TracePoint(max(search.evaluations, search.records), search.seconds, search.best_cost.total)
        solution = Solution(
            **problem_record(problem),
            agent=self.name,
            hyperparameters=asdict(self),
            seed=seed,
            budget=budget_record(search.budget),
            assignment=search.best,
            cost=search.best_cost,
            trace=(*search.trace, end),
            provenance=describe_machine(),
            bound=search.bound,
            refinement=search.best_refinement,
        )
        return solution.counted(problem.tally.since(begun))

    def presented(self, problem: P) -> P:
        """Return the problem as the agent's policy was trained to see it; by default, as it is.

        The same items, resources and costs: what is found for it is an assignment of the problem.
        """
        return problem

    def prepare(self, problem: P) -> None:
        """Do before the clock starts what is not search: load weights, compile kernels; by default nothing.

        Raises:
            ValueError: the agent is not for this problem.
        """

    def account(self, problem: P) -> str:
        """Return a line on how the agent answers and when it stops, for who wonders; by default nothing."""
        return ""

    @abstractmethod
    def _search(self, search: Search[P]) -> None:
        """Record at least one assignment in the search."""


def with_policy(agent: A, policy: Any) -> A:
    """Return a learned agent that acts by a policy in memory (a ``Checkpoint``) instead of the one in a folder."""
    agent.__dict__["policy"] = policy
    return agent

"""Where an environment's problems come from: one instance, a split of a dataset, or the very problem at hand."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from placezoo.datasets.dataset import Dataset, get_dataset
from placezoo.datasets.registry import resolve
from placezoo.envs.problem import PlacementProblem


class ProblemSource:
    """Draws the problem of each episode, and knows how large any of them can be.

    ``ProblemSource.of(problem)`` holds a problem that exists, with all that it has worked out about its instance.

    Args:
        problem_class: the domain.
        instance: an instance, or a name or path that ``placezoo.datasets.load`` knows.
        dataset: the name of a dataset instead.
        split: which split of it.
        parameters: keyword arguments of the domain.

    Attributes:
        stands_still: every episode is on the same problem, which does not change within it either: the world as it is.
        max_items: no problem has more items.
        max_edges: no problem has more directed item edges.
        max_resources: no problem has more resources.
        max_resource_edges: no problem has more directed resource edges.

    Raises:
        ValueError: neither or both of instance and dataset, or something in them is wrong.
    """

    def __init__(
        self,
        problem_class: Any,
        *,
        instance: Any = None,
        dataset: str | None = None,
        split: str = "train",
        parameters: dict[str, Any] | None = None,
    ) -> None:
        if (instance is None) == (dataset is None):
            raise ValueError(f"{problem_class.env_id} needs either instance= or dataset=, and not both")
        self.problem_class = problem_class
        self.stands_still = False
        self._parameters = dict(parameters or {})
        self._build = functools.lru_cache(maxsize=4096)(self._build_uncached)
        self.dataset: Dataset | None = None
        if dataset is None:
            self._hold(self.problem(instance))
        else:
            self._draw_from(dataset, split)

    @classmethod
    def of(cls, problem: PlacementProblem) -> ProblemSource:
        """Return a source of nothing but this problem, which stands still."""
        source = cls.__new__(cls)
        source.problem_class, source.dataset, source.stands_still = type(problem), None, True
        source._parameters = dict(problem.parameters)
        source._build = functools.lru_cache(maxsize=4096)(source._build_uncached)
        source._hold(problem)
        return source

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_build", "dataset")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build = functools.lru_cache(maxsize=4096)(self._build_uncached)
        self.dataset = get_dataset(self._name) if "_name" in state else None

    def __deepcopy__(self, memo: dict[int, Any]) -> ProblemSource:
        return self  # it remembers problems, and nothing of episodes

    def _hold(self, problem: PlacementProblem) -> None:
        self._fixed = problem
        self.max_items = problem.num_items
        self.max_edges = len(problem.item_edges[0])
        self.max_resources = problem.num_resources
        self.max_resource_edges = len(problem.resource_edges[0])

    def _draw_from(self, name: str, split: str) -> None:
        self.dataset = dataset = get_dataset(name)
        self._name, self.split, self._size = name, split, dataset.size(split)
        if dataset.max_nodes is None or dataset.max_edges is None:
            every = [self.problem(dataset.instance(split, index)) for index in range(self._size)]
            self.max_items = max(problem.num_items for problem in every)
            self.max_edges = max(len(problem.item_edges[0]) for problem in every)
        else:
            self.max_items, self.max_edges = dataset.max_nodes, 2 * dataset.max_edges
        self.max_resources = dataset.max_resources or self.first().num_resources
        linked = len(self.first().resource_edges[0]) > 0
        self.max_resource_edges = self.max_resources * (self.max_resources - 1) if linked else 0

    def problem(self, instance: Any) -> PlacementProblem:
        """Return the (remembered) problem of an instance, or of one's name.

        Raises:
            ValueError: the instance does not fit the parameters.
        """
        return self._build(self.problem_class.as_instance(resolve(instance)))

    def _build_uncached(self, instance: Any) -> PlacementProblem:
        return self.problem_class(instance, **self._parameters)

    def first(self) -> PlacementProblem:
        """Return the problem that stands for all before the first reset: the fixed one, or the split's first."""
        return self.problem(self.dataset.instance(self.split, 0)) if self.dataset is not None else self._fixed

    @property
    def is_one_problem(self) -> bool:
        """Whether every episode is on one problem that stays as it is: the best assignment of all is one's best."""
        if self.dataset is not None or self.stands_still:
            return self.dataset is None
        return not (self._fixed.changes_between_steps or self._fixed.changes_between_episodes)

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of ``gym.make`` that make environments over the same source elsewhere."""
        where = (
            {"instance": self._fixed.instance} if self.dataset is None else {"dataset": self._name, "split": self.split}
        )
        return {**where, **self._parameters}

    def draw(self, rng: np.random.Generator, instance: Any = None) -> PlacementProblem:
        """Return the next episode's problem; draws from the generator only if there is a choice.

        Args:
            rng: to draw with.
            instance: on which, where the caller has chosen one.

        Raises:
            ValueError: that instance is larger than the source's.
        """
        if instance is not None:
            problem = self.problem(instance)
            self.check_fits(problem)
        elif self.dataset is None:
            problem = self._fixed
        else:
            problem = self.problem(self.dataset.instance(self.split, int(rng.integers(self._size))))
        return problem if self.stands_still else problem.next_episode(rng)

    def check_fits(self, problem: PlacementProblem) -> None:
        """Raise ValueError if a problem is larger than the spaces of environments over this source."""
        for what, size, room in (
            ("items", problem.num_items, self.max_items),
            ("edges", len(problem.item_edges[0]), self.max_edges),
            ("resources", problem.num_resources, self.max_resources),
        ):
            if size > room:
                raise ValueError(f"{problem.instance.name} has {size} {what}, this environment's spaces hold {room}")

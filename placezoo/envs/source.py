"""Where an environment's problems come from: one instance, or a split of a dataset."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from placezoo.datasets.dataset import Dataset, get_dataset
from placezoo.datasets.registry import resolve
from placezoo.envs.problem import PlacementProblem


class ProblemSource:
    """Draws the problem of each episode, and knows how large any of them can be.

    Args:
        problem_class: the domain.
        instance: an instance, or a name or path that ``placezoo.datasets.load`` knows.
        dataset: the name of a dataset instead.
        split: which split of it.
        parameters: keyword arguments of the domain.

    Attributes:
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
        self._parameters = dict(parameters or {})
        self._build = functools.lru_cache(maxsize=4096)(self._build_uncached)
        self.dataset: Dataset | None = None
        if dataset is not None:
            self.dataset = get_dataset(dataset)
            self._name = dataset
            self.split = split
            self._size = self.dataset.size(split)
            if self.dataset.max_nodes is None or self.dataset.max_edges is None:
                every = [self.problem(self.dataset.instance(split, index)) for index in range(self._size)]
                self.max_items = max(problem.num_items for problem in every)
                self.max_edges = max(len(problem.item_edges[0]) for problem in every)
            else:
                self.max_items = self.dataset.max_nodes
                self.max_edges = 2 * self.dataset.max_edges
            self.max_resources = self.dataset.max_resources or self.first().num_resources
            linked = len(self.first().resource_edges[0]) > 0
            self.max_resource_edges = self.max_resources * (self.max_resources - 1) if linked else 0
        else:
            self._fixed = self.problem(instance)
            self.max_items = self._fixed.num_items
            self.max_edges = len(self._fixed.item_edges[0])
            self.max_resources = self._fixed.num_resources
            self.max_resource_edges = len(self._fixed.resource_edges[0])

    def problem(self, instance: Any) -> PlacementProblem:
        """Return the (remembered) problem of an instance, or of one's name.

        Raises:
            ValueError: the instance does not fit the parameters.
        """
        return self._build(resolve(instance))

    def _build_uncached(self, instance: Any) -> PlacementProblem:
        return self.problem_class(instance, **self._parameters)

    def first(self) -> PlacementProblem:
        """Return the problem that stands for all before the first reset: the fixed one, or the split's first."""
        return self.problem(self.dataset.instance(self.split, 0)) if self.dataset is not None else self._fixed

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of ``gym.make`` that make environments over the same source elsewhere."""
        where = (
            {"instance": self._fixed.instance} if self.dataset is None else {"dataset": self._name, "split": self.split}
        )
        return {**where, **self._parameters}

    def draw(self, rng: np.random.Generator) -> PlacementProblem:
        """Return the next episode's problem; draws from the generator only if there is a choice."""
        if self.dataset is None:
            return self._fixed
        return self.problem(self.dataset.instance(self.split, int(rng.integers(self._size))))

    def check_fits(self, problem: PlacementProblem) -> None:
        """Raise ValueError if a problem is larger than the spaces of environments over this source."""
        for what, size, room in (
            ("items", problem.num_items, self.max_items),
            ("edges", len(problem.item_edges[0]), self.max_edges),
            ("resources", problem.num_resources, self.max_resources),
        ):
            if size > room:
                raise ValueError(f"{problem.instance.name} has {size} {what}, this environment's spaces hold {room}")

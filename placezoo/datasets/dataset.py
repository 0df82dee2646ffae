"""Datasets: families of instances with disjoint splits, each instance a function of its split and number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from placezoo.datasets.suggestion import unknown_name

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """A family of instances: number i of a split is the same on every machine, generated or read from a public file.

    Attributes:
        name: what ``load`` and ``dataset=`` call it.
        description: one line.
        generate: (rng, name) -> instance.
        sizes: how many instances each split has.
        max_nodes: no instance has more items; None where that depends on the problem and all are looked at.
        max_edges: no instance has more edges between items; likewise.
        max_resources: no instance has more resources, where those are the instance's own (a chip's grid cells).
        files: the public files that instances are read from; none where they are generated.
    """

    name: str
    description: str
    generate: Callable[[np.random.Generator, str], Any]
    sizes: dict[str, int]
    max_nodes: int | None
    max_edges: int | None
    max_resources: int | None = None
    files: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)

    def size(self, split: str) -> int:
        """Return how many instances the split has.

        Raises:
            ValueError: no such split.
        """
        if split not in self.sizes:
            raise ValueError(unknown_name("split", split, self.sizes))
        return self.sizes[split]

    def instance(self, split: str, index: int) -> Any:
        """Return instance number ``index`` of the split, named ``dataset/split/index``.

        Raises:
            ValueError: no such split or number.
        """
        if not 0 <= index < self.size(split):
            raise ValueError(f"{self.name}/{split} has instances 0..{self.size(split) - 1}, not {index}")
        return _generated(self, split, index)


@functools.lru_cache(maxsize=4096)
def _generated(dataset: Dataset, split: str, index: int) -> Any:
    # The split is part of the seed, so that no split's instance can be another's.
    rng = np.random.default_rng([*dataset.name.encode(), SPLITS.index(split), index])
    return dataset.generate(rng, f"{dataset.name}/{split}/{index}")


DATASETS: dict[str, Dataset] = {}  # by name; what has been registered


def register_dataset(dataset: Dataset) -> None:
    """Let ``load``, ``dataset=`` and the command line know a dataset.

    Raises:
        ValueError: another one has its name.
    """
    if DATASETS.setdefault(dataset.name, dataset).generate is not dataset.generate:
        raise ValueError(f"there is a dataset {dataset.name} already, choose another name")


def get_dataset(name: str) -> Dataset:
    """Return a dataset by name.

    Raises:
        ValueError: no such dataset; names near ones.
    """
    if name not in DATASETS:
        raise ValueError(unknown_name("dataset", name, DATASETS))
    return DATASETS[name]

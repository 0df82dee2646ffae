"""Datasets: families of instances with disjoint splits, each instance a function of its split and number."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from placezoo.datasets.chip.netlist import Netlist
from placezoo.datasets.chip.netlist_generator import generate_netlist
from placezoo.datasets.edge.edge_format import read_published_giph
from placezoo.datasets.edge.edge_generator import MAX_DEVICES, giph_instance
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.op_graphs.network_splits import chiplet_case, chiplet_models, network_case, split_size
from placezoo.datasets.partition import graph_generators as generators
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.public_files import fetch
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


def _delaunay(rng: np.random.Generator, name: str) -> Graph:
    return generators.delaunay(int(rng.integers(100, 201)), rng, name=name)


def _grid(rng: np.random.Generator, name: str) -> Graph:
    return generators.grid(int(rng.integers(8, 15)), int(rng.integers(8, 15)), name=name)


def _erdos_renyi(rng: np.random.Generator, name: str) -> Graph:
    num_nodes = int(rng.integers(100, 201))
    return generators.erdos_renyi(num_nodes, 3 * num_nodes, rng, name=name)


def _barabasi_albert(rng: np.random.Generator, name: str) -> Graph:
    return generators.barabasi_albert(int(rng.integers(100, 201)), 3, rng, name=name)


def _synthetic_chip(rng: np.random.Generator, name: str) -> Netlist:
    num_hard = int(rng.integers(12, 37))
    num_soft = int(num_hard * rng.uniform(2.5, 5.0))
    return generate_netlist(
        num_hard, num_soft, rng, grid=(int(rng.integers(10, 15)), int(rng.integers(10, 15))),
        rent_exponent=float(rng.uniform(0.55, 0.75)), hard_utilization=float(rng.uniform(0.25, 0.42)),
        soft_utilization=float(rng.uniform(0.12, 0.22)), name=name,
    )  # fmt: skip


@functools.lru_cache(maxsize=2)
def _published_giph(split: str) -> list[EdgeInstance]:
    return read_published_giph(fetch(f"giph-{split}-cases"), f"giph-published/{split}")


def _giph_case(_: np.random.Generator, name: str) -> EdgeInstance:
    split, index = name.split("/")[1:]
    return _published_giph(split)[int(index)]


_SIZES = {"train": 1000, "validation": 20, "test": 20}

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("delaunay", "Delaunay meshes of 100-200 random points", _delaunay, _SIZES, 200, 594),
        Dataset("grid", "lattices with sides of 8-14", _grid, _SIZES, 196, 364),
        Dataset("erdos-renyi", "G(n, 3n) of 100-200 nodes", _erdos_renyi, _SIZES, 200, 600),
        Dataset(
            "barabasi-albert", "scale-free graphs of 100-200 nodes, 3 edges a node", _barabasi_albert, _SIZES, 200, 600
        ),
        Dataset(
            "synthetic-chips",
            "clustered netlists by Rent's rule: 12-36 hard macros, 30-180 soft ones",
            _synthetic_chip,
            _SIZES,
            36,
            36 * 12,
            196,
        ),
        Dataset(
            "giph",
            "task graphs of 10-50 tasks on 15-24 edge devices, as GiPH's paper draws them",
            giph_instance,
            {"train": 2000, "validation": 20, "test": 100},
            50,
            300,
            MAX_DEVICES,
        ),
        Dataset(
            "giph-published",
            "the published instances of GiPH, with their start placements",
            _giph_case,
            {"train": 60, "test": 100},
            50,
            300,
            MAX_DEVICES,
            ("giph-train-cases", "giph-test-cases"),
        ),
        Dataset(
            "networks",
            "training steps of neural networks, and parts of them; split by family",
            network_case,
            {split: split_size(split) for split in SPLITS},
            None,
            None,
        ),
        Dataset(
            "mcm",
            "inference steps of neural networks in core operators; tested on BERT",
            chiplet_case,
            {split: len(chiplet_models(split)) for split in SPLITS},
            None,
            None,
        ),
    )
}


def get_dataset(name: str) -> Dataset:
    """Return a dataset by name.

    Raises:
        ValueError: no such dataset; names near ones.
    """
    if name not in DATASETS:
        raise ValueError(unknown_name("dataset", name, DATASETS))
    return DATASETS[name]

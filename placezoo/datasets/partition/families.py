"""Families of graphs to train and test partitioners on, and the small graphs that NetworkX has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import networkx as nx
import numpy as np

from placezoo.datasets.dataset import Dataset
from placezoo.datasets.partition import graph_generators as generators
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import from_networkx
from placezoo.datasets.registry import Embedded


def _delaunay(rng: np.random.Generator, name: str) -> Graph:
    return generators.delaunay(int(rng.integers(100, 201)), rng, name=name)


def _grid(rng: np.random.Generator, name: str) -> Graph:
    return generators.grid(int(rng.integers(8, 15)), int(rng.integers(8, 15)), name=name)


def _erdos_renyi(rng: np.random.Generator, name: str) -> Graph:
    num_nodes = int(rng.integers(100, 201))
    return generators.erdos_renyi(num_nodes, 3 * num_nodes, rng, name=name)


def _barabasi_albert(rng: np.random.Generator, name: str) -> Graph:
    return generators.barabasi_albert(int(rng.integers(100, 201)), 3, rng, name=name)


_LARGE = (100_000, 250_000, 500_000, 1_000_000)  # nodes of a large family's instances, about
_LARGE_SIZES = dict.fromkeys(("train", "validation", "test"), len(_LARGE))


def _large(name: str) -> int:
    return _LARGE[int(name.rsplit("/", 1)[1])]


def _mesh(rng: np.random.Generator, name: str) -> Graph:
    return generators.delaunay(_large(name), rng, name=name)


def _rmat(rng: np.random.Generator, name: str) -> Graph:
    return generators.rmat(round(math.log2(_large(name))), 8, rng, name=name)


def _road(rng: np.random.Generator, name: str) -> Graph:
    side = round(math.sqrt(_large(name)))
    return generators.road_like(side, side, rng, name=name)


_SIZES = {"train": 1000, "validation": 20, "test": 20}

DATASETS = (
    Dataset("delaunay", "Delaunay meshes of 100-200 random points", _delaunay, _SIZES, 200, 594),
    Dataset("grid", "lattices with sides of 8-14", _grid, _SIZES, 196, 364),
    Dataset("erdos-renyi", "G(n, 3n) of 100-200 nodes", _erdos_renyi, _SIZES, 200, 600),
    Dataset(
        "barabasi-albert", "scale-free graphs of 100-200 nodes, 3 edges a node", _barabasi_albert, _SIZES, 200, 600
    ),
    Dataset("mesh", "Delaunay meshes of 100,000 to 1,000,000 random points", _mesh, _LARGE_SIZES, 1_000_000, 2_999_994),
    Dataset("rmat", "R-MAT graphs of 2^17 to 2^20 nodes, 8 draws a node", _rmat, _LARGE_SIZES, 2**20, 8 * 2**20),
    Dataset("road", "road-like graphs of 100,000 to 1,000,000 nodes", _road, _LARGE_SIZES, 1_000_000, 1_998_000),
)


def _of_networkx(make: Callable[[], nx.Graph], name: str) -> Graph:
    return from_networkx(make(), name=name)


EMBEDDED = tuple(
    Embedded(name, description, functools.partial(_of_networkx, make))
    for name, description, make in (
        ("karate", "Zachary's karate club, 34 members, weighted by shared activities", nx.karate_club_graph),
        ("les-miserables", "characters of the novel, weighted by shared chapters", nx.les_miserables_graph),
        ("florentine", "marriages among 15 Renaissance families", nx.florentine_families_graph),
        ("davis-southern-women", "18 women and the 14 events they came to", nx.davis_southern_women_graph),
    )
)

"""Families of task graphs on edge clusters: drawn as GiPH's paper draws them, and its published instances."""

from __future__ import annotations

import functools

import numpy as np

from placezoo.datasets.dataset import Dataset
from placezoo.datasets.edge.edge_format import read_published_giph
from placezoo.datasets.edge.edge_generator import MAX_DEVICES, giph_instance
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.public_files import fetch


@functools.lru_cache(maxsize=2)
def _published_giph(split: str) -> list[EdgeInstance]:
    return read_published_giph(fetch(f"giph-{split}-cases"), f"giph-published/{split}")


def _giph_case(_: np.random.Generator, name: str) -> EdgeInstance:
    split, index = name.split("/")[1:]
    return _published_giph(split)[int(index)]


DATASETS = (
    Dataset(
        "giph",
        "task graphs of 10-50 tasks on 15-24 edge devices, as GiPH's paper draws them",
        giph_instance,
        {"train": 2000, "validation": 20, "test": 100},
        max_nodes=50,
        max_edges=300,
        max_resources=MAX_DEVICES,
    ),
    Dataset(
        "giph-published",
        "the published instances of GiPH, with their start placements",
        _giph_case,
        {"train": 60, "test": 100},
        max_nodes=50,
        max_edges=300,
        max_resources=MAX_DEVICES,
        files=("giph-train-cases", "giph-test-cases"),
    ),
)

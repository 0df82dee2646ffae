"""Families of task graphs on edge clusters: drawn as GiPH's paper draws them, and its published instances."""

from __future__ import annotations

import functools

import numpy as np

from placezoo.datasets.dataset import Dataset
from placezoo.datasets.edge import workflow_generator as workflows
from placezoo.datasets.edge.edge_format import read_published_giph
from placezoo.datasets.edge.edge_generator import (
    MAX_DEVICES,
    NUM_TYPES,
    generate_cluster,
    generate_task_graph,
    giph_instance,
)
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.public_files import fetch


@functools.lru_cache(maxsize=2)
def _published_giph(split: str) -> list[EdgeInstance]:
    return read_published_giph(fetch(f"giph-{split}-cases"), f"giph-published/{split}")


def _giph_case(_: np.random.Generator, name: str) -> EdgeInstance:
    split, index = name.split("/")[1:]
    return _published_giph(split)[int(index)]


_FEWEST_TASKS, _MOST_TASKS, _MOST_EDGES = 200, 2000, 20_000
_FEWEST_DEVICES, _MOST_DEVICES = 20, 100


def _sizes(rng: np.random.Generator) -> tuple[int, int]:
    """Return how many tasks and devices a large instance has: more devices where there are more tasks."""
    share = rng.random()
    tasks = round(_FEWEST_TASKS * (_MOST_TASKS / _FEWEST_TASKS) ** share)
    devices = _FEWEST_DEVICES * (_MOST_DEVICES / _FEWEST_DEVICES) ** (0.5 * (share + rng.random()))
    return tasks, round(devices)


def _large_giph(rng: np.random.Generator, name: str) -> EdgeInstance:
    tasks, devices = _sizes(rng)
    while True:  # widths of layers are drawn, and some graphs are larger or smaller than the family says
        shape = float(rng.choice([0.5, 1.0, 2.0]))
        graph = generate_task_graph(tasks, shape, 8.0 / tasks, rng, name=name)
        if _FEWEST_TASKS <= graph.num_tasks <= _MOST_TASKS and graph.num_edges <= _MOST_EDGES:
            return EdgeInstance(graph, generate_cluster(devices, rng, name=name), name)


def _workflow(rng: np.random.Generator, name: str) -> EdgeInstance:
    tasks, devices = _sizes(rng)
    kind = int(name.rsplit("/", 1)[1]) % 3
    if kind == 0:
        graph = workflows.montage(max(tasks // 6, 40), rng, num_types=NUM_TYPES, name=name)
    elif kind == 1:
        lanes = int(rng.integers(2, 9))
        graph = workflows.epigenomics(lanes, max(tasks // (4 * lanes), 7), rng, num_types=NUM_TYPES, name=name)
    else:
        chunks = int(rng.integers(5, 26))
        graph = workflows.genome(max(tasks // (chunks + 16), 6), chunks, rng, num_types=NUM_TYPES, name=name)
    return EdgeInstance(graph, generate_cluster(devices, rng, name=name), name)


def _churned(rng: np.random.Generator, name: str) -> EdgeInstance:
    """Return an instance of the paper's distribution when a third of the devices have left, none that is needed."""
    whole = giph_instance(rng, name)
    cluster, gone = whole.cluster, 0
    needed = np.unique(np.asarray(whole.task_graph.hardware_type))
    for device in rng.permutation(cluster.num_devices):
        smaller = cluster.without(int(device))
        if 3 * (gone + 1) <= cluster.num_devices and smaller.support_matrix[:, needed].any(axis=0).all():
            cluster, gone = smaller, gone + 1
    return EdgeInstance(whole.task_graph, cluster, name)


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
    Dataset(
        "giph-large",
        "task graphs of 200-2,000 tasks on 20-100 devices, drawn as GiPH draws them but sparser",
        _large_giph,
        {"train": 200, "validation": 10, "test": 40},
        max_nodes=_MOST_TASKS,
        max_edges=_MOST_EDGES,
        max_resources=_MOST_DEVICES,
    ),
    Dataset(
        "giph-churn",
        "task graphs as in giph, on its clusters after a third of their devices have left",
        _churned,
        {"train": 200, "validation": 20, "test": 40},
        max_nodes=50,
        max_edges=300,
        max_resources=MAX_DEVICES,
    ),
    Dataset(
        "workflows",
        "Montage, Epigenomics and 1000Genome in turn, 100-2,000 tasks on 20-100 devices",
        _workflow,
        {"train": 200, "validation": 12, "test": 42},
        max_nodes=_MOST_TASKS,
        max_edges=_MOST_EDGES,
        max_resources=_MOST_DEVICES,
    ),
)

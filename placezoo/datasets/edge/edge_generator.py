"""Random task graphs and clusters as GiPH's paper draws them.

Source: Hu et al. 2023, appendix A; the parameters of its published instances are the defaults of ``giph_instance``.
"""

from __future__ import annotations

import numpy as np

from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph

NUM_TYPES = 5
MIN_DEVICES, MAX_DEVICES = 15, 24


def generate_task_graph(
    size: int,
    shape: float,
    connection: float,
    rng: np.random.Generator,
    *,
    num_types: int = NUM_TYPES,
    compute: float = 100.0,
    mean_bytes: float = 100.0,
    spread: float = 0.4,
    name: str = "task-graph",
) -> TaskGraph:
    """Return a random layered task graph with one entry and one exit.

    Args:
        size: v, about how many tasks if ``shape`` is 1; the smaller the shape, the more there are.
        shape: alpha; there are ceil(U(0.8, 1.2) sqrt(v) / alpha) layers of ceil(U(0, 2 alpha sqrt(v))) tasks.
        connection: the probability of an edge from any task of an earlier layer.
        rng: draws everything.
        num_types: hardware types, drawn uniformly.
        compute: mean of the tasks' work.
        mean_bytes: mean of the edges' bytes.
        spread: b; work and bytes are drawn from mean * U(1 - b/2, 1 + b/2).
        name: of the graph.

    Raises:
        ValueError: a parameter is out of range.
    """
    if size < 1 or not shape > 0 or not 0 <= connection <= 1 or not 0 <= spread <= 2 or num_types < 1:
        raise ValueError(
            f"size {size}, shape {shape}, connection {connection}, spread {spread} or num_types {num_types} is out of "
            "range"
        )
    height = max(int(np.ceil(rng.uniform(0.8, 1.2) * np.sqrt(size) / shape)), 1)
    widths = [max(int(np.ceil(rng.uniform(0, 2 * shape * np.sqrt(size)))), 1) for _ in range(height)]
    layer = np.repeat(np.arange(height + 2), [1, *widths, 1])
    n = layer.size
    starts = np.concatenate([[0], np.cumsum([1, *widths])])
    linked = (rng.random((n, n)) < connection) & (layer[:, None] < layer[None, :])
    path = [int(rng.integers(first, first + width)) for first, width in zip(starts, [1, *widths, 1], strict=True)]
    linked[path[:-1], path[1:]] = True
    for task in range(1, n - 1):
        if not linked[:, task].any():
            linked[rng.integers(starts[layer[task]]), task] = True
        if not linked[task].any():
            linked[task, rng.integers(starts[layer[task] + 1], n)] = True
    linked[0, 1:] |= ~linked[:, 1:].any(axis=0)  # one entry, one exit
    linked[:-1, n - 1] |= ~linked[:-1].any(axis=1)
    edges = np.argwhere(linked)
    low, high = 1 - spread / 2, 1 + spread / 2
    return TaskGraph(
        compute=compute * rng.uniform(low, high, n),
        hardware_type=rng.integers(num_types, size=n),
        edges=edges,
        bytes=mean_bytes * rng.uniform(low, high, len(edges)),
        name=name,
    )


def generate_cluster(
    num_devices: int,
    rng: np.random.Generator,
    *,
    num_types: int = NUM_TYPES,
    type_probability: float = 0.2,
    speed: float = 5.0,
    bandwidth: float = 100.0,
    delay: float = 10.0,
    spread: float = 0.8,
    name: str = "cluster",
) -> DeviceCluster:
    """Return a random cluster in which every device supports a type and every type is supported.

    Args:
        num_devices: how many devices.
        rng: draws everything.
        num_types: how many hardware types there are.
        type_probability: that a device supports a type.
        speed: mean; speeds are drawn from mean * U(1 - b/2, 1 + b/2).
        bandwidth: inverse bandwidths are drawn from U(1 - b/2, 1 + b/2) / bandwidth, the same in both directions.
        delay: mean; delays are drawn from U(0, 2 mean), the same in both directions.
        spread: b.
        name: of the cluster.

    Raises:
        ValueError: a parameter is out of range.
    """
    if num_devices < 1 or num_types < 1 or not 0 <= type_probability <= 1 or not 0 <= spread < 2:
        raise ValueError(
            f"num_devices {num_devices}, num_types {num_types}, type_probability {type_probability} or "
            f"spread {spread}: out of range"
        )
    supports = rng.random((num_devices, num_types)) < type_probability
    for device in np.flatnonzero(~supports.any(axis=1)):
        supports[device, rng.integers(num_types)] = True
    for kind in np.flatnonzero(~supports.any(axis=0)):
        supports[rng.integers(num_devices), kind] = True
    low, high = 1 - spread / 2, 1 + spread / 2
    return DeviceCluster(
        speed=speed * rng.uniform(low, high, num_devices),
        delay=_symmetric(rng.uniform(0, 2 * delay, (num_devices, num_devices))),
        inverse_bandwidth=_symmetric(rng.uniform(low, high, (num_devices, num_devices)) / bandwidth),
        supports=supports,
        name=name,
    )


def _symmetric(values: np.ndarray) -> np.ndarray:
    upper = np.triu(values, 1)
    return upper + upper.T


def giph_instance(rng: np.random.Generator, name: str) -> EdgeInstance:
    """Return an instance of the paper's distribution: 10-50 tasks of five types on 15-24 devices."""
    graph = generate_task_graph(
        int(rng.choice([10, 15])), float(rng.choice([0.1, 0.2, 0.3])), float(rng.choice([0.1, 0.2])), rng, name=name
    )
    cluster = generate_cluster(int(rng.integers(MIN_DEVICES, MAX_DEVICES + 1)), rng, name=name)
    return EdgeInstance(graph, cluster, name)

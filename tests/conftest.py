"""What tests share: the reference data where it is, and graphs drawn by hypothesis."""

import os

# One thread in each worker, said before torch is loaded: workers with two each would fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from placezoo.datasets import DeviceCluster, EdgeInstance, Graph, TaskGraph
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.public_files import find_file, public_files

# Kernels compile or load within the first example; a deadline would only measure that.
settings.register_profile("placezoo", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("placezoo")


@pytest.fixture
def public_graph():
    """Return a loader of public instances that skips, by name, where a file is missing."""
    from placezoo.datasets import load

    def loader(name: str) -> Graph:
        if find_file(public_files()[name]) is None:
            pytest.skip(f"{name} is not in PLACEZOO_DATA")
        return load(name)

    return loader


@st.composite
def graphs(draw, max_nodes: int = 12, max_weight: int = 5) -> Graph:
    """Draw any small graph: disconnected, weighted, with isolated and weightless nodes."""
    n = draw(st.integers(1, max_nodes))
    pairs = [(u, v) for u in range(n) for v in range(u + 1, n)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Graph.from_edges(
        n,
        np.array(edges, dtype=np.int64).reshape(-1, 2),
        edge_weights=np.array(
            draw(st.lists(st.integers(1, max_weight), min_size=len(edges), max_size=len(edges))), dtype=np.int64
        ),
        node_weights=np.array(draw(st.lists(st.integers(0, max_weight), min_size=n, max_size=n)), dtype=np.int64),
    )


@st.composite
def edge_instances(draw, max_tasks: int = 8, max_devices: int = 4, whole_numbers: bool = True) -> EdgeInstance:
    """Draw any small instance: several entries and exits, isolated tasks, data of no size."""
    n, k = draw(st.integers(1, max_tasks)), draw(st.integers(1, max_devices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    order = rng.permutation(n)  # so that tasks are not numbered topologically
    density = draw(st.sampled_from([0.1, 0.4, 0.8]))
    edges = [(order[a], order[b]) for a in range(n) for b in range(a + 1, n) if rng.random() < density]
    edges = [edges[i] for i in rng.permutation(len(edges))]

    def quantities(low, high, *shape):
        return rng.integers(low, high + 1, shape).astype(float) if whole_numbers else rng.uniform(low, high, shape)

    num_types = draw(st.integers(1, 2))
    supports = rng.random((k, num_types)) < 0.6
    supports[rng.integers(k, size=num_types), np.arange(num_types)] = True
    return EdgeInstance(
        TaskGraph(
            quantities(1, 4, n), rng.integers(num_types, size=n), np.array(edges, np.int64).reshape(-1, 2),
            quantities(0, 3, len(edges)),
        ),
        DeviceCluster(
            quantities(1, 2, k), quantities(0, 2, k, k) * ~np.eye(k, dtype=bool),
            quantities(0, 1, k, k) * ~np.eye(k, dtype=bool), supports,
        ),
    )  # fmt: skip


@st.composite
def placed_models(draw, max_ops: int = 9, max_devices: int = 4):
    """Draw a small model, a topology with switches or direct links, groups, and a device or none for each group."""
    n, k = draw(st.integers(1, max_ops)), draw(st.integers(1, max_devices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    order = rng.permutation(n)
    density = draw(st.sampled_from([0.2, 0.5, 0.8]))
    edges = [(order[a], order[b]) for a in range(n) for b in range(a + 1, n) if rng.random() < density]
    graph = OpGraph(
        rng.integers(0, 5, n), rng.integers(0, 5, n), rng.integers(0, 4, n), rng.integers(0, 3, n),
        np.array(edges, np.int64).reshape(-1, 2), group=rng.integers(0, n, n), state_bytes=float(rng.integers(0, 3)),
    )  # fmt: skip
    if draw(st.booleans()):  # everything through one switch
        links, switches = [(a, k) for a in range(k)] + [(k, a) for a in range(k)], 1
    else:
        links, switches = [(a, b) for a in range(k) for b in range(k) if a != b], 0
    topology = DeviceTopology(
        ["x"] * k, rng.integers(1, 4, k), rng.integers(1, 4, k), rng.integers(0, 25, k), links,
        rng.integers(1, 3, len(links)), rng.integers(0, 2, len(links)), switches, efficiency=0.5,
        launch_overhead=float(rng.integers(0, 2)),
    )  # fmt: skip
    return graph, topology, rng.integers(-1, k, len(np.unique(graph.group))), rng

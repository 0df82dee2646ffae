"""What tests share: the reference data where it is, and graphs drawn by hypothesis."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from placezoo.datasets import Graph
from placezoo.datasets.registry import find_file, public_files

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

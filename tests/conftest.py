"""What tests share: the reference data where it is, and how many examples hypothesis draws."""

import os

# One thread in each worker, said before torch is loaded: workers with two each would fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from placezoo.datasets import Graph
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

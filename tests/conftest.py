"""What tests share: the reference data where it is."""

import os

# One thread in each worker, said before torch is loaded: workers with two each would fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import tests.examples  # noqa: F401 (sets hypothesis up)
from placezoo.datasets import Graph
from placezoo.datasets.public_files import find_file, public_files


@pytest.fixture
def public_graph():
    """Return a loader of public instances that skips, by name, where a file is missing."""
    from placezoo.datasets import load

    def loader(name: str) -> Graph:
        if find_file(public_files()[name]) is None:
            pytest.skip(f"{name} is not in PLACEZOO_DATA")
        return load(name)

    return loader

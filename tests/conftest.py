"""What tests share: the reference data where it is."""

import os
from pathlib import Path

# One thread in each worker, said before torch is loaded: workers with two each would fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import tests.examples  # noqa: F401 (sets hypothesis up)
from placezoo.datasets import Graph
from placezoo.datasets.public_files import find_file, public_files

_COMPILING = ("agents", "cost_models", "envs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Run each file of these folders on one worker: two that begin it side by side compile the same kernels twice."""
    tests = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(tests).parts[0] if item.path.is_relative_to(tests) else ""
        if folder in _COMPILING and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(tests))))


@pytest.fixture
def public_graph():
    """Return a loader of public instances that skips, by name, where a file is missing."""
    from placezoo.datasets import load

    def loader(name: str) -> Graph:
        if find_file(public_files()[name]) is None:
            pytest.skip(f"{name} is not in PLACEZOO_DATA")
        return load(name)

    return loader

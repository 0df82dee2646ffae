"""Problem instances: what they are, where they come from, how they are read and written."""

from placezoo.datasets.dataset import DATASETS, SPLITS, Dataset, get_dataset
from placezoo.datasets.graph import Graph
from placezoo.datasets.graph_conversion import from_networkx, from_scipy, to_networkx, to_scipy
from placezoo.datasets.metis_format import read_metis, write_metis
from placezoo.datasets.registry import fetch, instance_names, load

__all__ = [
    "DATASETS",
    "SPLITS",
    "Dataset",
    "Graph",
    "fetch",
    "from_networkx",
    "from_scipy",
    "get_dataset",
    "instance_names",
    "load",
    "read_metis",
    "to_networkx",
    "to_scipy",
    "write_metis",
]

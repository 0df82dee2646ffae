"""Problem instances: what they are, where they come from, how they are read and written."""

from placezoo.datasets.bookshelf_format import read_bookshelf
from placezoo.datasets.canvas import Canvas
from placezoo.datasets.dataset import DATASETS, SPLITS, Dataset, get_dataset
from placezoo.datasets.def_format import read_def
from placezoo.datasets.graph import Graph
from placezoo.datasets.graph_conversion import from_networkx, from_scipy, to_networkx, to_scipy
from placezoo.datasets.lef_format import read_lef
from placezoo.datasets.metis_format import read_metis, write_metis
from placezoo.datasets.netlist import Netlist, NodeType, Placement
from placezoo.datasets.netlist_format import read_netlist, write_netlist
from placezoo.datasets.netlist_generator import generate_netlist
from placezoo.datasets.netlist_grouping import cluster_cells, group_netlist, read_groups
from placezoo.datasets.placement_writer import write_def, write_openroad_tcl
from placezoo.datasets.plc_format import read_plc, write_plc
from placezoo.datasets.registry import fetch, instance_names, load

__all__ = [
    "DATASETS",
    "SPLITS",
    "Canvas",
    "Dataset",
    "Graph",
    "Netlist",
    "NodeType",
    "Placement",
    "cluster_cells",
    "fetch",
    "from_networkx",
    "from_scipy",
    "generate_netlist",
    "get_dataset",
    "group_netlist",
    "instance_names",
    "load",
    "read_bookshelf",
    "read_def",
    "read_groups",
    "read_lef",
    "read_metis",
    "read_netlist",
    "read_plc",
    "to_networkx",
    "to_scipy",
    "write_def",
    "write_metis",
    "write_netlist",
    "write_openroad_tcl",
    "write_plc",
]

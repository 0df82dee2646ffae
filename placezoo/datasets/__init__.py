"""Problem instances: what they are, where they come from, how they are read and written."""

from placezoo.datasets.bookshelf_format import read_bookshelf
from placezoo.datasets.canvas import Canvas
from placezoo.datasets.dataset import DATASETS, SPLITS, Dataset, get_dataset
from placezoo.datasets.def_format import read_def
from placezoo.datasets.device_cluster import DeviceCluster
from placezoo.datasets.edge_format import read_cluster, read_edge, read_task_graph, write_edge
from placezoo.datasets.edge_generator import generate_cluster, generate_task_graph
from placezoo.datasets.edge_instance import EdgeInstance
from placezoo.datasets.graph import Graph
from placezoo.datasets.graph_conversion import from_networkx, from_scipy, similarity_graph, to_networkx, to_scipy
from placezoo.datasets.lef_format import read_lef
from placezoo.datasets.mcm import MultiChipModule, load_package, package_names
from placezoo.datasets.metis_format import read_metis, write_metis
from placezoo.datasets.netlist import Netlist, NodeType, Placement
from placezoo.datasets.netlist_format import read_netlist, write_netlist
from placezoo.datasets.netlist_generator import generate_netlist
from placezoo.datasets.netlist_grouping import cluster_cells, group_netlist, read_groups
from placezoo.datasets.onnx_format import read_onnx
from placezoo.datasets.op_graph import OpGraph
from placezoo.datasets.op_graph_format import read_op_graph, write_op_graph
from placezoo.datasets.placement_writer import write_def, write_openroad_tcl
from placezoo.datasets.plc_format import read_plc, write_plc
from placezoo.datasets.public_files import fetch
from placezoo.datasets.registry import instance_names, load
from placezoo.datasets.task_graph import TaskGraph
from placezoo.datasets.topology import DeviceTopology
from placezoo.datasets.topology_format import load_topology, topology_names

__all__ = [
    "DATASETS",
    "SPLITS",
    "Canvas",
    "Dataset",
    "DeviceCluster",
    "DeviceTopology",
    "EdgeInstance",
    "Graph",
    "MultiChipModule",
    "Netlist",
    "NodeType",
    "OpGraph",
    "Placement",
    "TaskGraph",
    "cluster_cells",
    "fetch",
    "from_networkx",
    "from_scipy",
    "generate_cluster",
    "generate_netlist",
    "generate_task_graph",
    "get_dataset",
    "group_netlist",
    "instance_names",
    "load",
    "load_package",
    "load_topology",
    "package_names",
    "read_bookshelf",
    "read_cluster",
    "read_def",
    "read_edge",
    "read_groups",
    "read_lef",
    "read_metis",
    "read_netlist",
    "read_onnx",
    "read_op_graph",
    "read_plc",
    "read_task_graph",
    "similarity_graph",
    "to_networkx",
    "to_scipy",
    "topology_names",
    "write_def",
    "write_edge",
    "write_metis",
    "write_netlist",
    "write_op_graph",
    "write_openroad_tcl",
    "write_plc",
]

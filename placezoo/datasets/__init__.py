"""Problem instances: what they are, where they come from, how they are read and written.

This is where the domains are put together: nothing else on this floor knows which there are.
"""

import importlib
from typing import Any

from placezoo.datasets.accel import formats as accel_formats
from placezoo.datasets.accel.design_space import DesignSpace, design_space_names, load_design_space
from placezoo.datasets.accel.layer_graph import Choice, Layer, LayerGraph
from placezoo.datasets.accel.technology import Technology, load_technology, technology_names
from placezoo.datasets.accel.workload import Workload, read_workload, write_workload
from placezoo.datasets.chip import families as chip_families
from placezoo.datasets.chip import formats as chip_formats
from placezoo.datasets.chip.bookshelf_format import read_bookshelf
from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.def_format import read_def
from placezoo.datasets.chip.lef_format import read_lef
from placezoo.datasets.chip.netlist import Netlist, NodeType, Placement
from placezoo.datasets.chip.netlist_format import read_netlist, write_netlist
from placezoo.datasets.chip.netlist_generator import generate_netlist
from placezoo.datasets.chip.netlist_grouping import cluster_cells, group_netlist, read_groups
from placezoo.datasets.chip.placement_writer import write_def, write_openroad_tcl
from placezoo.datasets.chip.plc_format import read_plc, write_plc
from placezoo.datasets.dataset import DATASETS, SPLITS, Dataset, get_dataset, register_dataset
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.device.topology_format import load_topology, topology_names
from placezoo.datasets.edge import families as edge_families
from placezoo.datasets.edge import formats as edge_formats
from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.edge_format import read_cluster, read_edge, read_task_graph, write_edge
from placezoo.datasets.edge.edge_generator import generate_cluster, generate_task_graph
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph
from placezoo.datasets.mcm.package import MultiChipModule, load_package, package_names
from placezoo.datasets.op_graphs import formats as network_formats
from placezoo.datasets.op_graphs import model_zoo, network_splits
from placezoo.datasets.op_graphs.onnx_format import read_onnx
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_graph_format import read_op_graph, write_op_graph
from placezoo.datasets.partition import families as graph_families
from placezoo.datasets.partition import formats as graph_formats
from placezoo.datasets.partition import graph_generators
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import (
    from_networkx,
    from_scipy,
    similarity_graph,
    to_networkx,
    to_scipy,
)
from placezoo.datasets.partition.hmetis_format import read_hmetis, write_hmetis
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.datasets.partition.metis_format import read_metis, write_metis
from placezoo.datasets.partition.partition_format import read_partition, write_partition
from placezoo.datasets.public_files import fetch
from placezoo.datasets.registry import (
    Embedded,
    FileFormat,
    instance_names,
    load,
    register_embedded,
    register_format,
    register_prefix,
    register_public_format,
)  # fmt: skip

__all__ = [
    "DATASETS",
    "SPLITS",
    "Canvas",
    "Choice",
    "Dataset",
    "DesignSpace",
    "DeviceCluster",
    "DeviceTopology",
    "EdgeInstance",
    "Embedded",
    "FileFormat",
    "Graph",
    "Hypergraph",
    "Layer",
    "LayerGraph",
    "MultiChipModule",
    "Netlist",
    "NodeType",
    "OpGraph",
    "Placement",
    "TaskGraph",
    "Technology",
    "Workload",
    "cluster_cells",
    "design_space_names",
    "fetch",
    "from_networkx",
    "from_scipy",
    "generate_cluster",
    "generate_netlist",
    "generate_task_graph",
    "get_dataset",
    "graph_generators",
    "group_netlist",
    "instance_names",
    "load",
    "load_design_space",
    "load_package",
    "load_technology",
    "load_topology",
    "model_tracing",
    "model_zoo",
    "package_names",
    "read_bookshelf",
    "read_cluster",
    "read_def",
    "read_edge",
    "read_groups",
    "read_hmetis",
    "read_lef",
    "read_metis",
    "read_netlist",
    "read_onnx",
    "read_op_graph",
    "read_partition",
    "read_plc",
    "read_task_graph",
    "read_workload",
    "register_dataset",
    "register_embedded",
    "register_format",
    "register_prefix",
    "register_public_format",
    "similarity_graph",
    "technology_names",
    "to_networkx",
    "to_scipy",
    "topology_names",
    "write_def",
    "write_edge",
    "write_hmetis",
    "write_metis",
    "write_netlist",
    "write_op_graph",
    "write_openroad_tcl",
    "write_partition",
    "write_plc",
    "write_workload",
]


def _put_together() -> None:
    for module in (
        graph_formats,
        chip_formats,
        network_formats,
        accel_formats,
        edge_formats,
    ):  # METIS first: no suffix says more
        for file_format in module.FORMATS:
            register_format(file_format)
    for module in (graph_formats, chip_formats, accel_formats, edge_formats):
        for name, read in module.PUBLIC_FORMATS.items():
            register_public_format(name, read)
    for names in (network_formats.NAMES, accel_formats.NAMES):
        for prefix, make in names.items():
            register_prefix(prefix, make)
    for embedded in (*graph_families.EMBEDDED, *accel_formats.EMBEDDED):
        register_embedded(embedded)
    for family in (graph_families, chip_families, edge_families, network_splits):
        for dataset in family.DATASETS:
            register_dataset(dataset)


_put_together()


def __getattr__(name: str) -> Any:
    """Return ``model_tracing``, imported when it is first asked for: it needs torch, which is an extra."""
    if name == "model_tracing":
        return importlib.import_module("placezoo.datasets.model_tracing")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

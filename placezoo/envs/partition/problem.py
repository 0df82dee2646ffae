"""Graph partitioning as a placement problem: nodes onto parts of nearly equal weight, few edges cut."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo import jit
from placezoo.cost_models.partition import hypergraph_moves, moves
from placezoo.cost_models.partition.cost import Epsilon, PartitionCost
from placezoo.cost_models.partition.hypergraph_cost import OBJECTIVES, HypergraphCost
from placezoo.datasets.arrays import read_only
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import as_graph
from placezoo.datasets.partition.graph_order import (
    breadth_first_order,
    cuts_along_order,
    heavy_edge_order,
    spectral_order,
)
from placezoo.datasets.partition.hmetis_format import write_hmetis
from placezoo.datasets.partition.hypergraph import Hypergraph
from placezoo.datasets.partition.laplacian import laplacian_coordinates
from placezoo.datasets.partition.metis_format import write_metis
from placezoo.datasets.partition.partition_format import write_partition
from placezoo.envs.partition.drawing import draw_partitioned_graph
from placezoo.envs.partition.graph_growing import grow_parts
from placezoo.envs.problem import TABLES, CutGraph, FeatureNames, PlacementProblem, StepKernel
from placezoo.parameters import check_parameters, one_of

NUM_SPECTRAL = 4
_ORDERS = {"bfs": breadth_first_order, "heavy-edge": heavy_edge_order, "spectral": spectral_order}
Order = Annotated[str, one_of(*_ORDERS)]
Objective = Annotated[str | None, one_of("cut", *OBJECTIVES)]


class GraphPartitionProblem(PlacementProblem):
    """Partition a graph or hypergraph into ``num_parts`` parts within balance, cutting as little weight as possible.

    Args:
        instance: the graph or hypergraph.
        num_parts: into how many parts.
        epsilon: a part may weigh ``floor((1 + epsilon) * ceil(total weight / num_parts))``.
        order: the order of construction, ``bfs`` (breadth first from a node far outside) or ``heavy-edge`` (next comes
            the node most heavily tied to those before it) or ``spectral`` (recursive bisection by the Fiedler vector:
            any run of nodes is compact).
        objective: of a hypergraph ``km1`` (default: a net's weight times the number of parts it spans less one) or
            ``cut-net`` (the weight of the nets that span more than one); of a graph ``cut``.

    Attributes:
        graph: the graph itself, or the one in which the nodes of a net are tied: what orders, features and drawings
            are made of.

    Raises:
        ValueError: a parameter is out of range.
    """

    env_id = "GraphPartition-v0"
    short_name = "partition"
    default_formulation = "construct"
    instance_format = (".graph", lambda path, instance: write_metis(instance, path))
    default_instance = "karate"
    feature_names = FeatureNames(
        items=(
            "weight",
            "degree",
            "weighted_degree",
            "order",
            "order_cut",
            "order_cut_ahead",
            *(f"laplacian_{i + 1}" for i in range(NUM_SPECTRAL)),
        ),
        item_edges=("weight",),
        resources=moves.PART_FEATURE_NAMES,
        resource_edges=(),
    )
    term_names = moves.TERM_NAMES
    presentation = ("order",)
    exports = MappingProxyType({**TABLES, ".part": "a partition file of METIS, for 4 parts also .part.4"})
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe)
    moves: Any = moves

    def __init__(
        self,
        instance: Graph | Hypergraph,
        num_parts: int = 2,
        epsilon: Epsilon = 0.03,
        order: Order = "bfs",
        objective: Objective = None,
    ) -> None:
        if not isinstance(instance, (Graph, Hypergraph)):
            how = "from_networkx, from_scipy, Graph.from_edges and Hypergraph.from_nets of placezoo.datasets make one"
            raise self.refusal(instance, "partitions a Graph", how)
        self.parameters = check_parameters(
            GraphPartitionProblem, self.env_id, num_parts=num_parts, epsilon=epsilon, order=order
        )
        check_parameters(GraphPartitionProblem, self.env_id, objective=objective)
        num_parts, epsilon = self.parameters["num_parts"], self.parameters["epsilon"]
        self.cost_model: PartitionCost | HypergraphCost
        if isinstance(instance, Graph):
            if objective not in (None, "cut"):
                raise ValueError(f"objective {objective} is for hypergraphs; of a graph it is cut, which is the same")
            self.graph, self.cost_model = instance, PartitionCost(instance, num_parts, epsilon)
        else:
            if objective == "cut":
                raise ValueError(f"objective cut is for graphs; of a hypergraph it is {' or '.join(OBJECTIVES)}")
            self.parameters["objective"] = objective or "km1"
            self.cost_model = HypergraphCost(instance, num_parts, epsilon, self.parameters["objective"])
            self.graph = instance.expansion
            self.instance_format = (".hgr", lambda path, instance: write_hmetis(instance, path))
            self.moves, self.term_names = hypergraph_moves, hypergraph_moves.TERM_NAMES
            self.step_kernel = StepKernel(hypergraph_moves.allowed, hypergraph_moves.movable, hypergraph_moves.observe)
        self.instance = instance
        self.num_items = instance.num_nodes
        self.num_resources = self.cost_model.num_parts

    @classmethod
    def as_instance(cls, given: Any) -> Any:
        """Return the graph of a NetworkX graph or an adjacency matrix; anything else as it is."""
        return as_graph(given)

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """The order of construction: int64 [num_nodes]."""
        return read_only(_ORDERS[self.parameters["order"]](self.graph))

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the nodes: float32 [num_nodes, 10].

        Weight, degree (edges or nets) and weighted degree over their largest; rank in the order of construction;
        ``order_cut``, the weight of the edges between this node and all later ones on one side and all earlier ones on
        the other, over its largest: what it costs to begin a part here; ``order_cut_ahead``, its smallest value at the
        next nodes, as many as the balance leaves open; Laplacian eigenvectors.
        """
        graph = self.graph
        rank = np.empty(self.num_items, np.int64)
        rank[self.item_order] = np.arange(self.num_items)
        crossing = cuts_along_order(graph, rank)
        crossing = crossing / max(crossing.max(), 1)
        window = 1 + int(self.cost_model.epsilon * self.num_items)
        padded = np.concatenate([crossing[1:], np.full(window, crossing[-1])])
        ahead = np.lib.stride_tricks.sliding_window_view(padded, window).min(axis=1)[: self.num_items]
        degrees = np.diff(graph.indptr if self.instance is graph else self.instance.node_ptr)
        columns = [
            graph.node_weights / max(graph.node_weights.max(), 1),
            degrees / max(degrees.max(), 1),
            self.instance.weighted_degrees / max(self.instance.weighted_degrees.max(), 1),
            rank / max(self.num_items - 1, 1),
            crossing[rank],
            ahead[rank],
        ]
        features = np.concatenate([np.stack(columns, axis=1), laplacian_coordinates(graph, NUM_SPECTRAL)], axis=1)
        return read_only(features.astype(np.float32))

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Both directions of every edge, sorted by their head, and the weight over the largest."""
        graph = self.graph
        links = np.stack([graph.indices.astype(np.int64), graph.rows], axis=1)
        weights = graph.edge_weights / graph.edge_weights.max(initial=1)
        return read_only(links), read_only(weights.astype(np.float32)[:, None])

    @property
    def infeasible_penalty(self) -> float:
        """The weight of all edges, or of all nets times their pins: no partition costs more."""
        pins_a_time = 2 if isinstance(self.instance, Graph) else 1
        return float(max(self.instance.weighted_degrees.sum() // pins_a_time, 1))

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Deal the nodes out at random; where weights differ, the heaviest first to a random part with room."""
        weights = self.instance.node_weights
        if weights.min() == weights.max():
            dealt = np.arange(self.num_items) % self.num_resources
            return rng.permutation(dealt)
        order = np.lexsort((rng.random(self.num_items), -weights))
        return _deal(order, weights, self.num_resources, self.cost_model.max_part_weight, rng)

    @classmethod
    def forget(cls) -> None:
        """Forget the eigenvectors of graphs' Laplacians."""
        laplacian_coordinates.cache_clear()

    @cached_property
    def cut_graph(self) -> CutGraph | None:
        """The graph itself; a hypergraph is none."""
        graph = self.graph
        if graph is not self.instance:
            return None
        return CutGraph(
            graph.indptr, graph.indices, graph.edge_weights, graph.node_weights, self.num_resources,
            self.cost_model.epsilon,
        )  # fmt: skip

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Grow parts from random nodes (Karypis & Kumar 1998, GGGP)."""
        return grow_parts(self.graph, self.num_resources, self.cost_model.max_part_weight, rng)

    @classmethod
    def export_suffix(cls, path: Path) -> str | None:
        """Return ``.part`` for names that end in ``.part.K`` too."""
        return ".part" if re.search(r"\.part\.\d+$", path.name) else super().export_suffix(path)

    def _export(self, assignment: NDArray[np.int64], path: Path, suffix: str) -> None:
        named = path.suffix[1:]
        if named.isdecimal() and int(named) != self.num_resources:
            raise ValueError(f"{path}: there are {self.num_resources} parts: name it .part.{self.num_resources}")
        write_partition(path, assignment)

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw the graph, or the one in a hypergraph's place, coloured by part."""
        draw_partitioned_graph(self.graph, assignment, self.evaluate(assignment), axes)


@jit.kernel
def _deal(order, weights, num_parts, limit, rng):
    assignment = np.empty(order.size, np.int64)
    loads = np.zeros(num_parts, np.int64)
    for node in order:
        part = int(rng.random() * num_parts)
        for _ in range(num_parts):
            if loads[part] + weights[node] <= limit:
                break
            part = (part + 1) % num_parts
        else:
            part = int(np.argmin(loads))
        assignment[node] = part
        loads[part] += weights[node]
    return assignment

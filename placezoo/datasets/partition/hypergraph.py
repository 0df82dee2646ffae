"""The other instance of partitioning: a hypergraph, whose nets join any number of nodes, with integer weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, digest_of, read_only
from placezoo.datasets.partition.graph import Graph
from placezoo.datasets.partition.graph_conversion import expand_nets

MAX_TOTAL_WEIGHT = 2**52  # of nodes, and of nets times their pins: costs and the graph in a net's place stay exact


@dataclass(frozen=True, eq=False)
class Hypergraph(EqualByDigest):
    """Nodes, and nets that join them: netlists, sparse matrices, what tasks share.

    The pins of a net are sorted and distinct. Arrays are read-only. Two hypergraphs are equal when their nets, in
    order, and weights are, whatever their names.

    Args:
        net_ptr: int64 [num_nets + 1], where each net's pins start.
        pins: int32 [num_pins], the nodes of the nets one after another.
        net_weights: int64 [num_nets], at least 1.
        node_weights: int64 [num_nodes], at least 0.
        name: what the instance is called in results.

    Raises:
        ValueError: an array has the wrong shape, or the arrays are not such a hypergraph.
    """

    net_ptr: NDArray[np.int64]
    pins: NDArray[np.int32]
    net_weights: NDArray[np.int64]
    node_weights: NDArray[np.int64]
    name: str = "hypergraph"

    def __post_init__(self) -> None:
        for field, dtype in (
            ("net_ptr", np.int64),
            ("pins", np.int32),
            ("net_weights", np.int64),
            ("node_weights", np.int64),
        ):
            object.__setattr__(self, field, read_only(as_integers(getattr(self, field), dtype, field)))
        self._validate()

    def _validate(self) -> None:
        n, sizes = self.num_nodes, np.diff(self.net_ptr)
        if n == 0:
            raise ValueError("a hypergraph needs at least one node")
        if self.net_ptr.size != self.num_nets + 1 or self.net_ptr[0] != 0 or self.net_ptr[-1] != self.pins.size:
            raise ValueError("net_ptr must rise from 0 to the number of pins, with one value more than nets")
        if np.any(sizes < 1):
            raise ValueError(f"net {int(np.argmax(sizes < 1))} has no pins")
        if self.pins.size and (self.pins.min() < 0 or self.pins.max() >= n):
            raise ValueError(f"a pin lies outside 0..{n - 1}")
        if self.num_nets and self.net_weights.min() < 1:
            raise ValueError("net weights must be at least 1")
        if self.node_weights.min() < 0:
            raise ValueError("node weights must be at least 0")
        for total in (float(self.node_weights.sum(dtype=np.float64)), float(self.net_weights.astype(float) @ sizes)):
            if total > MAX_TOTAL_WEIGHT:
                raise ValueError("weights of nodes, or of nets times pins, sum to more than 2**52")
        if np.any(np.diff(self.net_of_pin * n + self.pins) <= 0):
            raise ValueError("the pins of a net must be sorted and distinct")

    @classmethod
    def from_nets(
        cls,
        num_nodes: int,
        nets: Sequence[ArrayLike],
        *,
        net_weights: ArrayLike | None = None,
        node_weights: ArrayLike | None = None,
        name: str = "hypergraph",
    ) -> Hypergraph:
        """Build a hypergraph from its nets, each with its nodes in any order; a node named twice counts once.

        Args:
            num_nodes: how many nodes there are.
            nets: for each net the nodes it joins.
            net_weights: integers [num_nets], default all 1.
            node_weights: integers [num_nodes], default all 1.
            name: what the instance is called in results.

        Raises:
            ValueError: a net is empty or leaves 0..num_nodes-1, or a weight is out of range.
        """
        pins = [np.unique(as_integers(net, np.int32, "pins").reshape(-1)) for net in nets]
        sizes = np.array([net.size for net in pins], np.int64)
        return cls(
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate(pins) if pins else np.zeros(0, np.int32),
            np.ones(len(pins), np.int64) if net_weights is None else np.asarray(net_weights),
            np.ones(num_nodes, np.int64) if node_weights is None else np.asarray(node_weights),
            name,
        )

    @classmethod
    def from_graph(cls, graph: Graph) -> Hypergraph:
        """Return a graph as a hypergraph of nets with two pins."""
        once = graph.rows < graph.indices
        pins = graph.edges.reshape(-1).astype(np.int32)
        return cls(
            np.arange(0, 2 * graph.num_edges + 1, 2), pins, graph.edge_weights[once], graph.node_weights, graph.name
        )

    @property
    def num_nodes(self) -> int:
        """How many nodes there are."""
        return int(self.node_weights.size)

    @property
    def num_nets(self) -> int:
        """How many nets there are."""
        return int(self.net_weights.size)

    @property
    def num_pins(self) -> int:
        """How many pins all nets have together."""
        return int(self.pins.size)

    @cached_property
    def net_of_pin(self) -> NDArray[np.int64]:
        """The net of each pin: int64 [num_pins]."""
        return read_only(np.repeat(np.arange(self.num_nets), np.diff(self.net_ptr)))

    @cached_property
    def node_ptr(self) -> NDArray[np.int64]:
        """Where each node's nets start in ``node_nets``: int64 [num_nodes + 1]."""
        counts = np.bincount(self.pins, minlength=self.num_nodes)
        return read_only(np.concatenate([[0], np.cumsum(counts)]))

    @cached_property
    def node_nets(self) -> NDArray[np.int32]:
        """The nets of the nodes one after another, rising for each: int32 [num_pins]."""
        return read_only(self.net_of_pin[np.argsort(self.pins, kind="stable")].astype(np.int32))

    @cached_property
    def weighted_degrees(self) -> NDArray[np.int64]:
        """The summed weight of each node's nets: int64 [num_nodes]."""
        sums = np.concatenate([[0], np.cumsum(self.net_weights[self.node_nets])])
        return read_only(sums[self.node_ptr[1:]] - sums[self.node_ptr[:-1]])

    @cached_property
    def expansion(self) -> Graph:
        """The graph in which nodes of a net are tied: what orders, layouts and matchings of graphs work on."""
        return expand_nets(self.net_ptr, self.pins, self.net_weights, self.node_weights, self.name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of structure and weights: the same for equal hypergraphs on every machine."""
        columns = ((self.net_ptr, "<i8"), (self.pins, "<i4"), (self.net_weights, "<i8"), (self.node_weights, "<i8"))
        return digest_of("placezoo.Hypergraph/1", columns)

    def contracted(self, coarse: NDArray[np.int64], count: int) -> Hypergraph:
        """Return the hypergraph of groups of nodes: weights add up, nets within a group vanish.

        Args:
            coarse: int64 [num_nodes], each node's group.
            count: how many groups there are.
        """
        nets, pins = np.divmod(np.unique(self.net_of_pin * count + coarse[self.pins]), count)
        sizes = np.bincount(nets, minlength=self.num_nets)
        stays = sizes > 1
        kept = stays[nets]
        return Hypergraph(
            np.concatenate([[0], np.cumsum(sizes[stays])]), pins[kept].astype(np.int32), self.net_weights[stays],
            np.bincount(coarse, self.node_weights, minlength=count).astype(np.int64), f"{self.name},coarse",
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Hypergraph({self.name!r}, {self.num_nodes} nodes, {self.num_nets} nets, {self.num_pins} pins)"

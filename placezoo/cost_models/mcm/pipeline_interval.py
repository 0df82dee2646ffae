"""The pipeline interval of a model on a multi-chip module: how often it takes an input."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.mcm import moves
from placezoo.cost_models.mcm.moves import PipelineProgram, PipelineState
from placezoo.cost_models.mcm.outlook import outlook_of
from placezoo.datasets.arrays import read_only
from placezoo.datasets.dag import Dag
from placezoo.datasets.mcm.package import MultiChipModule
from placezoo.datasets.mcm.replication import replicable
from placezoo.datasets.op_graphs.op_graph import OpGraph

FLOAT_BYTES = 4.0  # of a value in a traced model


class PipelineInterval:
    """The cost model of multi-chip-module partitioning; ``moves`` says what takes how long.

    Items are the operators that are not replicated. An operator takes the longer of computing and of moving its bytes;
    a chiplet's memory holds its parameters, twice what is under way on its links, and what its largest operator reads
    and writes. An assignment that breaks a rule or exceeds a memory is infeasible, and costs more than any that does
    not. The rules: no edge goes to an earlier chiplet; the chiplets used are 0..max; and between two chiplets with an
    edge there is no longer way over others.

    Args:
        op_graph: the model.
        package: the chiplets.

    Attributes:
        items: int64 [num_items], the operators that are placed.
        replicas: int64 [R], those that every chiplet that needs them has for itself.
        lower_bound: no partition has a shorter interval: the slowest operator, or all of them spread evenly.

    Raises:
        ValueError: an operator has more parameters than a chiplet has memory, or nothing is to be placed.

    Source: Xie et al. 2022, sections 2 and 3.
    """

    def __init__(self, op_graph: OpGraph, package: MultiChipModule) -> None:
        self.op_graph = op_graph
        self.package = package
        is_replica = replicable(op_graph)
        self.items = read_only(np.flatnonzero(~is_replica))
        self.replicas = read_only(np.flatnonzero(is_replica))
        self.num_items = int(self.items.size)
        if self.num_items == 0:
            raise ValueError(f"{op_graph.name}: every operator can be replicated, there is nothing to partition")
        held = self.program.held_bytes + self.program.working_bytes
        largest = int(np.argmax(held))
        if held[largest] > package.sram:
            name = op_graph.names[self.items[largest]]
            raise ValueError(
                f"{op_graph.name}: operator {name} needs {held[largest] / 1e6:.1f} MB, a chiplet of {package.name} has "
                f"{package.sram / 1e6:.1f}"
            )
        times = self.program.seconds
        self.lower_bound = float(max(times.max(), times.sum() / package.count))
        # More than any feasible partition: all operators, and all tensors over every link twice, on one chiplet.
        sends = 2.0 * package.count * (self.program.output_bytes.sum() / package.link_bandwidth + package.link_latency)
        self.penalty = float(times.sum() + self.program.replica_seconds.sum() + sends)

    @cached_property
    def dag(self) -> Dag:
        """The items and the edges between them."""
        number = np.full(self.op_graph.num_ops, -1)
        number[self.items] = np.arange(self.num_items)
        links = number[np.asarray(self.op_graph.edges)]
        return Dag(self.num_items, links[(links >= 0).all(axis=1)])

    @cached_property
    def edges_to_end(self) -> NDArray[np.int64]:
        """The most edges on a path from each item: int64 [num_items]."""
        return read_only(self.dag.longest_to_end(np.zeros(self.num_items, np.int64), 1))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The items in topological order, each as late as its readers allow: int64 [num_items]."""
        return read_only(np.argsort(-self.edges_to_end, kind="stable"))

    @cached_property
    def _op_seconds(self) -> NDArray[np.float64]:
        graph, package = self.op_graph, self.package
        moved = np.asarray(graph.bytes_moved) * package.value_bytes / FLOAT_BYTES
        return np.maximum(np.asarray(graph.flops) / package.peak_flops, moved / package.memory_bandwidth)

    @cached_property
    def program(self) -> PipelineProgram:
        """The instance as the kernels read it."""
        graph, items = self.op_graph, self.items
        scale = self.package.value_bytes / FLOAT_BYTES
        parameters = scale * np.asarray(graph.parameter_bytes)
        traffic = scale * np.asarray(graph.bytes_moved)
        need_start, needs = self._needs()
        return PipelineProgram(
            seconds=self._op_seconds[items],
            output_bytes=scale * np.asarray(graph.output_bytes)[items],
            held_bytes=parameters[items],
            working_bytes=np.maximum(traffic[items] - parameters[items], 0.0),
            **self.dag.edge_arrays(),
            need_start=need_start,
            needs=needs,
            replica_seconds=self._op_seconds[self.replicas],
        )

    def _needs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the replicated operators that each item depends on through replicated ones alone, as rows."""
        graph = self.op_graph
        number = {int(op): index for index, op in enumerate(self.replicas)}
        start, edges = graph.dag.predecessors
        sources = np.asarray(graph.edges)[:, 0]
        behind: dict[int, set[int]] = {}  # of each operator, itself included where it is replicated
        rows: dict[int, list[int]] = {}
        for op in graph.dag.order.tolist():
            found: set[int] = set()
            for edge in edges[start[op] : start[op + 1]]:
                found |= behind.get(int(sources[edge]), set())
            if op in number:
                behind[op] = found | {number[op]}
            else:
                rows[op] = sorted(found)
        listed = [rows[int(op)] for op in self.items]
        need_start = np.concatenate([[0], np.cumsum([len(row) for row in listed])]).astype(np.int64)
        return need_start, np.array([replica for row in listed for replica in row], np.int64)

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment; seconds, but ``overflow`` [bytes] and ``violations``.

        Args:
            assignment: int64 [num_items], a chiplet or -1 for each item.

        Raises:
            ValueError: wrong shape or type, or a chiplet outside -1..count-1.
        """
        return self.cost_of(self.state(assignment))

    @cached_property
    def outlook(self) -> NDArray[np.float64]:
        """What the features of pairs know of each item before anything is placed: float64 [num_items, 4]."""
        package = self.package
        return read_only(
            outlook_of(self.program, self.order, package.count, package.link_bandwidth, package.link_latency)
        )

    def state(self, assignment: NDArray[np.int64] | None = None) -> PipelineState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing placed).

        Raises:
            ValueError: as ``evaluate``.
        """
        n, count, package = self.num_items, self.package.count, self.package
        state = PipelineState(
            assignment=check_assignment(np.full(n, -1) if assignment is None else assignment, n, count),
            compute=np.zeros(count),
            sent=np.zeros(count + 1),
            memory=np.zeros(count),
            working=np.zeros(count),
            items=np.zeros(count, np.int64),
            replicated=np.zeros((self.replicas.size, count), np.int64),
            direct=np.zeros(count, np.uint64),
            reach=np.zeros(count, np.uint64),
            moved=np.zeros(n, np.int64),
            moved_count=np.zeros(1, np.int64),
            broken=np.zeros(3, np.int64),
            totals=np.zeros(7),
            program=self.program,
            weights=np.array([self.penalty, package.link_bandwidth, package.link_latency, package.sram]),
            outlook=self.outlook,
        )
        moves.initialise(state)
        return state

    def cost_of(self, state: PipelineState) -> Cost:
        """Return the cost of a state, without computing it again."""
        totals, broken = state.totals, state.broken
        told = (
            (broken[moves.BACKWARD], "edges go to an earlier chiplet"),
            (broken[moves.SKIPPED], "chiplets are skipped"),
            (broken[moves.LONGER], "pairs of chiplets have a longer way beside their edge"),
            (int(totals[moves.UNPLACED]), "operators are on no chiplet"),
        )
        violations = [f"{count} {what}" for count, what in told if count]
        violations += [
            f"chiplet {chiplet} needs {need / 1e6:.2f} MB, it has {self.package.sram / 1e6:.2f}"
            for chiplet, need in enumerate(state.memory.tolist())
            if need > self.package.sram
        ]
        terms = dict(zip(moves.TERM_NAMES, totals[1:6].tolist(), strict=True))
        return Cost(float(totals[moves.TOTAL]), terms, not violations, tuple(violations))

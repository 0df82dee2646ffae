"""The program of device placement on a cluster: tasks with data flowing between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, as_quantities, digest_of, read_only
from placezoo.datasets.dag import Dag


@dataclass(frozen=True, eq=False)
class TaskGraph(EqualByDigest):
    """A directed acyclic graph of tasks; an edge carries bytes from its source to its target.

    Arrays are read-only. Two task graphs are equal when their content is, whatever their names. The order of the edges
    counts: transfers that begin at the same time arrive in it.

    Args:
        compute: float64 [num_tasks], work of each task, at least 0, in the unit that a device's speed is per second of.
        hardware_type: int64 [num_tasks], what a device must support to run the task, at least 0; default all 0.
        edges: int64 [num_edges, 2], source and target.
        bytes: float64 [num_edges], at least 0.
        name: what the graph is called in results.
        task_names: of the tasks, for pictures; default their numbers.

    Raises:
        ValueError: an array has the wrong shape or value, an edge leaves the graph or is given twice, or the graph has
            a cycle.
    """

    compute: NDArray[np.float64]
    hardware_type: NDArray[np.int64] | None = None
    edges: NDArray[np.int64] | ArrayLike = ()
    bytes: NDArray[np.float64] | ArrayLike = ()
    name: str = "task-graph"
    task_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        compute = as_quantities(self.compute, "compute", "task")
        if compute.ndim != 1 or compute.size == 0:
            raise ValueError(f"compute must be one number for each of at least one task, not of shape {compute.shape}")
        n = compute.size
        types = np.zeros(n, np.int64) if self.hardware_type is None else self.hardware_type
        types = as_integers(types, np.int64, "hardware_type")
        if types.shape != (n,):
            raise ValueError(f"{n} tasks but hardware types of shape {types.shape}")
        if types.min() < 0:
            raise ValueError(f"task {int(np.argmin(types))} has hardware type {types.min()}, types are at least 0")
        edges = as_integers(self.edges, np.int64, "edges").reshape(-1, 2)
        quantities = as_quantities(self.bytes, "bytes", "edge")
        if quantities.shape != (len(edges),):
            raise ValueError(f"{len(edges)} edges but bytes of shape {quantities.shape}")
        for field, array in (("compute", compute), ("hardware_type", types), ("edges", edges), ("bytes", quantities)):
            object.__setattr__(self, field, read_only(array))
        names = tuple(map(str, self.task_names)) or tuple(map(str, range(n)))
        if len(names) != n:
            raise ValueError(f"{n} tasks but {len(names)} names")
        object.__setattr__(self, "task_names", names)
        self.dag.check("task")

    @cached_property
    def dag(self) -> Dag:
        """Order, rows and depth of the edges."""
        return Dag(self.num_tasks, np.asarray(self.edges))

    @property
    def links(self) -> NDArray[np.int64]:
        """The edges as int64 [num_edges, 2]."""
        return np.asarray(self.edges)

    @property
    def num_tasks(self) -> int:
        """How many tasks there are."""
        return int(np.asarray(self.compute).size)

    @property
    def num_edges(self) -> int:
        """How many edges there are."""
        return len(self.links)

    @property
    def successors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each task's outgoing edges start, int64 [num_tasks + 1], and their numbers, int64 [num_edges]."""
        return self.dag.successors

    @property
    def predecessors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each task's incoming edges start, int64 [num_tasks + 1], and their numbers, int64 [num_edges]."""
        return self.dag.predecessors

    @property
    def order(self) -> NDArray[np.int64]:
        """The tasks in topological order, by depth and then number: int64 [num_tasks]."""
        return self.dag.order

    @property
    def depth(self) -> NDArray[np.int64]:
        """The most edges on a path from any task without inputs to each task: int64 [num_tasks]."""
        return self.dag.depth

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the names."""
        columns = (
            (self.compute, "<f8"),
            (self.hardware_type, "<i8"),
            (self.edges, "<i8"),
            (self.bytes, "<f8"),
        )  # fmt: skip
        return digest_of("placezoo.TaskGraph/1", columns)

    def __repr__(self) -> str:
        return f"TaskGraph({self.name!r}, {self.num_tasks} tasks, {self.num_edges} edges)"

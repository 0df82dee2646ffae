"""The program of device placement on a cluster: tasks with data flowing between them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from placezoo.datasets.arrays import as_integers, as_quantities, read_only


@dataclass(frozen=True, eq=False)
class TaskGraph:
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
        self._validate_edges()

    def _validate_edges(self) -> None:
        edges = self.links
        outside = (edges < 0) | (edges >= self.num_tasks)
        if outside.any():
            edge = int(np.flatnonzero(outside.any(axis=1))[0])
            raise ValueError(f"edge {edge} is {edges[edge].tolist()}, tasks are 0..{self.num_tasks - 1}")
        loops = edges[:, 0] == edges[:, 1]
        if loops.any():
            raise ValueError(f"task {edges[np.argmax(loops), 0]} has an edge to itself")
        keys, counts = np.unique(edges[:, 0] * self.num_tasks + edges[:, 1], return_counts=True)
        if np.any(counts > 1):
            source, target = divmod(int(keys[np.argmax(counts > 1)]), self.num_tasks)
            raise ValueError(f"the edge from task {source} to task {target} is given twice")
        if self.order.size < self.num_tasks:
            cycle = self._find_cycle()
            shown = " -> ".join(map(str, cycle if len(cycle) <= 12 else [*cycle[:10], "...", cycle[-1]]))
            raise ValueError(f"the tasks have a cycle: {shown}")

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

    @cached_property
    def successors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each task's outgoing edges start, int64 [num_tasks + 1], and their numbers, int64 [num_edges]."""
        return _rows(self.links[:, 0], self.num_tasks)

    @cached_property
    def predecessors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each task's incoming edges start, int64 [num_tasks + 1], and their numbers, int64 [num_edges]."""
        return _rows(self.links[:, 1], self.num_tasks)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The tasks in topological order, by depth and then number; int64, shorter than the tasks with a cycle."""
        start, edges = self.successors
        targets = self.links[edges, 1]
        waiting = np.bincount(self.links[:, 1], minlength=self.num_tasks)
        layer = np.flatnonzero(waiting == 0)
        layers = []
        while layer.size:
            layers.append(layer)
            after = np.concatenate([targets[start[task] : start[task + 1]] for task in layer])
            np.subtract.at(waiting, after, 1)
            layer = np.unique(after[waiting[after] == 0])
        return read_only(np.concatenate(layers) if layers else np.zeros(0, np.int64))

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """The most edges on a path from any task without inputs to each task: int64 [num_tasks]."""
        depth = np.zeros(self.num_tasks, np.int64)
        start, edges = self.successors
        for task in self.order:
            targets = self.links[edges[start[task] : start[task + 1]], 1]
            depth[targets] = np.maximum(depth[targets], depth[task] + 1)
        return read_only(depth)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, without the names."""
        content = hashlib.sha256(b"placezoo.TaskGraph/1")
        for array, dtype in (
            (self.compute, "<f8"),
            (self.hardware_type, "<i8"),
            (self.edges, "<i8"),
            (self.bytes, "<f8"),
        ):
            content.update(np.asarray(array).astype(dtype).tobytes())
            content.update(b"|")
        return content.hexdigest()

    def _find_cycle(self) -> list[int]:
        """Return the tasks of a cycle, the first also at its end."""
        left = np.ones(self.num_tasks, bool)
        left[self.order] = False
        edges = self.links[left[self.links].all(axis=1)]
        before = dict(edges[:, ::-1].tolist())  # each task that is left has an edge into it from another one
        path = [int(np.flatnonzero(left)[0])]
        while path[-1] not in path[:-1]:
            path.append(before[path[-1]])
        cycle = path[path.index(path[-1]) :][::-1]
        return cycle

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskGraph) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"TaskGraph({self.name!r}, {self.num_tasks} tasks, {self.num_edges} edges)"


def _rows(ends: NDArray[np.int64], num_tasks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    start = np.zeros(num_tasks + 1, np.int64)
    start[1:] = np.cumsum(np.bincount(ends, minlength=num_tasks))
    return read_only(start), read_only(np.argsort(ends, kind="stable"))

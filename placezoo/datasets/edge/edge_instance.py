"""The instance of placement on an edge cluster: a task graph, a cluster, and where a published case starts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.arrays import EqualByDigest, as_integers, read_only
from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.task_graph import TaskGraph


@dataclass(frozen=True, eq=False)
class EdgeInstance(EqualByDigest):
    """A task graph to be placed on a cluster.

    Args:
        task_graph: the program.
        cluster: the devices.
        name: what the instance is called in results.
        placement: int64 [num_tasks], a start that the instance comes with, or None.
        published: makespans by method, where they have been published.

    Raises:
        ValueError: no device can run a task, or the placement is none of this instance.
    """

    task_graph: TaskGraph
    cluster: DeviceCluster
    name: str = "edge"
    placement: NDArray[np.int64] | None = None
    published: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.task_graph, TaskGraph) or not isinstance(self.cluster, DeviceCluster):
            raise ValueError("an EdgeInstance is made of a TaskGraph and a DeviceCluster")
        stranded = ~self.allowed.any(axis=1)
        if stranded.any():
            task = int(np.argmax(stranded))
            kind = int(np.asarray(self.task_graph.hardware_type)[task])
            raise ValueError(f"{self.name}: no device supports task {task}, which needs hardware type {kind}")
        if self.placement is not None:
            placement = as_integers(self.placement, np.int64, "placement")
            if placement.shape != (self.task_graph.num_tasks,):
                raise ValueError(f"{self.task_graph.num_tasks} tasks but a placement of shape {placement.shape}")
            if placement.min() < 0 or placement.max() >= self.cluster.num_devices:
                raise ValueError(f"{self.name}: a task's device lies outside 0..{self.cluster.num_devices - 1}")
            object.__setattr__(self, "placement", read_only(placement))

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which devices can run each task: bool [num_tasks, num_devices]."""
        return read_only(np.ascontiguousarray(self.cluster.can_run(np.asarray(self.task_graph.hardware_type))))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of task graph and cluster."""
        return hashlib.sha256(f"{self.task_graph.digest}{self.cluster.digest}".encode()).hexdigest()

    def __repr__(self) -> str:
        return f"EdgeInstance({self.name!r}, {self.task_graph!r}, {self.cluster!r})"

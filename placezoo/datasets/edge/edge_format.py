"""Task graphs, clusters and instances as JSON files, and the published instances of GiPH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph
from placezoo.datasets.edge.workflow_format import (
    is_saga,
    is_saga_instance,
    is_wfcommons,
    saga_cluster,
    saga_task_graph,
    wfcommons_task_graph,
)
from placezoo.datasets.files import write_atomically
from placezoo.datasets.json_content import located, part, read_json
from placezoo.datasets.refusal import refuses_in_one_line

FORMAT = "placezoo.EdgeInstance/1"


@refuses_in_one_line
def read_edge(path: str | Path, cluster: str | Path | None = None, name: str | None = None) -> EdgeInstance:
    """Read an instance.

    Args:
        path: what ``write_edge`` wrote, or a problem instance that SAGA saved; or, with a cluster, whatever
            ``read_task_graph`` reads.
        cluster: whatever ``read_cluster`` reads, or None.
        name: of the instance, default the path.

    Raises:
        ValueError: ``path:line: what``.
        OSError: a file cannot be read.
    """
    if cluster is not None:
        graph, devices = read_task_graph(path), read_cluster(cluster)
        return located(path, lambda: EdgeInstance(graph, devices, name or f"{path},{cluster}"))
    content = read_json(path)

    def build() -> EdgeInstance:
        if is_wfcommons(content) or is_saga(content):
            raise ValueError("a task graph without a cluster; give one after a comma: workflow.json,cluster.json")
        title = name or str(path)
        if is_saga_instance(content):
            return EdgeInstance(
                saga_task_graph(content["task_graph"], title), saga_cluster(content["network"], title), title
            )
        return EdgeInstance(
            _task_graph(part(content, "task_graph", dict), str(path)),
            _cluster(part(content, "cluster", dict), str(path)),
            title,
            content.get("placement"),
        )

    return located(path, build)


def write_edge(instance: EdgeInstance, path: str | Path) -> None:
    """Write an instance as JSON that ``read_edge`` reads; numbers survive exactly."""
    graph, cluster = instance.task_graph, instance.cluster
    content: dict[str, Any] = {
        "format": FORMAT,
        "task_graph": {
            "compute": np.asarray(graph.compute).tolist(),
            "hardware_type": np.asarray(graph.hardware_type).tolist(),
            "edges": [
                [source, target, size]
                for (source, target), size in zip(graph.links.tolist(), np.asarray(graph.bytes).tolist(), strict=True)
            ],
            "task_names": list(graph.task_names),
        },
        "cluster": {
            "speed": np.asarray(cluster.speed).tolist(),
            "delay": np.asarray(cluster.delay).tolist(),
            "inverse_bandwidth": np.asarray(cluster.inverse_bandwidth).tolist(),
            "supports": [np.flatnonzero(row).tolist() for row in cluster.support_matrix],
        },
    }
    if instance.placement is not None:
        content["placement"] = np.asarray(instance.placement).tolist()
    write_atomically(path, json.dumps(content) + "\n")


@refuses_in_one_line
def read_task_graph(path: str | Path) -> TaskGraph:
    """Read a task graph: ours, a WfCommons workflow (WfFormat 1.3 to 1.5), or SAGA's, alone or of an instance.

    Of a workflow, compute is the measured run time in seconds (so that speed 1 is the machine it was measured on), an
    edge's bytes are the sizes of the files that one task writes and the other reads.

    Raises:
        ValueError: ``path:line: what``.
        OSError: the file cannot be read.
    """
    content = read_json(path)
    if is_wfcommons(content):
        return located(path, lambda: wfcommons_task_graph(content, str(path)))
    if is_saga(content) or is_saga_instance(content):
        return located(path, lambda: saga_task_graph(content.get("task_graph", content), str(path)))
    return located(path, lambda: _task_graph(content.get("task_graph", content), str(path)))


@refuses_in_one_line
def read_cluster(path: str | Path) -> DeviceCluster:
    """Read a cluster: ours, or SAGA's network (every device supports type 0).

    Raises:
        ValueError: ``path:line: what``.
        OSError: the file cannot be read.
    """
    content = read_json(path)
    if "nodes" in content or is_saga_instance(content):
        return located(path, lambda: saga_cluster(content.get("network", content), str(path)))
    return located(path, lambda: _cluster(content.get("cluster", content), str(path)))


@refuses_in_one_line
def read_published_giph(path: str | Path, name: str) -> list[EdgeInstance]:
    """Read the published cases of GiPH: programs, networks, placements with their makespans, HEFT's makespans.

    Raises:
        ValueError: ``path:line: what``.
        OSError: the file cannot be read.
    """
    content = read_json(path)

    def build() -> list[EdgeInstance]:
        graphs = {entry["id"]: _task_graph(entry, entry["id"]) for entry in part(content, "programs", list)}
        clusters = {entry["id"]: _cluster(entry, entry["id"]) for entry in part(content, "networks", list)}
        return [
            EdgeInstance(
                graphs[case["program"]],
                clusters[case["network"]],
                f"{name}/{number}",
                case["placement"],
                {"start": case["makespan"], "heft": case["heft_makespan"]},
            )
            for number, case in enumerate(part(content, "cases", list))
        ]

    return located(path, build)


def _task_graph(content: dict[str, Any], name: str) -> TaskGraph:
    edges = part(content, "edges", list)
    if not all(isinstance(edge, list) and len(edge) == 3 for edge in edges):
        raise ValueError("each of 'edges' must be [source, target, bytes]")
    compute = part(content, "compute", list)
    return TaskGraph(
        compute=_numbers(compute),
        hardware_type=np.array(content.get("hardware_type", [0] * len(compute))),
        edges=np.array([edge[:2] for edge in edges], dtype=None if edges else np.int64).reshape(-1, 2),
        bytes=_numbers([edge[2] for edge in edges]),
        name=name,
        task_names=tuple(content.get("task_names", ())),
    )


def _cluster(content: dict[str, Any], name: str) -> DeviceCluster:
    return DeviceCluster(
        speed=_numbers(part(content, "speed", list)),
        delay=_numbers(part(content, "delay", list)),
        inverse_bandwidth=_numbers(part(content, "inverse_bandwidth", list)),
        supports=part(content, "supports", list),
        name=name,
    )


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("numbers expected, in rows of one length") from None

"""Task graphs of others: workflows of WfCommons, task graphs and networks of SAGA.

Sources: WfFormat 1.5 (https://github.com/wfcommons/WfFormat) and its predecessors; SAGA 2.0 (anrg-saga on PyPI).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.task_graph import TaskGraph
from placezoo.datasets.json_content import part


def is_wfcommons(content: dict[str, Any]) -> bool:
    """Whether a JSON file's content is a workflow of WfCommons."""
    return "workflow" in content


def is_saga(content: dict[str, Any]) -> bool:
    """Whether a JSON file's content is a task graph of SAGA."""
    return "tasks" in content and "dependencies" in content


def is_saga_instance(content: dict[str, Any]) -> bool:
    """Whether a JSON file's content is a problem instance of SAGA: a task graph with its network."""
    return is_saga(_dict(content, "task_graph")) and "nodes" in _dict(content, "network")


def _dict(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def wfcommons_task_graph(content: dict[str, Any], name: str) -> TaskGraph:
    """Return the task graph of a workflow's measured run.

    Raises:
        ValueError: something is missing, or parents and files make no task graph.
    """
    workflow = part(content, "workflow", dict)
    if "specification" in workflow:  # 1.5
        specification = part(workflow, "specification", dict)
        tasks = part(specification, "tasks", list)
        sizes = {file["id"]: float(file["sizeInBytes"]) for file in specification.get("files", [])}
        runs = {run["id"]: run for run in part(part(workflow, "execution", dict), "tasks", list)}
        files = {task["id"]: (task.get("inputFiles", []), task.get("outputFiles", [])) for task in tasks}
    else:  # up to 1.4 tasks hold their files and run times
        tasks = part(workflow, "tasks", list) if "tasks" in workflow else part(workflow, "jobs", list)
        sizes, files = {}, {}
        for task in tasks:
            ends: dict[str, list[str]] = {"input": [], "output": []}
            for file in task.get("files", []):
                sizes[file["name"]] = float(file.get("sizeInBytes", file.get("size", 0)))
                ends[file["link"]].append(file["name"])
            files[_id(task)] = (ends["input"], ends["output"])
        runs = {_id(task): task for task in tasks}
    ids = [_id(task) for task in tasks]
    number = {task: index for index, task in enumerate(ids)}
    by_name = {task.get("name", ""): index for index, task in enumerate(tasks)}
    transfers: dict[tuple[int, int], float] = {}
    for index, task in enumerate(tasks):
        for parent in task.get("parents", []):
            if parent not in number and parent not in by_name:
                raise ValueError(f"task {ids[index]!r} has the unknown parent {parent!r}")
            source = number.get(parent, by_name.get(parent, -1))
            shared = set(files[ids[source]][1]) & set(files[ids[index]][0])
            transfers[source, index] = sum(sizes.get(file, 0.0) for file in sorted(shared))
    compute = [_run_time(runs.get(task), task) for task in ids]
    return TaskGraph(
        compute=np.array(compute),
        edges=np.array(list(transfers), np.int64).reshape(-1, 2),
        bytes=np.array(list(transfers.values())),
        name=str(content.get("name", name)),
        task_names=tuple(ids),
    )


def _id(task: dict[str, Any]) -> str:
    return str(task["id"] if "id" in task else task["name"])


def _run_time(run: dict[str, Any] | None, task: str) -> float:
    for key in ("runtimeInSeconds", "runtime"):
        if run is not None and key in run:
            return float(run[key])
    raise ValueError(f"task {task!r} has no run time")


def saga_task_graph(content: dict[str, Any], name: str) -> TaskGraph:
    """Return SAGA's task graph: costs as compute, sizes as bytes; tasks in the order of their names.

    Raises:
        ValueError: something is missing or wrong.
    """
    costs = {str(task["name"]): float(task["cost"]) for task in part(content, "tasks", list)}
    number = {task: index for index, task in enumerate(sorted(costs))}
    links = sorted(
        (number[str(link["source"])], number[str(link["target"])], float(link["size"]))
        for link in part(content, "dependencies", list)
    )
    return TaskGraph(
        compute=np.array([costs[task] for task in number]),
        edges=np.array([link[:2] for link in links], np.int64).reshape(-1, 2),
        bytes=np.array([link[2] for link in links]),
        name=name,
        task_names=tuple(number),
    )


def saga_cluster(content: dict[str, Any], name: str) -> DeviceCluster:
    """Return SAGA's network: link speeds as bandwidths, no delay, devices in the order of their names.

    SAGA writes an infinite speed as null, that of each device's link to itself for example.

    Raises:
        ValueError: something is missing or wrong, or two devices have no link.
    """
    speeds = {str(node["name"]): _speed(node) for node in part(content, "nodes", list)}
    endless = [name for name, speed in speeds.items() if speed == math.inf]
    if endless:
        raise ValueError(f"device {endless[0]!r} is infinitely fast")
    number = {node: index for index, node in enumerate(sorted(speeds))}
    bandwidth: dict[tuple[int, int], float] = defaultdict(float)
    for link in part(content, "edges", list):
        ends = number[str(link["source"])], number[str(link["target"])]
        bandwidth[ends] = bandwidth[ends[::-1]] = _speed(link)
    inverse = np.zeros((len(number), len(number)))
    for a, first in enumerate(number):
        for b, second in enumerate(number):
            if a != b:
                if not bandwidth[a, b] > 0:
                    raise ValueError(f"devices {first!r} and {second!r} have no link")
                inverse[a, b] = 1.0 / bandwidth[a, b]
    return DeviceCluster(
        speed=np.array([speeds[node] for node in number]),
        delay=np.zeros_like(inverse),
        inverse_bandwidth=inverse,
        supports=[[0]] * len(number),
        name=name,
    )


def _speed(content: dict[str, Any]) -> float:
    return math.inf if content["speed"] is None else float(content["speed"])

"""Schedules of placed task graphs in others' formats: SAGA's Schedule, and WfCommons' workflow as it ran."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.edge.makespan import Makespan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # when a schedule begins, where a format wants dates


def saga_schedule(model: Makespan, assignment: NDArray[np.int64], name: str) -> str:
    """Return the JSON of SAGA's ``Schedule``: task graph, network, and what runs on each node, and when.

    Times are those of our simulation. SAGA knows no delays of links, so that its network has their bandwidths alone.

    Args:
        model: the cost model.
        assignment: int64 [num_tasks], whole.
        name: unused: SAGA's schedules have none.

    Source: SAGA 2.0 (anrg-saga on PyPI).
    """
    graph, cluster, schedule = model.task_graph, model.cluster, model.schedule(assignment)
    tasks = _unique(graph.task_names)
    mapping: dict[str, list[dict[str, Any]]] = {str(device): [] for device in range(cluster.num_devices)}
    for task in np.argsort(schedule.start, kind="stable").tolist():
        node = str(assignment[task])
        times = {"start": float(schedule.start[task]), "end": float(schedule.end[task])}
        mapping[node].append({"node": node, "name": tasks[task], **times})
    inverse = np.asarray(cluster.inverse_bandwidth)
    links = [(a, b) for a in range(cluster.num_devices) for b in range(a) if inverse[a, b] > 0]
    content = {
        "task_graph": {
            "tasks": [
                {"name": task, "cost": cost}
                for task, cost in zip(tasks, np.asarray(graph.compute).tolist(), strict=True)
            ],
            "dependencies": [
                {"source": tasks[source], "target": tasks[target], "size": size}
                for (source, target), size in zip(graph.links.tolist(), np.asarray(graph.bytes).tolist(), strict=True)
            ],
        },
        "network": {
            "nodes": [
                {"name": str(device), "speed": speed} for device, speed in enumerate(np.asarray(cluster.speed).tolist())
            ],
            "edges": [{"source": str(a), "target": str(b), "speed": float(1.0 / inverse[a, b])} for a, b in links],
        },
        "mapping": mapping,
    }
    return json.dumps(content, indent=1) + "\n"


def wfcommons_schedule(model: Makespan, assignment: NDArray[np.int64], name: str) -> str:
    """Return the JSON of a workflow as it ran on the devices it was placed on.

    Run times are those on the chosen devices; tasks begin as long after 1970 as after the schedule's start. A file
    stands for each edge, in whole bytes.

    Args:
        model: the cost model.
        assignment: int64 [num_tasks], whole.
        name: of the workflow.

    Source: WfFormat 1.5 (https://github.com/wfcommons/WfFormat).
    """
    graph, schedule = model.task_graph, model.schedule(assignment)
    ids = _unique(graph.task_names)
    links = [(ids[source], ids[target]) for source, target in graph.links.tolist()]
    files = [f"{source} to {target}" for source, target in links]
    sizes = [math.ceil(size) for size in np.asarray(graph.bytes).tolist()]

    def at(seconds: float) -> str:
        return (_EPOCH + timedelta(seconds=float(seconds))).isoformat()

    specification = {
        "tasks": [
            {
                "name": task,
                "id": task,
                "parents": [source for source, target in links if target == task],
                "children": [target for source, target in links if source == task],
                "inputFiles": [file for file, (_, target) in zip(files, links, strict=True) if target == task],
                "outputFiles": [file for file, (source, _) in zip(files, links, strict=True) if source == task],
            }
            for task in ids
        ],
        "files": [{"id": file, "sizeInBytes": size} for file, size in zip(files, sizes, strict=True)],
    }
    execution = {
        "makespanInSeconds": float(schedule.end.max()),
        "executedAt": at(0.0),
        "tasks": [
            {
                "id": task,
                "runtimeInSeconds": float(schedule.end[number] - schedule.start[number]),
                "executedAt": at(schedule.start[number]),
                "machines": [str(assignment[number])],
            }
            for number, task in enumerate(ids)
        ],
        "machines": [{"nodeName": str(device)} for device in np.unique(assignment).tolist()],
    }
    workflow = {"specification": specification, "execution": execution}
    return json.dumps({"name": name, "schemaVersion": "1.5", "workflow": workflow}, indent=1) + "\n"


def _unique(names: tuple[str, ...]) -> list[str]:
    return list(names) if len(set(names)) == len(names) else [f"{n}: {name}" for n, name in enumerate(names)]

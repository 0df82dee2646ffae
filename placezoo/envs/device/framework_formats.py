"""Placements as the frameworks that run them take them: by modules of the model, not by operators."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.datasets.op_graphs.op_grouping import modules_above, owner_of


def device_map(graph: OpGraph, device: NDArray[np.int64]) -> dict[str, int]:
    """Return where the modules of a model go, as ``accelerate`` and ``from_pretrained(device_map=...)`` take it.

    What is on one device as a whole is one entry. Operators without parameters run where their inputs are, whatever
    the placement says.

    Args:
        graph: with the names of its parameters.
        device: int64 [num_ops], where each operator runs.

    Raises:
        ValueError: no names; or the parameters of a module, those of modules within it included, are apart: a framework
            runs a module on one device.
    """
    places = _parameter_devices(graph, device)
    owners = {owner_of(parameter) for parameter in places} - {""}
    inside: dict[str, set[int]] = {}
    for parameter, place in places.items():
        for module in ("", *_modules_of(parameter)):
            inside.setdefault(module, set()).add(place)
    for module in sorted(owners):
        if len(inside[module]) > 1:
            raise ValueError(
                f"no device_map: the parameters of {module} are on the devices {_listed(inside[module])}; "
                "grouping=modules keeps modules whole"
            )
    found: dict[str, int] = {}
    for parameter, place in places.items():
        modules = ["", *reversed(_modules_of(parameter))]
        found[next((module for module in modules if len(inside[module]) == 1), parameter)] = place
    return found


def pipeline_split(graph: OpGraph, device: NDArray[np.int64]) -> dict[str, list[str] | list[int]]:
    """Return the modules before which a pipeline is split, and the device of each stage.

    They are the ``split_spec`` of ``torch.distributed.pipelining.pipeline``, each ``SplitPoint.BEGINNING``. Operators
    that depend on no parameter, of masks for example, count for nothing, and neither do those of the backward pass.

    Args:
        graph: with the names of its parameters; operators are numbered as they run.
        device: int64 [num_ops], where each operator runs.

    Raises:
        ValueError: no names; the model comes back to a device that it has left; or a stage begins within a module.
    """
    _parameter_devices(graph, device)
    split_points: list[str] = []
    devices: list[int] = []
    seen: set[str] = set()
    for op in _forward_operators(graph):
        place = int(device[op])
        names = [module for parameter in graph.parameters[op] for module in _modules_of(parameter)]
        if not devices or place != devices[-1]:
            if place in devices:
                raise ValueError(f"no pipeline: {graph.names[op]} is on device {place}, which the model has left")
            if devices:
                # A container whose children are numbered may be a mere list, which never runs.
                begins = [module for module in names if module not in seen and not _is_list(module, names)]
                if not begins:
                    raise ValueError(
                        f"no pipeline: the stage on device {place} begins with {graph.names[op]}, within a module; "
                        "grouping=modules keeps modules whole"
                    )
                split_points.append(min(begins, key=len))
            devices.append(place)
        seen.update(names)
    return {"split_points": split_points, "devices": devices}


def _parameter_devices(graph: OpGraph, device: NDArray[np.int64]) -> dict[str, int]:
    """Return where each parameter is, in the order in which operators read them first."""
    if not any(graph.parameters):
        raise ValueError(f"{graph.name}: the operator graph has no names of parameters; trace it again")
    if (device < 0).any():
        raise ValueError(f"the operator {graph.names[int(np.argmin(device))]} is not placed")
    return {one: int(device[op]) for op, names in enumerate(graph.parameters) for one in names}


def _modules_of(parameter: str) -> list[str]:
    """Return the modules that a parameter is in, from the innermost."""
    owner = owner_of(parameter)
    return [owner, *modules_above(owner)] if owner else []


def _is_list(module: str, names: list[str]) -> bool:
    return any(one.startswith(f"{module}.") and one[len(module) + 1 :].split(".")[0].isdigit() for one in names)


def _forward_operators(graph: OpGraph) -> list[int]:
    """Return the operators of the forward pass that depend on a parameter, as they run."""
    group, backward = np.asarray(graph.group), np.asarray(graph.backward)
    holds = np.bincount(group, [bool(names) for names in graph.parameters])[group] > 0
    sources: dict[int, list[int]] = {}
    for source, target in np.asarray(graph.edges).tolist():
        sources.setdefault(target, []).append(source)
    depends = holds.copy()
    for op in graph.dag.order.tolist():
        depends[op] |= any(depends[source] for source in sources.get(op, ()))
    return np.flatnonzero(depends & ~backward).tolist()


def _listed(devices: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(devices)))

"""The Gymnasium ids, and problems without an environment."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym

from placezoo.datasets.registry import resolve
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.envs.mcm.problem import MCMPartitionProblem
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.vector import FORMULATIONS, PlacementVectorEnv

_PROBLEM_CLASSES = (
    ChipPlaceProblem, DevicePlaceProblem, EdgePlaceProblem, GraphPartitionProblem, MCMPartitionProblem,
)  # fmt: skip
PROBLEMS: dict[str, Any] = {problem.env_id: problem for problem in _PROBLEM_CLASSES}

_FORMULATION_SETTINGS = {"construct": (), "improve": ("num_moves",), "one-shot": ("refinements",)}


def problem_class(env_id: str) -> Any:
    """Return the domain of an environment's id.

    Raises:
        ValueError: no such id; names near ones.
    """
    if env_id not in PROBLEMS:
        raise ValueError(unknown_name("environment", env_id, PROBLEMS))
    return PROBLEMS[env_id]


def problem_parameters(env_id: str) -> dict[str, Any]:
    """Return the parameters of a domain with their defaults."""
    signature = inspect.signature(problem_class(env_id))
    return {name: parameter.default for name, parameter in list(signature.parameters.items())[1:]}


def make_problem(env_id: str, instance: Any = None, **parameters: Any) -> PlacementProblem:
    """Return a problem without an environment.

    Args:
        env_id: ``GraphPartition-v0``, for example.
        instance: an instance, or a name or path that ``placezoo.datasets.load`` knows; default the domain's own.
        parameters: of the domain, ``num_parts=4`` for example.

    Raises:
        ValueError: something named does not exist or is out of range.
    """
    _check_names(env_id, parameters, problem_parameters(env_id))
    domain = problem_class(env_id)
    return domain(resolve(domain.default_instance if instance is None else instance), **parameters)


def make_env(
    env_id: str,
    *,
    instance: Any = None,
    dataset: str | None = None,
    split: str = "train",
    formulation: str | None = None,
    render_mode: str | None = None,
    **settings: Any,
) -> PlacementEnv:
    """Return an environment: what ``gym.make(env_id, ...)`` calls.

    Args:
        env_id: ``GraphPartition-v0``, for example.
        instance: an instance, a name or a path; or
        dataset: the name of a dataset, from which every reset draws; default of both is the domain's own instance.
        split: ``train``, ``validation`` or ``test``.
        formulation: ``construct``, ``improve`` or ``one-shot``; default the domain's own.
        render_mode: ``rgb_array``, ``human`` or None.
        settings: of the domain (``num_parts``) and the formulation (``num_moves``, ``refinements``).

    Raises:
        ValueError: something named does not exist or is out of range.
    """
    source, formulation, own = _prepare(env_id, instance, dataset, split, formulation, settings)
    return FORMULATIONS[formulation](source, render_mode=render_mode, **own)


def make_vector_env(
    env_id: str,
    num_envs: int = 1,
    *,
    instance: Any = None,
    dataset: str | None = None,
    split: str = "train",
    formulation: str | None = None,
    **settings: Any,
) -> PlacementVectorEnv:
    """Return a batched environment: what ``gym.make_vec(env_id, num_envs, ...)`` calls; else as ``make_env``."""
    autoreset = {"autoreset_mode": settings.pop("autoreset_mode")} if "autoreset_mode" in settings else {}
    if settings.pop("render_mode", None) is not None:
        raise ValueError("the batched environment does not draw; render a scalar one")
    source, formulation, own = _prepare(env_id, instance, dataset, split, formulation, settings)
    return PlacementVectorEnv(num_envs, source, formulation, **autoreset, **own)


def _prepare(
    env_id: str, instance: Any, dataset: str | None, split: str, formulation: str | None, settings: dict[str, Any]
) -> tuple[ProblemSource, str, dict[str, Any]]:
    domain = problem_class(env_id)
    formulation = domain.default_formulation if formulation is None else formulation
    if formulation not in FORMULATIONS:
        raise ValueError(unknown_name("formulation", formulation, FORMULATIONS))
    known = problem_parameters(env_id)
    own_names = _FORMULATION_SETTINGS[formulation]
    _check_names(f"{env_id} ({formulation})", settings, {**known, **dict.fromkeys(own_names)})
    own = {name: value for name, value in settings.items() if name in own_names}
    parameters = {name: value for name, value in settings.items() if name in known}
    if instance is None and dataset is None:
        instance = domain.default_instance
    source = ProblemSource(domain, instance=instance, dataset=dataset, split=split, parameters=parameters)
    return source, formulation, own


def _check_names(owner: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"{owner}: {unknown_name('parameter', name, known)}")


def register_environments() -> None:
    """Register every id with Gymnasium; importing placezoo does this."""
    for env_id in PROBLEMS:
        gym.register(
            env_id,
            entry_point="placezoo.envs.registration:make_env",
            vector_entry_point="placezoo.envs.registration:make_vector_env",
            kwargs={"env_id": env_id},
        )

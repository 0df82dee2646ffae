"""The Gymnasium ids, and problems without an environment; where other packages put theirs beside them."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, get_args, get_type_hints

import gymnasium as gym

from placezoo.datasets.registry import resolve
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.placement_env import PlacementEnv
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.vector import FORMULATIONS, PlacementVectorEnv

ENTRY_POINTS = "placezoo.problems"  # the group in which installed packages name theirs: id = "module:Class"
PROBLEMS: dict[str, Any] = {}  # by the environment's id; what has been registered so far

_FORMULATION_SETTINGS = {"construct": (), "improve": ("num_moves",), "one-shot": ("refinements",)}
P = TypeVar("P", bound=type[PlacementProblem])


def register_problem(problem: P) -> P:
    """Register a problem class, also as a decorator: its ``env_id`` with Gymnasium, the class with all that asks by it.

    Every general agent, wrapper, suite and command then works on it. An installed package names the class in the entry
    points ``placezoo.problems`` as well, so that it is found before the package is imported.

    Raises:
        ValueError: the class leaves something open, or another one has its id.
    """
    missing = sorted(getattr(problem, "__abstractmethods__", ()))
    missing += [name for name in _CLASS_ATTRIBUTES if not hasattr(problem, name)]
    if missing:
        raise ValueError(f"{problem.__name__} cannot be registered without {', '.join(missing)}")
    known = PROBLEMS.get(problem.env_id)
    if known is not None and (known.__module__, known.__qualname__) != (problem.__module__, problem.__qualname__):
        raise ValueError(f"{problem.env_id} is {known.__module__}.{known.__qualname__}, choose another id")
    PROBLEMS[problem.env_id] = problem
    _register_id(problem.env_id)
    return problem


_CLASS_ATTRIBUTES = ("env_id", "short_name", "default_formulation", "feature_names", "term_names", "step_kernel")


def _register_id(env_id: str) -> None:
    if env_id not in gym.registry:
        gym.register(
            env_id,
            entry_point="placezoo.envs.registration:make_env",
            vector_entry_point="placezoo.envs.registration:make_vector_env",
            kwargs={"env_id": env_id},
        )


def register_entry_points() -> None:
    """Register the ids of installed packages with Gymnasium; importing placezoo does this, importing none of them."""
    for point in entry_points(group=ENTRY_POINTS):
        _register_id(point.name)


def problem_classes() -> dict[str, Any]:
    """Return every problem class by its environment's id, those of installed packages included."""
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in PROBLEMS:
            _load(point)
    return PROBLEMS


def problem_class(env_id: str) -> Any:
    """Return the domain of an environment's id; ``module:Id-v0`` imports the module that registers it first.

    Raises:
        ValueError: no such id; names near ones.
        ImportError: the module, or the package that has it, cannot be imported.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ImportError(f"environment {env_id}: {error.msg.lower()}") from None
    if name not in PROBLEMS:
        for point in entry_points(group=ENTRY_POINTS, name=name):
            _load(point)
    if name not in PROBLEMS:
        raise ValueError(unknown_name("environment", name, PROBLEMS))
    return PROBLEMS[name]


def portable_id(problem: Any) -> str:
    """Return an id by which another process finds a problem class: ``module:Id-v0`` where no package names it."""
    own = problem.__module__.startswith("placezoo.") or entry_points(group=ENTRY_POINTS, name=problem.env_id)
    return str(problem.env_id) if own else f"{problem.__module__}:{problem.env_id}"


def _load(point: EntryPoint) -> None:
    try:
        problem = point.load()
    except (ImportError, AttributeError) as error:
        raise ImportError(f"environment {point.name}, from {point.value}: {error}") from None
    register_problem(problem)


def environments_of(make: Callable[..., Any]) -> list[str]:
    """Return the environments that take what a function returns, by its annotation; none if it has no such one."""
    function = make.func if isinstance(make, functools.partial) else make
    made = get_type_hints(function).get("return")
    return [env_id for env_id, domain in problem_classes().items() if made is not None and made in _taken(domain)]


def _taken(domain: Any) -> tuple[Any, ...]:
    """Return the kinds of instances that a problem class takes: its first parameter's annotation."""
    first = next(iter(inspect.signature(domain).parameters))
    hint = get_type_hints(domain.__init__, include_extras=False).get(first)
    return get_args(hint) or (hint,)


def problem_parameters(env_id: str) -> dict[str, Any]:
    """Return the parameters of a domain with their defaults."""
    signature = inspect.signature(problem_class(env_id))
    return {name: parameter.default for name, parameter in list(signature.parameters.items())[1:]}


def make_problem(env_id: str, instance: Any = None, **parameters: Any) -> PlacementProblem:
    """Return a problem without an environment.

    Args:
        env_id: ``GraphPartition-v0``, for example.
        instance: an instance, a name or path that ``placezoo.datasets.load`` knows, or what the domain converts (a
            NetworkX graph or a SciPy sparse matrix is a graph to partition); default the domain's own.
        parameters: of the domain, ``num_parts=4`` for example.

    Raises:
        ValueError: something named does not exist or is out of range.
    """
    _check_names(env_id, parameters, problem_parameters(env_id))
    domain = problem_class(env_id)
    if instance is None and domain.default_instance is None:
        raise ValueError(f"{env_id} has no instance of its own: name one")
    return domain(domain.as_instance(resolve(domain.default_instance if instance is None else instance)), **parameters)


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
        instance: an instance, a name, a path, or what the domain converts; or
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

"""Types and bounds of parameters: what is kept, what is refused, and that nothing goes unchecked."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest

import placezoo
from placezoo import Budget
from placezoo.agents.learning.learners import LEARNERS
from placezoo.agents.registry import AGENTS, agent_class
from placezoo.cost_models import Makespan, PartitionCost, ProxyCost
from placezoo.datasets import OpGraph, generate_netlist, load
from placezoo.envs.device.problem import DevicePlaceProblem
from placezoo.envs.edge.problem import EdgePlaceProblem
from placezoo.envs.improve import ImproveEnv
from placezoo.envs.one_shot import OneShotEnv
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.registration import PROBLEMS, make_env, make_vector_env
from placezoo.envs.vector import PlacementVectorEnv
from placezoo.envs.wrappers import TimeLimitBudget
from placezoo.parameters import above, at_least, at_most, below, between, check_fields, one_of, parameters_of
from tests.instances import small_network


@dataclass(frozen=True)
class Settings:
    count: Annotated[int, at_least(1)] = 1
    most: Annotated[int | None, at_most(9)] = None
    levels: Annotated[int, between(1, 1024)] = 2
    share: Annotated[float, above(0), below(1)] = 0.5
    rate: Annotated[float, at_least(0), below(1)] = 0.5
    start: Annotated[str, one_of("random", "heft")] = "heft"
    inner: Annotated[float, at_least(2)] | None = None
    is_on: bool = True
    name: str | None = None
    sizes: tuple[int, ...] = ()
    anything: Any = None

    def __post_init__(self) -> None:
        check_fields(self, "settings")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"count": 7}, 7), ({"count": np.int64(3)}, 3), ({"most": None}, None), ({"most": 9}, 9),
        ({"levels": 1024}, 1024),
        ({"share": 1e-300}, 1e-300), ({"rate": 0}, 0.0), ({"rate": np.float32(0.25)}, 0.25), ({"inner": 3}, 3.0),
        ({"start": "random"}, "random"), ({"is_on": False}, False), ({"name": "x"}, "x"), ({"sizes": (1, 2)}, (1, 2)),
        ({"anything": [1]}, [1]),
    ],
)  # fmt: skip
def test_what_is_kept(given, kept):
    (name,) = given
    found = getattr(Settings(**given), name)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 0}, "count must be a whole number of at least 1, not 0"),
        ({"count": True}, "count must be a whole number of at least 1, not True"),
        ({"count": 1.0}, "count must be a whole number of at least 1, not 1.0"),
        ({"count": None}, "count must be a whole number of at least 1, not None"),
        ({"most": 10}, "most must be a whole number of at most 9 or None, not 10"),
        ({"levels": 1025}, "levels must be a whole number in 1..1024, not 1025"),
        ({"share": 0.0}, "share must be a finite number in (0, 1), not 0.0"),
        ({"share": 1}, "share must be a finite number in (0, 1), not 1"),
        ({"rate": 1.0}, "rate must be a finite number in [0, 1), not 1.0"),
        ({"rate": math.nan}, "rate must be a finite number in [0, 1), not nan"),
        ({"rate": 10**400}, "rate must be a finite number in [0, 1), not 1000"),
        ({"rate": "half"}, "rate must be a finite number in [0, 1), not 'half'"),
        ({"inner": math.inf}, "inner must be a finite number of at least 2 or None, not inf"),
        ({"inner": 1.5}, "inner must be a finite number of at least 2 or None, not 1.5"),
        ({"start": "hefty"}, "unknown start 'hefty'; did you mean heft?"),
        ({"start": 3}, "start must be one of random, heft, not 3"),
        ({"is_on": 1}, "is_on must be true or false, not 1"),
        ({"name": 3}, "name must be text or None, not 3"),
        ({"sizes": [1]}, "sizes must be tuple, not [1]"),
        ({"count": np.zeros((30, 30))}, "count must be a whole number of at least 1, not array("),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ValueError, match=r"\A.*\Z") as caught:  # the pattern: one line
        Settings(**given)
    assert str(caught.value).startswith(f"settings: {message}")
    assert len(str(caught.value)) < 200


def just_outside(parameter) -> list[Any]:
    """Return the values nearest to a parameter's bounds that they do not allow."""
    if parameter.names:
        return ["no such name"]
    bound, found = parameter.bound, []
    for end, is_open, away in ((bound.low, bound.low_is_open, -1), (bound.high, bound.high_is_open, 1)):
        if math.isfinite(end):
            beyond = int(end) + away if int in parameter.kinds else math.nextafter(end, away * math.inf)
            found.append(end if is_open else beyond)
    return found


def on_the_bounds(parameter) -> list[Any]:
    """Return the values at a parameter's bounds that they allow."""
    bound, kind = parameter.bound, int if int in parameter.kinds else float
    ends = ((bound.low, bound.low_is_open), (bound.high, bound.high_is_open))
    return [kind(end) for end, is_open in ends if math.isfinite(end) and not is_open] + list(parameter.names[:1])


def assert_bounded(declaration: Any, make: Any) -> int:
    """Check that what is just outside a bound is refused in one line that names the parameter; return how many were."""
    count = 0
    for name, parameter in parameters_of(declaration).items():
        for value in just_outside(parameter):
            with pytest.raises(ValueError, match=rf"\A[^\n]*\b{name}\b[^\n]*\Z"):
                make(**{name: value})
            count += 1
    return count


@pytest.mark.parametrize("name", AGENTS)
def test_agents_keep_to_their_bounds(name):
    try:
        cls = agent_class(name)
    except ImportError as error:
        pytest.skip(str(error))
    assert_bounded(cls, cls)
    for field, parameter in parameters_of(cls).items():
        for value in on_the_bounds(parameter):
            assert getattr(cls(**{field: value}), field) == value


@pytest.mark.parametrize("name", LEARNERS)
def test_training_configurations_keep_to_their_bounds(name):
    pytest.importorskip("torch_geometric")
    config_class, _, _ = LEARNERS[name].load()
    for base in config_class.__mro__[1:-1]:  # a default of its own does not lose the bound
        assert parameters_of(base).items() <= parameters_of(config_class).items()
    with pytest.raises(ValueError, match=r"\A[^\n]*\blearning_rate must be a finite number above 0, not 0[^\n]*\Z"):
        config_class(learning_rate=0)
    assert_bounded(config_class, config_class)


def test_networks_budgets_and_scales_keep_to_their_bounds():
    pytest.importorskip("torch_geometric")
    from placezoo.agents.giph.network import GpNetConfig
    from placezoo.agents.one_shot.network import OneShotConfig
    from placezoo.agents.ppo.ray_cluster import Scale

    assert assert_bounded(GpNetConfig, functools.partial(GpNetConfig, 1, 1)) == 4
    assert assert_bounded(OneShotConfig, functools.partial(OneShotConfig, 1, 1, 1)) == 8
    assert assert_bounded(Budget, Budget) == 2
    assert assert_bounded(Scale, Scale) == 3


def operators() -> OpGraph:
    ones = np.ones(40)
    return OpGraph(1e9 * ones, 1e6 * ones, 1e5 * ones, 1e5 * ones, [[i, i + 1] for i in range(39)])


@pytest.mark.parametrize(
    ("env_id", "instance", "bounds"),
    [
        ("AccelSearch-v0", small_network, 8),
        ("ChipPlace-v0", lambda: generate_netlist(num_hard=4, num_soft=4, seed=0), 2),
        ("DevicePlace-v0", operators, 7),
        ("EdgePlace-v0", lambda: "giph/test/0", 8),
        ("GraphPartition-v0", lambda: "karate", 2),
        ("MCMPartition-v0", operators, 3),
    ],
)
def test_problems_keep_to_their_bounds(env_id, instance, bounds):
    instance = instance()
    assert assert_bounded(PROBLEMS[env_id], functools.partial(placezoo.make_problem, env_id, instance)) >= bounds


def test_cost_models_and_environments_keep_to_their_bounds():
    netlist, edge = generate_netlist(num_hard=4, num_soft=4, seed=0), load("giph/test/0")
    for cls, given, bounds in (
        (PartitionCost, (load("karate"), 2), 2),
        (Makespan, (edge.task_graph, edge.cluster), 5),
        (ProxyCost, (netlist,), 1),
    ):
        assert assert_bounded(cls, functools.partial(cls, *given)) == bounds
    make = functools.partial(make_env, "GraphPartition-v0", instance="karate")
    assert assert_bounded(ImproveEnv, functools.partial(make, formulation="improve")) == 1
    assert assert_bounded(OneShotEnv, functools.partial(make, formulation="one-shot")) == 1
    assert assert_bounded(TimeLimitBudget, functools.partial(TimeLimitBudget, make())) == 2
    many = functools.partial(make_vector_env, "GraphPartition-v0", instance="karate")
    assert assert_bounded(PlacementVectorEnv, many) == 1


def test_weights_of_the_proxy_cost_are_three_numbers():
    netlist = generate_netlist(num_hard=4, num_soft=4, seed=0)
    assert ProxyCost(netlist, weights=np.array([1, 2, 3])).weights == (1.0, 2.0, 3.0)
    for weights in (1.0, "123", ["1", "2", "3"], (1, 2), (1, 2, math.inf), (1, 2, -1), (1, 2, None), (1, 2, 10**400)):
        with pytest.raises(ValueError, match=r"weights must be three finite numbers of at least 0"):
            placezoo.make_problem("ChipPlace-v0", netlist, weights=weights)


@dataclass(frozen=True)
class Anywhere(placezoo.Agent):
    name = "anywhere"

    def _search(self, search):
        search.evaluate(search.problem.initial_assignment(search.rng))


@dataclass(frozen=True)
class OnEdges(Anywhere):
    problem_class = EdgePlaceProblem


@dataclass(frozen=True)
class OnGraphs(placezoo.Agent[GraphPartitionProblem]):
    name = "on-graphs"

    _search = Anywhere._search


@dataclass(frozen=True)
class OnTwo(placezoo.Agent[GraphPartitionProblem | DevicePlaceProblem]):
    name = "on-two"

    _search = Anywhere._search


@dataclass(frozen=True)
class SaysOtherwise(placezoo.Agent[GraphPartitionProblem]):
    name = "says-otherwise"
    problem_class = PlacementProblem

    _search = Anywhere._search


@dataclass(frozen=True)
class OnGraphsToo(OnGraphs):
    name = "on-graphs-too"


def test_the_problem_in_an_agents_brackets_is_the_one_that_it_is_for():
    everywhere, graphs, edges, devices = None, "GraphPartition-v0", "EdgePlace-v0", "DevicePlace-v0"
    for cls, ids in (
        (Anywhere, everywhere), (OnEdges, {edges}), (OnGraphs, {graphs}), (OnGraphsToo, {graphs}),
        (OnTwo, {graphs, devices}), (SaysOtherwise, everywhere),
    ):  # fmt: skip
        assert {env_id for env_id in PROBLEMS if cls.is_for(env_id)} == (set(PROBLEMS) if ids is None else ids)
    problem = placezoo.make_problem("GraphPartition-v0", "karate")
    for cls in (Anywhere, OnGraphs, OnTwo, SaysOtherwise):
        assert cls().solve(problem, Budget(evaluations=1)).cost.total > 0
    with pytest.raises(ValueError, match=r"anywhere is for EdgePlace-v0, it cannot solve GraphPartition-v0"):
        OnEdges().solve(problem)
    with pytest.raises(ValueError, match=r"on-two is for GraphPartition-v0 and DevicePlace-v0, it cannot solve Edge"):
        OnTwo().solve(placezoo.make_problem("EdgePlace-v0", "giph/test/0"))

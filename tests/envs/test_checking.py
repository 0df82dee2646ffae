"""``check_problem``: silent where a problem is right, and names the function where one is broken on purpose."""

import importlib
import sys

import numpy as np
import pytest
from numba import njit

import placezoo
from placezoo.cost_models import Cost
from placezoo.envs.registration import PROBLEMS
from tests.instances import SMALL, small_problem


@pytest.mark.parametrize("env_id", SMALL)
def test_the_environments_of_the_package_pass(env_id):
    placezoo.check_problem(small_problem(env_id), moves=50)


@pytest.fixture(scope="module")
def example():
    """The example, registered for the tests of this file alone."""
    module = importlib.import_module("examples.small_assignment")
    placezoo.register_problem(module.SmallAssignment)
    yield module
    del PROBLEMS["SmallAssignment-v0"], sys.modules[module.__name__]


def small(example, **changes):
    rng = np.random.default_rng(0)
    flow, places = np.triu(rng.integers(1, 9, (5, 5)), 1), rng.random((7, 2))
    distance = np.abs(places[:, None] - places[None]).sum(axis=2)
    cls = type("Broken", (example.SmallAssignment,), changes)
    return cls(example.Facilities((flow + flow.T).astype(float), distance))


def test_the_example_passes_and_costs_what_pairs_cost(example):
    problem = small(example)
    placezoo.check_problem(problem)
    assignment, flow, distance = np.array([4, 0, 6, 2, 1]), problem.instance.flow, problem.instance.distance
    assert problem.evaluate(assignment).total == pytest.approx(
        (flow * distance[np.ix_(assignment, assignment)]).sum() / 2
    )


@njit
def _half_a_difference(state, move):
    return 0.5 * (move[2] - move[1])


@njit
def _nothing(state, move):
    pass


@njit
def _no_total(state, features, values):
    features[:] = 0.0
    values[:] = 0.0


@njit
def _nowhere(state, item, mask):
    mask[:] = 0


def _kernel(**functions):
    def change(example):
        def kernel(self, assignment=None):
            return example.SmallAssignment.kernel(self, assignment)._replace(**functions)

        return {"kernel": kernel}

    return change


def _step_kernel(**functions):
    return lambda example: {"step_kernel": example.SmallAssignment.step_kernel._replace(**functions)}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (_kernel(delta=_half_a_difference), "delta: of the move"),
        (_kernel(apply=_nothing), "apply: the move"),
        (_kernel(undo=_nothing), "undo: it does not take"),
        (_step_kernel(observe=_no_total), "observe: of the total"),
        (_step_kernel(allowed=_nowhere), "allowed: the first item"),
        ({"infeasible_penalty": 0.5}, "infeasible_penalty: 0.5"),
        ({"term_names": ("flow",)}, "cost_of: its terms are flow_distance"),
        ({"initial_assignment": lambda self, rng: np.zeros(4, np.int64)}, "initial_assignment: int64 of shape"),
        ({"cost_of": lambda self, state: Cost(np.nan, {"flow_distance": 0.0}, True, ())}, "cost_of: the total"),
    ],
)
def test_what_is_broken_is_named(example, changes, what):
    problem = small(example, **(changes(example) if callable(changes) else changes))
    with pytest.raises(ValueError, match=what) as caught:
        placezoo.check_problem(problem)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("item_order", np.zeros(5, np.int64), "item_order: it is no permutation"),
        (
            "item_features",
            np.full((5, 1), 2.0, np.float32),
            r"item_features: flow must be finite and in -1..1, and has 2",
        ),
        ("item_features", np.zeros((5, 2), np.float32), r"item_features: float32 of shape \(5, 1\)"),
        ("parameters", {"rng": object()}, "parameters: they must be JSON values"),
        ("parameters", {"depth": 3}, "parameters: they do not rebuild the problem"),
        ("item_edges", (np.array([[0, 9]]), np.zeros((1, 1), np.float32)), "item_edges: a link leads to"),
    ],
)
def test_wrong_descriptions_are_named(example, name, value, what):
    problem = small(example)
    setattr(problem, name, value)
    with pytest.raises(ValueError, match=what):
        placezoo.check_problem(problem)

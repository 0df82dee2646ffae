"""An environment of one's own in a hundred lines: quadratic assignment, with costs computed the simple way.

``quadratic_assignment.py`` beside it is the same problem with fast differences, validation and a dataset.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit

import placezoo
from placezoo.cost_models import Cost, check_assignment
from placezoo.datasets.arrays import digest_of
from placezoo.envs import FeatureNames, Kernel, PlacementProblem, StepKernel


@dataclass(frozen=True, eq=False)
class Facilities:
    """The instance: flow between facilities [n, n], and distance between locations [m, m], both symmetric."""

    flow: np.ndarray
    distance: np.ndarray
    name: str = "facilities"

    @cached_property
    def digest(self):
        """What identifies the content."""
        return digest_of("SmallFacilities/1", [(self.flow, "<f8"), (self.distance, "<f8")])


class State(NamedTuple):
    """What the compiled functions read and change; the assignment comes first."""

    assignment: np.ndarray  # int64 [n], the location of each facility, -1 = nowhere
    flow: np.ndarray
    distance: np.ndarray


@njit
def cost(state):
    """Return flow x distance over all pairs, and how many facilities share a location or are nowhere."""
    total, wrong = 0.0, 0
    for i in range(state.assignment.size):
        wrong += state.assignment[i] < 0
        for j in range(i):
            a, b = state.assignment[i], state.assignment[j]
            if a >= 0 and b >= 0:
                total += state.flow[i, j] * state.distance[a, b] + 1e4 * (a == b)
                wrong += a == b
    return total, wrong


@njit
def propose(state, rng):
    """Propose that a facility goes elsewhere; who is there comes to its place."""
    item, target, partner = rng.integers(0, state.assignment.size), rng.integers(0, len(state.distance)), -1
    for other in range(state.assignment.size):
        if other != item and state.assignment[other] == target:
            partner = other
    return item, state.assignment[item], target, partner


@njit
def apply(state, move):
    """Make a move (item, source, target, partner)."""
    state.assignment[move[0]] = move[2]
    if move[3] >= 0:
        state.assignment[move[3]] = move[1]


@njit
def undo(state, move):
    """Take it back."""
    state.assignment[move[0]] = move[1]
    if move[3] >= 0:
        state.assignment[move[3]] = move[2]


@njit
def delta(state, move):
    """Return what a move adds to the cost: the simple way, by making it and taking it back."""
    before = cost(state)[0]
    apply(state, move)
    after = cost(state)[0]
    undo(state, move)
    return after - before


@njit
def allowed(state, item, mask):
    """Write which locations are free of other facilities."""
    mask[:] = 1
    for other in range(state.assignment.size):
        if other != item and state.assignment[other] >= 0:
            mask[state.assignment[other]] = 0


@njit
def movable(state, mask):
    """Write which single moves go to a free location."""
    for item in range(state.assignment.size):
        allowed(state, item, mask[item])
        mask[item, max(state.assignment[item], 0)] = 0


@njit
def observe(state, features, values):
    """Write the locations' features, and total, feasibility and term."""
    features[:, 0] = 0.0  # is the location taken
    for place in state.assignment:
        if place >= 0:
            features[place, 0] = 1.0
    total, wrong = cost(state)
    values[0], values[1], values[2] = total, wrong == 0, total


@placezoo.register_problem
class SmallAssignment(PlacementProblem):
    """Give each facility a location of its own, so that what flows goes short ways."""

    env_id, short_name, default_formulation = "SmallAssignment-v0", "small-assignment", "construct"
    feature_names = FeatureNames(("flow",), ("flow",), ("is_taken",), ())
    term_names = ("flow_distance",)
    step_kernel = StepKernel(allowed, movable, observe)
    infeasible_penalty = 1e6

    def __init__(self, instance: Facilities) -> None:
        self.instance, self.parameters = instance, {}
        self.num_items, self.num_resources = len(instance.flow), len(instance.distance)
        flow, links = instance.flow.sum(axis=1), np.argwhere(instance.flow > 0)
        self.item_order = np.argsort(-flow, kind="stable")
        self.item_features = (flow / flow.max())[:, None].astype(np.float32)
        weights = instance.flow[links[:, 0], links[:, 1]] / instance.flow.max()
        self.item_edges = links, weights[:, None].astype(np.float32)

    item_order = item_features = item_edges = None  # set above, once

    def kernel(self, assignment=None):
        """Return the compiled moves over a fresh state."""
        places = np.full(self.num_items, -1) if assignment is None else assignment
        places = check_assignment(places, self.num_items, self.num_resources)
        return Kernel(State(places, self.instance.flow, self.instance.distance), propose, delta, apply, undo)

    def cost_of(self, state):
        """Return the cost of a state."""
        total, wrong = cost(state)
        return Cost(total, {"flow_distance": total}, wrong == 0, ("a location is shared or missing",) * bool(wrong))

    def initial_assignment(self, rng):
        """Draw locations without repetition."""
        return rng.permutation(self.num_resources)[: self.num_items]

    def draw(self, assignment, axes):
        """Draw which facility is where."""
        axes.scatter(np.arange(self.num_items), assignment)
        axes.set(xlabel="facility", ylabel="location", title=self.instance.name)

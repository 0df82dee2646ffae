"""A sixth environment from outside the package: quadratic assignment, facilities onto locations.

Importing this module registers ``QuadraticAssignment-v0``; every general agent, wrapper and command then works on it:

    placezoo solve examples.quadratic_assignment:QuadraticAssignment-v0 --instance quadratic-assignment/test/0 \
        --agent simulated-annealing --seconds 1

An installed package names the class in its entry points ``placezoo.problems`` as well, and needs no ``module:`` then.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

import placezoo
from placezoo.cost_models import Cost, check_assignment
from placezoo.datasets import Dataset, register_dataset
from placezoo.datasets.arrays import as_quantities, digest_of, read_only
from placezoo.envs import FeatureNames, Kernel, PlacementProblem, StepKernel

kernel = njit(cache=True, nogil=True)


@dataclass(frozen=True, eq=False)
class Facilities:
    """Facilities with flows between them, and locations with distances (Koopmans & Beckmann 1957).

    Args:
        flow: float64 [num_facilities, num_facilities], symmetric.
        distance: float64 [num_locations, num_locations], symmetric.
        name: what results call it.

    Raises:
        ValueError: a matrix is not square, symmetric and at least 0, or there are fewer locations than facilities.
    """

    flow: NDArray[np.float64]
    distance: NDArray[np.float64]
    name: str = "facilities"

    def __post_init__(self) -> None:
        for what in ("flow", "distance"):
            values = as_quantities(getattr(self, what), what, "row")
            if values.ndim != 2 or values.shape[0] != values.shape[1] or np.any(values != values.T):
                raise ValueError(f"{what} must be a symmetric matrix")
            object.__setattr__(self, what, read_only(values))
        if len(self.flow) > len(self.distance):
            raise ValueError(f"{len(self.flow)} facilities do not fit onto {len(self.distance)} locations")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest_of("Facilities/1", [(len(self.flow), "<i8"), (self.flow, "<f8"), (self.distance, "<f8")])


class State(NamedTuple):
    """An assignment and what its moves are scored with."""

    assignment: NDArray[np.int64]  # [n], location of each facility or -1
    flow: NDArray[np.float64]  # [n, n]
    distance: NDArray[np.float64]  # [m, m]
    penalty: NDArray[np.float64]  # [1], what two facilities on one location cost


@kernel
def _cost_at(state, item, location, without):
    """Return what a facility on a location pays to all others but one; nothing where it is nowhere."""
    cost = 0.0
    for other in range(state.assignment.size):
        place = state.assignment[other]
        if location >= 0 and place >= 0 and other != item and other != without:
            cost += 2.0 * state.flow[item, other] * state.distance[location, place]
            cost += state.penalty[0] * (place == location)
    return cost


@kernel
def delta(state, move):
    """Return what a move adds to the total cost."""
    item, source, target, partner = move
    if source == target:
        return 0.0
    change = _cost_at(state, item, target, partner) - _cost_at(state, item, source, partner)
    if partner >= 0:
        change += _cost_at(state, partner, source, item) - _cost_at(state, partner, target, item)
    return change


@kernel
def apply(state, move):
    """Make a move."""
    item, source, target, partner = move
    state.assignment[item] = target
    if partner >= 0:
        state.assignment[partner] = source


@kernel
def undo(state, move):
    """Take the move back that was just made."""
    item, source, target, partner = move
    state.assignment[item] = source
    if partner >= 0:
        state.assignment[partner] = target


@kernel
def propose(state, rng):
    """Propose another location for a facility; where somebody is there already, they change places."""
    item, target = rng.integers(0, state.assignment.size), rng.integers(0, len(state.distance))
    partner = -1
    for other in range(state.assignment.size):
        if other != item and state.assignment[other] == target:
            partner = other
    return item, state.assignment[item], target, partner


@kernel
def allowed(state, item, mask):
    """Write which locations are free of other facilities."""
    mask[:] = 1
    for other in range(state.assignment.size):
        if other != item and state.assignment[other] >= 0:
            mask[state.assignment[other]] = 0


@kernel
def movable(state, mask):
    """Write which single moves go to a free location."""
    for item in range(state.assignment.size):
        allowed(state, item, mask[item])
        if state.assignment[item] >= 0:
            mask[item, state.assignment[item]] = 0


@kernel
def observe(state, features, values):
    """Write the locations' features, and total, feasibility and the term."""
    farthest = max(state.distance.max(), 1e-300)
    features[:, 0] = 0.0
    values[:] = 0.0
    values[1] = 1.0
    for item in range(state.assignment.size):
        place = state.assignment[item]
        values[0] += _cost_at(state, item, place, -1) / 2.0
        if place < 0 or features[place, 0] > 0.0:
            values[1] = 0.0
        if place >= 0:
            features[place, 0] = 1.0
        for other in range(item):
            if place >= 0 and state.assignment[other] >= 0:
                values[2] += 2.0 * state.flow[item, other] * state.distance[place, state.assignment[other]]
    for location in range(len(state.distance)):
        features[location, 1] = state.distance[location].mean() / farthest


@placezoo.register_problem
class QuadraticAssignmentProblem(PlacementProblem):
    """Give each facility a location of its own, so that what flows between them goes short ways.

    Args:
        instance: flows and distances.
    """

    env_id = "QuadraticAssignment-v0"
    short_name = "quadratic-assignment"
    default_formulation = "construct"
    default_instance = "quadratic-assignment/test/0"
    feature_names = FeatureNames(("flow", "order"), ("flow",), ("is_taken", "mean_distance"), ("distance",))
    term_names = ("flow_distance",)
    step_kernel = StepKernel(allowed, movable, observe)

    def __init__(self, instance: Facilities) -> None:
        self.instance, self.parameters = instance, {}
        self.num_items, self.num_resources = len(instance.flow), len(instance.distance)

    @cached_property
    def infeasible_penalty(self) -> float:
        """More than any feasible assignment costs."""
        return 1.0 + float(self.instance.flow.sum() * self.instance.distance.max())

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """The facilities by decreasing flow."""
        return read_only(np.argsort(-self.instance.flow.sum(axis=0), kind="stable"))

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Flow over the most, and rank in the order."""
        rank = np.empty(self.num_items)
        rank[self.item_order] = np.arange(self.num_items) / self.num_items
        flow = self.instance.flow.sum(axis=0)
        return read_only(np.stack([flow / max(flow.max(), 1e-300), rank], axis=1).astype(np.float32))

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The pairs with flow between them, over the most."""
        return _links(self.instance.flow)

    @cached_property
    def resource_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The pairs of locations, by distance over the most."""
        return _links(self.instance.distance)

    def kernel(self, assignment: NDArray[np.int64] | None = None) -> Kernel:
        """Return the compiled moves over a fresh state."""
        self.tally.kernels += 1
        places = np.full(self.num_items, -1) if assignment is None else assignment
        places = check_assignment(places, self.num_items, self.num_resources)
        penalty = np.array([self.infeasible_penalty])
        state = State(places, self.instance.flow, self.instance.distance, penalty)
        return Kernel(state, propose, delta, apply, undo)

    def cost_of(self, state: State) -> Cost:
        """Return the cost of a state."""
        values = np.empty(3)
        observe(state, np.empty((self.num_resources, 2), np.float32), values)
        violations = () if values[1] else ("two facilities share a location, or one has none",)
        return Cost(float(values[0]), {"flow_distance": float(values[2])}, not violations, violations)

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw locations without repetition."""
        return rng.permutation(self.num_resources)[: self.num_items]

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw which facility is where, as a matrix."""
        picture = np.zeros((self.num_items, self.num_resources))
        placed = np.flatnonzero(assignment >= 0)
        picture[placed, assignment[placed]] = 1.0
        axes.imshow(picture, cmap="Blues")
        axes.set(xlabel="location", ylabel="facility", title=self.instance.name)


def _links(matrix: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    links = np.argwhere((matrix > 0) & ~np.eye(len(matrix), dtype=bool))
    features = matrix[links[:, 0], links[:, 1]] / max(matrix.max(), 1e-300)
    return read_only(links), read_only(features[:, None].astype(np.float32))


def _draw_facilities(rng: np.random.Generator, name: str) -> Facilities:
    """Return 8 facilities with random flows, on the nodes of a grid of 3 x 4."""
    flow = np.triu(rng.integers(0, 10, (8, 8)) * (rng.random((8, 8)) < 0.5), 1)
    places = np.stack(np.divmod(np.arange(12), 4), axis=1)
    distance = np.abs(places[:, None] - places[None]).sum(axis=2)
    return Facilities(flow + flow.T, distance, name)


register_dataset(
    Dataset(
        "quadratic-assignment", "8 facilities on a grid of 3 x 4", _draw_facilities,
        {"train": 1000, "validation": 20, "test": 20}, max_nodes=8, max_edges=28, max_resources=12,
    )
)  # fmt: skip

"""How learned improvement policies see a state and what a choice of theirs does."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from placezoo.agents.edge.random_task_eft import earliest_finish_device
from placezoo.cost_models.edge.moves import MakespanState
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.edge.gp_net import GpNetArrays, GpNetBuilder
from placezoo.envs.edge.problem import EdgePlaceProblem

MAX_DEVICES = 24  # that policies with a score for each device know


class Moves(Protocol):
    """One way to select moves; without state of its own."""

    name: str

    def observe(
        self, builder: GpNetBuilder, problem: EdgePlaceProblem, state: MakespanState, last_moved: int, step: int
    ) -> tuple[GpNetArrays, NDArray[np.bool_]]:
        """Return what the policy sees, and which of its slots it may choose: bool [slots].

        Args:
            builder: of the episode.
            problem: as it is.
            state: of the assignment.
            last_moved: the task moved last, or -1.
            step: how many moves have been made.
        """
        ...

    def move(self, graph: GpNetArrays, slot: int, state: MakespanState, step: int) -> tuple[int, int]:
        """Return the task and the device of a chosen slot."""
        ...


def movable_tasks(problem: EdgePlaceProblem, state: MakespanState, last_moved: int) -> NDArray[np.bool_]:
    """Return which tasks may move: those where they cannot run if there are any; and not the one moved last.

    If that leaves none, the one moved last may.
    """
    allowed = problem.instance.allowed
    here = allowed[np.arange(problem.num_items), state.assignment]
    movable = ~here if not here.all() else allowed.sum(axis=1) > 1
    others = movable.copy()
    if last_moved >= 0:
        others[last_moved] = False
    return others if others.any() else movable


class PairMoves:
    """GiPH: any pair of the gpNet that is no pivot; its task goes to its device."""

    name = "pair"

    def observe(
        self, builder: GpNetBuilder, problem: EdgePlaceProblem, state: MakespanState, last_moved: int, step: int
    ) -> tuple[GpNetArrays, NDArray[np.bool_]]:
        """Return the gpNet and its pairs that may be chosen."""
        graph = builder.build(state)
        tasks, devices = graph.pairs.T
        movable = movable_tasks(problem, state, last_moved)[tasks]
        return graph, movable & ~graph.pivots & problem.instance.allowed[tasks, devices]

    def move(self, graph: GpNetArrays, slot: int, state: MakespanState, step: int) -> tuple[int, int]:
        """Return the pair."""
        task, device = graph.pairs[slot].tolist()
        return task, device


class TaskMoves:
    """GiPH-task-EFT: a task; it goes to another device on which it would end earliest."""

    name = "task-eft"

    def observe(
        self, builder: GpNetBuilder, problem: EdgePlaceProblem, state: MakespanState, last_moved: int, step: int
    ) -> tuple[GpNetArrays, NDArray[np.bool_]]:
        """Return the pivots' part of the gpNet, and the tasks that may be chosen."""
        return builder.build(state, pivots_only=True), movable_tasks(problem, state, last_moved)

    def move(self, graph: GpNetArrays, slot: int, state: MakespanState, step: int) -> tuple[int, int]:
        """Return the task and its earliest finish device besides the one it is on."""
        return slot, earliest_finish_device(state, slot, int(state.assignment[slot]))


class TraversalMoves:
    """Placeto: the tasks in topological order, one after another; the choice is the device, the old one included."""

    name = "traversal"

    def observe(
        self, builder: GpNetBuilder, problem: EdgePlaceProblem, state: MakespanState, last_moved: int, step: int
    ) -> tuple[GpNetArrays, NDArray[np.bool_]]:
        """Return the pivots' part of the gpNet, and the devices of the task whose turn it is.

        Further features say whose turn it is, who had it already, and where each task is (one-hot).

        Raises:
            ValueError: the cluster has more devices than the policy knows.
        """
        if problem.num_resources > MAX_DEVICES:
            raise ValueError(f"placeto scores {MAX_DEVICES} devices, this cluster has {problem.num_resources}")
        graph = builder.build(state, pivots_only=True)
        n = problem.num_items
        order = problem.instance.task_graph.order
        own = np.zeros((n, 2 + MAX_DEVICES), np.float32)
        own[order[step % n], 0] = 1.0
        own[order[: step % n], 1] = 1.0
        own[np.arange(n), 2 + state.assignment] = 1.0
        mask = np.zeros(MAX_DEVICES, bool)
        mask[: problem.num_resources] = problem.instance.allowed[order[step % n]]
        return graph._replace(nodes=np.concatenate([graph.nodes, own], axis=1)), mask

    def move(self, graph: GpNetArrays, slot: int, state: MakespanState, step: int) -> tuple[int, int]:
        """Return the task whose turn it is, and the device."""
        return int(graph.nodes[:, -2 - MAX_DEVICES].argmax()), slot


SELECTIONS: dict[str, Moves] = {moves.name: moves for moves in (PairMoves(), TaskMoves(), TraversalMoves())}


def moves_of(selection: str) -> Moves:
    """Return a way to select moves by its name.

    Raises:
        ValueError: no such selection.
    """
    if selection not in SELECTIONS:
        raise ValueError(unknown_name("selection", selection, SELECTIONS))
    return SELECTIONS[selection]

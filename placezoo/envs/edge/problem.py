"""Placement on an edge cluster: the tasks of a program onto devices that come and go, for a short makespan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.edge import moves, outlook
from placezoo.cost_models.edge.growth import place_where_cheapest
from placezoo.cost_models.edge.makespan import Makespan, Noise, Objective, Repeats, Seed
from placezoo.cost_models.edge.ranks import by_decreasing, downward_rank, mean_times, upward_rank
from placezoo.datasets.arrays import read_only
from placezoo.datasets.dag import LINK_FEATURE_NAMES, both_directions
from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.edge_format import write_edge
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph
from placezoo.datasets.files import write_atomically
from placezoo.envs.edge.churn import leave_or_join
from placezoo.envs.edge.drawing import draw_schedule, draw_task_graph
from placezoo.envs.edge.list_scheduling import cpop_placement, heft_placement, peft_placement
from placezoo.envs.edge.schedule_formats import saga_schedule, wfcommons_schedule
from placezoo.envs.problem import TABLES, FeatureNames, FeatureRoles, PlacementProblem, StepKernel
from placezoo.parameters import at_least, between, check_parameters


class EdgePlaceProblem(PlacementProblem):
    """Place the tasks of a program on the devices of an edge cluster so that it ends as early as possible.

    With churn, devices leave and come back. A task whose device has left must move: until all such tasks have, only
    they may. Costs, features and masks are always those of the cluster as it is; ``env.unwrapped.problem`` is the
    problem as it is.

    Args:
        instance: task graph and cluster.
        noise: times are multiplied by factors from U(1 - noise, 1 + noise), costs are means over ``repeats`` draws.
        repeats: how many draws, where there is noise.
        noise_seed: of the draws.
        objective: ``makespan``, ``slr`` (makespan over its lower bound) or ``total-cost``.
        churn: the probability that a device leaves or comes back after a move of ``improve``.
        episode_churn: how many such changes happen before each episode.

    Raises:
        ValueError: a parameter is out of range.

    Source: Hu et al. 2023, GiPH: Generalizable Placement Learning for Adaptive Heterogeneous Computing.
    """

    env_id = "EdgePlace-v0"
    short_name = "edge"
    default_formulation = "improve"
    exports = MappingProxyType({
        **TABLES, ".json": "a schedule of SAGA", ".wfformat.json": "a workflow of WfCommons, as it ran",
    })  # fmt: skip
    instance_format = (".json", lambda path, instance: write_edge(instance, path))
    default_instance = "giph/test/0"
    feature_names = FeatureNames(
        items=("compute", "devices", "inputs", "outputs", "depth", "upward_rank", "downward_rank"),
        item_edges=LINK_FEATURE_NAMES,
        resources=moves.DEVICE_FEATURE_NAMES,
        resource_edges=("delay", "inverse_bandwidth"),
        pairs=outlook.PAIR_FEATURE_NAMES,
    )
    feature_roles = FeatureRoles(prior="lookahead")
    term_names = moves.TERM_NAMES
    presentation = ("churn", "episode_churn")
    step_kernel = StepKernel(moves.allowed, moves.movable, moves.observe, outlook.look)
    anneals_from_constructions = True
    moves: Any = moves

    def __init__(
        self,
        instance: EdgeInstance,
        noise: Noise = 0.0,
        repeats: Repeats = 10,
        noise_seed: Seed = 0,
        objective: Objective = "makespan",
        churn: Annotated[float, between(0, 1)] = 0.0,
        episode_churn: Annotated[int, at_least(0)] = 0,
    ) -> None:
        if not isinstance(instance, EdgeInstance):
            how = "EdgeInstance(TaskGraph(...), DeviceCluster(...)) makes one"
            raise self.refusal(instance, "places an EdgeInstance", how)
        self.parameters = check_parameters(
            EdgePlaceProblem, self.env_id, noise=noise, repeats=repeats, noise_seed=noise_seed, objective=objective,
            churn=churn, episode_churn=episode_churn,
        )  # fmt: skip
        self.cost_model = Makespan(instance.task_graph, instance.cluster, noise, repeats, noise_seed, objective)
        self.instance = instance
        self.num_items = instance.task_graph.num_tasks
        self.num_resources = instance.cluster.num_devices
        self.whole_cluster = instance.cluster

    @classmethod
    def as_instance(cls, given: Any) -> Any:
        """Return the instance of a pair of task graph and cluster; anything else as it is."""
        if isinstance(given, tuple) and [type(one) for one in given] == [TaskGraph, DeviceCluster]:
            graph, cluster = given
            return EdgeInstance(graph, cluster, name=f"{graph.name} on {cluster.name}")
        return given

    @property
    def changes_between_steps(self) -> bool:
        """Whether ``next_step`` may return another problem."""
        return self.parameters["churn"] > 0

    @property
    def changes_between_episodes(self) -> bool:
        """Whether ``next_episode`` may return another problem."""
        return self.parameters["episode_churn"] > 0

    def next_episode(self, rng: np.random.Generator) -> EdgePlaceProblem:
        """Return the problem of the next episode: the cluster after ``episode_churn`` changes."""
        problem = self
        for _ in range(self.parameters["episode_churn"]):
            problem = problem._after_change(rng)
        return problem

    def next_step(self, rng: np.random.Generator) -> EdgePlaceProblem:
        """Return the problem of the next step: with the probability ``churn`` after one change of the cluster."""
        return self._after_change(rng) if rng.random() < self.parameters["churn"] else self

    def presented(self, parameters: Mapping[str, Any]) -> EdgePlaceProblem:
        """Return the problem itself: churn is what becomes of the world, and shows in nothing that is seen of it."""
        return self

    def _after_change(self, rng: np.random.Generator) -> EdgePlaceProblem:
        types = np.asarray(self.instance.task_graph.hardware_type)
        return self.with_cluster(leave_or_join(self.instance.cluster, self.whole_cluster, types, rng))

    def with_cluster(self, cluster: Any) -> EdgePlaceProblem:
        """Return the problem on another state of the cluster, the same devices numbered alike.

        Raises:
            ValueError: a task can run nowhere, or the cluster has another number of devices.
        """
        if cluster.num_devices != self.num_resources:
            raise ValueError(f"{self.num_resources} devices, but the other cluster has {cluster.num_devices}")
        if cluster is self.instance.cluster:
            return self
        changed = EdgePlaceProblem(replace(self.instance, cluster=cluster), **self.parameters)
        changed.whole_cluster, changed.tally = self.whole_cluster, self.tally
        return changed

    def __reduce__(self) -> tuple[Any, ...]:
        changed = self.instance.cluster is not self.whole_cluster
        whole = replace(self.instance, cluster=self.whole_cluster) if changed else self.instance
        return _in_cluster, (whole, self.parameters, self.instance.cluster)

    @cached_property
    def _ranks(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        graph = self.instance.task_graph
        times = mean_times(self.instance)
        return upward_rank(graph, *times), downward_rank(graph, *times)

    @cached_property
    def item_order(self) -> NDArray[np.int64]:
        """Decreasing upward rank, a topological order: int64 [num_tasks]."""
        return read_only(by_decreasing(self._ranks[0], self.instance.task_graph))

    @cached_property
    def item_features(self) -> NDArray[np.float32]:
        """Features of the tasks: float32 [num_tasks, 7].

        Compute over the largest; the share of devices that can run it; inputs and outputs over the most; depth over the
        deepest; upward and downward rank over the largest.
        """
        graph = self.instance.task_graph
        columns = [
            np.asarray(graph.compute),
            self.instance.allowed.mean(axis=1),
            np.bincount(graph.links[:, 1], minlength=self.num_items),
            np.bincount(graph.links[:, 0], minlength=self.num_items),
            graph.depth,
            *self._ranks,
        ]
        scaled = [column if i == 1 else column / max(column.max(), 1e-300) for i, column in enumerate(columns)]
        return read_only(np.stack(scaled, axis=1).astype(np.float32))

    @cached_property
    def item_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each edge in both directions, sorted by head: bytes over the most, and 1 along the data, -1 against it."""
        graph = self.instance.task_graph
        return both_directions(graph.links, np.asarray(graph.bytes))

    @cached_property
    def resource_edges(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Each ordered pair of devices: delay and inverse bandwidth over the largest."""
        links = np.argwhere(~np.eye(self.num_resources, dtype=bool))
        cluster = self.instance.cluster
        columns = [
            np.asarray(values)[links[:, 0], links[:, 1]] / max(float(np.max(values)), 1e-300)
            for values in (cluster.delay, cluster.inverse_bandwidth)
        ]
        return read_only(links), read_only(np.stack(columns, axis=1).astype(np.float32))

    @property
    def infeasible_penalty(self) -> float:
        """What a task costs that is where it cannot run: more than any placement."""
        return float(self.cost_model.penalty)

    @property
    def lower_bound(self) -> float | None:
        """The critical path on the fastest devices without transfers; none under noise, or for the sum of all times."""
        model = self.cost_model
        if model.noise > 0 or model.objective == "total-cost" or model.lower_bound <= 0:
            return None
        return 1.0 if model.objective == "slr" else float(model.lower_bound)

    def initial_assignment(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw one of the devices that can run it for each task."""
        allowed = self.instance.allowed
        choice = np.floor(rng.random(self.num_items) * allowed.sum(axis=1)).astype(np.int64)
        return np.asarray((np.cumsum(allowed, axis=1) > choice[:, None]).argmax(axis=1), np.int64)

    @property
    def item_names(self) -> tuple[str, ...]:
        """The tasks' names."""
        return self.instance.task_graph.task_names

    def table(self, assignment: NDArray[np.int64]) -> dict[str, Any]:
        """Return the schedule as a table: also when each task begins and ends."""
        schedule = self.cost_model.schedule(assignment)
        return {**super().table(assignment), "start": schedule.start.tolist(), "end": schedule.end.tolist()}

    def _export(self, assignment: NDArray[np.int64], path: Path, suffix: str) -> None:
        write = wfcommons_schedule if suffix == ".wfformat.json" else saga_schedule
        write_atomically(path, write(self.cost_model, assignment, self.instance.name))

    def greedy(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Place each task, in order, where it adds least to the cost: as by default, but without simulating anew."""
        model = self.cost_model
        in_start, in_edges = self.instance.task_graph.predecessors
        return place_where_cheapest(
            model.program, np.array(in_start), np.array(in_edges), model.weights, np.array(self.item_order), rng
        )

    def constructions(self, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """Return the placements of HEFT, PEFT, CPOP and ``greedy``: none of them is best on every instance."""
        for planned in (heft_placement, peft_placement, cpop_placement):
            yield planned(self)[0]
        yield self.greedy(rng)

    def draw(self, assignment: NDArray[np.int64], axes: Any) -> None:
        """Draw the schedule as a Gantt chart, transfers as lines between the bars."""
        draw_schedule(self.cost_model, assignment, axes, self.instance.name)

    def panels(self, assignment: NDArray[np.int64]) -> list[Callable[[Any], None]]:
        """Return the Gantt chart, and the task graph coloured by device."""
        return [
            lambda axes: self.draw(assignment, axes),
            lambda axes: draw_task_graph(self.cost_model, assignment, axes),
        ]


def _in_cluster(whole: EdgeInstance, parameters: dict[str, Any], cluster: Any) -> EdgePlaceProblem:
    return EdgePlaceProblem(whole, **parameters).with_cluster(cluster)

"""The makespan of a task graph placed on a cluster, its total cost and schedule length ratio."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from placezoo.cost_models.assignment import check_assignment
from placezoo.cost_models.cost import Cost
from placezoo.cost_models.edge import moves
from placezoo.cost_models.edge.moves import MakespanState, Program, Schedule, Workspace
from placezoo.cost_models.edge.ranks import optimistic_costs
from placezoo.datasets.arrays import read_only
from placezoo.datasets.edge.device_cluster import DeviceCluster
from placezoo.datasets.edge.edge_instance import EdgeInstance
from placezoo.datasets.edge.task_graph import TaskGraph
from placezoo.parameters import at_least, below, check_parameters, one_of

OBJECTIVES = ("makespan", "slr", "total-cost")
Noise = Annotated[float, at_least(0), below(1)]
Repeats = Annotated[int, at_least(1)]
Seed = Annotated[int, at_least(0)]
Objective = Annotated[str, one_of(*OBJECTIVES)]


class Makespan:
    """The cost model of placement on an edge cluster; ``moves`` says how a placement runs.

    A task on a device that does not support it runs, and is penalised by more than any feasible placement costs.

    With noise, all compute and transfer times are multiplied by factors from U(1 - noise, 1 + noise), and costs are
    means over ``repeats`` such draws. The draws are made once, from ``seed``: the same placement always costs the same,
    and two placements are compared under the same noise. (The published simulator draws anew at each evaluation.)

    Args:
        task_graph: the program.
        cluster: the devices.
        noise: in [0, 1).
        repeats: how many draws are averaged, where there is noise.
        seed: of the draws.
        objective: what ``total`` is: ``makespan``; ``slr``, makespan over ``lower_bound``; or ``total-cost``, the sum
            of all compute and transfer times.

    Attributes:
        lower_bound: the critical path with every task on its fastest device and no transfers (Topcuoglu et al. 2002).
        penalty: what each task costs that is where it cannot run.
        weights: float64 [4], of the terms of ``total``, as the kernels read them.

    Raises:
        ValueError: a parameter is out of range, or no device supports a task.
    """

    def __init__(
        self,
        task_graph: TaskGraph,
        cluster: DeviceCluster,
        noise: Noise = 0.0,
        repeats: Repeats = 10,
        seed: Seed = 0,
        objective: Objective = "makespan",
    ) -> None:
        settings = check_parameters(Makespan, "Makespan", noise=noise, repeats=repeats, seed=seed, objective=objective)
        self.instance = EdgeInstance(task_graph, cluster, f"{task_graph.name} on {cluster.name}")
        self.task_graph = task_graph
        self.cluster = cluster
        self.noise: float = settings["noise"]
        self.objective: str = settings["objective"]
        self._repeats: int = settings["repeats"] if self.noise > 0 else 0
        self._seed: int = settings["seed"]
        fastest = np.where(self.instance.allowed, self.compute_time, np.inf).min(axis=1)
        self.lower_bound = task_graph.dag.longest_path(fastest)
        slowest = float(self.compute_time.max(axis=1).sum())
        transfers = np.asarray(cluster.delay).max() + np.asarray(task_graph.bytes) * np.max(cluster.inverse_bandwidth)
        bound = self.lower_bound if self.lower_bound > 0 else 1.0
        serial = (1 + self.noise) * (slowest + float(transfers.sum()))
        scale = {"makespan": (1.0, 0.0), "slr": (1.0 / bound, 0.0), "total-cost": (0.0, 1.0)}[objective]
        self.penalty = max(serial, 1e-9) * max(scale)
        self.weights = np.array([*scale, self.penalty, bound])

    @property
    def num_tasks(self) -> int:
        """How many tasks there are."""
        return self.task_graph.num_tasks

    @property
    def num_devices(self) -> int:
        """How many devices there are."""
        return self.cluster.num_devices

    @cached_property
    def compute_time(self) -> NDArray[np.float64]:
        """What each task takes on each device: float64 [num_tasks, num_devices]."""
        return np.asarray(self.task_graph.compute)[:, None] / np.asarray(self.cluster.speed)

    @cached_property
    def optimistic_costs(self) -> NDArray[np.float64]:
        """PEFT's optimistic cost table: float64 [num_tasks, num_devices]."""
        return read_only(optimistic_costs(self.instance, self.compute_time))

    def evaluate(self, assignment: NDArray[np.int64]) -> Cost:
        """Return the cost of a whole or partial assignment; terms ``makespan``, ``slr`` and ``total_cost``.

        Tasks that are nowhere yet take no time, and their data is there at once.

        Args:
            assignment: int64 [num_tasks], a device or -1 for each task.

        Raises:
            ValueError: wrong shape or type, or a device outside -1..num_devices-1.
        """
        return self.cost_of(self.state(assignment))

    def evaluate_many(self, assignments: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the total cost of each of many assignments: int64 [B, num_tasks] -> float64 [B].

        Raises:
            ValueError: wrong shape or type, or a device outside -1..num_devices-1.
        """
        array = np.asarray(assignments)
        if array.ndim != 2 or array.shape[1] != self.num_tasks:
            raise ValueError(f"assignments must be of shape [B, {self.num_tasks}], not {list(array.shape)}")
        checked = check_assignment(array.reshape(-1), array.size, self.num_devices).reshape(array.shape)
        totals = np.empty((len(array), 5))
        schedule, workspace = self._schedule_arrays(), self._workspace()
        moves.simulate_all(checked, self.program, self.weights, schedule, workspace, totals)
        return totals[:, moves.TOTAL].copy()

    def schedule(self, assignment: NDArray[np.int64]) -> Schedule:
        """Return when each task runs, without noise.

        Raises:
            ValueError: as ``evaluate``.
        """
        return self.state(assignment).schedule

    def critical_path(self, assignment: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what determines the makespan, without noise.

        Returns:
            The tasks from the first to the one that ends last, int64 [L]; and for each the edge whose transfer it
            waited for, int64 [L], -1 where it waited for its device or for nothing.
        """
        state = self.state(assignment)
        tasks, edges = np.empty(self.num_tasks, np.int64), np.empty(self.num_tasks, np.int64)
        length = moves.critical_path(state.schedule, self.program.source, tasks, edges)
        return tasks[:length][::-1].copy(), edges[:length][::-1].copy()

    def state(self, assignment: NDArray[np.int64] | None = None) -> MakespanState:
        """Return the state that the kernels work on, over a copy of the assignment (default: nothing placed).

        Raises:
            ValueError: as ``evaluate``.
        """
        n = self.num_tasks
        checked = check_assignment(np.full(n, -1) if assignment is None else assignment, n, self.num_devices)
        supported = self.program.supported
        here = supported[np.arange(n), checked].astype(bool) & (checked >= 0)
        state = MakespanState(
            assignment=checked,
            schedule=self._schedule_arrays(),
            trial=self._schedule_arrays(),
            workspace=self._workspace(),
            totals=np.zeros(5),
            trial_totals=np.zeros(5),
            program=self.program,
            movers=np.flatnonzero(supported.sum(axis=1) > here),
            weights=self.weights,
            device_features=self._device_features,
            optimistic=self.optimistic_costs,
        )
        moves.initialise(state)
        return state

    def cost_of(self, state: MakespanState) -> Cost:
        """Return the cost of a state, without simulating it again."""
        values = np.empty(2 + len(moves.TERM_NAMES))
        moves.observe(state, np.empty((self.num_devices, len(moves.DEVICE_FEATURE_NAMES)), np.float32), values)
        violations = []
        if state.totals[moves.VIOLATIONS]:
            types = np.asarray(self.task_graph.hardware_type)
            for task, device in enumerate(state.assignment.tolist()):
                if device >= 0 and not state.program.supported[task, device]:
                    away = "is away" if not self.cluster.present[device] else f"does not support type {types[task]}"
                    violations.append(f"task {task} is on device {device}, which {away}")
        if state.totals[moves.UNPLACED]:
            violations.append(f"{int(state.totals[moves.UNPLACED])} tasks are on no device")
        terms = dict(zip(moves.TERM_NAMES, values[2:].tolist(), strict=True))
        return Cost(float(values[0]), terms, not violations, tuple(violations))

    def _schedule_arrays(self) -> Schedule:
        n = self.num_tasks
        return Schedule(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.int64))

    def _workspace(self) -> Workspace:
        n, k = self.num_tasks, self.num_devices
        return Workspace(
            begin=np.zeros(n),
            via=np.zeros(n, np.int64),
            waiting=np.zeros(n, np.int64),
            queue=np.zeros(n, np.int64),
            free=np.zeros(k),
            last=np.zeros(k, np.int64),
        )

    @cached_property
    def program(self) -> Program:
        """The instance as the kernels read it."""
        graph = self.task_graph
        out_start, out_edges = graph.successors
        rng = np.random.default_rng(self._seed)
        low, high = 1 - self.noise, 1 + self.noise

        def factors(count: int) -> NDArray[np.float64]:
            return np.concatenate([np.ones((1, count)), rng.uniform(low, high, (self._repeats, count))])

        return Program(
            compute_time=self.compute_time,
            delay=np.array(self.cluster.delay),
            inverse_bandwidth=np.array(self.cluster.inverse_bandwidth),
            source=graph.links[:, 0].copy(),
            target=graph.links[:, 1].copy(),
            bytes=np.array(graph.bytes),
            out_start=np.array(out_start),
            out_edges=np.array(out_edges),
            in_degree=np.bincount(graph.links[:, 1], minlength=graph.num_tasks),
            supported=self.instance.allowed.astype(np.int8),
            compute_noise=factors(graph.num_tasks),
            transfer_noise=factors(graph.num_edges),
        )

    @cached_property
    def _device_features(self) -> NDArray[np.float32]:
        cluster = self.cluster

        def share(values: Any) -> NDArray[np.float64]:
            return np.asarray(values) / max(float(np.max(values)), 1e-300)

        features = np.empty((self.num_devices, moves.DEVICE_LOAD), np.float32)
        features[:, moves.DEVICE_SPEED] = share(cluster.speed)
        features[:, moves.DEVICE_PRESENT] = cluster.present
        features[:, moves.DEVICE_TYPES] = cluster.support_matrix.mean(axis=1)
        features[:, moves.DEVICE_DELAY] = share(np.asarray(cluster.delay).mean(axis=1))
        features[:, moves.DEVICE_INVERSE_BANDWIDTH] = share(np.asarray(cluster.inverse_bandwidth).mean(axis=1))
        return features

"""Speed of graph partitioning: kernels, environments, agents, each beside its yardstick.

Run with ``make bench`` or ``python -m benchmarks.partition.cost``; large public graphs come from ``PLACEZOO_DATA`` and
are left out where missing.
"""

from __future__ import annotations

import cProfile
import pstats
import time

import gymnasium as gym
import numpy as np

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, run
from placezoo import jit
from placezoo.agents.partition.fiduccia_mattheyses import refine
from placezoo.cost_models import PartitionCost
from placezoo.datasets import Graph
from placezoo.datasets.public_files import find_file, public_files

ENV = "GraphPartition-v0"
METIS_ONE_RUN = 191  # cut of airfoil1, k = 4, 3 %


def speeds() -> list[Row]:
    return [*kernels(), *environments(), *agents(), *where_the_time_goes()]


def graph_or_none(name: str) -> Graph | None:
    return placezoo.datasets.load(name) if find_file(public_files()[name]) else None


def kernels() -> list[Row]:
    rows = []
    wing, airfoil = graph_or_none("wing"), graph_or_none("airfoil1")
    if wing is not None:
        model = PartitionCost(wing, 4)
        assignment = np.random.default_rng(0).integers(0, 4, wing.num_nodes)
        tails, heads = wing.edges.T
        numpy = best_time(lambda: int((assignment[tails] != assignment[heads]).sum()), 100)
        cut = best_time(lambda: model.cut(assignment), 100)
        rows.append(Row("cut of wing (121,544 edges)", cut, "s", numpy, "at most 0.2 ms, and NumPy's time"))
        rows.append(Row("the same in NumPy", numpy, "s"))
        slices = np.arange(wing.num_nodes) * 4 // wing.num_nodes
        rng = np.random.default_rng(0)
        seconds = best_time(lambda: refine(model, slices, rng, 1), 3)
        rows.append(Row("one FM pass over wing, k = 4", seconds, "s", None, "linear in edges"))
    for name, graph in (("airfoil1", airfoil), ("wing", wing)):
        if graph is not None:
            problem = placezoo.make_problem(ENV, instance=graph, num_parts=4)
            goal = 1_000_000 / SLACK, "at least 1,000,000/s"
            rows.append(Row(f"exact gain of a random move, {name}", per_second(problem, "gains"), "/s", *goal))
            rows.append(Row(f"propose + gain + apply if better, {name}", per_second(problem, "moves"), "/s", *goal))
    return rows


@jit.generic_loop
def _gains(state, delta, items, parts):
    total = 0.0
    for i in range(items.size):
        total += delta(state, (items[i], state.assignment[items[i]], parts[i], -1))
    return total


@jit.generic_loop
def _moves(state, propose, delta, apply, rng, count):
    for _ in range(count):
        move = propose(state, rng)
        if delta(state, move) <= 0:
            apply(state, move)


def per_second(problem: placezoo.envs.PlacementProblem, what: str, count: int = 1_000_000) -> float:
    rng = np.random.default_rng(0)
    kernel = problem.kernel(np.arange(problem.num_items) * problem.num_resources // problem.num_items)
    items, parts = rng.integers(0, problem.num_items, count), rng.integers(0, problem.num_resources, count)
    if what == "gains":
        seconds = best_time(lambda: _gains(kernel.state, kernel.delta, items, parts), 9)
    else:
        seconds = best_time(lambda: _moves(kernel.state, kernel.propose, kernel.delta, kernel.apply, rng, count), 9)
    return count / seconds


def environments() -> list[Row]:
    """Return steps for each second of processor time: in seconds of the clock another job may take a whole window."""
    rows = []
    for formulation in ("construct", "improve", "one-shot"):
        scalar = max(steps_per_second_scalar(formulation) for _ in range(2))
        batched = max(steps_per_second_batched(formulation, 64) for _ in range(2))
        least = None if formulation == "one-shot" else scalar  # one-shot steps have little to share
        rows.append(Row(f"{formulation} steps, scalar, observations on", scalar, "/s"))
        rows.append(
            Row(f"{formulation} steps, 64 environments", batched, "/s", least, f"{batched / scalar:.1f} x scalar")
        )
    return rows


def steps_per_second_scalar(formulation: str, seconds: float = 2.0) -> float:
    env = gym.make(ENV, dataset="delaunay", split="test", num_parts=4, formulation=formulation)
    observation, _ = env.reset(seed=0)
    one_shot = env.action_space.sample() if formulation == "one-shot" else None
    steps, started, warm = 0, time.process_time(), False
    while time.process_time() - started < seconds:
        action = one_shot if one_shot is not None else int(observation["action_mask"].argmax())
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
        steps += 1
        if not warm and time.process_time() - started > seconds / 2:  # features of the instances are known by now
            steps, started, warm = 0, time.process_time(), True
    return steps / (time.process_time() - started)


def steps_per_second_batched(formulation: str, num_envs: int, seconds: float = 2.0) -> float:
    env = gym.make_vec(ENV, num_envs=num_envs, dataset="delaunay", split="test", num_parts=4, formulation=formulation)
    observation, _ = env.reset(seed=0)
    one_shot = env.action_space.sample() if formulation == "one-shot" else None
    steps, started, warm = 0, time.process_time(), False
    while time.process_time() - started < seconds:
        observation, *_ = env.step(one_shot if one_shot is not None else observation["action_mask"].argmax(axis=1))
        steps += num_envs
        if not warm and time.process_time() - started > seconds / 2:
            steps, started, warm = 0, time.process_time(), True
    return steps / (time.process_time() - started)


def agents() -> list[Row]:
    graph = graph_or_none("airfoil1")
    if graph is None:
        return []
    problem = placezoo.make_problem(ENV, instance=graph, num_parts=4)
    rows = []
    metis, count = f"METIS, one run: {METIS_ONE_RUN}", 4_000_000
    # What seconds buy depends on who else uses the machine; what evaluations buy does not.
    sure = (
        placezoo.make_agent("simulated-annealing").solve(problem, placezoo.Budget(evaluations=count), seed=0).cost.total
    )
    name = f"simulated-annealing, airfoil1, k = 4, {count:,} evaluations"
    rows.append(Row(name, sure, "cut", 1.5 * METIS_ONE_RUN, metis))
    for name, yardstick in (("simulated-annealing", metis), ("local-search", ""), ("fm", "")):
        solution = placezoo.make_agent(name).solve(problem, placezoo.Budget(seconds=5), seed=0)
        speed = solution.evaluations / solution.seconds
        shown = f"cut {solution.cost.total:g}, {speed:,.0f} evaluations/s"
        rows.append(Row(f"{name}, airfoil1, k = 4, 5 s", solution.cost.total, "", None, yardstick, shown=shown))
    return rows


def where_the_time_goes() -> list[Row]:
    """Profile the batched construct environment by function."""
    env = gym.make_vec(ENV, num_envs=64, dataset="delaunay", split="test", num_parts=4, formulation="construct")
    observation, _ = env.reset(seed=0)
    for _ in range(300):
        observation, *_ = env.step(observation["action_mask"].argmax(axis=1))
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(1000):
        observation, *_ = env.step(observation["action_mask"].argmax(axis=1))
    profile.disable()
    entries = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(entry[2] for entry in entries.values())
    title = "where the time of 64,000 construct steps (64 environments) goes, own time by function"
    rows = []
    for (file, line, function), (_, calls, own, _, _) in sorted(entries.items(), key=lambda e: -e[1][2])[:9]:
        name, share = f"{function}  {file.rpartition('/')[2]}:{line}", 100 * own / total
        rows.append(Row(name, share, column="own time", shown=f"{share:.1f} %", table=title, key="function"))
        rows.append(Row(name, calls, column="calls", shown=f"{calls:,}", table=title, key="function"))
    return rows


if __name__ == "__main__":
    run(__doc__, {"speeds": speeds})

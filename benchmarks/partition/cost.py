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
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import best_time, machine_line
from placezoo import jit
from placezoo.agents.partition.fiduccia_mattheyses import refine
from placezoo.cost_models import PartitionCost
from placezoo.datasets import Graph
from placezoo.datasets.public_files import find_file, public_files

ENV = "GraphPartition-v0"


def main() -> None:
    print(machine_line() + "\n")
    table = Table("what", "measured", "yardstick", box=None, pad_edge=False, header_style="bold")
    for row in [*kernels(), *environments(), *agents()]:
        table.add_row(*row)
    Console(width=150).print(table)
    where_the_time_goes()


def graph_or_none(name: str) -> Graph | None:
    return placezoo.datasets.load(name) if find_file(public_files()[name]) else None


def kernels() -> list[tuple[str, str, str]]:
    rows = []
    wing = graph_or_none("wing")
    if wing is not None:
        model = PartitionCost(wing, 4)
        assignment = np.random.default_rng(0).integers(0, 4, wing.num_nodes)
        seconds = best_time(lambda: model.cut(assignment), 100)
        rows.append(("cut of wing (121,544 edges)", f"{1e3 * seconds:.3f} ms", "at most 0.2 ms"))
        tails, heads = wing.edges.T
        seconds = best_time(lambda: int((assignment[tails] != assignment[heads]).sum()), 20)
        rows.append(("  the same in NumPy", f"{1e3 * seconds:.3f} ms", ""))
        slices = np.arange(wing.num_nodes) * 4 // wing.num_nodes
        rng = np.random.default_rng(0)
        seconds = best_time(lambda: refine(model, slices, rng, 1), 3)
        rows.append(("one FM pass over wing, k = 4", f"{1e3 * seconds:.0f} ms", "linear in edges"))
    for name in ("airfoil1", "wing"):
        graph = graph_or_none(name)
        if graph is not None:
            problem = placezoo.make_problem(ENV, instance=graph, num_parts=4)
            rows.append((f"exact gain of a random move, {name}", *per_second(problem, "gains"), "at least 1,000,000/s"))
            rows.append(
                (f"propose + gain + apply if better, {name}", *per_second(problem, "moves"), "at least 1,000,000/s")
            )
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


def per_second(problem: placezoo.envs.PlacementProblem, what: str, count: int = 1_000_000) -> tuple[str]:
    rng = np.random.default_rng(0)
    kernel = problem.kernel(np.arange(problem.num_items) * problem.num_resources // problem.num_items)
    items, parts = rng.integers(0, problem.num_items, count), rng.integers(0, problem.num_resources, count)
    if what == "gains":
        seconds = best_time(lambda: _gains(kernel.state, kernel.delta, items, parts), 3)
    else:
        seconds = best_time(lambda: _moves(kernel.state, kernel.propose, kernel.delta, kernel.apply, rng, count), 3)
    return (f"{count / seconds:,.0f}/s",)


def environments() -> list[tuple[str, str, str]]:
    rows = []
    for formulation in ("construct", "improve", "one-shot"):
        scalar = steps_per_second_scalar(formulation)
        batched = steps_per_second_batched(formulation, 64)
        rows.append((f"{formulation} steps, scalar, observations on", f"{scalar:,.0f}/s", ""))
        rows.append((f"{formulation} steps, 64 environments", f"{batched:,.0f}/s", f"{batched / scalar:.1f} x scalar"))
    return rows


def steps_per_second_scalar(formulation: str, seconds: float = 2.0) -> float:
    env = gym.make(ENV, dataset="delaunay", split="test", num_parts=4, formulation=formulation)
    observation, _ = env.reset(seed=0)
    one_shot = env.action_space.sample() if formulation == "one-shot" else None
    steps, started, warm = 0, time.perf_counter(), False
    while time.perf_counter() - started < seconds:
        action = one_shot if one_shot is not None else int(observation["action_mask"].argmax())
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
        steps += 1
        if not warm and time.perf_counter() - started > seconds / 2:  # features of the instances are known by now
            steps, started, warm = 0, time.perf_counter(), True
    return steps / (time.perf_counter() - started)


def steps_per_second_batched(formulation: str, num_envs: int, seconds: float = 2.0) -> float:
    env = gym.make_vec(ENV, num_envs=num_envs, dataset="delaunay", split="test", num_parts=4, formulation=formulation)
    observation, _ = env.reset(seed=0)
    one_shot = env.action_space.sample() if formulation == "one-shot" else None
    steps, started, warm = 0, time.perf_counter(), False
    while time.perf_counter() - started < seconds:
        observation, *_ = env.step(one_shot if one_shot is not None else observation["action_mask"].argmax(axis=1))
        steps += num_envs
        if not warm and time.perf_counter() - started > seconds / 2:
            steps, started, warm = 0, time.perf_counter(), True
    return steps / (time.perf_counter() - started)


def agents() -> list[tuple[str, str, str]]:
    graph = graph_or_none("airfoil1")
    if graph is None:
        return []
    problem = placezoo.make_problem(ENV, instance=graph, num_parts=4)
    rows = []
    for name, yardstick in (("simulated-annealing", "METIS, one run: 191"), ("local-search", ""), ("fm", "")):
        solution = placezoo.make_agent(name).solve(problem, placezoo.Budget(seconds=5), seed=0)
        speed = solution.evaluations / solution.seconds
        rows.append(
            (f"{name}, airfoil1, k = 4, 5 s", f"cut {solution.cost.total:g}, {speed:,.0f} evaluations/s", yardstick)
        )
    return rows


def where_the_time_goes() -> None:
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
    print("\nwhere the time of 64,000 construct steps (64 environments) goes, own time by function:")
    for (file, _, function), (_, calls, own, _, _) in sorted(entries.items(), key=lambda e: -e[1][2])[:9]:
        print(f"  {100 * own / total:4.1f} %  {calls:>7,} calls  {function}  {file.rpartition('/')[2]}")


if __name__ == "__main__":
    main()

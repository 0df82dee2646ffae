"""Speed of placement on an edge cluster: simulator, moves, environments, agents, each beside its yardstick.

Run with ``make bench`` or ``python -m benchmarks.edge.cost``. The yardsticks of the published simulator and agent are
their own programs' on a machine of this kind.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import best_time, machine_line
from placezoo import jit
from placezoo.agents.edge.list_scheduling import heft_placement
from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.policy_search import load_policy
from placezoo.agents.giph.selections import moves_of
from placezoo.agents.networks.threads import single_thread
from placezoo.cost_models import Makespan
from placezoo.datasets import EdgeInstance, generate_cluster, generate_task_graph
from placezoo.envs.edge.gp_net import GpNetBuilder
from placezoo.envs.wrappers import GpNet

ENV = "EdgePlace-v0"


def main() -> None:
    print(machine_line() + "\n")
    problem: Any = placezoo.make_problem(ENV, thirty_tasks())
    graph = problem.instance.task_graph
    print(f"{graph.num_tasks} tasks, {graph.num_edges} edges, {problem.num_resources} devices; one core\n")
    table = Table("what", "measured", "yardstick", box=None, pad_edge=False, header_style="bold")
    for row in [*kernels(problem), *environments(problem), *agents(problem)]:
        table.add_row(*row)
    Console(width=150).print(table)


def thirty_tasks() -> EdgeInstance:
    """Return an instance of the paper's distribution with 30 tasks and 20 devices."""
    for seed in range(10_000):
        rng = np.random.default_rng(seed)
        graph = generate_task_graph(15, 0.2, 0.1, rng, name="thirty tasks")
        if graph.num_tasks == 30:
            return EdgeInstance(graph, generate_cluster(20, rng), "thirty tasks on twenty devices")
    raise AssertionError("no seed gives 30 tasks")


@jit.generic_loop
def _try_moves(state, propose, delta, rng, count):
    total = 0.0
    for _ in range(count):
        total += delta(state, propose(state, rng))
    return total


def kernels(problem: Any) -> list[tuple[str, str, str]]:
    model: Makespan = problem.cost_model
    rng = np.random.default_rng(0)
    many = np.array([problem.initial_assignment(rng) for _ in range(20_000)])
    kernel = problem.kernel(many[0])
    batched = len(many) / best_time(lambda: model.evaluate_many(many))
    single = 100_000 / best_time(lambda: _try_moves(kernel.state, kernel.propose, kernel.delta, rng, 100_000))
    calls = 200 / best_time(lambda: [model.evaluate(row) for row in many[:200]])
    builder = GpNetBuilder(problem)
    gp_nets = 500 / best_time(lambda: [builder.build(kernel.state) for _ in range(500)])
    heft = 200 / best_time(lambda: [heft_placement(problem) for _ in range(200)])
    return [
        ("makespans, batched", f"{batched:,.0f}/s", "100,000/s; published simulator 50-110/s"),
        ("makespans, one move at a time (compiled loop)", f"{single:,.0f}/s", "100,000/s"),
        ("Makespan.evaluate from Python", f"{calls:,.0f}/s", "published simulator 50-110/s"),
        ("gpNets built", f"{gp_nets:,.0f}/s", "-"),
        ("HEFT placements", f"{heft:,.0f}/s", "-"),
    ]


def environments(problem: Any) -> list[tuple[str, str, str]]:
    rows = []
    for label, wrap in (("improve env", lambda env: env), ("improve env with GpNet observations", GpNet)):
        env = wrap(gym.make(ENV, instance=problem.instance, num_moves=10**9))
        rows.append((label, f"{100 / best_time(lambda env=env: walk(env, 100)):,.0f} steps/s", "published 9 steps/s"))
    vector: Any = gym.make_vec(ENV, 32, instance=problem.instance, num_moves=10**9)
    seconds = best_time(lambda: walk(vector, 50))
    rows.append(("improve env, 32 at once", f"{50 * 32 / seconds:,.0f} steps/s", "-"))
    return rows


def walk(env: Any, steps: int) -> None:
    """Take the first allowed action again and again: every step is a move."""
    observation, _ = env.reset(seed=0)
    for _ in range(steps):
        observation, *_ = env.step(observation["action_mask"].argmax(axis=-1))


def agents(problem: Any) -> list[tuple[str, str, str]]:
    policy = load_policy("pretrained", "giph")
    rows = []
    for batch in (1, 64):

        def play(batch: int = batch) -> None:
            start = problem.initial_assignment(np.random.default_rng(0))
            episodes = ImprovementEpisodes([problem] * batch, [start] * batch, moves_of("pair"))
            generator = torch.Generator().manual_seed(0)
            with torch.no_grad(), single_thread():
                while (active := episodes.active).size:
                    episodes.step(active, draw(policy.network(episodes.observe(active)), generator).numpy())

        steps = batch * 2 * problem.num_items
        rows.append(
            (f"giph, {batch} episodes at once", f"{steps / best_time(play, 3):,.0f} moves/s", "published 9 moves/s")
        )
    return rows


if __name__ == "__main__":
    main()

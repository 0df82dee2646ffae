"""Speed of placement on an edge cluster: simulator, moves, environments, agents, each beside its yardstick.

Run with ``make bench`` or ``python -m benchmarks.edge.cost``. The yardsticks of the published simulator and agent are
their own programs' on a machine of this kind.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, run
from placezoo import jit
from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.policy_search import load_policy
from placezoo.agents.giph.selections import moves_of
from placezoo.agents.networks.threads import single_thread
from placezoo.cost_models import Makespan
from placezoo.datasets import EdgeInstance, generate_cluster, generate_task_graph
from placezoo.envs.edge.gp_net import GpNetBuilder
from placezoo.envs.edge.list_scheduling import heft_placement
from placezoo.envs.wrappers import GpNet

ENV = "EdgePlace-v0"


SIMULATOR = 110.0  # makespans a second of the published one, at best
PUBLISHED_STEPS = 9.0  # a second


def speeds() -> list[Row]:
    problem: Any = placezoo.make_problem(ENV, thirty_tasks())
    graph = problem.instance.task_graph
    title = f"{graph.num_tasks} tasks, {graph.num_edges} edges, {problem.num_resources} devices; one core"
    rows = [*kernels(problem), *environments(problem), *agents(problem)]
    return [row._replace(table=title) for row in rows]


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


def kernels(problem: Any) -> list[Row]:
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
    goal, published = 100_000 / SLACK, "published simulator 50-110/s"
    return [
        Row("makespans, batched", batched, "/s", goal, f"100,000/s; {published}"),
        Row("makespans, one move at a time (compiled loop)", single, "/s", goal, "100,000/s"),
        Row("Makespan.evaluate from Python", calls, "/s", SIMULATOR, published),
        Row("gpNets built", gp_nets, "/s"),
        Row("HEFT placements", heft, "/s"),
    ]


def environments(problem: Any) -> list[Row]:
    rows = []
    for label, wrap in (("improve env", lambda env: env), ("improve env with GpNet observations", GpNet)):
        env = wrap(gym.make(ENV, instance=problem.instance, num_moves=10**9))
        speed = 100 / best_time(lambda env=env: walk(env, 100))
        rows.append(Row(label, speed, "steps/s", PUBLISHED_STEPS, "published 9 steps/s"))
    vector: Any = gym.make_vec(ENV, 32, instance=problem.instance, num_moves=10**9)
    seconds = best_time(lambda: walk(vector, 50))
    rows.append(Row("improve env, 32 at once", 50 * 32 / seconds, "steps/s"))
    return rows


def walk(env: Any, steps: int) -> None:
    """Take the first allowed action again and again: every step is a move."""
    observation, _ = env.reset(seed=0)
    for _ in range(steps):
        observation, *_ = env.step(observation["action_mask"].argmax(axis=-1))


def agents(problem: Any) -> list[Row]:
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
        speed = steps / best_time(play, 3)
        rows.append(Row(f"giph, {batch} episodes at once", speed, "moves/s", PUBLISHED_STEPS, "published 9 moves/s"))
    return rows


if __name__ == "__main__":
    run(__doc__, {"speeds": speeds})

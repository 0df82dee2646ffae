"""Chip placement: how fast the cost is, and how good the agents are, beside published yardsticks.

    python -m benchmarks.chip.cost              speeds on Ariane-133 (about a minute)
    python -m benchmarks.chip.cost quality      agents on three netlists at 10, 60 and 300 s (about half an hour)

Needs the public netlists in PLACEZOO_DATA or on the network.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable

import numpy as np

import placezoo
from placezoo import jit
from placezoo.agents.solution import describe_machine
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.force_directed import ATTRACT, MOVE_FACTORS, REPEL, STEPS, force_directed
from placezoo.cost_models.chip.soft_placer import place_soft_macros, sweep
from placezoo.datasets.chip.netlist_format import read_netlist
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.registration import make_env

NETLISTS = ("ariane133-ng45", "nvdla-ng45", "ariane136-ng45")


def seconds_of(function: Callable[[], object], repeats: int = 9) -> float:
    """Return the least time of a call, compiled and warm: what else runs on the machine only adds to it."""
    function()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


@jit.generic_loop
def _try_moves(state, blocks, places, count):
    for i in range(count):
        block = blocks[i % blocks.size]
        proxy_state.begin_change(state)
        x, y = places[i % places.shape[0]]
        proxy_state.list_block(state, block, x, y, state.orientation[block], 1)
        proxy_state.try_change(state)


@jit.generic_loop
def _anneal(state, rng, count):
    for _ in range(count):
        move = chip_moves.propose(state, rng)
        if chip_moves.delta(state, move) <= 0.0:
            chip_moves.apply(state, move)


def speeds() -> None:
    """Print the speed table of Ariane-133."""
    entry = public_files()["ariane133-ng45"]
    netlist = placezoo.datasets.load("ariane133-ng45")
    files = [find_file(file) for file in entry.files]
    model = ProxyCost(netlist)
    rng = np.random.default_rng(0)
    rows = [("read netlist and placement", seconds_of(lambda: read_netlist(*files)), "1 s (1.4 s, open Python)")]
    rows += [
        ("full proxy cost", seconds_of(lambda: model.evaluate(netlist.placement), 300), "1 ms (11.6 s, open Python)")
    ]
    state = model.state()
    blocks = model.block_of_node[netlist.hard_macros]
    places = rng.uniform(0.1, 0.9, (997, 2)) * [netlist.canvas.width, netlist.canvas.height]
    count = 20_000
    rows += [
        ("one macro moved, exact cost", seconds_of(lambda: _try_moves(state, blocks, places, count)) / count, "20 us")
    ]
    problem = placezoo.make_problem("ChipPlace-v0", netlist)
    assignment = problem.initial_assignment(rng)
    kernel = problem.kernel(assignment)
    rows += [
        (
            "one annealing action",
            seconds_of(lambda: _anneal(kernel.state, rng, count)) / count,
            "20 us (147 us, open C++)",
        )
    ]
    links = model.springs(model.block_of_node[netlist.soft_macros])
    forces = [np.array(values) for values in (STEPS, ATTRACT, REPEL, MOVE_FACTORS)]
    rows += [
        (
            "300 force-directed steps",
            seconds_of(lambda: force_directed(state, links, *forces, 1.0)),
            "50 ms (136 ms, open C++)",
        )
    ]
    by_force = model.cost_of(state).total

    def our_placer() -> None:
        sweep(state, links.blocks, place_soft_macros(state, links), 3)
        proxy_state.rebuild(state)

    rows += [("soft macros placed by us", seconds_of(our_placer), "-")]
    ours = model.cost_of(state).total
    rows += [("evaluate an assignment", seconds_of(lambda: problem.evaluate(assignment)), "-")]
    env = make_env("ChipPlace-v0", instance=netlist)

    def episode() -> None:
        observation, _ = env.reset(seed=0)
        done = False
        while not done:
            action = int(np.flatnonzero(observation["action_mask"])[0])
            observation, _, done, _, _ = env.step(action)

    rows += [("construct episode, 133 steps", seconds_of(episode), "100 ms")]
    print(f"{'':34} {'here':>12}   goal (yardstick)")
    for name, value, goal in rows:
        shown = (
            f"{value:.2f} s" if value > 0.5 else f"{1e3 * value:.2f} ms" if value > 5e-4 else f"{1e6 * value:.1f} us"
        )
        print(f"{name:34} {shown:>12}   {goal}")
    print(f"\ncommercial hard macros, soft macros by forces {by_force:.4f}, by our placer {ours:.4f}")


def quality() -> None:
    """Print what the agents reach."""
    print(f"{'':34} {'random':>8} {'greedy':>8} " + " ".join(f"{f'{a} {s} s':>14}" for a, s in RUNS) + "  commercial")
    for name in NETLISTS:
        netlist = placezoo.datasets.load(name)
        problem = placezoo.make_problem("ChipPlace-v0", netlist)
        drawn = placezoo.make_agent("random").solve(problem, placezoo.Budget(evaluations=1), seed=0).cost.total
        greedy = placezoo.make_agent("greedy").solve(problem, placezoo.Budget(evaluations=1), seed=0).cost.total
        line = f"{name:34} {drawn:8.4f} {greedy:8.4f} "
        for agent, seconds in RUNS:
            solution = placezoo.make_agent(agent).solve(problem, placezoo.Budget(seconds=seconds), seed=0)
            line += f"{solution.cost.total:14.4f} "
        print(f"{line} {ProxyCost(netlist).evaluate(netlist.placement).total:.4f}", flush=True)


RUNS = (
    ("simulated-annealing", 10), ("simulated-annealing", 60), ("simulated-annealing", 300),
    ("wire-mask", 60), ("analytic", 60), ("random", 60),
)  # fmt: skip

if __name__ == "__main__":
    machine = describe_machine()
    print(f"{machine.get('processor', platform.processor())}, Python {platform.python_version()}\n")
    {"speed": speeds, "quality": quality}[sys.argv[1] if len(sys.argv) > 1 else "speed"]()

"""Chip placement: how fast the cost is, and how good the agents are, beside published yardsticks.

    python -m benchmarks.chip.cost              speeds on Ariane-133 (about a minute)
    python -m benchmarks.chip.cost quality      agents on three netlists at 10, 60 and 300 s (about half an hour)
    python -m benchmarks.chip.cost off_the_grid all macros, 60 CPU s, three seeds, scored from files (12 minutes)

Needs the public netlists in PLACEZOO_DATA or on the network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, processor_seconds, run
from placezoo import jit
from placezoo.agents.chip.macro_placer import MacroPlacer
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.chip import proxy_state
from placezoo.cost_models.chip.force_directed import ATTRACT, MOVE_FACTORS, REPEL, STEPS, force_directed
from placezoo.cost_models.chip.joint_annealing import anneal_jointly
from placezoo.cost_models.chip.soft_placer import place_soft_macros, sweep
from placezoo.datasets.chip.netlist_format import read_netlist
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.registration import make_env

NETLISTS = ("ariane133-ng45", "nvdla-ng45", "ariane136-ng45")


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


def speeds() -> list[Row]:
    """Return the speeds on Ariane-133; yardsticks are the published programs' on a machine of this kind."""
    entry = public_files()["ariane133-ng45"]
    netlist = placezoo.datasets.load("ariane133-ng45")
    files = [find_file(file) for file in entry.files]
    model = ProxyCost(netlist)
    rng = np.random.default_rng(0)
    read = best_time(lambda: read_netlist(*files), 9)
    full = best_time(lambda: model.evaluate(netlist.placement), 300)
    state = model.state()
    blocks = model.block_of_node[netlist.hard_macros]
    places = rng.uniform(0.1, 0.9, (997, 2)) * [netlist.canvas.width, netlist.canvas.height]
    count = 20_000
    moved = best_time(lambda: _try_moves(state, blocks, places, count), 9) / count
    problem: Any = placezoo.make_problem("ChipPlace-v0", netlist)
    assignment = problem.initial_assignment(rng)
    kernel = problem.kernel(assignment)
    action = best_time(lambda: _anneal(kernel.state, rng, count), 9) / count
    joint = MacroPlacer().begin(placezoo.make_problem("ChipPlace-v0", netlist, movable="all"))[0]
    joint_action = best_time(lambda: anneal_jointly(joint, 1e-5, 0.25, 0.5, count, rng), 9) / count
    links = model.springs(model.block_of_node[netlist.soft_macros])
    forces = [np.array(values) for values in (STEPS, ATTRACT, REPEL, MOVE_FACTORS)]
    pushed = best_time(lambda: force_directed(state, links, *forces, 1.0), 9)
    by_force = model.cost_of(state).total

    def our_placer() -> None:
        sweep(state, links.blocks, place_soft_macros(state, links), 3)
        proxy_state.rebuild(state)

    placed = best_time(our_placer, 9)
    ours = model.cost_of(state).total
    env = make_env("ChipPlace-v0", instance=netlist)

    def episode() -> None:
        observation, _ = env.reset(seed=0)
        done = False
        while not done:
            choice = int(np.flatnonzero(observation["action_mask"])[0])
            observation, _, done, _, _ = env.step(choice)

    quality, paces = "commercial hard macros", "evaluations a second"
    return [
        Row("read netlist and placement", read, "s", SLACK * 1.0, "1 s (1.4 s, open Python)"),
        Row("full proxy cost", full, "s", SLACK * 1e-3, "1 ms (11.6 s, open Python)"),
        Row("one macro moved, exact cost", moved, "s", SLACK * 20e-6, "20 us"),
        Row("one annealing action", action, "s", 147e-6, "20 us (147 us, open C++)"),
        Row("annealing on cells", 1 / action, "/s", table=paces, column="exact evaluations"),
        Row("macro-placer, off the grid", 1 / joint_action, "/s", 1 / action / 2, "half of annealing's, same run",
            "exact evaluations", table=paces),
        Row("300 force-directed steps", pushed, "s", SLACK * 50e-3, "50 ms (136 ms, open C++)"),
        Row("soft macros placed by us", placed, "s"),
        Row("evaluate an assignment", best_time(lambda: problem.evaluate(assignment), 9), "s", 0.74,
            "0.74 s, Google's force-directed pass"),
        Row("construct episode, 133 steps", best_time(episode, 9), "s", SLACK * 0.1, "100 ms"),
        Row("soft macros by forces", by_force, shown=f"{by_force:.4f}", table=quality, column="proxy cost"),
        Row("by our placer", ours, "", by_force, "by forces", "proxy cost", f"{ours:.4f}", quality),
    ]  # fmt: skip


def quality() -> Iterator[Row]:
    """Return what the agents reach."""
    for name in NETLISTS:
        netlist = placezoo.datasets.load(name)
        problem = placezoo.make_problem("ChipPlace-v0", netlist)
        commercial = ProxyCost(netlist).evaluate(netlist.placement).total
        for agent, seconds in RUNS:
            once = seconds is None
            budget = placezoo.Budget(evaluations=1) if once else placezoo.Budget(seconds=seconds)
            total = placezoo.make_agent(agent).solve(problem, budget, seed=0).cost.total
            column = agent if once else f"{agent} {seconds} s"
            yield Row(name, total, column=column, shown=f"{total:.4f}", key="netlist")
        yield Row(name, commercial, column="commercial", shown=f"{commercial:.4f}", key="netlist")


def off_the_grid() -> Iterator[Row]:
    """Return what ``macro-placer`` reaches where all macros move, by the rules of the 2026 open challenge."""
    means = []
    for name in CHALLENGE:
        entry = public_files()[name]
        problem: Any = placezoo.make_problem("ChipPlace-v0", name, movable="all", smoothing_range=0)
        totals = []
        for seed in range(3):
            with processor_seconds():
                solution = placezoo.make_agent("macro-placer").solve(problem, placezoo.Budget(seconds=60), seed)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "placed.plc"
                problem.refined(solution.refinement).export(solution.assignment, path)
                written = read_netlist(find_file(entry.files[0]), path)
            cost = ProxyCost(written, smoothing_range=0).evaluate(written.placement)
            assert cost.feasible, cost.violations
            totals.append(cost.total)
            yield Row(name, cost.total, column=f"seed {seed}", shown=f"{cost.total:.4f}", key="netlist")
        means.append(float(np.mean(totals)))
        yield Row(name, means[-1], column="mean", shown=f"{means[-1]:.4f}", key="netlist")
    mean = float(np.mean(means))
    yield Row("mean", mean, "", 0.6786, "the best mean that an entry reports", "mean", f"{mean:.4f}", key="netlist")


CHALLENGE = ("ariane133-ng45", "ariane136-ng45", "mempool-tile-ng45", "nvdla-ng45")
RUNS = (
    ("random", None), ("greedy", None),
    ("simulated-annealing", 10), ("simulated-annealing", 60), ("simulated-annealing", 300),
    ("wire-mask", 60), ("analytic", 60), ("random", 60),
)  # fmt: skip

if __name__ == "__main__":
    run(__doc__, {"speeds": speeds, "quality": quality, "off_the_grid": off_the_grid})

"""Neural-network device placement: speed of the simulator, and step times of the placements without learning.

Run with ``make bench`` or ``python -m benchmarks.device.cost`` for speeds; ``python -m benchmarks.device.cost quality``
places traced models (the first time it traces them, half a minute in all).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import best_time, machine_line
from placezoo import jit
from placezoo.cost_models import StepTime
from placezoo.datasets import OpGraph, load_topology

ENV = "DevicePlace-v0"
MODELS = ("bert-base", "gpt2", "bart-base", "vit-base", "swin-tiny", "resnet-50")
TOPOLOGIES = (("p100x2-pcie", 0.75), ("v100x8-pcie", 0.3))  # and the memory, as a share of what one device would need
AGENTS = ("single-device", "expert", "m-topo", "m-etf", "m-heft", "greedy", "simulated-annealing", "local-search")
SECONDS = 10.0


def main() -> None:
    print(machine_line() + "\n")
    if sys.argv[1:] == ["quality"]:
        quality()
        return
    table = Table("what", "measured", "yardstick", box=None, pad_edge=False, header_style="bold")
    for row in speeds():
        table.add_row(*row)
    Console(width=150).print(table)


@jit.generic_loop
def _try_moves(state, propose, delta, rng, count):
    total = 0.0
    for _ in range(count):
        total += delta(state, propose(state, rng))
    return total


def random_model(num_ops: int) -> OpGraph:
    """Return a model whose operators read the one before them and one of the last fifty."""
    rng = np.random.default_rng(0)
    edges = {(op - 1, op) for op in range(1, num_ops)}
    edges |= {(int(rng.integers(max(0, op - 50), op)), op) for op in range(1, num_ops)}
    return OpGraph(
        rng.uniform(1e8, 1e9, num_ops), rng.uniform(1e5, 1e6, num_ops), rng.uniform(1e5, 1e6, num_ops),
        rng.uniform(0, 1e6, num_ops), sorted(edges),
    )  # fmt: skip


def speeds() -> list[tuple[str, str, str]]:
    rows = []
    topology = load_topology("v100x8-pcie")
    for num_ops, count, most in ((1_000, 1_000, "0.3 ms"), (50_000, 20, "50 ms")):
        model = StepTime(random_model(num_ops), topology)
        rng = np.random.default_rng(0)
        placements = {"random": rng.integers(0, 8, num_ops), "eight blocks": np.arange(num_ops) * 8 // num_ops}
        for label, placement in placements.items():
            kernel = placezoo.make_problem(ENV, model.op_graph, topology="v100x8-pcie").kernel(placement)
            seconds = best_time(
                lambda k=kernel, n=count: _try_moves(k.state, k.propose, k.delta, np.random.default_rng(0), n), 3
            )
            name = f"step time, {num_ops:,} operators, 8 devices, {label}"
            rows.append((name, f"{1e3 * seconds / count:.3f} ms", f"at most {most}"))
    return rows


def quality() -> None:
    for topology, share in TOPOLOGIES:
        table = Table("agent", *MODELS, "mean to the bound", box=None, pad_edge=False, header_style="bold")
        problems = [problem_of(name, topology, share) for name in MODELS]
        for agent in AGENTS:
            cells, ratios = [], []
            for problem in problems:
                solution = placezoo.make_agent(agent).solve(problem, placezoo.Budget(seconds=SECONDS), seed=0)
                step_time = solution.cost.terms["step_time"]
                cells.append(f"{1e3 * step_time:.2f}" if solution.cost.feasible else "memory")
                ratios.append(step_time / problem.cost_model.lower_bound if solution.cost.feasible else np.nan)
            mean = "-" if np.isnan(ratios).any() else f"{100 * (np.mean(ratios) - 1):+.0f} %"
            table.add_row(agent, *cells, mean)
        bounds = [f"{1e3 * problem.cost_model.lower_bound:.2f}" for problem in problems]
        table.add_row("lower bound", *bounds, "")
        memories = ", ".join(f"{problem.parameters['memory_gb']:.2f}" for problem in problems)
        print(
            f"{topology}, training, batch 8, milliseconds a step; GB a device: {memories}; {SECONDS:g} s each, seed 0"
        )
        Console(width=150).print(table)
        print()


def problem_of(name: str, topology: str, share: float) -> Any:
    """Return a model on devices whose memory is a share of what the model needs on one."""
    text = f"transformers:{name},training,batch=8"
    alone: Any = placezoo.make_problem(ENV, text, topology=topology)
    need = alone.evaluate(np.zeros(alone.num_items, np.int64)).terms["peak_memory"]
    return placezoo.make_problem(ENV, text, topology=topology, memory_gb=round(share * need / 1e9, 3))


if __name__ == "__main__":
    main()

"""Neural-network device placement: speed of the simulator, and step times of the placements without learning.

Run with ``make bench`` or ``python -m benchmarks.device.cost`` for speeds; ``python -m benchmarks.device.cost quality``
places traced models (the first time it traces them, half a minute in all).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import SLACK, Row, best_time, run
from placezoo import jit
from placezoo.cost_models import StepTime
from placezoo.datasets import OpGraph, load_topology

ENV = "DevicePlace-v0"
MODELS = ("bert-base", "gpt2", "bart-base", "vit-base", "swin-tiny", "resnet-50")
TOPOLOGIES = (("p100x2-pcie", 0.75), ("v100x8-pcie", 0.3))  # and the memory, as a share of what one device would need
AGENTS = ("single-device", "expert", "m-topo", "m-etf", "m-heft", "greedy", "simulated-annealing", "local-search")
SECONDS = 10.0


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


def speeds() -> list[Row]:
    rows = []
    topology = load_topology("v100x8-pcie")
    for num_ops, count, most in ((1_000, 1_000, 0.3e-3), (50_000, 20, 50e-3)):
        model = StepTime(random_model(num_ops), topology)
        rng = np.random.default_rng(0)
        placements = {"random": rng.integers(0, 8, num_ops), "eight blocks": np.arange(num_ops) * 8 // num_ops}
        for label, placement in placements.items():
            kernel = placezoo.make_problem(ENV, model.op_graph, topology="v100x8-pcie").kernel(placement)
            seconds = best_time(
                lambda k=kernel, n=count: _try_moves(k.state, k.propose, k.delta, np.random.default_rng(0), n), 3
            )
            name = f"step time, {num_ops:,} operators, 8 devices, {label}"
            rows.append(Row(name, seconds / count, "s", SLACK * most, f"at most {1e3 * most:g} ms"))
    return rows


def quality() -> Iterator[Row]:
    for topology, share in TOPOLOGIES:
        problems = [problem_of(name, topology, share) for name in MODELS]
        bounds = [problem.cost_model.lower_bound for problem in problems]
        memories = ", ".join(f"{problem.parameters['memory_gb']:.2f}" for problem in problems)
        title = (
            f"{topology}, training, batch 8, milliseconds a step; GB a device: {memories}; {SECONDS:g} s each, seed 0"
        )
        for agent in AGENTS:
            ratios = []
            for model, problem, bound in zip(MODELS, problems, bounds, strict=True):
                solution = placezoo.make_agent(agent).solve(problem, placezoo.Budget(seconds=SECONDS), seed=0)
                step_time = solution.cost.terms["step_time"]
                shown = f"{1e3 * step_time:.2f}" if solution.cost.feasible else "memory"
                yield Row(agent, step_time, "s", column=model, shown=shown, table=title, key="agent")
                ratios.append(step_time / bound if solution.cost.feasible else np.nan)
            mean = float(np.mean(ratios))
            shown = "-" if np.isnan(mean) else f"{100 * (mean - 1):+.0f} %"
            yield Row(agent, mean, column="mean to the bound", shown=shown, table=title, key="agent")
        for model, bound in zip(MODELS, bounds, strict=True):
            yield Row("lower bound", bound, column=model, shown=f"{1e3 * bound:.2f}", table=title, key="agent")


def problem_of(name: str, topology: str, share: float) -> Any:
    """Return a model on devices whose memory is a share of what the model needs on one."""
    text = f"transformers:{name},training,batch=8"
    alone: Any = placezoo.make_problem(ENV, text, topology=topology)
    need = alone.evaluate(np.zeros(alone.num_items, np.int64)).terms["peak_memory"]
    return placezoo.make_problem(ENV, text, topology=topology, memory_gb=round(share * need / 1e9, 3))


if __name__ == "__main__":
    run(__doc__, {"speeds": speeds, "quality": quality})

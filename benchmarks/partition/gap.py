"""GAP on graphs it has not seen: cut, balance and milliseconds, as it answers and mended, beside METIS and Mt-KaHyPar.

``python -m benchmarks.partition.gap [CHECKPOINT]``, default the package's own (4 parts, trained on Delaunay meshes).
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import machine_line
from placezoo.agents.gap.agents import answer_at_once
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.partition.metis import graph_of
from placezoo.datasets.partition.landmarks import landmark_distances
from placezoo.datasets.public_files import find_file, public_files

ENV, PARTS, BUDGET = "GraphPartition-v0", 4, placezoo.Budget(seconds=60)
MODELS = ("transformers:bert-base", "torch:gnmt", "torch:inception-v3", "torch:wavenet")
MESHES = ("airfoil1", "4elt", "fe_4elt2", "wing")


def families():
    for name in ("delaunay", "barabasi-albert", "erdos-renyi"):
        yield f"{name}/test", [f"{name}/test/{index}" for index in range(20)]
    yield "traced models", [
        graph_of(placezoo.make_problem("DevicePlace-v0", model, ))[0] for model in MODELS
    ]  # fmt: skip
    for name in MESHES:
        if find_file(public_files()[name]) is not None:
            yield name, [name]


def main(checkpoint: str) -> None:
    print(machine_line())
    gap = placezoo.make_agent("gap", checkpoint=checkpoint)
    network = gap.policy.network
    baselines = {"metis, 1 run": ("metis", {"runs": 1}), "mt-kahypar, 1 run": ("mt-kahypar", {"runs": 1})}
    table = Table(
        "graphs", "agent", "cut / edge weight", "heaviest part / ideal", "ms a graph",
        title="GAP, trained on Delaunay meshes of 100-200 nodes, k = 4, 3 %",
    )  # fmt: skip
    for family, instances in families():
        problems = [placezoo.make_problem(ENV, instance, num_parts=PARTS) for instance in instances]
        totals = np.array([problem.instance.edge_weights.sum() / 2 for problem in problems])

        def row(agent: str, costs, seconds, family=family, totals=totals) -> None:
            cuts = np.array([cost.terms["cut"] for cost in costs]) / totals
            balance = np.mean([1 + cost.terms["imbalance"] for cost in costs])
            table.add_row(family, agent, f"{cuts.mean():.4f}", f"{balance:.3f}", f"{1000 * np.mean(seconds):.1f}")

        costs, seconds = [], []
        for problem in problems:
            answer_at_once(network, problem)
            landmark_distances.cache_clear()
            started = time.perf_counter()
            answer = answer_at_once(network, problem)
            seconds.append(time.perf_counter() - started)
            costs.append(problem.evaluate(answer))
        row("gap, as it answers", costs, seconds)
        for name, agent in (
            ("gap, mended", gap),
            ("gap + 20 passes of FM", placezoo.make_agent("gap", checkpoint=checkpoint, passes=20)),
            *((name, placezoo.make_agent(agent, **settings)) for name, (agent, settings) in baselines.items()),
        ):
            solutions = [agent.solve(problem, BUDGET, seed=0) for problem in problems]
            row(name, [solution.cost for solution in solutions], [solution.seconds for solution in solutions])
        table.add_section()
    Console(width=120).print(table)


if __name__ == "__main__":
    with single_thread():
        main(sys.argv[1] if len(sys.argv) > 1 else "pretrained")

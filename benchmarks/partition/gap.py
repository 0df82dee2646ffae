"""GAP on graphs it has not seen: cut, balance and milliseconds, as it answers and mended, beside METIS and Mt-KaHyPar.

``python -m benchmarks.partition.gap [CHECKPOINT]``, default the package's own (4 parts, trained on Delaunay meshes).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.gap.agents import answer_at_once
from placezoo.agents.networks.threads import single_thread
from placezoo.datasets import Graph
from placezoo.datasets.partition.landmarks import landmark_distances
from placezoo.datasets.public_files import find_file, public_files

ENV, PARTS, BUDGET = "GraphPartition-v0", 4, placezoo.Budget(seconds=60)
MODELS = ("transformers:bert-base", "torch:gnmt", "torch:inception-v3", "torch:wavenet")
MESHES = ("airfoil1", "4elt", "fe_4elt2", "wing")


def model_graph(model: str) -> Graph:
    """Return the graph that partitioners cut to place a model on devices."""
    cut = placezoo.make_problem("DevicePlace-v0", model).cut_graph
    return Graph(
        indptr=cut.indptr, indices=cut.indices.astype(np.int32), edge_weights=cut.edge_weights,
        node_weights=cut.node_weights, name=model,
    )  # fmt: skip


def families():
    for name in ("delaunay", "barabasi-albert", "erdos-renyi"):
        yield f"{name}/test", [f"{name}/test/{index}" for index in range(20)]
    yield "traced models", [model_graph(model) for model in MODELS]
    for name in MESHES:
        if find_file(public_files()[name]) is not None:
            yield name, [name]


def answers(checkpoint: str) -> Iterator[Row]:
    gap = placezoo.make_agent("gap", checkpoint=checkpoint)
    network = gap.policy.network
    baselines = {"metis, 1 run": ("metis", {"runs": 1}), "mt-kahypar, 1 run": ("mt-kahypar", {"runs": 1})}
    title = "GAP, trained on Delaunay meshes of 100-200 nodes, k = 4, 3 %"
    for family, instances in families():
        problems = [placezoo.make_problem(ENV, instance, num_parts=PARTS) for instance in instances]
        totals = np.array([problem.instance.edge_weights.sum() / 2 for problem in problems])

        def row(agent: str, costs, seconds, family=family, totals=totals) -> Iterator[Row]:
            cut = float(np.mean(np.array([cost.terms["cut"] for cost in costs]) / totals))
            balance = float(np.mean([1 + cost.terms["imbalance"] for cost in costs]))
            milliseconds = 1000 * float(np.mean(seconds))
            for column, value, shown in (
                ("cut / edge weight", cut, f"{cut:.4f}"),
                ("heaviest part / ideal", balance, f"{balance:.3f}"),
                ("ms a graph", milliseconds, f"{milliseconds:.1f}"),
            ):
                yield Row(f"{family}, {agent}", value, column=column, shown=shown, table=title, key="graphs, agent")

        costs, seconds = [], []
        for problem in problems:
            answer_at_once(network, problem)
            landmark_distances.cache_clear()
            started = time.perf_counter()
            answer = answer_at_once(network, problem)
            seconds.append(time.perf_counter() - started)
            costs.append(problem.evaluate(answer))
        yield from row("gap, as it answers", costs, seconds)
        for name, agent in (
            ("gap, mended", gap),
            ("gap + 20 passes of FM", placezoo.make_agent("gap", checkpoint=checkpoint, passes=20)),
            *((name, placezoo.make_agent(agent, **settings)) for name, (agent, settings) in baselines.items()),
        ):
            solutions = [agent.solve(problem, BUDGET, seed=0) for problem in problems]
            yield from row(name, [one.cost for one in solutions], [one.seconds for one in solutions])


if __name__ == "__main__":
    with single_thread():
        run(__doc__, {"answers": answers}, ("checkpoint", {"nargs": "?", "default": "pretrained"}))

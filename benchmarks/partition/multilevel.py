"""The multilevel wrapper on the public graphs: a learned policy, and fm, on the coarsest graph, beside the yardsticks.

``python -m benchmarks.partition.multilevel [SECONDS]`` (default 10 for each run; METIS and Mt-KaHyPar take 8 seeds).
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

import placezoo
from benchmarks.measuring import machine_line
from placezoo.agents.networks.threads import single_thread
from placezoo.datasets.public_files import find_file, public_files

GRAPHS = ("airfoil1", "4elt", "fe_4elt2", "wing", "power", "PGPgiantcompo", "hep-th")


def main(seconds: float) -> None:
    print(machine_line())
    table = Table(
        "graph", "k", "metis", "mt-kahypar", "multilevel + ppo", "multilevel + fm", "ppo against metis",
        "ppo against mt-kahypar", title=f"cuts within 3 %, {seconds:g} s for each multilevel run",
    )  # fmt: skip
    worse = []
    for name in GRAPHS:
        if find_file(public_files()[name]) is None:
            continue
        for parts in (2, 4, 8, 16):
            problem = placezoo.make_problem("GraphPartition-v0", name, num_parts=parts, order="spectral")
            cuts = []
            for agent, settings, budget in (
                ("metis", {}, 60.0),
                ("mt-kahypar", {}, 60.0),
                ("multilevel", {"agent": "ppo", "checkpoint": "pretrained", "inner_evaluations": 4}, seconds),
                ("multilevel", {}, seconds),
            ):
                solution = placezoo.make_agent(agent, **settings).solve(
                    problem, placezoo.Budget(seconds=budget), seed=0
                )
                assert solution.cost.feasible
                cuts.append(solution.cost.terms["cut"])
            metis, kahypar, learned, _ = cuts
            if learned > metis:
                worse.append(f"{name} k = {parts}")
            table.add_row(
                name, str(parts), *(f"{cut:.0f}" for cut in cuts), f"{100 * (learned / metis - 1):+.1f} %",
                f"{100 * (learned / kahypar - 1):+.1f} %",
            )  # fmt: skip
    Console(width=140).print(table)
    print(f"worse than METIS: {', '.join(worse) or 'nowhere'}")


if __name__ == "__main__":
    with single_thread():
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)

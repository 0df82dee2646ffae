"""The multilevel wrapper on the public graphs: a learned policy, and fm, on the coarsest graph, beside the yardsticks.

``python -m benchmarks.partition.multilevel [SECONDS]`` (default 10 for each run; METIS and Mt-KaHyPar take 8 seeds).
"""

from __future__ import annotations

from collections.abc import Iterator

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.networks.threads import single_thread
from placezoo.datasets.public_files import find_file, public_files

GRAPHS = ("airfoil1", "4elt", "fe_4elt2", "wing", "power", "PGPgiantcompo", "hep-th")


def cuts_of_public_graphs(seconds: float) -> Iterator[Row]:
    title = f"cuts within 3 %, {seconds:g} s for each multilevel run"
    for name in GRAPHS:
        if find_file(public_files()[name]) is None:
            continue
        for parts in (2, 4, 8, 16):
            problem = placezoo.make_problem("GraphPartition-v0", name, num_parts=parts, order="spectral")
            case, cuts = f"{name}, k = {parts}", {}
            for column, agent, settings, budget in (
                ("metis", "metis", {"runs": 8}, 60.0),
                ("mt-kahypar", "mt-kahypar", {"runs": 8}, 60.0),
                ("multilevel + ppo", "multilevel",
                 {"agent": "ppo", "checkpoint": "pretrained", "inner_evaluations": 4}, seconds),
                ("multilevel + fm", "multilevel", {"agent": "fm"}, seconds),
            ):  # fmt: skip
                solution = placezoo.make_agent(agent, **settings).solve(
                    problem, placezoo.Budget(seconds=budget), seed=0
                )
                assert solution.cost.feasible
                cuts[column] = solution.cost.terms["cut"]
                yield Row(case, cuts[column], column=column, table=title, key="graph")
            for other in ("metis", "mt-kahypar"):
                ratio, column = cuts["multilevel + ppo"] / cuts[other], f"ppo against {other}"
                shown = f"{100 * (ratio - 1):+.1f} %"
                yield Row(case, ratio, column=column, shown=shown, table=title, key="graph")
            worse = cuts["multilevel + ppo"] > cuts["metis"]
            yield Row(case, worse, column="worse than METIS", shown="yes" if worse else "no", table=title, key="graph")


if __name__ == "__main__":
    with single_thread():
        run(
            __doc__, {"cuts": cuts_of_public_graphs},
            ("seconds", {"nargs": "?", "type": float, "default": 10.0, "help": "for each multilevel run"}),
        )  # fmt: skip

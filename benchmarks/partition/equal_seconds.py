"""``multilevel`` beside Mt-KaHyPar's restarts on the public graphs, at equal seconds of processor time on one core.

``python -m benchmarks.partition.equal_seconds [SECONDS] [--parts 2 4 8 16] [--seed S]`` (default 10 for each run). On a
machine that others use too, seconds of wall time say little: the clock of both is that of their process.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from unittest import mock

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from benchmarks.partition.multilevel import GRAPHS
from placezoo.agents.networks.threads import single_thread
from placezoo.agents.partition.mt_kahypar import partitions
from placezoo.datasets.public_files import find_file, public_files
from placezoo.envs.problem import PlacementProblem

AGENTS = ("multilevel", "mt-kahypar")


def cuts_at_equal_seconds(seconds: float, parts: list[int], seed: int) -> Iterator[Row]:
    ratios, wins = [], 0
    names = [name for name in GRAPHS if find_file(public_files()[name]) is not None]
    for name, k in itertools.product(names, parts):
        problem = placezoo.make_problem("GraphPartition-v0", name, num_parts=k)
        ours, theirs = _multilevel(problem, seconds, seed), _mt_kahypar(problem, seconds, seed)
        for column, cut in zip(AGENTS, (ours, theirs), strict=True):
            yield Row(f"{name}, k = {k}", cut, column=column, key="graph")
        yield Row(f"{name}, k = {k}", ours / theirs, column="ratio", shown=f"{ours / theirs:.3f}", key="graph")
        ratios.append(ours / theirs)
        wins += ours <= theirs
    mean = float(np.exp(np.mean(np.log(ratios))))
    yield Row("geometric mean", mean, column="ratio", shown=f"{mean:.4f}", key="graph")
    yield Row("at most Mt-KaHyPar's", wins, column="ratio", shown=f"{wins} of {len(ratios)}", key="graph")


def _multilevel(problem: PlacementProblem, seconds: float, seed: int) -> float:
    agent = placezoo.make_agent("multilevel")
    agent.prepare(problem)
    with mock.patch("time.perf_counter", time.process_time):
        solution = agent.solve(problem, placezoo.Budget(seconds=seconds), seed)
    assert solution.cost.feasible
    return solution.cost.terms["cut"]


def _mt_kahypar(problem: PlacementProblem, seconds: float, seed: int) -> float:
    """Return the best cut of its runs; the one in which the seconds end counts still, in the library's favour."""
    best, k = np.inf, problem.num_resources
    answers = partitions(problem.instance, k, problem.cost_model.epsilon, "cut-net", "highest-quality", 10**6, seed)
    started = time.process_time()
    for answer in answers:
        cost = problem.evaluate(answer)
        best = min(best, cost.terms["cut"]) if cost.feasible else best
        if time.process_time() - started >= seconds:
            break
    return best


if __name__ == "__main__":
    with single_thread():
        run(
            __doc__, {"cuts": cuts_at_equal_seconds},
            ("seconds", {"nargs": "?", "type": float, "default": 10.0, "help": "for each run"}),
            ("--parts", {"type": int, "nargs": "+", "default": [2, 4, 8, 16], "help": "into how many"}),
            ("--seed", {"type": int, "default": 0, "help": "of each run"}),
        )  # fmt: skip

"""How many transitions a second each backend of PPO learns from, how soon it starts, and how much memory it takes.

Each measurement runs in a process of its own: ``python -m benchmarks.learning_speed [speeds [CASE ...]]``; ``curves``
compares what is learned for each transition instead. Instances are made and their reference costs known before the
clock starts.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.measuring import Row, measured_apart, run

CASES = {
    "GraphPartition-v0": ("delaunay", {"num_parts": 4, "order": "spectral"}, "construct"),
    "EdgePlace-v0": ("giph", {}, "construct"),
    "EdgePlace-v0 improve": ("giph", {}, "improve"),
}
BACKENDS = ("sb3", "rllib 0", "rllib 1", "rllib 2", "fast")


def make(case: str, backend: str, seed: int = 0):
    import torch

    from placezoo.agents.learning.learner import mean_greedy_cost
    from placezoo.agents.ppo.config import PPOConfig
    from placezoo.agents.ppo.own_learner import PPOLearner
    from placezoo.agents.ppo.sb3_learner import SB3PPOLearner
    from placezoo.envs.registration import problem_class
    from placezoo.envs.source import ProblemSource

    torch.set_num_threads(1)
    dataset, parameters, formulation = CASES[case]
    source = ProblemSource(problem_class(case.split()[0]), dataset=dataset, parameters=parameters)
    assert source.dataset is not None
    for index in range(source.dataset.size("train")):
        problem = source.problem(source.dataset.instance("train", index))
        mean_greedy_cost(problem)
        _ = problem.item_features, problem.item_edges, problem.infeasible_penalty
    started = time.perf_counter()
    config = PPOConfig()
    if backend.startswith("rllib"):
        from placezoo.agents.ppo.ray_cluster import Scale
        from placezoo.agents.ppo.rllib_learner import RLlibPPOLearner

        learner = RLlibPPOLearner(source, formulation, config, seed, scale=Scale(env_runners=int(backend.split()[1])))
    else:
        learner = (PPOLearner if backend == "fast" else SB3PPOLearner)(source, formulation, config, seed)
    return learner, time.perf_counter() - started


def measure(case: str, backend: str) -> None:
    """Print start-up seconds, transitions a second and peak megabytes."""
    learner, start_up = make(case, backend)
    marks = []
    learner.learn(seconds=12.0, on_update=lambda status: marks.append((status.timesteps, status.seconds)))
    # The first update compiles.
    speed = (marks[-1][0] - marks[0][0]) / (marks[-1][1] - marks[0][1]) if len(marks) > 1 else np.nan
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if hasattr(learner, "close"):
        learner.close()
    print(f"RESULT {start_up:.1f} {speed:.0f} {own:.0f}")


def measure_curve(case: str, backend: str, seed: int, timesteps: int) -> None:
    """Print the mean relative cost of the episodes of each eighth of a training."""
    learner, _ = make(case, backend, seed)
    costs = []
    learner.learn(timesteps=timesteps, on_update=lambda status: costs.append(status.relative_cost))
    print("RESULT", *(f"{np.nanmean(part):.3f}" for part in np.array_split(costs, 8)))


def speeds(cases: list[str]) -> Iterator[Row]:
    columns = {"start-up s": ".1f", "transitions/s": ".0f", "peak MB (learner's process)": ".0f"}
    for case in cases or CASES:
        yardstick = np.nan
        for backend in BACKENDS:
            found = measured_apart("benchmarks.learning_speed", "measure", case, backend)
            if isinstance(found, str):
                yield Row(backend, np.nan, column="start-up s", shown=f"failed: {found}", table=case, key="backend")
                continue
            if backend == BACKENDS[0]:
                yardstick = found[1]
            for value, (column, form) in zip(found, columns.items(), strict=True):
                yield Row(backend, value, column=column, shown=f"{value:{form}}", table=case, key="backend")
            times = found[1] / yardstick
            yield Row(backend, times, column=f"times {BACKENDS[0]}", shown=f"{times:.1f}", table=case, key="backend")


def curves(cases: list[str]) -> Iterator[Row]:
    timesteps = 200_000
    for case in cases or ("GraphPartition-v0", "EdgePlace-v0"):
        title = f"{case}: cost of drawn episodes over greedy's, by eighths of {timesteps:,} transitions"
        for backend in ("sb3", "fast"):
            for seed in (0, 1):
                name = f"{backend}, {seed}"
                found = measured_apart("benchmarks.learning_speed", "curve", case, backend, str(seed), str(timesteps))
                if isinstance(found, str):
                    yield Row(name, np.nan, column="1", shown=f"failed: {found}", table=title, key="backend, seed")
                    continue
                for eighth, value in enumerate(found):
                    column = str(eighth + 1)
                    yield Row(name, value, column=column, shown=f"{value:.3f}", table=title, key="backend, seed")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", name, backend]:
            measure(name, backend)
        case ["curve", name, backend, seed, timesteps]:
            measure_curve(name, backend, int(seed), int(timesteps))
        case _:
            cases = ("cases", {"nargs": "*", "help": f"of {', '.join(CASES)}; default all"})
            run(__doc__, {"speeds": speeds, "curves": curves}, cases)

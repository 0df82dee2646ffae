"""How many transitions a second each backend of PPO learns from, how soon it starts, and how much memory it takes.

Each measurement runs in a process of its own: ``python -m benchmarks.learning_speed [CASE]``; ``curves`` compares what
is learned for each transition instead. Instances are made and their reference costs known before the clock starts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import machine_line

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


def curves(case: str, backend: str, seed: int, timesteps: int) -> None:
    """Print the mean relative cost of the episodes of each eighth of a training."""
    learner, _ = make(case, backend, seed)
    costs = []
    learner.learn(timesteps=timesteps, on_update=lambda status: costs.append(status.relative_cost))
    print("RESULT", *(f"{np.nanmean(part):.3f}" for part in np.array_split(costs, 8)))


def run(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.learning_speed", *arguments], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return lines[-1].split()[1:] if lines else ["failed", done.stderr.strip().splitlines()[-1][:60], ""]


def main(cases: list[str]) -> None:
    print(machine_line())
    console = Console(width=140)
    for case in cases or CASES:
        table = Table("backend", "start-up s", "transitions/s", "times sb3", "peak MB (learner's process)", title=case)
        yardstick = None
        for backend in BACKENDS:
            start_up, speed, memory = run("measure", case, backend)
            yardstick = yardstick or float(speed)
            times = f"{float(speed) / yardstick:.1f}" if start_up != "failed" else ""
            table.add_row(backend, start_up, speed, times, memory)
        console.print(table)


def main_curves() -> None:
    print(machine_line())
    console = Console(width=140)
    for case, timesteps in (("GraphPartition-v0", 200_000), ("EdgePlace-v0", 200_000)):
        title = f"{case}: cost of drawn episodes over greedy's, by eighths of {timesteps:,} transitions"
        table = Table("backend", "seed", *(str(eighth + 1) for eighth in range(8)), title=title)
        for backend in ("sb3", "fast"):
            for seed in (0, 1):
                table.add_row(backend, str(seed), *run("curves", case, backend, str(seed), str(timesteps)))
        console.print(table)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", name, backend]:
            measure(name, backend)
        case ["curves", name, backend, seed, timesteps]:
            curves(name, backend, int(seed), int(timesteps))
        case ["curves"]:
            main_curves()
        case names:
            main(names)

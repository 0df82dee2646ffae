"""Learned placement on an edge cluster beside the baselines, at equal evaluations.

Run with folders that ``placezoo train EdgePlace-v0`` wrote, each row named after its folder::

    python -m benchmarks.edge.learned runs/giph runs/giph-no-edge runs/placeto --figures docs/images

Without folders, the policy that comes with the package. Every agent gets twice as many evaluations as there are tasks,
from its own random start; the first policy also starts from HEFT's placements and from the published ones, and is alone
with the baselines on the published cases, which are left out where they are not at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.networks.checkpoint import PRETRAINED, Checkpoint
from placezoo.agents.solution import Solution
from placezoo.datasets.public_files import is_here, public_files

ENV = "EdgePlace-v0"
CASES = 100
SEEDS = (0, 1, 2)
START_NAMES = {"heft": "HEFT's placement", "instance": "the published starts"}
Contender = tuple[str, str, dict[str, Any]]

BASELINES: list[Contender] = [
    ("random", "random", {}),
    ("annealing", "simulated-annealing", {}),
    ("random task, earliest finish", "random-task-eft", {}),
    ("CPOP (1 evaluation)", "cpop", {}),
    ("HEFT (1 evaluation)", "heft", {}),
    ("PEFT (1 evaluation)", "peft", {}),
    ("portfolio (4 evaluations)", "portfolio", {}),
    ("greedy", "greedy", {}),
    ("local search", "local-search", {}),
    ("ppo constructs, untrained", "ppo", {"checkpoint": "untrained", "samples": 1000}),
    ("ppo constructs (comes with the package)", "ppo", {"checkpoint": PRETRAINED, "samples": 1000}),
]


def ratios(folders: list[str], figures: Path | None, optimum_seconds: float) -> Iterator[Row]:
    policies = [contender(folder) for folder in folders or [PRETRAINED]]
    for dataset in ("giph", "giph-published"):
        if dataset == "giph-published" and not is_here(public_files()["giph-test-cases"]):
            continue
        problems = [placezoo.make_problem(ENV, f"{dataset}/test/{number}") for number in range(CASES)]
        bounds = optima(problems, optimum_seconds) if optimum_seconds > 0 else None
        label, agent, settings = policies[0]
        starts = ("heft", "instance") if dataset == "giph-published" else ("heft",)
        rows = [*BASELINES, *(policies[:1] if dataset == "giph-published" else policies)]
        rows += [(f"{label}, from {START_NAMES[start]}", agent, {**settings, "start": start}) for start in starts]
        solutions = {label: solve_all(problems, agent, settings) for label, agent, settings in rows}
        yield from table(dataset, problems, solutions, bounds)
        if figures is not None and dataset == "giph":
            draw(solutions, problems, figures / "edge-search.svg")


def contender(folder: str) -> Contender:
    """Return the row of a trained policy, from random starts."""
    if folder == PRETRAINED:
        return "giph (comes with the package)", "giph", {"checkpoint": folder}
    training = Checkpoint.load(folder).training
    label = Path(folder).name
    print(
        f"{label}: {training['seconds']:g} s of training on {training['dataset']}/train, seed {training['seed']}; the "
        f"policy is of {training['timesteps_done']:,} steps, {training['seconds_done']:g} s"
    )
    return label, training["agent"], {"checkpoint": folder}


def solve_all(problems: list[Any], agent: str, settings: dict[str, Any]) -> list[list[Solution]]:
    """Return each seed's solutions of all problems."""
    solver = placezoo.make_agent(agent, **settings)
    return [
        [solver.solve(problem, placezoo.Budget(evaluations=2 * problem.num_items), seed) for problem in problems]
        for seed in SEEDS
    ]


def optima(problems: list[Any], seconds: float) -> list[tuple[float, float]]:
    """Return for each problem the SLR of the best placement CP-SAT and annealing know, and CP-SAT's bound of it."""
    found = []
    for problem in problems:
        exact = placezoo.make_agent("cp-sat").solve(problem, placezoo.Budget(seconds=seconds))
        annealed = placezoo.make_agent("simulated-annealing").solve(problem, placezoo.Budget(evaluations=200_000))
        scale = problem.cost_model.lower_bound
        bound = 0.0 if exact.bound is None else exact.bound
        found.append((min(exact.cost.total, annealed.cost.total) / scale, bound / scale))
    return found


def table(dataset: str, problems: list[Any], solutions: Any, bounds: list[tuple[float, float]] | None) -> Iterator[Row]:
    slr = {label: np.array([[s.cost.terms["slr"] for s in run] for run in runs]) for label, runs in solutions.items()}
    heft = slr["HEFT (1 evaluation)"].mean()
    goal = slr["random task, earliest finish"].mean()
    title = f"{dataset}/test, {len(problems)} cases, 2 x tasks evaluations, seeds {list(SEEDS)}; "
    if bounds:
        proved = sum(one - bound < 1e-4 * one for one, bound in bounds)
        means = [float(np.mean(part)) for part in zip(*bounds, strict=True)]
        title += f"best known: mean SLR {means[0]:.4f}, bound {means[1]:.4f}, {proved} proved optimal; "
    title += f"goal: SLR {goal:.4f}, where the heuristic (random task, earliest finish) ends"
    best = np.mean([one for one, _ in bounds]) if bounds else np.nan
    for label, values in sorted(slr.items(), key=lambda entry: -entry[1].mean()):
        seconds = np.mean([solution.seconds for run in solutions[label] for solution in run])
        mean = values.mean()
        spread, made = values.mean(axis=1).std(), reached(solutions[label], problems, goal)
        for column, value, shown in (
            ("mean SLR", mean, f"{mean:.4f}"),
            ("+- seeds", spread, f"{spread:.4f}"),
            ("to HEFT", mean / heft, f"{100 * (mean / heft - 1):+.1f} %"),
            ("to best known", mean / best, f"{100 * (mean / best - 1):+.1f} %" if bounds else "-"),
            ("evaluations per task to goal", made, "never" if np.isinf(made) else f"{made:.2f}"),
            ("s per case", seconds, f"{seconds:.3f}"),
        ):
            yield Row(label, float(value), column=column, shown=shown, table=title, key="agent")


def curve(runs: list[list[Solution]], problems: list[Any], shares: np.ndarray) -> np.ndarray:
    """Return the mean of the best SLR so far after so many evaluations per task."""
    rows = []
    for solutions in runs:
        for problem, solution in zip(problems, solutions, strict=True):
            made = np.array([point.evaluations for point in solution.trace]) / problem.num_items
            totals = np.array([point.total for point in solution.trace]) / problem.cost_model.lower_bound
            rows.append([totals[max(np.searchsorted(made, share, "right") - 1, 0)] for share in shares])
    return np.mean(rows, axis=0)


def reached(runs: list[list[Solution]], problems: list[Any], goal: float) -> float:
    """Return after how many evaluations per task the mean curve is as low as the goal."""
    shares = np.linspace(0.0, 2.0, 201)
    below = np.flatnonzero(curve(runs, problems, shares) <= goal + 1e-12)
    return float(shares[below[0]]) if below.size else np.inf


def draw(solutions: Any, problems: list[Any], path: Path) -> None:
    """Draw the best SLR so far against evaluations per task, the mean over cases and seeds."""
    from matplotlib import colormaps

    from placezoo.datasets.files import write_atomically
    from placezoo.experiments.plots import figure_bytes

    def plot(axes: Any) -> None:
        shares = np.linspace(0.0, 2.0, 81)
        shown = [label for label in solutions if "1 evaluation" not in label and label != "greedy"]
        for number, label in enumerate(shown):
            colour = colormaps["tab20"](number % 20)
            axes.plot(shares, curve(solutions[label], problems, shares), label=label, linewidth=1.5, color=colour)
        heft = np.mean([[s.cost.terms["slr"] for s in run] for run in solutions["HEFT (1 evaluation)"]])
        axes.axhline(heft, color="grey", linestyle="--", linewidth=1, label="HEFT")
        axes.set(xlabel="evaluations per task", ylabel="best SLR so far (mean)", title="giph/test, 100 cases, 3 seeds")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))

    write_atomically(path, figure_bytes(plot, path.suffix[1:], (9.0, 4.8)))


if __name__ == "__main__":
    run(
        __doc__, {"ratios": ratios},
        ("folders", {"nargs": "*", "help": "what `placezoo train` wrote"}),
        ("--figures", {"type": Path, "help": "write edge-search.svg there"}),
        ("--optimum-seconds", {"type": float, "default": 10.0, "help": "of CP-SAT on each case; 0: leave it out"}),
    )  # fmt: skip

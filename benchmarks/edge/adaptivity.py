"""Do policies keep their quality on a cluster that changes? Ten devices leave one by one, then come back.

Run with ``python -m benchmarks.edge.adaptivity [FOLDER ...] [--figure docs/images/edge-adaptivity.svg]``; folders are
what ``placezoo train EdgePlace-v0`` wrote, default the policy that comes with the package. After each change every
search has twice as many moves as there are tasks, from where its tasks are (those whose device has left move first);
nothing is trained again. HEFT and annealing plan anew each time.

Source: Hu et al. 2023 (GiPH), section 5.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import placezoo
from benchmarks.measuring import Row, run
from placezoo.agents.edge.random_task_eft import earliest_finish_device
from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.policy_search import load_policy
from placezoo.agents.giph.selections import moves_of
from placezoo.agents.networks.checkpoint import PRETRAINED, Checkpoint
from placezoo.agents.networks.threads import single_thread
from placezoo.datasets import EdgeInstance, generate_cluster, generate_task_graph
from placezoo.envs.edge.list_scheduling import heft_placement

ENV = "EdgePlace-v0"
PROGRAMS, CHANGES, SEEDS = 20, 10, (0, 1, 2)


def ratios(folders: list[str], figure: Path | None) -> Iterator[Row]:
    results: dict[str, list[np.ndarray]] = {}
    for seed in SEEDS:
        stages = worlds(seed)
        rows = {"HEFT, planned anew": heft(stages), "best known (annealing, 20,000 moves)": annealing(stages, seed)}
        rows["random task, earliest finish"] = random_task_eft(stages, seed)
        for folder in folders or [PRETRAINED]:
            label = "giph" if folder == PRETRAINED else Path(folder).name
            rows[f"{label}, not trained again"] = policy(stages, folder, seed)
        for label, values in rows.items():
            results.setdefault(label, []).append(values)
    means = {label: np.mean(values, axis=0) for label, values in results.items()}
    yield from table(means)
    if figure is not None:
        plot(means, figure)


def worlds(seed: int) -> list[list[Any]]:
    """Return for each stage the problems: 20 programs on one cluster that loses ten devices and gets them back."""
    rng = np.random.default_rng(seed)
    cluster = generate_cluster(20, rng)
    graphs = [generate_task_graph(10, 0.3, 0.1, rng, name=f"program {number}") for number in range(PROGRAMS)]
    problems = [placezoo.make_problem(ENV, EdgeInstance(graph, cluster)) for graph in graphs]
    stages, left = [problems], []
    for _ in range(CHANGES):
        spare = (cluster.support_matrix.sum(axis=0) - cluster.support_matrix > 0).all(axis=1) & cluster.present
        left.append(int(rng.choice(np.flatnonzero(spare))))
        cluster = cluster.without(left[-1])
        stages.append([problem.with_cluster(cluster) for problem in problems])
    whole = problems[0].instance.cluster
    for device in rng.permutation(left).tolist():
        cluster = cluster.joined(device, np.flatnonzero(whole.support_matrix[device]).tolist())
        stages.append([problem.with_cluster(cluster) for problem in problems])
    return stages


def slr(problem: Any, total: float) -> float:
    return total / problem.cost_model.lower_bound


def heft(stages: list[list[Any]]) -> np.ndarray:
    return np.array(
        [np.mean([slr(p, p.evaluate(heft_placement(p)[0]).total) for p in problems]) for problems in stages]
    )


def annealing(stages: list[list[Any]], seed: int) -> np.ndarray:
    agent, budget = placezoo.make_agent("simulated-annealing"), placezoo.Budget(evaluations=20_000)
    return np.array(
        [np.mean([slr(p, agent.solve(p, budget, seed).cost.total) for p in problems]) for problems in stages]
    )


def random_task_eft(stages: list[list[Any]], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = [problem.initial_assignment(rng) for problem in stages[0]]
    means = []
    for problems in stages:
        values = []
        for number, problem in enumerate(problems):
            kernel = problem.kernel(places[number])
            state, best, best_place = kernel.state, np.inf, places[number]
            for _ in range(2 * problem.num_items):
                stranded = np.flatnonzero(~problem.instance.allowed[np.arange(problem.num_items), state.assignment])
                task = int(rng.choice(stranded)) if stranded.size else int(rng.integers(problem.num_items))
                kernel.apply(state, (task, int(state.assignment[task]), earliest_finish_device(state, task, -1), -1))
                if state.totals[0] < best:
                    best, best_place = float(state.totals[0]), state.assignment.copy()
            places[number] = best_place
            values.append(slr(problem, best))
        means.append(np.mean(values))
    return np.array(means)


def policy(stages: list[list[Any]], folder: str, seed: int) -> np.ndarray:
    agent = "giph" if folder == PRETRAINED else Checkpoint.load(folder).training["agent"]
    network: Any = load_policy(folder, agent).network
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    places = [problem.initial_assignment(rng) for problem in stages[0]]
    means = []
    for problems in stages:
        episodes = ImprovementEpisodes(problems, places, moves_of(network.config.selection))
        with torch.no_grad(), single_thread():
            while (active := episodes.active).size:
                episodes.step(active, draw(network(episodes.observe(active)), generator).numpy())
        places = episodes.best_assignments
        means.append(np.mean([slr(p, best) for p, best in zip(problems, episodes.best, strict=True)]))
    return np.array(means)


def table(means: dict[str, np.ndarray]) -> Iterator[Row]:
    best = means["best known (annealing, 20,000 moves)"]
    stages = {"20 devices": [0], "15": [5], "10": [10], "15 again": [15], "20 again": [20], "all stages": range(21)}
    title = f"{PROGRAMS} programs, {len(SEEDS)} clusters, {2 * CHANGES} changes; mean SLR and its gap to the best known"
    for label, values in means.items():
        for column, rows in stages.items():
            mean = float(values[list(rows)].mean())
            shown = f"{mean:.3f} ({100 * (mean / best[list(rows)].mean() - 1):+.1f} %)"
            yield Row(label, mean, column=column, shown=shown, table=title, key="mean SLR")


def plot(means: dict[str, np.ndarray], path: Path) -> None:
    from placezoo.datasets.files import write_atomically
    from placezoo.experiments.plots import figure_bytes

    def lines(axes: Any) -> None:
        for label, values in means.items():
            axes.plot(values, label=label, linewidth=1.5)
        axes.axvspan(0, CHANGES, color="grey", alpha=0.08)
        axes.text(CHANGES / 2, axes.get_ylim()[0], "devices leave", ha="center", va="bottom", fontsize="small")
        axes.text(1.5 * CHANGES, axes.get_ylim()[0], "devices come back", ha="center", va="bottom", fontsize="small")
        axes.set(xlabel="changes of the cluster", ylabel="mean SLR", title="20 devices, of which 10 leave and return")
        axes.set_xticks(range(0, 2 * CHANGES + 1, 2))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")

    write_atomically(path, figure_bytes(lines, path.suffix[1:], (8.0, 4.8)))


if __name__ == "__main__":
    run(
        __doc__, {"ratios": ratios},
        ("folders", {"nargs": "*", "help": "what `placezoo train` wrote"}),
        ("--figure", {"type": Path}),
    )  # fmt: skip

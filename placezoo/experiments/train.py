"""Training a learned agent: checkpoint, learning curve and validation scores in one folder."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.agents.agent import with_policy
from placezoo.agents.budget import Budget
from placezoo.agents.learners import learner_entry
from placezoo.agents.solution import describe_machine
from placezoo.datasets.files import write_atomically
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.registration import make_problem, problem_class
from placezoo.envs.source import ProblemSource

CURVE = "curve.csv"


@dataclass(frozen=True)
class TrainingRun:
    """What to train.

    Args:
        env_id: the environment's id.
        dataset: whose train split is learned from; or
        instance: the one instance to learn.
        formulation: default the agent's own.
        parameters: of the problem.
        hyperparameters: of the agent's training configuration (``PPOConfig``, ``GiPHConfig``).
        timesteps: environment steps, None for no limit.
        seconds: wall time, None for no limit.
        seed: of everything random.
        device: ``cpu`` or ``cuda``.
        start: the folder of a checkpoint to go on from, or None.
        validations: how often the validation split is scored during training.
        agent: what is trained.
    """

    env_id: str
    dataset: str | None = None
    instance: str | None = None
    formulation: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    timesteps: int | None = None
    seconds: float | None = None
    seed: int = 0
    device: str = "cpu"
    start: str | None = None
    validations: int = 10
    agent: str = "ppo"


@dataclass(frozen=True)
class CurvePoint:
    """One row of the learning curve; costs are relative, NaN where not measured.

    Attributes:
        timesteps: environment steps so far.
        episodes: so far.
        seconds: wall time so far, validation left out.
        training_cost: of the episodes since the last row, actions drawn, over greedy construction's.
        validation_cost: of the agent on the validation split, over greedy construction's.
    """

    timesteps: int
    episodes: int
    seconds: float
    training_cost: float
    validation_cost: float


def train(
    run: TrainingRun, folder: str | Path, on_progress: Callable[[CurvePoint, float], None] | None = None
) -> list[CurvePoint]:
    """Train, and keep in the folder the policy that was best on the validation split.

    Writes ``policy.safetensors``, ``policy.json``, ``curve.csv`` and ``curve.png``; nothing before the first
    validation.

    Args:
        run: what to train.
        folder: where to write.
        on_progress: called with each point of the curve and the share of training done.

    Raises:
        ValueError: something in the run is wrong.
        ImportError: the ``agents`` extra is missing.
    """
    entry = learner_entry(run.agent)
    config_class, learner_class, agent_class = entry.load()
    from placezoo.agents.networks.checkpoint import Checkpoint
    from placezoo.agents.networks.threads import single_thread
    from placezoo.agents.training import TrainingStatus

    known = list(config_class.__dataclass_fields__)
    for name in run.hyperparameters:
        if name not in known:
            raise ValueError(f"{run.agent}: {unknown_name('hyperparameter', name, known)}")
    if run.seconds is not None and not run.seconds > 0:
        raise ValueError(f"seconds must be above 0, not {run.seconds}")
    if run.timesteps is not None and run.timesteps < 1:
        raise ValueError(f"timesteps must be at least 1, not {run.timesteps}")
    source = ProblemSource(
        problem_class(run.env_id), instance=run.instance, dataset=run.dataset, split="train", parameters=run.parameters
    )
    start = Checkpoint.load(run.start) if run.start is not None else None
    formulation = run.formulation or entry.formulation
    learner = learner_class(source, formulation, config_class(**run.hyperparameters), run.seed, run.device, start)
    held_out = _validation_problems(run, source)
    curve: list[CurvePoint] = []
    best = np.inf
    spent_validating = 0.0

    def on_update(status: TrainingStatus) -> None:
        nonlocal best, spent_validating
        validated = sum(np.isfinite(point.validation_cost) for point in curve)
        validation_cost = np.nan
        if status.done >= validated / run.validations or status.done >= 1.0:
            started = time.perf_counter()
            agent = with_policy(agent_class(**entry.validation), learner.checkpoint())
            validation_cost = _score(agent, entry.validation_budget, held_out)
            if validation_cost < best:
                best = validation_cost
                learner.checkpoint(**_training_record(run, status, best)).save(folder)
            spent_validating += time.perf_counter() - started
        point = CurvePoint(
            status.timesteps,
            status.episodes,
            round(status.seconds - spent_validating, 2),
            status.relative_cost,
            validation_cost,
        )
        curve.append(point)
        write_curve(curve, Path(folder) / CURVE)
        if on_progress is not None:
            on_progress(point, status.done)

    with single_thread():
        learner.learn(run.timesteps, run.seconds, on_update)
    _draw_curve(curve, Path(folder) / "curve.png", run)
    return curve


def _validation_problems(run: TrainingRun, source: ProblemSource) -> list[Any]:
    if source.dataset is None:
        return [source.first()]
    return [
        make_problem(run.env_id, source.dataset.instance("validation", index), **run.parameters)
        for index in range(source.dataset.size("validation"))
    ]


def _score(agent: Any, budget: Callable[[Any], Budget], problems: list[Any]) -> float:
    """Return the agent's mean cost over greedy construction's."""
    from placezoo.agents.training import mean_greedy_cost

    return float(
        np.mean([agent.solve(problem, budget(problem)).cost.total / mean_greedy_cost(problem) for problem in problems])
    )


def _training_record(run: TrainingRun, status: Any, score: float) -> dict[str, Any]:
    return {
        **asdict(run),
        "timesteps_done": status.timesteps,
        "seconds_done": round(status.seconds, 1),
        "validation_cost_over_greedy": round(score, 5),
        **describe_machine(),
    }


def write_curve(curve: list[CurvePoint], path: Path) -> None:
    """Write a learning curve as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(CurvePoint.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in curve)
    write_atomically(path, text.getvalue())


def read_curve(path: Path) -> list[CurvePoint]:
    """Read what ``write_curve`` wrote."""
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    return [
        CurvePoint(
            int(row["timesteps"]), int(row["episodes"]), float(row["seconds"]),
            float(row["training_cost"]), float(row["validation_cost"]),
        )
        for row in rows
    ]  # fmt: skip


def _draw_curve(curve: list[CurvePoint], path: Path, run: TrainingRun) -> None:
    from placezoo.experiments.plots import draw_learning_curve, figure_bytes

    title = f"{run.agent} on {run.env_id}, {run.dataset or run.instance}"
    write_atomically(path, figure_bytes(lambda axes: draw_learning_curve(curve, axes, title), "png"))

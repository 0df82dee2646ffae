"""Training a learned agent: checkpoint, learning curve and validation scores in one folder."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from placezoo.agents.agent import with_policy
from placezoo.agents.budget import Budget
from placezoo.agents.learning.learners import learner_entry
from placezoo.agents.solution import describe_machine
from placezoo.datasets.files import write_atomically
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource
from placezoo.experiments.tracking import Tracker

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
        backend: which library learns (``fast``, ``sb3``, ``rllib``); default the agent's first.
        method: what of ``start`` learns on: ``full``, ``head``, ``superposition`` or ``experts``.
        scale: for ``rllib``: ``env_runners``, ``learners``, ``gpus``, ``address``.
        checkpoint_minutes: how often the state is written that a killed run goes on from.
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
    backend: str | None = None
    method: str = "full"
    scale: dict[str, Any] = field(default_factory=dict)
    checkpoint_minutes: float = 1.0


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
    run: TrainingRun,
    folder: str | Path,
    on_progress: Callable[[CurvePoint, float], None] | None = None,
    trackers: Sequence[Tracker] = (),
) -> list[CurvePoint]:
    """Train, and keep in the folder the policy that was best on the validation split.

    Writes ``policy.safetensors``, ``policy.json``, ``curve.csv`` and ``curve.png``; nothing before the first
    validation. While it runs, ``state.safetensors`` is what ``resume`` goes on from.

    Args:
        run: what to train.
        folder: where to write.
        on_progress: called with each point of the curve and the share of training done.
        trackers: where to log the curve as well.

    Raises:
        ValueError: something in the run is wrong.
        ImportError: the ``agents`` extra is missing.
    """
    return _Training(run, Path(folder), on_progress, trackers).go_on(None)


def resume(
    folder: str | Path,
    on_progress: Callable[[CurvePoint, float], None] | None = None,
    trackers: Sequence[Tracker] = (),
) -> list[CurvePoint]:
    """Go on with a training that was broken off, with its own configuration; otherwise as ``train``.

    Raises:
        FileNotFoundError: there is none in the folder, or it is complete.
        ValueError: its state is damaged.
    """
    from placezoo.agents.learning.training_state import TrainingState

    state = TrainingState.load(Path(folder))
    run = TrainingRun(**state.record["run"])
    return _Training(run, Path(folder), on_progress, trackers).go_on(state)


class _Training:
    """One training with its curve and its validations."""

    def __init__(
        self,
        run: TrainingRun,
        folder: Path,
        on_progress: Callable[[CurvePoint, float], None] | None,
        trackers: Sequence[Tracker],
    ) -> None:
        _check_run(run)
        self._run, self._folder, self._on_progress, self._trackers = run, folder, on_progress, trackers
        self._entry = learner_entry(run.agent)
        self._backend = self._entry.backend(run.backend)
        config_class, self._learner_class, self._agent_class = self._entry.load(run.backend)
        known = list(config_class.__dataclass_fields__)
        for name in run.hyperparameters:
            if name not in known:
                raise ValueError(f"{run.agent}: {unknown_name('hyperparameter', name, known)}")
        self._config = config_class(**run.hyperparameters)
        self._source = ProblemSource(
            problem_class(run.env_id), instance=run.instance, dataset=run.dataset, split="train",
            parameters=run.parameters,
        )  # fmt: skip
        self._curve: list[CurvePoint] = []
        self._best = np.inf
        self._validating = 0.0  # seconds
        self._saved = -np.inf  # the first state is written at once

    def go_on(self, state: Any) -> list[CurvePoint]:
        """Train from the beginning, or from a state."""
        from placezoo.agents.learning.training_state import STATE, restore_learner
        from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
        from placezoo.agents.networks.threads import single_thread

        run = self._run
        start = None
        if run.start is not None:
            start = Checkpoint.load(checkpoint_folder(run.start, run.agent, run.env_id))
        learner = self._learner_class(
            self._source, run.formulation or self._entry.formulation, self._config, run.seed, run.device, start,
            **self._options(),
        )  # fmt: skip
        try:
            progress = {}
            if state is not None:
                restore_learner(learner, state.tensors)
                progress = {"begun": state.progress}
                self._best = state.record["best"] if state.record["best"] is not None else np.inf
                self._validating = state.record["validating"]
                self._curve = [CurvePoint(*row) for row in read_rows(state.record["curve"])]
            self._held_out = validation_problems(self._source)
            with single_thread():
                learner.learn(run.timesteps, run.seconds, lambda status: self._note(learner, status), **progress)
        finally:
            if hasattr(learner, "close"):
                learner.close()
            for tracker in self._trackers:
                tracker.close()
        _draw_curve(self._curve, self._folder / "curve.png", run)
        (self._folder / STATE).unlink(missing_ok=True)
        return self._curve

    def _options(self) -> dict[str, Any]:
        run = self._run
        if self._backend == "rllib":
            from placezoo.agents.ppo.ray_cluster import Scale

            return {"scale": Scale(**run.scale)}
        if run.scale:
            raise ValueError(f"{next(iter(run.scale))} is for the backend rllib, not for {self._backend}")
        if run.agent == "ppo" and self._backend == "fast":
            return {"method": run.method}
        return {}

    def _note(self, learner: Any, status: Any) -> None:
        """Validate if it is time, and write what there is to write."""
        run, curve = self._run, self._curve
        validated = sum(np.isfinite(point.validation_cost) for point in curve)
        validation_cost = np.nan
        if status.done >= validated / run.validations or status.done >= 1.0:
            started = time.perf_counter()
            agent = with_policy(self._agent_class(**self._entry.validation), learner.checkpoint())
            validation_cost = relative_score(agent, self._entry.validation_budget, self._held_out)
            if validation_cost < self._best:
                self._best = validation_cost
                learner.checkpoint(**_training_record(run, status, self._best)).save(self._folder)
            self._validating += time.perf_counter() - started
        point = CurvePoint(
            status.timesteps,
            status.episodes,
            round(status.seconds - self._validating, 2),
            status.relative_cost,
            validation_cost,
        )
        curve.append(point)
        write_curve(curve, self._folder / CURVE)
        if time.monotonic() - self._saved >= 60.0 * run.checkpoint_minutes:
            self._save_state(learner, status)
        for tracker in self._trackers:
            tracker.log(point, getattr(learner, "metrics", {}))
        if self._on_progress is not None:
            self._on_progress(point, status.done)

    def _save_state(self, learner: Any, status: Any) -> None:
        from placezoo.agents.learning.learner import Progress
        from placezoo.agents.learning.training_state import TrainingState, learner_tensors

        record = {
            "run": asdict(self._run),
            "best": float(self._best) if np.isfinite(self._best) else None,
            "validating": self._validating,
            "curve": curve_text(self._curve),
        }
        progress = Progress(status.timesteps, status.episodes, status.seconds)
        TrainingState(learner_tensors(learner), progress, record).save(self._folder)
        self._saved = time.monotonic()


def _check_run(run: TrainingRun) -> None:
    if run.seconds is not None and not run.seconds > 0:
        raise ValueError(f"seconds must be above 0, not {run.seconds}")
    if run.timesteps is not None and run.timesteps < 1:
        raise ValueError(f"timesteps must be at least 1, not {run.timesteps}")
    if run.method != "full" and (run.agent != "ppo" or run.start is None or run.backend not in (None, "fast")):
        raise ValueError(f"method {run.method} is for fine-tuning ppo by the backend fast")


def validation_problems(source: ProblemSource) -> list[Any]:
    """Return the problems of a source's validation split; of a single instance, that one."""
    if source.dataset is None:
        return [source.first()]
    return [
        source.problem(source.dataset.instance("validation", index))
        for index in range(source.dataset.size("validation"))
    ]


def relative_score(agent: Any, budget: Callable[[Any], Budget], problems: list[Any]) -> float:
    """Return the agent's mean cost over greedy construction's."""
    from placezoo.agents.learning.learner import mean_greedy_cost

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


def curve_text(curve: list[CurvePoint]) -> str:
    """Return a learning curve as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(CurvePoint.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in curve)
    return text.getvalue()


def write_curve(curve: list[CurvePoint], path: Path) -> None:
    """Write a learning curve as CSV."""
    write_atomically(path, curve_text(curve))


def read_curve(path: Path) -> list[CurvePoint]:
    """Read what ``write_curve`` wrote."""
    return [CurvePoint(*row) for row in read_rows(path.read_text())]


def read_rows(text: str) -> list[tuple[int, int, float, float, float]]:
    """Return the rows of a learning curve."""
    return [
        (
            int(row["timesteps"]), int(row["episodes"]), float(row["seconds"]),
            float(row["training_cost"]), float(row["validation_cost"]),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]  # fmt: skip


def _draw_curve(curve: list[CurvePoint], path: Path, run: TrainingRun) -> None:
    from placezoo.experiments.plots import draw_learning_curve, figure_bytes

    title = f"{run.agent} on {run.env_id}, {run.dataset or run.instance}"
    write_atomically(path, figure_bytes(lambda axes: draw_learning_curve(curve, axes, title), "png"))

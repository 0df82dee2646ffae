"""Training a learned agent: checkpoint, learning curve and validation scores in one folder."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from placezoo import jit
from placezoo.agents.agent import with_policy
from placezoo.agents.budget import Budget
from placezoo.agents.learning.learners import learner_entry
from placezoo.agents.solution import describe_machine
from placezoo.datasets.files import write_atomically
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource
from placezoo.experiments.folder_lock import alone_in
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
        start: the folder of a checkpoint to go on from, ``untrained`` for ppo's fresh policy (which ``hold`` keeps it
            near), or None.
        validations: how often the validation split is scored during training.
        agent: what is trained.
        backend: which library learns (``fast``, ``sb3``, ``rllib``); default the agent's first.
        method: what of ``start`` learns on: ``full``, ``head``, ``superposition`` or ``experts``.
        scale: for ``rllib``: ``env_runners``, ``learners``, ``gpus``, ``address``.
        checkpoint_minutes: how often the state is written that a killed run goes on from.
        mixture: several datasets to learn over one trunk instead of one: ``env_id``, ``dataset`` and ``parameters`` of
            each; the fields of these names above are then the first's.
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
    mixture: tuple[dict[str, Any], ...] = ()


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
    validation. While it runs, ``state.safetensors`` is what ``resume`` goes on from; ``finished.safetensors`` is what a
    longer run goes on from. A run that has a ``start`` begins its curve with that policy, zero-shot, at step 0.

    Args:
        run: what to train.
        folder: where to write.
        on_progress: called with each point of the curve and the share of training done.
        trackers: where to log the curve as well.

    Raises:
        ValueError: something in the run is wrong.
        ImportError: the ``agents`` extra is missing.
    """
    return Training(run, Path(folder), on_progress, trackers).go_on(None)


def resume(
    folder: str | Path,
    on_progress: Callable[[CurvePoint, float], None] | None = None,
    trackers: Sequence[Tracker] = (),
    timesteps: int | None = None,
    seconds: float | None = None,
) -> list[CurvePoint]:
    """Go on with a training that was broken off, with its own configuration; otherwise as ``train``.

    Args:
        folder: of the training.
        on_progress: called with each point of the curve and the share of training done.
        trackers: where to log the curve as well.
        timesteps: how many it has in all from now on; with this or
        seconds: how many, a complete training goes on too.

    Raises:
        FileNotFoundError: there is none in the folder, or it is complete and is not made longer.
        ValueError: its state is damaged, or it has had as much already.
    """
    is_longer = timesteps is not None or seconds is not None
    run, state = broken_off(folder, is_longer)
    if run.mixture:
        raise ValueError(f"{folder}: this is a pre-training, placezoo pretrain --resume goes on with it")
    if is_longer:
        run = replace(run, timesteps=timesteps, seconds=seconds)
        done = state.progress
        if (timesteps is not None and timesteps <= done.timesteps) or (seconds is not None and seconds <= done.seconds):
            raise ValueError(
                f"{folder}: the training has had {done.timesteps:,} steps and {done.seconds:.0f} s; "
                "--timesteps and --seconds say how much it has in all"
            )
    return Training(run, Path(folder), on_progress, trackers).go_on(state)


def broken_off(folder: str | Path, is_longer: bool = False) -> tuple[TrainingRun, Any]:
    """Return what was to be trained in a folder, and the state it was broken off in.

    Args:
        folder: of the training.
        is_longer: whether a complete one will do as well.

    Raises:
        FileNotFoundError: nothing, or it is complete.
        ValueError: the state is damaged.
    """
    from placezoo.agents.learning.training_state import FINISHED, STATE, TrainingState

    is_complete = is_longer and not (Path(folder) / STATE).exists()
    state = TrainingState.load(Path(folder), FINISHED if is_complete else STATE)
    try:
        return TrainingRun(**state.record["run"]), state
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder}: the training state is not of this version ({error})") from None


@dataclass
class _Policy:
    """One of the policies that are trained: where it is kept, and the best of it so far."""

    folder: Path
    task: dict[str, Any]  # env_id, dataset, instance, parameters
    source: ProblemSource
    held_out: list[Any] = field(default_factory=list)
    best: float = np.inf


class Training:
    """One training with its curve and its validations.

    Args:
        run: what to train.
        folder: where to write.
        on_progress: called with each point of the curve and the share of training done.
        trackers: where to log the curve as well.

    Raises:
        ValueError: something in the run is wrong.
    """

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
        single = {"env_id": run.env_id, "dataset": run.dataset, "instance": run.instance, "parameters": run.parameters}
        folders = mixture_folders(run.mixture) if run.mixture else [""]
        self._policies = [
            _Policy(folder / name, task, _source(**task))
            for name, task in zip(folders, run.mixture or (single,), strict=True)
        ]
        self._curve: list[CurvePoint] = []
        self._validating = 0.0  # seconds
        self._validations = run.validations
        self._saved = -np.inf  # the first state is written at once

    @property
    def best(self) -> list[float]:
        """The best validation cost of each policy over greedy construction's."""
        return [policy.best for policy in self._policies]

    def go_on(self, state: Any) -> list[CurvePoint]:
        """Train from the beginning, or from a state.

        Raises:
            OSError: another process trains in the folder.
        """
        with alone_in(self._folder, "training"):
            return self._go_on(state)

    def _go_on(self, state: Any) -> list[CurvePoint]:
        from placezoo.agents.learning.training_state import FINISHED, STATE
        from placezoo.agents.networks.threads import single_thread

        run, learner = self._run, self._learner()
        try:
            progress = {}
            if state is not None:
                learner.load_state(state.tensors)
                progress = {"begun": state.progress}
                for policy, best in zip(self._policies, state.record["best"], strict=True):
                    policy.best = np.inf if best is None else best
                self._validating = state.record["validating"]
                self._curve = [CurvePoint(*row) for row in read_rows(state.record["curve"])]
                self._validations = self._as_dense(state.progress)
            for policy in self._policies:
                policy.held_out = validation_problems(policy.source)
            with single_thread():
                if state is None and run.start is not None:
                    self._note_start(learner)
                status = learner.learn(
                    run.timesteps, run.seconds, lambda status: self._note(learner, status), **progress
                )
            self._save_state(learner, status, FINISHED)
        finally:
            learner.close()
            for tracker in self._trackers:
                tracker.close()
        _draw_curve(self._curve, self._folder / "curve.png", run)
        (self._folder / STATE).unlink(missing_ok=True)
        return self._curve

    def _as_dense(self, done: Any) -> int:
        """Return how many validations a run has in all that goes on: at least as often as before, if it is longer."""
        from placezoo.agents.learning.learner import share_done

        validated = sum(np.isfinite(point.validation_cost) for point in self._curve)
        share = share_done(done.timesteps, done.seconds, self._run.timesteps, self._run.seconds)
        return max(self._run.validations, int(np.ceil(validated / max(share, 1e-9))) if validated else 0)

    def _learner(self) -> Any:
        from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder
        from placezoo.agents.ppo.agent import UNTRAINED, untrained_policy

        run, formulation = self._run, self._run.formulation or self._entry.formulation
        if run.mixture:
            from placezoo.agents.ppo.mixture_learner import MixtureLearner

            first, *others = (policy.source for policy in self._policies)
            return MixtureLearner(first, formulation, self._config, run.seed, run.device, others=others)
        start = None
        if run.agent == "ppo" and run.start == UNTRAINED:
            start = untrained_policy(self._policies[0].source.first())
        elif run.start is not None:
            start = Checkpoint.load(checkpoint_folder(run.start, run.agent, run.env_id))
        return self._learner_class(
            self._policies[0].source, formulation, self._config, run.seed, run.device, start, **self._options()
        )

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

    def _note_start(self, learner: Any) -> None:
        """Score the policy that training starts from: what it learns is to be seen. What is kept is a trained one."""
        cost = float(np.mean([self._score(*one) for one in zip(learner.parts, self._policies, strict=True)]))
        self._curve.append(CurvePoint(0, 0, 0.0, np.nan, cost))
        for tracker in self._trackers:
            tracker.log(self._curve[0], {})
        if self._on_progress is not None:
            self._on_progress(self._curve[0], 0.0)

    def _note(self, learner: Any, status: Any) -> None:
        """Validate if it is time, and write what there is to write."""
        run, curve, seconds = self._run, self._curve, status.seconds - self._validating
        validated = sum(np.isfinite(point.validation_cost) for point in curve)
        validation_cost = np.nan
        if status.done >= validated / self._validations or status.done >= 1.0:
            started = jit.working_seconds()
            validation_cost = self._validate(learner, status)
            self._validating += jit.working_seconds() - started
        point = CurvePoint(
            status.timesteps,
            status.episodes,
            round(seconds, 2),
            status.relative_cost,
            validation_cost,
        )
        curve.append(point)
        write_curve(curve, self._folder / CURVE)
        if time.monotonic() - self._saved >= 60.0 * run.checkpoint_minutes:
            self._save_state(learner, status)
        for tracker in self._trackers:
            tracker.log(point, learner.metrics)
        if self._on_progress is not None:
            self._on_progress(point, status.done)

    def _validate(self, learner: Any, status: Any) -> float:
        """Score each policy on its held-out problems, and keep those that were never better; return the mean score.

        Of some agents the last are kept; ``best`` is the score of the policy that is kept.
        """
        scores = []
        for part, policy in zip(learner.parts, self._policies, strict=True):
            scores.append(self._score(part, policy))
            if scores[-1] < policy.best or self._entry.keeps_last:
                policy.best = scores[-1]
                part.checkpoint(**_training_record(self._run, policy, status)).save(policy.folder)
        return float(np.mean(scores))

    def _score(self, part: Any, policy: _Policy) -> float:
        """Return a policy's cost on its held-out problems over greedy construction's."""
        agent = with_policy(self._agent_class(**self._entry.validation), part.checkpoint())
        return relative_score(agent, self._entry.validation_budget, policy.held_out)

    def _save_state(self, learner: Any, status: Any, name: str | None = None) -> None:
        from placezoo.agents.learning.training_state import STATE, Progress, TrainingState

        record = {
            "run": asdict(self._run),
            "best": [float(best) if np.isfinite(best) else None for best in self.best],
            "validating": self._validating,
            "curve": curve_text(self._curve),
        }
        progress = Progress(status.timesteps, status.episodes, status.seconds)
        TrainingState(learner.state(), progress, record).save(self._folder, name or STATE)
        self._saved = time.monotonic()


def _source(
    env_id: str, dataset: str | None = None, instance: Any = None, parameters: dict[str, Any] | None = None
) -> ProblemSource:
    return ProblemSource(problem_class(env_id), instance=instance, dataset=dataset, parameters=parameters)


def mixture_folders(mixture: Sequence[dict[str, Any]]) -> list[str]:
    """Return where below a folder each part's policy goes: its environment, numbered where that occurs twice."""
    environments = [part["env_id"] for part in mixture]
    return [
        env_id if environments.count(env_id) == 1 else f"{env_id}-{part['dataset']}-{number}"
        for number, (env_id, part) in enumerate(zip(environments, mixture, strict=True))
    ]


def _check_run(run: TrainingRun) -> None:
    if run.mixture and (run.agent != "ppo" or run.backend not in (None, "fast") or run.start is not None):
        raise ValueError("a mixture is learned by ppo, by the backend fast, from the beginning")
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


def _training_record(run: TrainingRun, policy: _Policy, status: Any) -> dict[str, Any]:
    return {
        **asdict(run),
        **policy.task,
        "timesteps_done": status.timesteps,
        "seconds_done": round(status.seconds, 1),
        "validation_cost_over_greedy": round(policy.best, 5),
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

    what = [f"{part['env_id']}, {part['dataset']}" for part in run.mixture] or [
        f"{run.env_id}, {run.dataset or run.instance}"
    ]
    title = f"{run.agent} on {' and '.join(what)}"
    write_atomically(path, figure_bytes(lambda axes: draw_learning_curve(curve, axes, title), "png"))

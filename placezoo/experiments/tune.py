"""Searching hyperparameters by Ray Tune: configurations side by side, the worse ones stopped early."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from placezoo.agents.learning.learners import learner_entry
from placezoo.agents.registry import require_extra
from placezoo.datasets.files import write_atomically
from placezoo.experiments.train import CurvePoint, TrainingRun, train

RESULTS = "results.csv"
_NAME = "trials"


@dataclass(frozen=True)
class TuneRun:
    """What to search.

    Args:
        base: the training that is varied; its ``hyperparameters`` stay as they are.
        samples: how many configurations.
        asha: stop worse ones early.
        address: of a running Ray cluster; None starts Ray here.
        track: names of trackers, for every trial.
    """

    base: TrainingRun
    samples: int = 16
    asha: bool = False
    address: str | None = None
    track: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, not {self.samples}")
        if self.base.seconds is None or not self.base.seconds > 0:
            raise ValueError("tuning needs the seconds that each training takes, above 0")


@dataclass(frozen=True)
class TuneRow:
    """One configuration and what came of it.

    Attributes:
        trial: its name, that of its folder.
        validation_cost: its best over greedy construction's.
        timesteps: made.
        hyperparameters: those that were varied.
    """

    trial: str
    validation_cost: float
    timesteps: int
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choices:
    """A hyperparameter that takes one of some values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class LogRange:
    """A hyperparameter between two bounds, drawn by its logarithm."""

    low: float
    high: float


# What is worth varying, by the name of the field; a learner's search space is what its configuration has of these.
SEARCH_SPACE: dict[str, Choices | LogRange] = {
    "learning_rate": LogRange(3e-4, 1e-2),
    "entropy_coefficient": LogRange(1e-4, 3e-2),
    "gae_lambda": Choices((0.9, 0.95, 0.98, 1.0)),
    "gamma": Choices((0.97, 0.99, 1.0)),
    "clip_range": Choices((0.1, 0.2, 0.3)),
    "num_epochs": Choices((2, 4, 8)),
    "batch_size": Choices((512, 1024, 2048)),
    "width": Choices((16, 32, 64)),
    "layers": Choices((1, 2, 3)),
    "encoder": Choices(("graph-sage", "gat", "gin", "edge-gnn", "graph-transformer")),
}

# Other agents count batches in graphs, and have encoders of their own.
_OF_PPO = {"batch_size", "encoder"}


def search_space(agent: str, fixed: dict[str, Any]) -> dict[str, Choices | LogRange]:
    """Return what is varied of an agent's hyperparameters: those of ``SEARCH_SPACE`` that it has.

    Raises:
        ValueError: nothing is left to vary.
    """
    config_class, _, _ = learner_entry(agent).load()
    own = {field.name for field in dataclasses.fields(config_class)}
    own -= set(fixed) if agent == "ppo" else {*fixed, *_OF_PPO}
    space = {name: domain for name, domain in SEARCH_SPACE.items() if name in own}
    if not space:
        raise ValueError(f"nothing is left to vary of {agent}: {', '.join(fixed)} are set")
    return space


def tune_agent(run: TuneRun, folder: str | Path) -> list[TuneRow]:
    """Try configurations; in a folder with an unfinished search, go on with it.

    Writes ``results.csv`` (best first) and ``best``, the training folder of the best.

    Args:
        run: what to search.
        folder: where to write.

    Returns:
        All configurations, best first.

    Raises:
        ImportError: the extra ``rllib`` is missing.
        ValueError: something in the run is wrong, or no training of it succeeded.
    """
    require_extra("rllib", "tuning")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # or Tune prints boxes whatever its verbosity
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # or what is interrupted looks as if it were complete
    from ray import tune

    from placezoo.agents.ppo.ray_cluster import ray_session

    folder = Path(folder).resolve()
    space = search_space(run.base.agent, run.base.hyperparameters)
    scheduler = (
        tune.schedulers.ASHAScheduler(
            time_attr="seconds", metric="validation_cost", mode="min", max_t=max(1, math.ceil(run.base.seconds or 1)),
            grace_period=max(1, int((run.base.seconds or 1) / 5)), reduction_factor=3,
        )
        if run.asha
        else None
    )  # fmt: skip

    def trial(config: dict[str, Any]) -> None:
        _train_trial(run, config)

    with ray_session(run.address):
        where = str(folder / _NAME)
        if (folder / _NAME).exists() and tune.Tuner.can_restore(where):
            tuner = tune.Tuner.restore(where, trainable=trial, resume_unfinished=True, restart_errored=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            tuner = tune.Tuner(
                trial,
                param_space={name: _domain(tune, domain) for name, domain in space.items()},
                tune_config=tune.TuneConfig(num_samples=run.samples, scheduler=scheduler),
                run_config=tune.RunConfig(name=_NAME, storage_path=str(folder), verbose=0),
            )  # fmt: skip
        results: Any = tuner.fit()
    rows, folders = [], {}
    for result in results:
        metrics = result.metrics or {}
        if "best" in metrics:
            name = Path(result.path).name
            folders[name] = Path(result.path)
            rows.append(TuneRow(name, metrics["best"], metrics["timesteps"], dict(result.config or {})))
    if not rows:
        errors = [str(error).strip().splitlines()[-1] for error in results.errors]
        raise ValueError(f"no training succeeded: {errors[0] if errors else 'none reported a validation'}")
    rows.sort(key=lambda row: (row.validation_cost, row.trial))
    write_results(rows, folder / RESULTS)
    _keep_best(folders[rows[0].trial] / "training", folder / "best")
    return rows


def _keep_best(training: Path, best: Path) -> None:
    """Copy a training's folder beside another one and put it in its place: a policy is never half of each.

    What the training goes on from, and locks, stays where it is.
    """
    from placezoo.agents.learning.training_state import STATE

    copied = best.with_name(f".{best.name}.tmp")
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(training, copied, ignore=shutil.ignore_patterns(".*", STATE))
    if best.is_symlink():
        best.unlink()
    elif best.exists():
        shutil.rmtree(best)
    copied.rename(best)


def write_results(rows: list[TuneRow], path: Path) -> None:
    """Write a search's configurations as CSV, a column for each hyperparameter."""
    names = sorted({name for row in rows for name in row.hyperparameters})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "validation_cost", "timesteps", *names])
    for row in rows:
        writer.writerow(
            [row.trial, row.validation_cost, row.timesteps, *(row.hyperparameters.get(name) for name in names)]
        )
    write_atomically(path, text.getvalue())


def _domain(tune: Any, domain: Choices | LogRange) -> Any:
    return tune.choice(list(domain.values)) if isinstance(domain, Choices) else tune.loguniform(domain.low, domain.high)


def _train_trial(run: TuneRun, config: dict[str, Any]) -> None:
    """Train one configuration, reporting each validation."""
    from ray import tune

    from placezoo.experiments.tracking import make_trackers

    training = dataclasses.replace(run.base, hyperparameters={**run.base.hyperparameters, **config})
    folder = Path(tune.get_context().get_trial_dir()) / "training"
    best = math.inf

    def report(point: CurvePoint, done: float) -> None:
        nonlocal best
        if math.isfinite(point.validation_cost):
            best = min(best, point.validation_cost)
            tune.report(
                {
                    "validation_cost": point.validation_cost, "best": best, "timesteps": point.timesteps,
                    "seconds": point.seconds,
                }
            )  # fmt: skip

    train(training, folder, report, make_trackers(list(run.track), folder, asdict(training)))

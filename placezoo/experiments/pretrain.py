"""Pre-training one trunk on a mixture of datasets, even of several environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from placezoo.envs.registration import problem_parameters
from placezoo.experiments.settings import parse_settings
from placezoo.experiments.tracking import Tracker
from placezoo.experiments.train import Training, TrainingRun, broken_off, mixture_folders


@dataclass(frozen=True)
class Part:
    """One dataset of a mixture.

    Args:
        env_id: the environment's id.
        dataset: its name.
        parameters: of the problem.
    """

    env_id: str
    dataset: str
    parameters: dict[str, Any] = field(default_factory=dict)


def parse_part(text: str) -> Part:
    """Return ``ENV:DATASET,NAME=VALUE,...`` as a part.

    Raises:
        ValueError: it is written otherwise, or names a parameter that the environment has not.
    """
    env_id, colon, rest = text.partition(":")
    dataset, *settings = rest.split(",")
    if not colon or not dataset:
        raise ValueError(f"{text}: ENV:DATASET[,NAME=VALUE] expected, EdgePlace-v0:giph for example")
    parameters = parse_settings(settings)
    known = problem_parameters(env_id)
    for name in parameters:
        if name not in known:
            raise ValueError(f"{text}: {env_id} has no parameter {name!r}")
    return Part(env_id, dataset, parameters)


def pretrain(
    parts: list[Part],
    folder: str | Path,
    hyperparameters: dict[str, Any] | None = None,
    seconds: float = 600.0,
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
    trackers: Sequence[Tracker] = (),
    checkpoint_minutes: float = 1.0,
) -> dict[str, float]:
    """Train policies for several problems that share everything but the inputs of their domain.

    The parts take turns, one update each, for equal shares of the time. In the end ``folder/ENV`` (with the dataset and
    a number where an environment occurs twice) is a checkpoint for each, with the trunk as it was when the part scored
    best on its validation split; ``curve.csv`` holds the mean of the parts. A run that is killed goes on by
    ``go_on_pretraining``.

    Args:
        parts: what to learn.
        folder: where to write.
        hyperparameters: of ``PPOConfig``.
        seconds: wall time, all together.
        seed: of everything random.
        device: ``cpu`` or ``cuda``.
        on_progress: called with the share of training done.
        trackers: where to log the curve as well.
        checkpoint_minutes: how often the state is written that a killed run goes on from.

    Returns:
        The best validation cost of each over greedy construction's.

    Raises:
        ValueError: there is nothing to learn, or something in a part is wrong.
    """
    if not parts:
        raise ValueError("nothing to learn: give at least one ENV:DATASET")
    first = parts[0]
    run = TrainingRun(
        first.env_id, first.dataset, parameters=first.parameters, hyperparameters=hyperparameters or {},
        seconds=seconds, seed=seed, device=device, checkpoint_minutes=checkpoint_minutes,
        mixture=tuple(asdict(part) for part in parts),
    )  # fmt: skip
    return _scores(run, Path(folder), None, on_progress, trackers)


def go_on_pretraining(
    folder: str | Path,
    on_progress: Callable[[float], None] | None = None,
    trackers: Sequence[Tracker] = (),
) -> dict[str, float]:
    """Go on with a pre-training that was broken off, with its own configuration; otherwise as ``pretrain``.

    Raises:
        FileNotFoundError: there is none in the folder, or it is complete.
        ValueError: its state is damaged, or of a training of one policy.
    """
    run, state = broken_off(folder)
    if not run.mixture:
        raise ValueError(f"{folder}: this is the training of one policy, placezoo train --resume goes on with it")
    return _scores(run, Path(folder), state, on_progress, trackers)


def _scores(
    run: TrainingRun,
    folder: Path,
    state: Any,
    on_progress: Callable[[float], None] | None,
    trackers: Sequence[Tracker],
) -> dict[str, float]:
    training = Training(run, folder, lambda _, done: on_progress(done) if on_progress else None, trackers)
    training.go_on(state)
    return dict(zip(mixture_folders(run.mixture), training.best, strict=True))

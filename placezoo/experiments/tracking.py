"""Logging a training elsewhere: Weights & Biases (online or offline) and TensorBoard."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from placezoo.agents.registry import require_extra
from placezoo.datasets.suggestion import unknown_name


class Tracker(Protocol):
    """Where a curve is logged."""

    def log(self, point: Any, metrics: dict[str, float]) -> None:
        """Log a point of the curve and what else the learner measured."""

    def close(self) -> None:
        """Write what is left."""


class WandbTracker:
    """A run of Weights & Biases; without an account or a network it is kept below the folder (``wandb sync`` sends it).

    Args:
        folder: of the training.
        config: of the run.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        mode: Any = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        self._run = wandb.init(
            project="placezoo", name=folder.name, dir=str(folder), config=config, mode=mode,
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )  # fmt: skip

    def log(self, point: Any, metrics: dict[str, float]) -> None:
        """Log a point of the curve by its timesteps."""
        self._run.log(_values(point, metrics), step=point.timesteps)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class TensorBoardTracker:
    """Scalars for TensorBoard in the training's folder.

    Args:
        folder: of the training.
        config: of the run, kept as text.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))
        self._writer.add_text("config", "\n".join(f"    {name}: {value}" for name, value in config.items()))

    def log(self, point: Any, metrics: dict[str, float]) -> None:
        """Log a point of the curve by its timesteps."""
        for name, value in _values(point, metrics).items():
            self._writer.add_scalar(name, value, point.timesteps)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


TRACKERS: dict[str, Callable[[Path, dict[str, Any]], Tracker]] = {
    "wandb": WandbTracker,
    "tensorboard": TensorBoardTracker,
}


def make_trackers(names: list[str] | None, folder: Path, config: dict[str, Any]) -> list[Tracker]:
    """Return trackers by name.

    Raises:
        ValueError: no such tracker.
        ImportError: the ``track`` extra is missing.
    """
    for name in names or []:
        if name not in TRACKERS:
            raise ValueError(unknown_name("tracker", name, TRACKERS))
        require_extra("track", f"tracking by {name}")
    return [TRACKERS[name](folder, config) for name in names or []]


def _values(point: Any, metrics: dict[str, float]) -> dict[str, float]:
    values = {
        "episodes": point.episodes, "seconds": point.seconds, "training_cost": point.training_cost,
        "validation_cost": point.validation_cost, **metrics,
    }  # fmt: skip
    return {name: value for name, value in values.items() if math.isfinite(value)}

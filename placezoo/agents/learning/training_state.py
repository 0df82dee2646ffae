"""Where a training run stands, so that a killed one can go on: weights, moments, counters. No pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from placezoo.agents.learning.learner import Progress
from placezoo.datasets.files import read_bytes, write_atomically

STATE = "state.safetensors"
_FORMAT = "placezoo.TrainingState/1"
_NETWORK, _OPTIMIZER = "network.", "optimizer."  # what the names of tensors begin with


@dataclass(frozen=True)
class TrainingState:
    """What a run goes on from.

    Attributes:
        tensors: of the learner.
        progress: how far it was.
        record: what else the caller wants back: the run's configuration, its curve; JSON values.
    """

    tensors: dict[str, Tensor]
    progress: Progress
    record: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write one file, at once: whoever is killed meanwhile leaves the one before."""
        metadata = {
            "format": _FORMAT, "progress": json.dumps(self.progress._asdict()), "record": json.dumps(self.record),
        }  # fmt: skip
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        write_atomically(folder / STATE, save_tensors(tensors, metadata=metadata))

    @classmethod
    def load(cls, folder: Path) -> TrainingState:
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: nothing was written there.
            ValueError: the file is damaged.
        """
        path = folder / STATE
        if not path.exists():
            raise FileNotFoundError(f"{folder}: no training to go on with ({STATE} expected)")
        content = read_bytes(path)
        try:
            tensors = load_tensors(content)
            size = int.from_bytes(content[:8], "little")
            metadata = json.loads(content[8 : 8 + size])["__metadata__"]
            if metadata["format"] != _FORMAT:
                raise ValueError(f"format {metadata['format']!r}")
            progress = Progress(**json.loads(metadata["progress"]))
            return cls(tensors, progress, json.loads(metadata["record"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a training state of this version ({error})") from None


def learner_tensors(learner: Any) -> dict[str, Tensor]:
    """Return what a learner must remember: its own ``state()``, or its network and optimiser."""
    if hasattr(learner, "state"):
        return learner.state()
    tensors = {f"{_NETWORK}{name}": value for name, value in learner.network.state_dict().items()}
    return {**tensors, **moment_tensors(learner.optimizer.state_dict()["state"])}


def moment_tensors(state: dict[int, dict[str, Any]]) -> dict[str, Tensor]:
    """Return the moments of an optimiser, for each parameter's number, under names of their own."""
    return {
        f"{_OPTIMIZER}{number}.{name}": torch.as_tensor(value)
        for number, moments in state.items()
        for name, value in moments.items()
    }


def moments_of(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return what ``moment_tensors`` was given, from all tensors of a learner."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(_OPTIMIZER):
            _, number, what = name.split(".", 2)
            moments.setdefault(int(number), {})[what] = value
    return moments


def restore_learner(learner: Any, tensors: dict[str, Tensor]) -> None:
    """Give a learner back what ``learner_tensors`` returned.

    Raises:
        ValueError: it is another kind of learner.
    """
    if hasattr(learner, "load_state"):
        learner.load_state(tensors)
        return
    weights = {name.removeprefix(_NETWORK): value for name, value in tensors.items() if not name.startswith(_OPTIMIZER)}
    try:
        learner.network.load_state_dict(weights)
        learner.optimizer.load_state_dict({**learner.optimizer.state_dict(), "state": moments_of(tensors)})
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"the training state is of another network ({str(error).splitlines()[0]})") from None

"""Where a training run stands, so that a killed one can go on: weights, moments, counters. No pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from placezoo.datasets.files import read_bytes, write_atomically

STATE = "state.safetensors"
FINISHED = "finished.safetensors"  # where a complete run ended, from which a longer one goes on
_FORMAT = "placezoo.TrainingState/1"
NETWORK, _OPTIMIZER = "network.", "optimizer."  # what the names of tensors begin with


class Progress(NamedTuple):
    """What had been done when a run that goes on was broken off."""

    timesteps: int = 0
    episodes: int = 0
    seconds: float = 0.0


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

    def save(self, folder: Path, name: str = STATE) -> None:
        """Write one file, at once: whoever is killed meanwhile leaves the one before."""
        metadata = {
            "format": _FORMAT, "progress": json.dumps(self.progress._asdict()), "record": json.dumps(self.record),
        }  # fmt: skip
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        write_atomically(folder / name, save_tensors(tensors, metadata=metadata))

    @classmethod
    def load(cls, folder: Path, name: str = STATE) -> TrainingState:
        """Read what ``save`` wrote.

        Raises:
            FileNotFoundError: nothing was written there.
            ValueError: the file is damaged.
        """
        path = folder / name
        if not path.exists():
            more = "; it is complete, --seconds or --timesteps make it longer" if (folder / FINISHED).exists() else ""
            raise FileNotFoundError(f"{folder}: no training to go on with ({name} expected){more}")
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

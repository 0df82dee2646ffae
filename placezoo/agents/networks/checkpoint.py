"""Checkpoints: weights as safetensors beside a JSON of everything that is not a weight. No pickle."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from placezoo.agents.networks.architectures import feature_record, rebuild_network
from placezoo.agents.networks.observation_reader import ObservationReader
from placezoo.agents.networks.policy_network import NetworkConfig
from placezoo.datasets.files import read_bytes, write_atomically
from placezoo.datasets.json_content import located, read_record
from placezoo.datasets.refusal import refuses_in_one_line
from placezoo.envs.problem import PlacementProblem

FORMAT = "placezoo.Checkpoint/1"
WEIGHTS, CONFIG = "policy.safetensors", "policy.json"
_ALLOWED = 4096  # of what is no size of a weight, a segment of the transformer for example
PRETRAINED = "pretrained"  # the policy that comes with the package


@dataclass
class Checkpoint:
    """A trained policy.

    Attributes:
        network: the policy network.
        env_id: the environment it was trained for.
        formulation: the formulation it acts in.
        features: the names of the features that it reads, by kind.
        training: how it was trained: dataset, parameters (of its problems), timesteps, seconds, score.
    """

    network: Any
    env_id: str
    formulation: str
    features: dict[str, list[str]]
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Any, problem: PlacementProblem, formulation: str, training: dict[str, Any]) -> Checkpoint:
        """Return a policy for a problem's environment; ``training`` may leave the problem's parameters out."""
        training = {"parameters": dict(problem.parameters), **training}
        return cls(network, problem.env_id, formulation, feature_record(problem, network), training)

    @property
    def architecture(self) -> str:
        """The name of the network's kind."""
        return str(getattr(self.network, "architecture", "policy"))

    @cached_property
    def reader(self) -> ObservationReader:
        """What answers observations with the policy, keeping the embeddings of graphs it has met."""
        return ObservationReader(self.network, self.formulation != "construct")

    def save(self, folder: str | Path) -> None:
        """Write ``policy.safetensors`` and ``policy.json`` into a folder."""
        folder = Path(folder)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        write_atomically(folder / WEIGHTS, save_weights(weights))
        config = {
            "format": FORMAT,
            "env": self.env_id,
            "formulation": self.formulation,
            "features": self.features,
            "architecture": self.architecture,
            "network": self.network.config.to_json(),
            "training": self.training,
        }
        write_atomically(folder / CONFIG, json.dumps(config, indent=2) + "\n")

    @classmethod
    @refuses_in_one_line
    def load(cls, folder: str | Path) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            FileNotFoundError: the folder or a file in it is missing.
            ValueError: ``path:line: what`` for files that are no checkpoint.
        """
        folder = Path(folder)
        path = folder / CONFIG
        try:
            config, weights = read_record(path, _Config, "a checkpoint"), read_bytes(folder / WEIGHTS)
        except FileNotFoundError:
            raise FileNotFoundError(f"{folder}: not a checkpoint folder ({CONFIG} and {WEIGHTS} expected)") from None

        def build() -> Any:
            tensors = load_weights(weights)
            _check_sizes(config, tensors)
            network = rebuild_network(config.architecture, config.network)
            network.load_state_dict(tensors)
            return network.eval()

        try:
            network = located(path, build)
        except (SafetensorError, RuntimeError) as error:
            what = str(error).splitlines()[0]
            raise ValueError(f"{folder / WEIGHTS}: the weights do not fit {CONFIG} ({what})") from None
        return cls(network, config.env, config.formulation, config.features, config.training)

    def as_trained(self, problem: PlacementProblem) -> PlacementProblem:
        """Return a problem as the policy was trained to see such problems: in the same order of items, for example."""
        parameters = self.training.get("parameters")
        return problem if parameters is None or self.env_id != problem.env_id else problem.presented(parameters)

    def check_fits(self, problem: PlacementProblem) -> None:
        """Check that the policy can act on a problem.

        Raises:
            ValueError: it was trained for another one.
        """
        if self.env_id != problem.env_id:
            raise ValueError(f"this checkpoint was trained for {self.env_id}, it cannot solve {problem.env_id}")
        if self.features != feature_record(problem, self.network):
            raise ValueError(f"this checkpoint reads other features than {problem.env_id} has; train it again")

    def check_goes_on(self, formulation: str) -> None:
        """Check that training goes on in the formulation that the policy was trained for.

        Raises:
            ValueError: it was another one.
        """
        if self.formulation != formulation:
            raise ValueError(f"this checkpoint was trained for {self.formulation}, not for {formulation}")


def _check_sizes(config: _Config, tensors: dict[str, Any]) -> None:
    """Check that a network is of the sizes that its weights have, before memory is taken for it.

    Raises:
        ValueError: it is not, or a weight is not finite.
    """
    largest = max([len(tensors), _ALLOWED, *(size for tensor in tensors.values() for size in tensor.shape)])
    for name, value in config.network.items():
        if isinstance(value, int) and value > largest:
            raise ValueError(f"network: {name} is {value:,}, and no size of the weights is more than {largest:,}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{WEIGHTS}: {name} has weights that are not finite")
    with torch.device("meta"):  # shapes without memory
        wanted = rebuild_network(config.architecture, config.network).state_dict()
    for name, tensor in wanted.items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            there = f"is {tuple(tensors[name].shape)}" if name in tensors else "is missing"
            raise RuntimeError(f"{name} {there}, {tuple(tensor.shape)} expected")


class _Config(msgspec.Struct, tag_field="format", tag=FORMAT):
    env: str
    formulation: str
    features: dict[str, list[str]]
    network: dict[str, Any]
    training: dict[str, Any]
    architecture: str = "policy"

    def __post_init__(self) -> None:
        parameters, temperature = self.training.get("parameters"), self.training.get("temperature", 1.0)
        if not isinstance(parameters, (dict, type(None))):
            raise ValueError("training: parameters must be a table")
        if not isinstance(temperature, (int, float)) or not 0 < temperature < math.inf:
            raise ValueError("training: temperature must be a finite number above 0")


def checkpoint_folder(checkpoint: str, agent: str, env_id: str | None = None) -> Path:
    """Return a checkpoint's folder; ``pretrained`` is the agent's own that comes with the package.

    Args:
        checkpoint: a folder, or ``pretrained``.
        agent: whose checkpoint it is.
        env_id: where the folder holds one checkpoint for each environment (``placezoo pretrain``), this one's.

    Raises:
        FileNotFoundError: none comes with the package for this agent.
    """
    folder = Path(checkpoint)
    if checkpoint == PRETRAINED:
        folder = Path(str(resources.files("placezoo.agents").joinpath("pretrained", agent)))
        if not folder.is_dir():
            raise FileNotFoundError(f"no trained policy of {agent} comes with the package")
    below = folder / env_id if env_id is not None else folder
    return below if below.is_dir() else folder


def network_config(
    problem: PlacementProblem, encoder: str, width: int, layers: int, head: str = "pair"
) -> NetworkConfig:
    """Return the sizes of a network for a problem's features."""
    names, roles = problem.feature_names, problem.feature_roles
    prior = names.resource_columns.index(roles.prior) if roles.prior else -1
    x, y = (names.resources.index(name) for name in roles.grid) if roles.grid else (-1, -1)
    return NetworkConfig(
        len(names.items),
        len(names.item_edges),
        len(names.resource_columns),
        encoder,
        width,
        layers,
        head,
        prior,
        (x, y),
    )


def sizes_to_train(problem: PlacementProblem, config: Any, start: Checkpoint | None) -> NetworkConfig:
    """Return the sizes of the network that a learner of PPO trains: those of its start, or of its configuration."""
    if start is not None:
        return start.network.config
    return network_config(problem, config.encoder, config.width, config.layers, config.head)

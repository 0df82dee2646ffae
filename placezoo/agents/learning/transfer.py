"""Fine-tuning a trained policy: what of it learns on, what stands still, what is added."""

from __future__ import annotations

import dataclasses
from typing import Any

from placezoo.agents.networks.checkpoint import Checkpoint, network_config
from placezoo.agents.networks.heads import make_network
from placezoo.agents.networks.policy_network import NetworkConfig, PolicyNetwork
from placezoo.datasets.suggestion import unknown_name
from placezoo.envs.problem import PlacementProblem

METHODS = ("full", "head", "superposition", "experts")


def transfer_network(start: Checkpoint, problem: PlacementProblem, method: str = "full") -> Any:
    """Return a network to go on with from a checkpoint, its frozen parameters marked by ``requires_grad``.

    On another environment than the checkpoint's the trunk is taken; the domain's inputs are fresh, and always learn.
    So does the critic: what a state is worth is another question on another problem.

    Args:
        start: a trained policy.
        problem: what it is to learn.
        method: ``full`` trains everything; ``head`` only what scores pairs; ``superposition`` only gates on a frozen
            trunk (GDP); ``experts`` only one more expert beside each stage of a frozen trunk (Lifelong-MoE, MoDE).

    Raises:
        ValueError: no such method, or the checkpoint's network cannot be fine-tuned so.
    """
    if method not in METHODS:
        raise ValueError(unknown_name("method", method, METHODS))
    known = start.env_id == problem.env_id
    if known:
        start.check_fits(problem)
    if not isinstance(start.network, PolicyNetwork):
        if method == "full" and known:
            return make_copy(start.network)
        raise ValueError(f"the network of this checkpoint ({start.architecture}) has no trunk to fine-tune by {method}")
    config = _adapted(start.network.config if known else _on_other_domain(start.network.config, problem), method)
    network = PolicyNetwork(config)
    weights = start.network.state_dict()
    if not known:
        weights = {name: value for name, value in weights.items() if name.startswith("trunk.")}
    network.load_state_dict(weights, strict=False)
    if method != "full":
        for name, parameter in network.named_parameters():
            parameter.requires_grad = _learns(name, method, known, config.experts)
    return network


def without_adapter(network: PolicyNetwork) -> PolicyNetwork:
    """Return the policy as it was before gates or experts were added: for the problem it was trained on first."""
    plain = PolicyNetwork(dataclasses.replace(network.config, adapter="none", experts=0))
    weights = {name: value for name, value in network.state_dict().items() if not name.startswith("trunk.adapter.")}
    plain.load_state_dict(weights)
    return plain.eval()


def make_copy(network: Any) -> Any:
    """Return a network of the same kind and weights, all of which learn."""
    copy = make_network(network.config)
    copy.load_state_dict(network.state_dict())
    return copy


def _on_other_domain(config: NetworkConfig, problem: PlacementProblem) -> NetworkConfig:
    sizes = network_config(problem, config.encoder, config.width, config.layers)
    return dataclasses.replace(sizes, adapter=config.adapter, experts=config.experts)


def _adapted(config: NetworkConfig, method: str) -> NetworkConfig:
    if method not in ("superposition", "experts"):
        return config
    if config.adapter not in ("none", method):
        raise ValueError(f"this checkpoint has {config.adapter}; it cannot get {method} as well")
    return dataclasses.replace(config, adapter=method, experts=config.experts + (method == "experts"))


def _learns(name: str, method: str, known: bool, experts: int) -> bool:
    if name.startswith("trunk.value") or (name.startswith("inputs.") and not known):
        return True
    if method == "head":
        return name.startswith(("trunk.score", "trunk.pair", "trunk.waiting"))
    if method == "superposition":
        return name.startswith("trunk.adapter.")
    return name.startswith((f"trunk.adapter.experts.{experts - 1}.", f"trunk.adapter.routers.{experts - 1}."))

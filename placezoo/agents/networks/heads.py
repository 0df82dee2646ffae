"""The policy networks by the name of their head."""

from __future__ import annotations

from placezoo.agents.networks.deconvolution import DeconvolutionNetwork
from placezoo.agents.networks.policy_network import NetworkConfig, PolicyNetwork
from placezoo.datasets.suggestion import unknown_name

HEADS: dict[str, type[PolicyNetwork] | type[DeconvolutionNetwork]] = {
    "pair": PolicyNetwork,
    "deconvolution": DeconvolutionNetwork,
}


def make_network(config: NetworkConfig) -> PolicyNetwork | DeconvolutionNetwork:
    """Return a fresh network.

    Raises:
        ValueError: no such head or encoder, or the head cannot score these resources.
    """
    if config.head not in HEADS:
        raise ValueError(unknown_name("head", config.head, HEADS))
    return HEADS[config.head](config)

"""Hyperparameters of PPO, the same for every library that runs it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of training; the defaults are tuned for ``construct`` on graphs of 100-200 items.

    Args:
        num_envs: environments stepped together.
        num_steps: steps of each between updates.
        group: so many environments draw the same instances, which are encoded once for all (``fast`` only).
        batch_size: transitions per gradient step.
        num_epochs: passes over the transitions per update.
        learning_rate: of Adam at the start; falls linearly to a tenth.
        gamma: discount.
        gae_lambda: of generalised advantage estimation.
        clip_range: of the probability ratio.
        entropy_coefficient: at the start; falls linearly to 0.
        value_coefficient: weight of the value loss.
        max_grad_norm: gradients are scaled down to this norm.
        worst_reward: no step costs more than so many times greedy construction.
        hold: weight of the divergence from the policy that fine-tuning starts from (``fast`` only).
        encoder: the encoder's name.
        width: of the network.
        layers: of the encoder.
        head: ``pair``, or ``deconvolution`` where resources are the cells of a grid.
    """

    num_envs: int = 64
    num_steps: int = 128
    group: int = 4
    batch_size: int = 1024
    num_epochs: int = 4
    learning_rate: float = 2e-3
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    entropy_coefficient: float = 0.01
    value_coefficient: float = 0.5
    max_grad_norm: float = 0.5
    worst_reward: float = 2.0
    hold: float = 0.0
    encoder: str = "graph-sage"
    width: int = 32
    layers: int = 2
    head: str = "pair"

    def __post_init__(self) -> None:
        for name in ("num_envs", "num_steps", "group", "batch_size", "num_epochs", "width", "layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"ppo: {name} must be a whole number of at least 1, not {value!r}")
        for name in ("learning_rate", "clip_range", "max_grad_norm", "worst_reward"):
            check_number(name, getattr(self, name), above=0.0)
        for name in ("entropy_coefficient", "value_coefficient", "hold"):
            check_number(name, getattr(self, name), at_least=0.0)
        for name in ("gamma", "gae_lambda"):
            check_number(name, getattr(self, name), at_least=0.0, at_most=1.0)
        if self.batch_size < 2 or self.num_envs * self.num_steps < 2:
            raise ValueError("ppo: batch_size and num_envs * num_steps must be at least 2, advantages are normalised")


def check_number(
    name: str,
    value: Any,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    owner: str = "ppo",
) -> None:
    """Raise ValueError, in one line, if a hyperparameter is not a finite number in its range."""
    valid = isinstance(value, (int, float)) and math.isfinite(value) and value > above and at_least <= value <= at_most
    if not valid:
        raise ValueError(f"{owner}: {name} must be a finite number in its range, not {value!r}")

"""Hyperparameters of PPO, the same for every library that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from placezoo.parameters import above, at_least, between, check_fields, one_of


@dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters of training; the defaults are tuned for ``construct`` on graphs of 100-200 items.

    Args:
        num_envs: environments stepped together.
        num_steps: steps of each between updates.
        group: so many environments draw the same instances, which are encoded once for all (``fast`` only).
        baseline: ``critic``: advantages are estimated step by step; ``group``: by how much a whole construction costs
            less than the others of its group on the same instance, as POMO has it (``fast`` and ``construct`` only).
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

    num_envs: Annotated[int, at_least(1)] = 64
    num_steps: Annotated[int, at_least(1)] = 128
    group: Annotated[int, at_least(1)] = 4
    baseline: Annotated[str, one_of("critic", "group")] = "critic"
    batch_size: Annotated[int, at_least(2)] = 1024
    num_epochs: Annotated[int, at_least(1)] = 4
    learning_rate: Annotated[float, above(0)] = 2e-3
    gamma: Annotated[float, between(0, 1)] = 0.99
    gae_lambda: Annotated[float, between(0, 1)] = 0.95
    clip_range: Annotated[float, above(0)] = 0.2
    entropy_coefficient: Annotated[float, at_least(0)] = 0.01
    value_coefficient: Annotated[float, at_least(0)] = 0.5
    max_grad_norm: Annotated[float, above(0)] = 0.5
    worst_reward: Annotated[float, above(0)] = 2.0
    hold: Annotated[float, at_least(0)] = 0.0
    encoder: str = "graph-sage"
    width: Annotated[int, at_least(1)] = 32
    layers: Annotated[int, at_least(1)] = 2
    head: str = "pair"

    def __post_init__(self) -> None:
        check_fields(self, "ppo")
        if self.num_envs * self.num_steps < 2:
            raise ValueError("ppo: num_envs * num_steps must be at least 2, advantages are normalised")
        if self.baseline == "group" and (self.group < 2 or self.num_envs % self.group):
            raise ValueError("ppo: with baseline=group, group must be at least 2 and divide num_envs")

    def refuse_groups(self, backend: str) -> None:
        """Raise ValueError where a library learns that knows critics only."""
        if self.baseline == "group":
            raise ValueError(f"ppo: baseline=group is for the backend fast, {backend} has a critic")

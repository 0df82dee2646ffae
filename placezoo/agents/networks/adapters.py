"""What a trunk learns for a new problem without changing its weights: superposition and experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from placezoo.datasets.suggestion import unknown_name

ADAPTERS = ("none", "superposition", "experts")
_CAPACITY = 0.5  # each expert takes this share of a graph's items


class Superposition(nn.Module):
    """A vector that gates what each stage reads: one set of weights serves many problems, each with its own gates.

    Source: Cheung et al. 2019 (superposition of models); Zhou et al. 2019 (GDP), section 3.4.

    Args:
        width: of the embeddings.
        stages: how many are gated.
    """

    def __init__(self, width: int, stages: int) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.ones(stages, width))

    def before(self, stage: int, hidden: Tensor) -> Tensor:
        """Return what a stage reads."""
        return hidden * self.gates[stage]

    def after(self, stage: int, hidden: Tensor, owner: Tensor | None) -> Tensor:
        """Return what becomes of a stage's result."""
        return hidden


class Expert(nn.Module):
    """A bottleneck added to a stage's result; a fresh one adds nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width // 2), nn.Linear(width // 2, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return [N, d]."""
        return self.outer(torch.relu(self.inner(hidden)))


class Experts(nn.Module):
    """Small experts beside each stage, composed by a router; where rows are items, experts choose those they work on.

    Of each graph an expert takes the half of the items to which the router gives it the highest scores, and adds to
    them by these scores. (Within a graph, not within a batch: a policy's answer must not depend on what else it is
    asked.) Problems learned one after the other each add experts, the earlier ones keep still.

    Source: Zhou et al. 2022 (expert choice routing); Chen et al. 2023 (Lifelong-MoE: growth, frozen experts);
    Schafhalter et al. 2024 (MoDE: modular experts beside a frozen trunk).

    Args:
        width: of the embeddings.
        stages: how many have experts.
        count: how many experts each.
    """

    def __init__(self, width: int, stages: int, count: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.ModuleList(Expert(width) for _ in range(stages)) for _ in range(count))
        self.routers = nn.ModuleList(nn.ModuleList(nn.Linear(width, 1) for _ in range(stages)) for _ in range(count))

    def before(self, stage: int, hidden: Tensor) -> Tensor:
        """Return what a stage reads."""
        return hidden

    def after(self, stage: int, hidden: Tensor, owner: Tensor | None) -> Tensor:
        """Return what becomes of a stage's result: [..., d].

        Args:
            stage: which.
            hidden: [N, d] with an owner, [..., d] without.
            owner: int64 [N], rising: the graph of each row; None where rows are no items, there experts see them all.
        """
        result = hidden
        for experts, routers in zip(self.experts, self.routers, strict=True):
            weight = torch.sigmoid(routers[stage](hidden))  # type: ignore[index]
            if owner is not None:
                weight = weight * chosen_rows(weight.detach()[:, 0], owner)[:, None]
            result = result + weight * experts[stage](hidden)  # type: ignore[index]
        return result


def chosen_rows(score: Tensor, owner: Tensor) -> Tensor:
    """Return which rows are in the better half of their graph's: bool [N].

    Args:
        score: [N].
        owner: int64 [N], rising.
    """
    by_score = torch.argsort(score, descending=True, stable=True)
    order = by_score[torch.argsort(owner[by_score], stable=True)]
    sizes = torch.bincount(owner)
    rank = torch.arange(len(owner), device=owner.device) - (torch.cumsum(sizes, 0) - sizes)[owner]
    chosen = torch.zeros_like(owner, dtype=torch.bool)
    chosen[order] = rank < torch.ceil(_CAPACITY * sizes)[owner]
    return chosen


def make_adapter(name: str, width: int, stages: int, count: int) -> Superposition | Experts | None:
    """Return a fresh adapter, which changes nothing yet; None for ``none``.

    Raises:
        ValueError: no such adapter.
    """
    if name not in ADAPTERS:
        raise ValueError(unknown_name("adapter", name, ADAPTERS))
    if name == "superposition":
        return Superposition(width, stages)
    return Experts(width, stages, count) if name == "experts" else None

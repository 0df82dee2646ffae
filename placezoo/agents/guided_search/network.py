"""The network that scores moves, and its linear twin, trained on the same moves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from placezoo.agents.guided_search.filter import SEARCH_FEATURES, Score
from placezoo.parameters import at_least, check_fields


@dataclass(frozen=True)
class MoveScoreConfig:
    """What rebuilds the network.

    Args:
        features: how many there are of a move.
        width: units of the hidden layer.
    """

    features: Annotated[int, at_least(1)]
    width: Annotated[int, at_least(1)] = 32

    def __post_init__(self) -> None:
        check_fields(self, "network")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


class MoveScoreNetwork(nn.Module):
    """The log-odds that a move improves the cost, twice: by one hidden layer, and by a linear model.

    Features are normalised by what training has seen of them.

    Args:
        config: the sizes.
    """

    architecture = "move-score"
    reads_moves = True

    def __init__(self, config: MoveScoreConfig) -> None:
        super().__init__()
        self.config = config
        self.normalise = nn.BatchNorm1d(config.features, eps=1e-4, affine=False)
        self.hidden = nn.Linear(config.features, config.width)
        self.out = nn.Linear(config.width, 1)
        self.linear = nn.Linear(config.features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return both log-odds of moves: [n, features] -> [n, 2], the network's and the linear model's."""
        seen = self.normalise(features)
        return torch.cat([self.out(torch.relu(self.hidden(seen))), self.linear(seen)], dim=1)

    def score(self, linear: bool = False) -> Score:
        """Return the network, or its linear twin, as arrays for the compiled loop, up to a constant."""
        mean, variance = self.normalise.running_mean, self.normalise.running_var
        assert mean is not None
        assert variance is not None
        scale = torch.rsqrt(variance + self.normalise.eps).cpu().numpy()
        if linear:
            return linear_score(_array(self.linear.weight)[0] * scale)
        hidden = _array(self.hidden.weight) * scale
        bias = _array(self.hidden.bias) - hidden @ _array(mean)
        no_line = np.zeros(self.config.features, np.float32)
        return Score(no_line, np.ascontiguousarray(hidden.T), bias, _array(self.out.weight)[0])


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy().astype(np.float32)


def linear_score(weights: Any) -> Score:
    """Return a score that is linear in the features, without a hidden layer."""
    size, empty = len(weights), np.zeros(0, np.float32)
    return Score(np.asarray(weights, np.float32), np.zeros((size, 0), np.float32), empty, empty)


def move_feature_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all features of a move: what a search knows, then what the problem knows."""
    return SEARCH_FEATURES + names

"""Item graphs as tensors, and their embeddings for as long as the weights stand still."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.checkpoint import item_graph_of
from placezoo.agents.networks.graph_batch import Graphs
from placezoo.agents.networks.policy_network import Encoded
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.wrappers.pad_graph import instance_key

_MOST_GRAPHS = 4096


class _Growing:
    """A tensor that rows are appended to, in place while there is room."""

    def __init__(self, like: Tensor) -> None:
        self._buffer = like.new_empty(2 * len(like) + 16, *like.shape[1:])
        self.length = 0

    def append(self, rows: Tensor) -> None:
        end = self.length + len(rows)
        if end > len(self._buffer):
            larger = self._buffer.new_empty(2 * end, *self._buffer.shape[1:])
            larger[: self.length] = self._buffer[: self.length]
            self._buffer = larger
        self._buffer[self.length : end] = rows
        self.length = end

    @property
    def rows(self) -> Tensor:
        return self._buffer[: self.length]


class GraphMemory:
    """Remembers graphs; encodes each once until ``forget`` says that the weights have changed.

    Args:
        network: that encodes.
        device: where.
    """

    def __init__(self, network: Any, device: str = "cpu") -> None:
        self._network, self._device = network, device
        self._graphs: dict[int, Graphs] = {}
        self.forget()

    def forget(self) -> None:
        """Forget the embeddings."""
        self._number: dict[int, int] = {}
        self._start, self._pool = [0], None

    def graph(self, problem: PlacementProblem) -> Graphs:
        """Return a problem's item graph."""
        key = instance_key(problem)
        if key not in self._graphs:
            if len(self._graphs) >= _MOST_GRAPHS:
                self._graphs.clear()
            self._graphs[key] = item_graph_of(problem).to(self._device)
        return self._graphs[key]

    @torch.no_grad()
    def recall(self, problems: list[PlacementProblem]) -> tuple[Graphs, Encoded, NDArray[np.int64]]:
        """Return all graphs met since ``forget`` side by side, their embeddings, and which of them each problem has."""
        keys = [instance_key(problem) for problem in problems]
        new = {key: problem for key, problem in zip(keys, problems, strict=True) if key not in self._number}
        if new:
            self._add(list(new), [self.graph(problem) for problem in new.values()])
        assert self._pool is not None
        features, tails, edges, edge_start, query, content, message, mean = (part.rows for part in self._pool)
        graphs = Graphs(features, tails.T, edges, edge_start, self._start)
        return graphs, Encoded(query, content, message, mean), np.array([self._number[key] for key in keys])

    def _add(self, keys: list[int], graphs: list[Graphs]) -> None:
        joined = Graphs.join(graphs)
        encoded = self._network.encode(joined)
        parts = [
            joined.features, joined.edge_index.T, joined.edge_features, joined.edge_start,
            encoded.query, encoded.content, encoded.message, encoded.mean,
        ]  # fmt: skip
        if self._pool is None:
            self._pool = [_Growing(part) for part in parts]
        items, edges = self._start[-1], self._pool[1].length
        parts[1] = parts[1] + items
        parts[3] = (parts[3] if edges == 0 else parts[3][1:]) + edges
        for growing, part in zip(self._pool, parts, strict=True):
            growing.append(part)
        for key in keys:
            self._number[key] = len(self._number)
        self._start = self._start + [items + first for first in joined.start[1:]]

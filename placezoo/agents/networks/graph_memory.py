"""Item graphs as tensors, and their embeddings for as long as the weights stand still."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.graph_batch import Graphs
from placezoo.agents.networks.policy_network import Encoded
from placezoo.envs.problem import PlacementProblem
from placezoo.envs.wrappers.pad_graph import instance_key

_MOST_ITEMS = 2_000_000  # of all graphs kept


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


class Entry(NamedTuple):
    """A graph that may have been met before."""

    key: Hashable
    anchor: object  # kept with the graph: what the key, if it is an id, belongs to
    make: Callable[[], Graphs]


def item_graph_of(problem: PlacementProblem) -> Graphs:
    """Return a problem's item graph as tensors."""
    links, edge_features = problem.item_edges
    return Graphs.of(torch.tensor(problem.item_features), torch.tensor(links), torch.tensor(edge_features))


def problem_entry(problem: PlacementProblem) -> Entry:
    """Return a problem's item graph, known by its instance's digest."""
    return Entry(instance_key(problem), None, lambda: item_graph_of(problem))


class GraphMemory:
    """Remembers graphs; encodes each once until ``forget`` says that the weights have changed.

    Args:
        network: that encodes.
        device: where.
    """

    def __init__(self, network: Any, device: str | torch.device = "cpu") -> None:
        self._network, self._device = network, device
        self._graphs: dict[Hashable, tuple[object, Graphs]] = {}
        self._items = 0
        self.forget()

    def forget(self) -> None:
        """Forget the embeddings."""
        self._number: dict[Hashable, int] = {}
        self._start = [0]
        self._pool: list[_Growing] | None = None

    def move_to(self, device: str | torch.device) -> None:
        """Keep graphs on this device from now on."""
        if torch.device(device) != torch.device(self._device):
            self._device = device
            self._graphs.clear()
            self.forget()

    def graph(self, entry: Entry) -> Graphs:
        """Return a graph as tensors."""
        if entry.key not in self._graphs:
            graph = entry.make().to(self._device)
            self._items += graph.start[-1]
            self._graphs[entry.key] = entry.anchor, graph
        return self._graphs[entry.key][1]

    def side_by_side(self, entries: list[Entry]) -> tuple[Graphs, NDArray[np.int64]]:
        """Return the distinct graphs joined, to be encoded with gradients, and which of them each entry is."""
        distinct = {entry.key: entry for entry in entries}
        number = {key: index for index, key in enumerate(distinct)}
        graphs = Graphs.join([self.graph(entry) for entry in distinct.values()])
        return graphs, np.array([number[entry.key] for entry in entries])

    @torch.no_grad()
    def recall(self, entries: list[Entry]) -> tuple[Graphs, Encoded, NDArray[np.int64]]:
        """Return all graphs met since ``forget`` side by side, their embeddings, and which of them each entry is."""
        if self._items > _MOST_ITEMS:
            self._graphs.clear()
            self._items = 0
            self.forget()
        new = {entry.key: entry for entry in entries if entry.key not in self._number}
        if new:
            self._add(list(new), [self.graph(entry) for entry in new.values()])
        assert self._pool is not None
        features, tails, edges, edge_start, query, content, message, mean = (part.rows for part in self._pool)
        graphs = Graphs(features, tails.T, edges, edge_start, self._start)
        return graphs, Encoded(query, content, message, mean), np.array([self._number[e.key] for e in entries])

    def _add(self, keys: list[Hashable], graphs: list[Graphs]) -> None:
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

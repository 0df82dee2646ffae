"""Many gpNets as one batch, in the order in which messages pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from placezoo.agents.networks.topological_pass import PassPlan
from placezoo.envs.edge.gp_net import GpNetArrays


@dataclass
class GpNetBatch:
    """B gpNets side by side, N pairs, E edges; pairs sorted by depth, edges by the depth of their target.

    Attributes:
        nodes: float32 [N, F].
        edges: float32 [E, Fe].
        forward: along the data.
        backward: against it; ``backward_order`` says which edge each of its edges is.
        backward_order: int64 [E].
        graph: int64 [N], which gpNet a pair belongs to.
        slot: int64 [N], which pair of its gpNet it is.
        selectable: bool [B, slots], what may be chosen; slots are pairs unless the policy's moves say otherwise.
    """

    nodes: Tensor
    edges: Tensor
    forward: PassPlan
    backward: PassPlan
    backward_order: Tensor
    graph: Tensor
    slot: Tensor
    selectable: Tensor

    @classmethod
    def of(
        cls, graphs: Sequence[GpNetArrays], selectable: Sequence[NDArray[np.bool_]], device: str = "cpu"
    ) -> GpNetBatch:
        """Join gpNets.

        Args:
            graphs: the gpNets.
            selectable: for each, bool [slots], what may be chosen.
            device: where the tensors are.
        """
        sizes = np.array([len(graph.nodes) for graph in graphs])
        offset = np.cumsum(sizes) - sizes
        depth = np.concatenate([graph.depth for graph in graphs])
        order = np.argsort(depth.astype(np.int16), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        depth = depth[order]
        links = place[np.concatenate([graph.links + first for graph, first in zip(graphs, offset, strict=True)])]
        edge_order = np.argsort(depth[links[:, 1]].astype(np.int16), kind="stable")
        links = links[edge_order]
        edges = np.concatenate([graph.edges for graph in graphs])[edge_order]
        backward_order = np.argsort(-depth[links[:, 0]].astype(np.int16), kind="stable")
        steps = int(depth[-1]) + 1 if depth.size else 0
        node_bounds = np.searchsorted(depth, np.arange(steps + 1)).tolist()
        into = np.searchsorted(depth[links[:, 1]], np.arange(steps + 1)).tolist()
        tails = -depth[links[backward_order, 0]]
        out = np.searchsorted(tails, np.arange(-steps + 1, 2)).tolist()
        owner = np.repeat(np.arange(len(graphs)), sizes)
        slot = np.arange(order.size) - offset[owner]
        mask = np.zeros((len(graphs), max(row.size for row in selectable)), bool)
        for row, allowed in zip(mask, selectable, strict=True):
            row[: allowed.size] = allowed

        def tensor(array: NDArray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        ranges = [(node_bounds[i], node_bounds[i + 1]) for i in range(steps)]
        reverse = links[backward_order, ::-1]
        return cls(
            nodes=tensor(np.concatenate([graph.nodes for graph in graphs])[order]),
            edges=tensor(edges),
            forward=PassPlan(
                tensor(links[:, 0]), tensor(links[:, 1]), ranges, [(into[i], into[i + 1]) for i in range(steps)],
                tensor(_inverse_degree(links[:, 1], order.size)),
            ),
            backward=PassPlan(
                tensor(reverse[:, 0]), tensor(reverse[:, 1]), ranges[::-1],
                [(out[i], out[i + 1]) for i in range(steps)], tensor(_inverse_degree(reverse[:, 1], order.size)),
            ),
            backward_order=tensor(backward_order),
            graph=tensor(owner[order]),
            slot=tensor(slot[order]),
            selectable=tensor(mask),
        )  # fmt: skip


def _inverse_degree(targets: NDArray[np.int64], num_nodes: int) -> NDArray[np.float32]:
    counts = np.bincount(targets, minlength=num_nodes)
    return np.where(counts > 0, 1.0 / np.maximum(counts, 1), 0.0).astype(np.float32)

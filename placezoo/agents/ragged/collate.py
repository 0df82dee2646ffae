"""Observations with graphs of any size as one batch for PyTorch Geometric."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import GraphInstance

with warnings.catch_warnings():
    # PyTorch Geometric 2.8 calls torch.jit.script while it is imported, which torch 2.13 says is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.data import Batch, Data


def collate(observations: Sequence[Any], device: str | torch.device = "cpu") -> Any:
    """Batch observations of one structure: graphs side by side as a ``Batch``, arrays stacked, dicts part by part.

    Args:
        observations: as the environment returns them.
        device: where the tensors go.

    Returns:
        The observation's structure; a graph becomes a ``torch_geometric.data.Batch`` with ``x`` [N, F], ``edge_index``
        [2, E], ``edge_attr`` [E, Fe] (where the graphs have edges) and ``batch`` [N].

    Raises:
        ValueError: nothing to batch, or arrays of different shapes outside of graphs.
    """
    if not observations:
        raise ValueError("no observations to batch")
    first = observations[0]
    if isinstance(first, GraphInstance):
        return Batch.from_data_list([graph_data(graph) for graph in observations]).to(device)
    if isinstance(first, dict):
        return {name: collate([one[name] for one in observations], device) for name in first}
    if isinstance(first, tuple):
        return tuple(collate(parts, device) for parts in zip(*observations, strict=True))
    return torch.as_tensor(np.stack([np.asarray(one) for one in observations])).to(device)


def graph_data(graph: GraphInstance) -> Data:
    """Return a Gymnasium graph as PyTorch Geometric's."""
    data = Data(x=torch.tensor(np.asarray(graph.nodes)))  # a copy: what environments hand out is read-only
    links = graph.edge_links
    data.edge_index = torch.as_tensor(
        np.zeros((2, 0), np.int64) if links is None else np.ascontiguousarray(np.asarray(links, np.int64).T)
    )
    if graph.edges is not None:
        data.edge_attr = torch.tensor(np.asarray(graph.edges))
    return data

"""PyTorch Geometric's layers, imported in silence."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # PyTorch Geometric 2.8 calls torch.jit.script while it is imported, which torch 2.13 says is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import GATv2Conv, GINEConv, MessagePassing, SAGEConv, TransformerConv

__all__ = ["GATv2Conv", "GINEConv", "MessagePassing", "SAGEConv", "TransformerConv"]

"""The types of tensors in and behind regions of autocast, which does nothing on the meta device."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map


def set_autocast_types(module: fx.GraphModule) -> None:
    """Give nodes in ``meta["val"]`` the types that autocast gives them, where ``inlined`` marked regions of it.

    Which operators run in lower precision is torch's own rule for the CPU: it is asked with tensors that have a device
    but no values. What it does not run keeps the type that it had.
    """
    nodes = list(module.graph.nodes)
    if not any("autocast" in node.meta for node in nodes):
        return
    with FakeTensorMode(allow_non_fake_inputs=True):
        _Types(module).run(*[_with_device(node.meta.get("val")) for node in nodes if node.op == "placeholder"])


class _Types(fx.Interpreter):
    """Runs a graph under autocast where a node is marked."""

    def run_node(self, n: fx.Node) -> Any:
        if n.op != "call_function":
            return super().run_node(n)
        dtype = n.meta.get("autocast")
        try:
            with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                result = super().run_node(n)
        except Exception:  # an operator that the CPU lacks, or two types that do not meet outside of a region
            return tree_map(_with_device, n.meta.get("val"))
        n.meta["val"] = tree_map(_without_device, result)
        return result

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = tree_map(_with_device, (args, kwargs))
        return super().call_function(target, args, kwargs)


def _with_device(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.device.type == "meta":
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cpu")
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _without_device(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return value

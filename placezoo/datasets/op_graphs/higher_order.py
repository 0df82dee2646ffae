"""Operators of torch that hold a part of the model: what ``no_grad`` holds is inlined, control flow is refused.

``torch.export`` makes such an operator of each region of a forward pass that runs differently. A region that runs
exactly once is what its operators are; which operators a branch or a loop runs is known only when it does.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx
from torch._ops import HigherOrderOperator
from torch.utils._pytree import tree_leaves

# All of them take a body, and last the values that it reads.
_ONE_BODY = (
    "wrap", "wrap_with_set_grad_enabled", "wrap_with_autocast", "tag_activation_checkpoint",
    "wrap_activation_checkpoint", "dynamo_bypassing_wrapper", "hints_wrapper", "strict_mode", "invoke_subgraph",
    "invoke_quant",
)  # fmt: skip
_CONTROL = ("cond", "map", "map_impl", "while_loop", "while_loop_stack_output", "scan", "associative_scan")
_NO_WORK = ("print", "_export_tracepoint")


def inlined(module: fx.GraphModule) -> fx.GraphModule:
    """Return a traced graph with every region that runs once in the place of its operator, regions in it too.

    The nodes of a region that lowers precision have ``meta["autocast"]``, the type.

    Raises:
        ValueError: an operator holds control flow, or something else that is not read; says which.
    """
    if not any(isinstance(node.target, HigherOrderOperator) for node in module.graph.nodes):
        return module
    graph = fx.Graph()
    graph.output(_copied(module, "", graph, {}, None))
    return fx.GraphModule(module, graph)


def refuse_open_sizes(module: fx.GraphModule) -> None:
    """Raise ValueError where a size is found in values only, at the first such operator."""
    for node in module.graph.nodes:
        tensors = [one for one in tree_leaves(node.meta.get("val")) if isinstance(one, torch.Tensor)]
        if not all(isinstance(side, int) for one in tensors for side in one.shape):
            kind = str(node.target).removesuffix(".default")
            raise ValueError(f"operator {kind} ({node.name}): how much it returns depends on values")


def _copied(module: Any, path: str, graph: fx.Graph, values: dict[fx.Node, Any], autocast: Any) -> Any:
    """Copy the nodes of a module into a graph; return its output.

    Args:
        module: a ``GraphModule``.
        path: of the module below the root, with a final dot.
        graph: where they go.
        values: of its placeholders, where these are values of the graph; added to.
        autocast: the type that a surrounding region lowers to.
    """
    for node in module.graph.nodes:
        if node in values:
            continue
        if node.op == "output":
            return fx.map_arg(node.args[0], lambda one: values[one])
        if isinstance(node.target, HigherOrderOperator) and node.target.name() not in _NO_WORK:
            values[node] = _region(module, path, node, graph, values, autocast)
        elif node.target is operator.getitem and isinstance(values[node.args[0]], (tuple, list)):
            values[node] = values[node.args[0]][node.args[1]]
        elif node.op != "get_attr" or not isinstance(_attribute(module, node.target), fx.GraphModule):
            copy = graph.node_copy(node, lambda one: values[one])
            if node.op == "get_attr":
                copy.target = path + node.target
            if autocast is not None:
                copy.meta = {**copy.meta, "autocast": autocast}
            values[node] = copy
    raise ValueError("a region of the graph has no output")


def _region(module: Any, path: str, node: fx.Node, graph: fx.Graph, values: dict[fx.Node, Any], autocast: Any) -> Any:
    """Copy the body of an operator in its place; return what the operator returns."""
    name = node.target.name()  # type: ignore[union-attr]
    if name in _CONTROL:
        raise ValueError(
            f"operator {name.removesuffix('_impl')} ({node.name}): control flow has no fixed graph; "
            "trace the branch or the step that you want to place"
        )
    held = [one for one in node.all_input_nodes if one.op == "get_attr"]
    bodies = [(one, _attribute(module, one.target)) for one in held]
    bodies = [(one, body) for one, body in bodies if isinstance(body, fx.GraphModule)]
    if name not in _ONE_BODY or len(bodies) != 1:
        raise ValueError(f"operator {name} ({node.name}): nobody can count what is in it; replace it by operators")
    ((held_as, body),) = bodies
    placeholders = [one for one in body.graph.nodes if one.op == "placeholder"]
    leaves = tree_leaves(list(node.args))
    operands = leaves[len(leaves) - len(placeholders) :]
    inner = dict(zip(placeholders, (values.get(one, one) for one in operands), strict=True))
    if name == "wrap_with_autocast":
        _, dtype, enabled = node.args[:3]
        autocast = dtype if enabled else None
    return _copied(body, f"{path}{held_as.target}.", graph, inner, autocast)


def _attribute(module: Any, target: Any) -> Any:
    for part in str(target).split("."):
        module = getattr(module, part)
    return module

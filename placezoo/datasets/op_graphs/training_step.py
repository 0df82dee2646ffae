"""A training step's forward and backward pass as one graph, by AOTAutograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from placezoo.datasets.op_graphs.higher_order import inlined, refuse_open_sizes

LOSS_PREFIX = "model."  # of the names of parameters


def joint_graph(module: nn.Module, arguments: list[Any], keywords: dict[str, Any]) -> tuple[fx.GraphModule, Any]:
    """Return the graph of a model's forward pass, the mean of its outputs and the backward pass, and its signature.

    Args:
        module: on the meta device; it is changed.
        arguments: of its ``forward``.
        keywords: of its ``forward``.

    Raises:
        ValueError: there is nothing to train, or something in it is not read; torch raises more.
    """
    from torch._functorch.aot_autograd import aot_export_module

    # Exported first: that settles what depends on shapes only, masks for example.
    program = torch.export.export(module, tuple(arguments), kwargs=keywords, strict=False)
    refuse_open_sizes(inlined(program.graph_module))
    values, form = tree_flatten((arguments, keywords))
    model = _MeanLoss(program.module(check_guards=False), form)
    _register_constants(model.model)
    _untie(model.model)
    _freeze_what_has_no_gradient(model, values)
    graph, signature = aot_export_module(model, values, trace_joint=True, output_loss_index=0)
    assert isinstance(graph, fx.GraphModule)
    return graph, signature


class _MeanLoss(nn.Module):
    """A model with the mean of all its floating-point outputs as a loss."""

    def __init__(self, model: fx.GraphModule, form: Any) -> None:
        super().__init__()
        self.model = model
        self._form = form  # of its arguments and keywords

    def forward(self, *values: Any) -> tuple[torch.Tensor]:
        arguments, keywords = tree_unflatten(list(values), self._form)
        output = self.model(*arguments, **keywords)
        tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
        means = [leaf.float().mean() for leaf in tensors if leaf.is_floating_point()]
        if not means:
            raise ValueError("it returns no floating-point tensor to train; trace inference instead")
        return (torch.stack(means).sum(),)


def _register_constants(module: fx.GraphModule) -> None:
    """Make tensors that the user's module holds without having registered them buffers: AOTAutograd knows no others."""
    for node in module.graph.nodes:
        if node.op == "get_attr" and "." not in node.target:
            value = getattr(module, node.target)
            if isinstance(value, torch.Tensor) and node.target in vars(module):
                delattr(module, node.target)
                module.register_buffer(node.target, value.to("meta"))


def _untie(module: fx.GraphModule) -> None:
    """Give each name of a tied parameter one of its own: AOTAutograd wants a gradient for each.

    They meet again by their first name: one update reads the gradients of all.
    """
    seen: set[int] = set()
    for name, parameter in list(module.named_parameters(remove_duplicate=False)):
        if id(parameter) in seen:
            owner, _, last = name.rpartition(".")
            own = nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
            setattr(module.get_submodule(owner), last, own)
        seen.add(id(parameter))


def _freeze_what_has_no_gradient(model: _MeanLoss, values: list[Any]) -> None:
    """Mark as frozen what no gradient reaches: AOTAutograd wants one for every parameter that is trained."""
    trained = [one for one in model.parameters() if one.requires_grad]
    (loss,) = model(*values)
    if not loss.requires_grad:
        raise ValueError("no parameter that is trained reaches its outputs; trace inference instead")
    for parameter, gradient in zip(trained, torch.autograd.grad(loss, trained, allow_unused=True), strict=True):
        parameter.requires_grad_(gradient is not None)

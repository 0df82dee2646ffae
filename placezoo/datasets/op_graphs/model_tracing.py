"""Operator graphs of real models: any ``torch.nn.Module``, traced without weights on the meta device.

Floating-point operations are those of torch's own ``FlopCounterMode`` (a multiply-add is two), and of ``torch_flops``
where it has no formula. Views and other operators that move nothing are left out: their readers read what they are
views of.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves, tree_map

from placezoo.datasets.connected import connected_groups
from placezoo.datasets.op_graphs.autocast_types import set_autocast_types
from placezoo.datasets.op_graphs.higher_order import inlined, refuse_open_sizes
from placezoo.datasets.op_graphs.module_copy import meta_copy
from placezoo.datasets.op_graphs.op_graph import OpGraph, Product
from placezoo.datasets.op_graphs.torch_flops import count_flops
from placezoo.datasets.op_graphs.training_step import LOSS_PREFIX, joint_graph

ADAM_STATE = 3.0  # bytes of gradient and two moments for each byte of parameters
_ADAM_FLOPS, _ADAM_TRAFFIC = 12.0, 7.0  # per element; reads and writes of parameter, gradient and moments


def trace_module(
    module: nn.Module,
    arguments: Sequence[Any] = (),
    keywords: Mapping[str, Any] | None = None,
    *,
    training: bool = False,
    decomposed: bool = False,
    name: str = "model",
) -> OpGraph:
    """Return the operator graph of a model.

    A copy without weights is traced; the model itself stays as it is, on its device and in its mode.

    Args:
        module: built under ``torch.device("meta")`` it needs no memory for weights.
        arguments: of its ``forward``; tensors give shapes and types only.
        keywords: of its ``forward``.
        training: trace forward, backward (by AOTAutograd, of the mean of all floating-point outputs) and an Adam step;
            a parameter's forward, backward and update share a device. Frozen parameters are not updated.
        decomposed: into torch's core operators: a normalisation or an attention becomes several. Training graphs are
            decomposed as AOTAutograd does it.
        name: of the graph.

    Raises:
        ValueError: the model cannot be traced, or an operator may hold a product that nobody can count; says at which
            operator.
    """
    first_names = _first_names(module)
    try:
        module = meta_copy(module).train(training)
        moved, named = tree_map(_on_meta, (list(arguments), dict(keywords or {})))
        with torch.device("meta"):
            if training:
                return _trace_training(module, moved, named, first_names, name)
            return _trace_inference(module, moved, named, first_names, decomposed, name)
    except Exception as error:  # torch raises all kinds of things; the user needs one line
        raise ValueError(f"{name}: cannot be traced: {_reason(error)}") from None


def _on_meta(value: Any) -> Any:
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = next((line for line in lines if "aten." in line), "")
    what = lines[0] if lines else type(error).__name__
    if type(error).__name__ == "GuardOnDataDependentSymNode":
        return f"which operators it runs depends on values, so there is no fixed graph ({what})"
    if what.startswith("FlexAttention is only supported"):
        return "flex_attention needs values; use scaled_dot_product_attention (attn_implementation='sdpa')"
    return what if not where or where == what else f"{what} (at {where[:120]})"


def _trace_inference(
    module: nn.Module,
    arguments: list[Any],
    keywords: dict[str, Any],
    first_names: Mapping[str, str],
    decomposed: bool,
    name: str,
) -> OpGraph:
    program = torch.export.export(module, tuple(arguments), kwargs=keywords, strict=False)
    refuse_open_sizes(inlined(program.graph_module))
    if decomposed:
        program = program.run_decompositions()
    signature = program.graph_signature
    parameters = _names(signature, first_names)
    return _read(program.graph_module, parameters, {}, None, first_names, name)


def _first_names(module: nn.Module) -> dict[str, str]:
    """Return the name under which each parameter and buffer occurs first: those that are shared have several."""
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in tensors}


def _names(signature: Any, first_names: Mapping[str, str]) -> dict[str, str]:
    """Return placeholder -> parameter or buffer."""
    found = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {str(key): _first(str(name), first_names) for key, name in found.items()}


def _first(name: str, first_names: Mapping[str, str]) -> str:
    own = name.removeprefix(LOSS_PREFIX)
    return first_names.get(name, first_names.get(own, own))


def _trace_training(
    module: nn.Module, arguments: list[Any], keywords: dict[str, Any], first_names: Mapping[str, str], name: str
) -> OpGraph:
    graph, signature = joint_graph(module, arguments, keywords)
    parameters = _names(signature, first_names)
    backward = signature.backward_signature
    assert backward is not None
    # The outputs are updated buffers, then the loss (the signature calls the first of all the loss), then gradients.
    outputs = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    loss_output = outputs[len(signature.buffers_to_mutate)].name
    gradients = {str(key): _first(str(one), first_names) for key, one in backward.gradients_to_parameters.items()}
    return _read(graph, parameters, gradients, loss_output, first_names, name)


class _Counter(fx.Interpreter):
    """Runs a graph on meta tensors and counts each node's floating-point operations and products."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.flops: dict[str, float] = {}
        self.products: dict[str, tuple[Product, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op != "call_function":
            return super().run_node(n)
        result, self.flops[n.name], self.products[n.name] = count_flops(super().run_node, n)
        return result


def _read(
    module: fx.GraphModule,
    parameters: Mapping[str, str],
    gradients: Mapping[str, str],
    loss: str | None,
    first_names: Mapping[str, str],
    name: str,
) -> OpGraph:
    """Return the operator graph of a traced graph.

    Args:
        module: of aten operators; its placeholders have their shapes as ``meta["val"]``.
        parameters: placeholder -> parameter or buffer.
        gradients: node -> parameter whose gradient it is.
        loss: the node of the loss, in graphs with a backward pass.
        first_names: of the user's parameters and buffers, for each of their names.
        name: of the graph.
    """
    module = inlined(module)
    refuse_open_sizes(module)
    nodes = list(module.graph.nodes)
    counter = _Counter(module)
    counter.run(*[_empty(node.meta.get("val")) for node in nodes if node.op == "placeholder"])
    set_autocast_types(module)
    forward = _ancestors(nodes, loss) if loss is not None else {node.name for node in nodes}
    origin: dict[fx.Node, set[str]] = {}  # what a node's value is made of: "op NAME" or "parameter NAME"
    kept: dict[str, int] = {}
    columns: dict[str, list[Any]] = {key: [] for key in ("flops", "products", "moved", "output", "kinds", "backward")}
    edges: set[tuple[int, int]] = set()
    readers: dict[str, list[int]] = {}
    for node in nodes:
        if node.op == "placeholder":
            origin[node] = {f"parameter {parameters[node.name]}"} if node.name in parameters else set()
        elif node.op == "call_function":
            sources: set[str] = set().union(*(origin.get(one, set()) for one in node.all_input_nodes))
            if _moves_nothing(node):
                origin[node] = sources
                continue
            index = kept[node.name] = len(kept)
            origin[node] = {f"op {node.name}"}
            written = _bytes(node.meta.get("val"))
            columns["flops"].append(counter.flops[node.name])
            columns["products"].append(counter.products[node.name])
            columns["moved"].append(written + _bytes_read(node, written))
            columns["output"].append(written)
            columns["kinds"].append(_kind(node))
            columns["backward"].append(node.name not in forward)
            for source in sources:
                kind, _, what = source.partition(" ")
                if kind == "op":
                    edges.add((kept[what], index))
                else:
                    readers.setdefault(what, []).append(index)
    if not kept:
        raise ValueError("there is no operator in it")
    by_name = {node.name: node for node in nodes}
    updates: dict[str, set[str]] = {}
    for node_name, parameter in gradients.items():
        if node_name in by_name:
            updates.setdefault(parameter, set()).update(origin.get(by_name[node_name], set()))
    return _assemble(module, nodes, parameters, kept, columns, edges, readers, updates, first_names, name)


def _assemble(
    module: fx.GraphModule,
    nodes: list[fx.Node],
    parameters: Mapping[str, str],
    kept: dict[str, int],
    columns: dict[str, list[Any]],
    edges: set[tuple[int, int]],
    readers: dict[str, list[int]],
    updates: dict[str, set[str]],
    first_names: Mapping[str, str],
    name: str,
) -> OpGraph:
    """Give parameters to their first readers, add the optimizer's operators, and build the graph."""
    sizes = {parameters[node.name]: _bytes(node.meta.get("val")) for node in nodes if node.name in parameters}
    names = list(kept)
    together: list[tuple[int, int]] = []
    held = [0.0] * len(kept)
    all_names: dict[str, list[str]] = {}
    for alias, first in first_names.items():
        all_names.setdefault(first, []).append(alias)
    held_names: list[tuple[str, ...]] = [()] * len(kept)
    for parameter, ops in readers.items():
        held[ops[0]] += sizes.get(parameter, 0.0)
        held_names[ops[0]] += tuple(all_names.get(parameter, ()))
        together += [(ops[0], other) for other in ops[1:]]
    for parameter, sources in updates.items():
        index = len(names)
        size = sizes.get(parameter, 0.0)
        names.append(f"adam_{parameter}")
        held.append(0.0)
        held_names.append(())
        columns["flops"].append(_ADAM_FLOPS * size / 4)
        columns["products"].append(())
        columns["moved"].append(_ADAM_TRAFFIC * size)
        columns["output"].append(0.0)
        columns["kinds"].append("adam")
        columns["backward"].append(True)
        edges.update((kept[source.partition(" ")[2]], index) for source in sources if source.startswith("op "))
        if readers.get(parameter):
            together.append((readers[parameter][0], index))
    return OpGraph(
        flops=np.array(columns["flops"]),
        bytes_moved=np.array(columns["moved"], float),
        output_bytes=np.array(columns["output"], float),
        parameter_bytes=np.array(held),
        edges=np.array(sorted(edges), np.int64).reshape(-1, 2),
        kinds=tuple(columns["kinds"]),
        names=tuple(names),
        backward=np.array(columns["backward"], bool),
        group=connected_groups(len(names), together),
        state_bytes=ADAM_STATE if updates else 0.0,
        parameters=tuple(held_names),
        products=tuple(columns["products"]),
        name=name,
    )


def _ancestors(nodes: list[fx.Node], loss: str) -> set[str]:
    """Return the names of the nodes that the loss is computed from, and its own."""
    found: set[str] = set()
    waiting = [node for node in nodes if node.name == loss]
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found.add(node.name)
            waiting += node.all_input_nodes
    return found


def _kind(node: fx.Node) -> str:
    return str(node.target).removesuffix(".default")


def _moves_nothing(node: fx.Node) -> bool:
    """Whether a node's value is (part of) one of its inputs."""
    if node.target is operator.getitem or _kind(node) in _IDENTITIES:
        return True
    if _kind(node) == "aten.dropout":
        return not node.args[2]
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.returns:
        return True  # assertions, sizes
    infos = [one.alias_info for one in schema.returns]
    return all(info is not None and not info.is_write for info in infos)


_LOOKUPS = ("aten.embedding", "aten.index_select", "aten.gather", "aten.index.Tensor")
_IDENTITIES = ("aten._assert_tensor_metadata", "aten.lift_fresh_copy", "aten.alias", "aten.detach")


def _tensors(value: Any) -> list[torch.Tensor]:
    return [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]


def _bytes(value: Any) -> float:
    return float(sum(one.numel() * one.element_size() for one in _tensors(value)))


def _bytes_read(node: fx.Node, written: float) -> float:
    """Return what an operator reads; a lookup reads of its table what it writes."""
    sizes = [_bytes(one.meta.get("val")) for one in node.all_input_nodes]
    if _kind(node) in _LOOKUPS:
        sizes[0] = min(sizes[0], written)
    return sum(sizes)


def _empty(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return value

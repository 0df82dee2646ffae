"""The layers of a traced network.

Each matrix product of an operator is a layer. What works on one result that nobody else reads (normalisation,
activation, pooling) is done on the way out, at no time of its own; so are concatenations and padding. All else is an
elementwise layer: what adds two results, for example.
"""

from __future__ import annotations

import numpy as np

from placezoo.datasets.accel.layer_graph import Layer, LayerGraph
from placezoo.datasets.op_graphs.op_graph import OpGraph, Product

_BYTES = 4.0  # of a value in a traced network
_PLACES = ("aten.cat", "aten.pad", "aten.constant_pad_nd", "aten.stack")  # what writes knows where to


def layers_of(graph: OpGraph) -> LayerGraph:
    """Return the layers of a network's inference.

    Raises:
        ValueError: the graph has a backward pass, or an operator computes products whose shapes nobody knows.
    """
    if np.any(graph.backward):
        raise ValueError(f"{graph.name}: accelerators are searched for inference, this network has a backward pass")
    start, incoming = graph.dag.predecessors
    readers = np.diff(graph.dag.successors[0])
    sources = np.asarray(graph.edges)[:, 0] if graph.num_edges else np.zeros(0, np.int64)
    layers: list[Layer] = []
    edges: set[tuple[int, int]] = set()
    makers: dict[int, tuple[int, ...]] = {}  # the layers that write an operator's result; constants have none
    for op in graph.dag.order.tolist():
        before = [one for one in sources[incoming[start[op] : start[op + 1]]].tolist() if makers.get(one)]
        made_by = sorted({layer for one in before for layer in makers[one]})
        if graph.products[op]:
            first = len(layers)
            layers += [_product_layer(graph, op, number) for number in range(len(graph.products[op]))]
            edges |= {(one, first) for one in made_by} | {(one, one + 1) for one in range(first, len(layers) - 1)}
            makers[op] = (len(layers) - 1,)
            continue
        if graph.flops[op] > 0:
            raise ValueError(
                f"{graph.name}: operator {graph.names[op]} ({graph.kinds[op]}) is a layer of unknown kind: it computes "
                "products, and their shapes are not known; trace the network again"
            )
        if graph.kinds[op].startswith(_PLACES):
            makers[op] = tuple(made_by)
            continue
        written = graph.output_bytes[op] / _BYTES
        read = max(graph.bytes_moved[op] / _BYTES - written, 0.0)
        weights = min(graph.parameter_bytes[op] / _BYTES, read)
        if len(before) == 1 and readers[before[0]] == 1:
            for one in made_by:
                share = layers[one].outputs / max(sum(layers[other].outputs for other in made_by), 1.0)
                layers[one] = layers[one]._replace(
                    outputs=share * written, weights=layers[one].weights + share * weights
                )
            makers[op] = tuple(made_by)
        elif made_by or weights:
            edges |= {(one, len(layers)) for one in made_by}
            makers[op] = (len(layers),)
            layers.append(Layer(graph.names[op], "elementwise", read - weights, weights, written))
    return LayerGraph(tuple(layers), sorted(edges), name=graph.name)


def _product_layer(graph: OpGraph, op: int, number: int) -> Layer:
    products = graph.products[op]
    product = products[number]
    weights = float(product.batch * product.inner * product.columns)
    outputs = float(product.batch * product.rows * product.columns)
    name = graph.names[op]
    if len(products) > 1:  # of an attention or a recurrent layer: what is between them is not in the operator's bytes
        inputs, name = float(product.batch * product.rows * product.inner), f"{name}.{number}"
    else:
        outputs = max(outputs, graph.output_bytes[op] / _BYTES)
        read = (graph.bytes_moved[op] - graph.output_bytes[op] - graph.parameter_bytes[op]) / _BYTES
        inputs = max(read if graph.parameter_bytes[op] else read - weights, 1.0)
    sizes = product.batch, product.rows, product.inner, product.columns
    lines = _lines(product)
    if lines is None:
        return Layer(name, "product", inputs, weights, outputs, *sizes)
    return Layer(name, "separable", inputs, weights, outputs, *sizes, *lines, product.stride)


def _lines(product: Product) -> tuple[int, int, int] | None:
    """Return how many rows a one-dimensional convolution of each channel goes along, how long, with which filters."""
    one_dimensional = (product.filter_height == 1) != (product.filter_width == 1)
    if product.stride == 0 or product.columns != 1 or product.inner == 1 or not one_dimensional:
        return None
    if product.inner != product.filter_height * product.filter_width:
        return None  # groups of several channels
    along, across = product.width, product.height
    if product.filter_width == 1:
        along, across = across, along
    windows = -(-(along - product.inner + product.stride) // product.stride) * -(-across // product.stride)
    samples = max(round(product.rows / windows), 1) if windows > 0 else 1
    return samples * product.batch * across, along, product.inner

"""The matrix products that operators compute, beside their floating-point operations."""

import numpy as np
import pytest

from placezoo.datasets import OpGraph, load, read_op_graph, write_op_graph
from placezoo.datasets.op_graphs.op_graph import Product


def test_every_product_of_the_shipped_networks_is_known():
    for name in ("transformers:resnet-50", "transformers:bert-base", "transformers:convnext-tiny", "torch:fuseconv"):
        graph = load(name)
        for op in range(graph.num_ops):
            assert sum(2 * product.multiply_adds for product in graph.products[op]) == graph.flops[op]


def test_the_shapes_of_resnet_50():
    products = [product for held in load("transformers:resnet-50").products for product in held]
    assert len(products) == 54
    assert products[0] == Product(1, 112 * 112, 3 * 7 * 7, 64, 230, 230, 7, 7, 2)
    assert products[-1] == Product(1, 1, 2048, 1000)


def test_groups_heads_and_transposed_convolutions():
    torch = pytest.importorskip("torch")
    from placezoo.datasets.model_tracing import trace_module

    def products(module, *shapes):
        with torch.device("meta"):
            graph = trace_module(module, [torch.zeros(shape) for shape in shapes])
        assert all(
            sum(2 * one.multiply_adds for one in held) == flops
            for held, flops in zip(graph.products, graph.flops, strict=True)
        )
        return [one for held in graph.products for one in held]

    class Attention(torch.nn.Module):
        def forward(self, query, key):
            return torch.nn.functional.scaled_dot_product_attention(query, key, key)

    nn = torch.nn
    assert products(nn.Conv2d(6, 9, (1, 3), (2, 1), (0, 1), groups=3), (2, 6, 5, 8)) == [
        Product(3, 2 * 3 * 8, 6, 3, 5, 10, 1, 3, 2)
    ]
    assert products(nn.Conv1d(4, 8, 3, padding="same"), (1, 4, 10)) == [Product(1, 10, 12, 8, 1, 12, 1, 3, 1)]
    assert products(nn.ConvTranspose2d(4, 6, 3, groups=2), (1, 4, 5, 7)) == [Product(2, 35, 2, 27)]
    assert products(Attention(), (2, 3, 4, 5), (2, 3, 6, 5)) == [Product(6, 4, 5, 6), Product(6, 4, 6, 5)]


def test_products_survive_a_file_and_are_not_content(tmp_path):
    numbers = [np.ones(2)] * 4
    known = ((Product(1, 2, 3, 4), Product(2, 1, 1, 1, 5, 5, 3, 3, 1)), ())
    graph = OpGraph(*numbers, edges=[(0, 1)], products=known)
    write_op_graph(graph, tmp_path / "a.json")
    assert read_op_graph(tmp_path / "a.json").products == known
    assert graph == OpGraph(*numbers, edges=[(0, 1)])

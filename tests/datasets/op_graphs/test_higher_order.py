"""Regions of a forward pass: counted where they run once, refused by name where values decide."""

import warnings

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from placezoo.datasets.op_graphs.higher_order import inlined  # noqa: E402
from placezoo.datasets.op_graphs.model_tracing import trace_module  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def no_grad(layer, x):
    with torch.no_grad():
        return layer(x)


def no_grad_of_two_values(layer, x):
    with torch.no_grad():
        high, low = layer(x).chunk(2, -1)
        total = high.sum()
    return high * low + total


def autocast(layer, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return layer(x)


def autocast_off(layer, x):
    with torch.autocast("cpu", enabled=False):
        return layer(x)


def nested(layer, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = x.relu()
        with torch.no_grad():
            x = layer(x)
            with torch.enable_grad(), torch.autocast("cpu", enabled=False):
                x = layer(x.float())
    return layer(x)


def checkpointed(layer, x):
    return checkpoint(layer, x, use_reentrant=False)


def twice(layer, x):
    with torch.no_grad():
        a = layer(x)
    b = a + 1
    with torch.no_grad():
        return layer(b)


class Net(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.first, self.second, self.how = nn.Linear(64, 64), nn.Linear(64, 64), how

    def forward(self, x):
        return self.how(self.second, self.first(x))


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize(
    "how", [no_grad, no_grad_of_two_values, autocast, autocast_off, nested, checkpointed, twice],
    ids=lambda how: how.__name__,
)  # fmt: skip
def test_what_is_in_a_region_counts(how, decomposed):
    module, x = Net(how), torch.randn(8, 64)
    graph = trace_module(module, (x,), decomposed=decomposed)
    with FlopCounterMode(display=False) as counter:
        module(x)
    assert graph.flops.sum() == counter.get_total_flops()
    assert graph.flops.sum() >= 2 * (2 * 8 * 64 * 64)
    assert graph.parameter_bytes.sum() == 4 * 2 * (64 * 64 + 64)
    reached = {0}
    for source, target in graph.edges.tolist():  # in topological order: the region hangs on what is before it
        if source in reached:
            reached.add(target)
    assert reached == set(range(graph.num_ops))


def test_bytes_under_autocast_are_those_of_the_lower_precision():
    graph = trace_module(Net(autocast), (torch.randn(8, 64),))
    assert graph.kinds == ("aten.linear", "aten.linear")
    assert graph.output_bytes.tolist() == [4 * 8 * 64, 2 * 8 * 64]  # the second is bfloat16, as it is in eager mode
    assert Net(autocast)(torch.randn(8, 64)).element_size() == 2
    assert graph.bytes_moved[1] == 4 * 8 * 64 + 4 * (64 * 64 + 64) + 2 * 8 * 64  # weights are float32 in memory

    def behind(layer, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(x)
            z = torch.nn.functional.layer_norm(y, (64,)).exp()
        return y * 2, z, (y + x)

    graph = trace_module(Net(behind), (torch.randn(8, 64),))
    eager = [one.element_size() for one in Net(behind)(torch.randn(8, 64))]
    sizes = dict(zip(graph.kinds, (graph.output_bytes / (8 * 64)).tolist(), strict=True))
    assert [sizes["aten.mul.Tensor"], sizes["aten.exp"], sizes["aten.add.Tensor"]] == eager
    assert sizes["aten.linear"] == 2


def branch(layer, x):
    return torch.cond(x.sum() > 0, lambda y: layer(y), lambda y: layer(y) + 1, (x,))


def rows(layer, x):
    from torch._higher_order_ops.map import map as map_rows

    return map_rows(lambda row: layer(row), x)


def loop(layer, x):
    from torch._higher_order_ops.while_loop import while_loop

    start = (torch.zeros((), dtype=torch.long), x)
    return while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, layer(y)), start)[1]


def scanned(layer, x):
    from torch._higher_order_ops.scan import scan

    return scan(lambda carry, y: (carry + y, layer(y)), x[0], x)[1]


def branch_in_a_region(layer, x):
    with torch.no_grad():
        return branch(layer, x)


@pytest.mark.parametrize("step", [{}, {"training": True}, {"decomposed": True}])
@pytest.mark.parametrize(
    ("how", "name"),
    [(branch, "cond"), (rows, "map"), (loop, "while_loop"), (scanned, "scan"), (branch_in_a_region, "cond")],
)
def test_control_flow_is_refused_by_name(how, name, step):
    with pytest.raises(ValueError, match=rf"mine: .*operator {name} \(.*control flow has no fixed graph") as caught:
        trace_module(Net(how), (torch.randn(8, 64),), name="mine", **step)
    assert "\n" not in str(caught.value)


def test_other_operators_with_bodies():
    """Graphs that only other tracers make: a region in a region, by hand."""
    inner = torch.fx.symbolic_trace(nn.ReLU())
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    body = graph.get_attr("body")
    made = graph.call_function(torch.ops.higher_order.invoke_subgraph, (body, "relu", x))
    graph.output((graph.call_function(torch.neg, (made,)),))
    outer = torch.fx.GraphModule({"body": inner}, graph)
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    body = graph.get_attr("outer")
    made = graph.call_function(torch.ops.higher_order.hints_wrapper, (body, (x,), {}), {"hints": {}})
    graph.output(graph.call_function(__import__("operator").getitem, (made, 0)))
    module = inlined(torch.fx.GraphModule({"outer": outer}, graph))
    assert next(iter(module.graph.nodes)).op == "placeholder"
    value = torch.tensor([-1.0, 2.0])
    assert torch.equal(module(value), -value.relu())
    assert not any("higher_order" in str(node.target) or node.op == "get_attr" for node in module.graph.nodes)


class Frozen(nn.Module):
    """A frozen backbone below a trainable head: fine-tuning as everybody writes it."""

    def __init__(self, how):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.head, self.how = nn.Linear(64, 10), how
        self.unused = nn.Linear(3, 3)
        if how == "requires_grad":
            self.backbone.requires_grad_(False)

    def forward(self, x):
        if self.how == "no_grad":
            with torch.no_grad():
                x = self.backbone(x)
        else:
            x = self.backbone(x)
            x = x.detach() if self.how == "detach" else x
        return self.head(x)


@pytest.mark.parametrize("how", ["no_grad", "requires_grad", "detach"])
def test_a_frozen_backbone_is_trained_by_its_head_only(how):
    module, x = Frozen(how), torch.randn(8, 64)
    graph = trace_module(module, (x,), training=True)
    assert {name for name in graph.names if name.startswith("adam")} == {"adam_head.weight", "adam_head.bias"}
    adam = sum(flops for flops, kind in zip(graph.flops, graph.kinds, strict=True) if kind == "adam")
    with FlopCounterMode(display=False) as counter:
        module(x).mean().backward()
    assert graph.flops.sum() - adam == counter.get_total_flops() == 2 * 8 * (2 * 64 * 64 + 64 * 10 + 64 * 10)


def test_nothing_to_train_is_said():
    with pytest.raises(ValueError, match="no parameter that is trained reaches its outputs; trace inference instead"):
        trace_module(Net(no_grad).requires_grad_(False), (torch.randn(8, 64),), training=True)


def test_tied_weights_are_trained_whichever_name_is_read():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Embedding(50, 8)
            self.encoder, self.decoder = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
            self.encoder.weight = self.decoder.weight = self.shared.weight

        def forward(self, tokens):
            return self.decoder(self.encoder(tokens))

    for device in ("cpu", "meta"):
        with torch.device(device):
            graph = trace_module(Tied(), (torch.zeros(2, 5, dtype=torch.long),), training=True)
        assert [name for name in graph.names if name.startswith("adam")] == ["adam_shared.weight"]
        assert graph.parameter_bytes.sum() == 4 * 50 * 8
        readers = [op for op, kind in enumerate(graph.kinds) if kind in ("aten.embedding", "adam")]
        assert len({graph.group[op] for op in readers}) == 1
        assert "aten.embedding_dense_backward" in graph.kinds

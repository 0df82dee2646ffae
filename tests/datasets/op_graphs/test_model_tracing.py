import warnings

import pytest

from placezoo.datasets import OpGraph, load, read_op_graph, write_op_graph
from placezoo.datasets.model_tracing import trace_module
from placezoo.datasets.op_graphs import model_zoo as zoo
from placezoo.datasets.op_graphs.model_tracing import ADAM_STATE
from placezoo.datasets.op_graphs.op_grouping import GROUPINGS

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet():
    """Torch and transformers warn about each other's future while they trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "cache_folder", lambda: tmp_path)
    return tmp_path


class Small(nn.Module):
    """A convolution, a view, two readers of one tensor, and a weight that two layers share."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Linear(36, 36)
        self.second = nn.Linear(36, 36)
        self.second.weight = self.first.weight

    def forward(self, x):
        hidden = self.norm(self.conv(x)).mean(1).flatten(1)
        return self.second(torch.relu(self.first(hidden))) + hidden


def test_inference_graph():
    graph = trace_module(Small(), (torch.zeros(2, 3, 8, 8),), name="small")
    kinds = list(graph.kinds)
    assert kinds == ["aten.conv2d", "aten.batch_norm", "aten.mean.dim", "aten.linear", "aten.relu", "aten.linear",
                     "aten.add.Tensor"]  # fmt: skip
    assert graph.edges.tolist() == [[0, 1], [1, 2], [2, 3], [2, 6], [3, 4], [4, 5], [5, 6]]  # the view is left out
    assert graph.flops[0] == 2 * 2 * 4 * 36 * 27  # multiply-adds count twice: batch, channels, places, kernel
    assert graph.flops[[3, 5]].tolist() == [2 * 2 * 36 * 36] * 2
    assert graph.output_bytes[0] == 4 * 2 * 4 * 36
    assert graph.group[3] == graph.group[5]  # they share their weight
    assert len(set(graph.group.tolist())) == 6
    parameters = sum(p.numel() * p.element_size() for p in Small().parameters())
    buffers = sum(b.numel() * b.element_size() for b in Small().buffers())
    assert graph.parameter_bytes.sum() == pytest.approx(parameters + buffers, abs=8)  # the counter is not read
    assert graph.state_bytes == 0
    assert not graph.backward.any()


def test_lookups_read_rows_not_tables():
    graph = trace_module(nn.Embedding(1000, 4), (torch.zeros(3, dtype=torch.long),), name="lookup")
    assert graph.kinds == ("aten.embedding",)
    assert graph.bytes_moved.tolist() == [2 * 3 * 4 * 4 + 3 * 8]  # three rows read and written, and their numbers
    assert graph.parameter_bytes.tolist() == [1000 * 4 * 4]


def test_decomposed_graphs_have_more_operators_and_as_much_work():
    module, arguments = Small(), (torch.zeros(2, 3, 8, 8),)
    whole, parts = trace_module(module, arguments), trace_module(module, arguments, decomposed=True)
    assert parts.num_ops >= whole.num_ops
    assert parts.flops.sum() == whole.flops.sum()
    assert "aten.addmm" in parts.kinds


def test_training_graph():
    graph = trace_module(Small(), (torch.zeros(2, 3, 8, 8),), training=True)
    kinds = list(graph.kinds)
    assert kinds.count("adam") == 7  # conv, norm and the two biases, and the shared weight once
    assert graph.state_bytes == ADAM_STATE
    forward = kinds.index("aten.convolution")
    backward = kinds.index("aten.convolution_backward")
    assert not graph.backward[forward]
    assert graph.backward[backward]
    assert graph.group[forward] == graph.group[backward]
    assert graph.backward[[op for op, kind in enumerate(kinds) if kind == "adam"]].all()
    model = Small().to("meta")
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 3, 8, 8, device="meta")).mean().backward()
    adam = graph.flops[[op for op, kind in enumerate(kinds) if kind == "adam"]].sum()
    # The first convolution's input needs no gradient: the eager backward skips it too.
    assert graph.flops.sum() - adam == counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"), [("resnet-50", 25.557e6, 4.09e9), ("bert-base", 109.48e6, None)]
)
def test_real_models(name, parameters, multiply_adds, own_cache):
    graph = zoo.traced_model(f"transformers:{name}", anew=True)
    assert graph.parameter_bytes.sum() / 4 == pytest.approx(parameters, rel=0.01)
    if multiply_adds is not None:
        assert graph.flops.sum() / 2 == pytest.approx(multiply_adds, rel=0.01)
    assert 100 < graph.num_ops < 300
    assert list(own_cache.rglob("*.json.gz")) == []  # what is traced anew is for the caller only


def test_what_the_package_does_not_have_is_kept(own_cache):
    told, name = [], "transformers:distilbert,tokens=7"
    graph = zoo.traced_model(name, told.append)
    cached = list(own_cache.rglob("*.json.gz"))
    assert len(cached) == 1
    again = zoo.traced_model(name, told.append)
    assert told == [name]
    assert again == graph
    assert again.names == graph.names


def test_files_are_exact(tmp_path):
    graph = trace_module(Small(), (torch.zeros(2, 3, 8, 8),), training=True, name="small")
    for path in (tmp_path / "a.json", tmp_path / "a.json.gz"):
        write_op_graph(graph, path)
        found = read_op_graph(path)
        assert found == graph
        assert found.names == graph.names
        assert found.kinds == graph.kinds
        assert load(path) == graph


def test_groupings():
    graph = trace_module(Small(), (torch.zeros(2, 3, 8, 8),))
    own, chains, layers = (GROUPINGS[name](graph) for name in ("own", "chains", "layers"))
    assert len(set(own)) == 6
    assert len({*chains[[0, 1, 2]]}) == 1  # conv, norm and mean read and are read by one
    assert chains[3] == chains[4] == chains[5]
    assert len(set(layers)) <= len(set(chains))
    for coarse in (chains, layers):
        assert len({(a, b) for a, b in zip(own, coarse, strict=True)}) == len(set(own))  # groups are never split


class Branching(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trace_module(Branching(), (torch.zeros(3),), name="branching"), "branching: cannot be traced: "),
        (lambda: trace_module(nn.Linear(3, 4), (torch.zeros(5),), name="wrong"), "wrong: cannot be traced: "),
        (lambda: trace_module(nn.Identity(), (torch.zeros(5),), name="empty"), "empty: cannot be traced: there is no"),
        (
            lambda: load("transformers:bert-bass"),
            "unknown model 'transformers:bert-bass'; did you mean transformers:bert-base",
        ),
        (
            lambda: load("transformers:bert-base,batch=0"),
            "unknown option 'batch=0'; known: training, decomp",
        ),
        (lambda: load("transformers:bert-base,fast"), "unknown option 'fast'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    path = tmp_path / "a.json"
    write_op_graph(OpGraph([1.0, 1.0], [0] * 2, [0] * 2, [0] * 2, [[0, 1]]), path)
    text = path.read_text()
    for old, new, message in (
        ("placezoo.OpGraph/1", "placezoo.OpGraph/9", "not an operator graph"),
        ('"edges": [[0, 1]]', '"edges": [[0, 7]]', r"edge 0 is \[0, 7\], operators are 0..1"),
        ('"backward": []', '"backward": [5]', "'backward' names an operator outside 0..1"),
        ('"flops": [1.0, 1.0]', '"flops": [1.0, -1.0]', "flops must be finite and at least 0"),
        ('"group"', '"groups"', "'group' is missing"),
        ('"products": {}', '"products": [1]', "'products' must have a list for each operator"),
        ('"products": {}', '"products": {"0": [3]}', "a product is 4 or 9 whole numbers, not 3"),
        ('"products": {}', '"products": {"0": [[1, 0, 2, 2]]}', "rows of a product must be a whole number in 1"),
        ('"products": {}', '"products": {"1": [[1, 1e9, 2, 2]]}', "rows of a product must be a whole number in 1"),
        ('"products": {}', '"products": {"1": [[1099511627776, 1099511627776, 2, 2]]}', "2.62 or more"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=f":1: .*{message}"):
            read_op_graph(path)

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import OpGraph, load
from placezoo.datasets.op_graphs.onnx_format import read_onnx

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

PUBLISHED = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def weight(name, *shape):
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def tensor(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save(path, nodes, inputs, outputs, weights=()):
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, list(weights))), path)
    return path


@pytest.fixture
def small(tmp_path):
    """A convolution, a view of its output, two products that share a weight, and a weight made of another."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="conv"),
        helper.make_node("Flatten", ["c"], ["f"]),
        helper.make_node("Transpose", ["w"], ["wt"], perm=[1, 0]),
        helper.make_node("MatMul", ["f", "wt"], ["m"], name="first"),
        helper.make_node("Gemm", ["m", "wt", "b"], ["g"], name="second"),
        helper.make_node("Add", ["g", "f"], ["y"], name="add"),
    ]
    weights = [weight("k", 4, 3, 3, 3), weight("w", 144, 144), weight("b", 144)]
    return save(tmp_path / "small.onnx", nodes, [tensor("x", "N", 3, 8, 8)], [tensor("y", "N", 144)], weights)


def test_operators_weights_and_edges(small):
    graph = load(f"{small},N=2")
    assert graph.names == ("conv", "first", "second", "add")
    assert graph.kinds == ("Conv", "MatMul", "Gemm", "Add")
    assert graph.edges.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]  # the view is left out
    assert graph.flops.tolist() == [2.0 * (2 * 4 * 36) * 27, 2.0 * 2 * 144 * 144, 2.0 * 2 * 144 * 144, 0.0]
    assert graph.output_bytes.tolist() == [4.0 * 2 * 144] * 4
    assert graph.bytes_moved[0] == 4 * (2 * 144 + 2 * 192 + 108)
    assert graph.parameter_bytes.tolist() == [4 * 108, 4 * 144**2, 4 * 144, 0]
    assert graph.group[1] == graph.group[2]
    assert len(set(graph.group.tolist())) == 3


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    # Of the networks' papers and of the tables of the model zoos.
    [
        ("resnet50", 25.6e6, 4.09e9), ("vgg19", 143.67e6, 19.63e9), ("bvlc_alexnet", 60.97e6, 0.655e9),
        ("squeezenet", 1.24e6, 0.349e9), ("densenet121", 8.06e6, 2.83e9),
    ],
)  # fmt: skip
def test_published_models(name, parameters, multiply_adds):
    graph = load(PUBLISHED / f"light_{name}.onnx")
    assert graph.parameter_bytes.sum() / 4 == pytest.approx(parameters, rel=0.012)
    assert graph.flops.sum() / 2 == pytest.approx(multiply_adds, rel=0.01)


def test_recurrent_layers(tmp_path):
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=5)]
    path = save(
        tmp_path / "lstm.onnx", nodes, [tensor("x", 7, 2, 3)], [tensor("y", 7, 1, 2, 5)],
        [weight("w", 1, 20, 3), weight("r", 1, 20, 5)],
    )  # fmt: skip
    assert read_onnx(path).flops.tolist() == [2.0 * 7 * 2 * 20 * 8]


def test_bad_models(small, tmp_path):
    with pytest.raises(ValueError, match=r"the shape of 'x', of operator Conv 'conv', .* set it: FILE.onnx,N=8"):
        load(small)
    with pytest.raises(ValueError, match="no dimension of its inputs is called M"):
        load(f"{small},M=3")
    for options in ("N", "N=0", "=3", "N=x"):
        with pytest.raises(ValueError, match="sizes of its open dimensions are expected"):
            load(f"{small},{options}")
    x, y = tensor("x", 2, 3), tensor("y", 2, 3)
    unknown = save(tmp_path / "unknown.onnx", [helper.make_node("NonZero", ["x"], ["z"], name="n"),
                                               helper.make_node("Cast", ["z"], ["f"], to=1),
                                               helper.make_node("Abs", ["f"], ["y"])], [x], [y])  # fmt: skip
    with pytest.raises(ValueError, match=r"unknown.onnx: the shape of 'z', of operator NonZero 'n', is not known"):
        load(unknown)
    branch = helper.make_graph([helper.make_node("Abs", ["x"], ["o"])], "b", [], [tensor("o", 2, 3)])
    conditional = helper.make_node("If", ["c"], ["y"], name="if", then_branch=branch, else_branch=branch)
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    with pytest.raises(ValueError, match="operator If 'if': control flow has no fixed graph"):
        load(save(tmp_path / "if.onnx", [conditional], [x, condition], [y]))
    with pytest.raises(ValueError, match="without operators"):
        load(save(tmp_path / "empty.onnx", [], [x], [x]))
    wrong = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    with pytest.raises(ValueError, match=r"wrong.onnx: its shapes contradict each other"):
        load(save(tmp_path / "wrong.onnx", wrong, [x], [tensor("y", 2, 9)], [weight("w", 3, 4)]))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match=r"text.onnx: not an ONNX model"):
        load(tmp_path / "text.onnx")
    with pytest.raises(FileNotFoundError, match=r"missing.onnx"):
        load(tmp_path / "missing.onnx")


def test_types_that_no_tensor_has(tmp_path):
    path = save(tmp_path / "type.onnx", [helper.make_node("Abs", ["x"], ["y"])], [tensor("x", 2)], [tensor("y", 2)])
    model = onnx.load(path)
    model.graph.initializer.append(TensorProto(name="w", dims=[2], data_type=99))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"type.onnx: .*(unknown type 99|contradict)"):
        load(path)


@given(st.data())
def test_damaged_files_are_one_line(tmp_path_factory, data):
    path = PUBLISHED / "light_squeezenet.onnx"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path_factory.mktemp("onnx") / "damaged.onnx"
    damaged.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        assert isinstance(load(damaged), OpGraph)
    except ValueError as error:
        assert str(error).startswith(str(damaged))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017

"""Work and bytes of ONNX operators: what onnx's own reference runs, what torch counts, and by hand."""

import math
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx.reference.ops.op_matmul import MatMul  # noqa: E402

from placezoo.datasets import load  # noqa: E402
from placezoo.datasets.op_graphs.onnx_format import read_onnx  # noqa: E402

MS = "com.microsoft"
OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid(MS, 1), helper.make_opsetid("mine", 1)]


def tensor(name, *shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(np.zeros(shape, dtype), name)


def save(path, nodes, inputs, outputs, weights=(), functions=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    onnx.save(helper.make_model(graph, opset_imports=OPSETS, functions=list(functions), ir_version=10), path)
    return path


def one(path, kind, inputs, outputs, weights=(), domain="", **attributes):
    """The graph of a single operator."""
    names = [value.name if value is not None else "" for value in (*inputs, *weights)]
    node = helper.make_node(kind, names, [value.name for value in outputs], domain=domain, name="n", **attributes)
    return read_onnx(save(path, [node], [value for value in inputs if value is not None], outputs, weights))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.filterwarnings("ignore")
def test_attention_is_the_products_that_the_reference_runs(path, monkeypatch):
    """Each published case: our count against the matrix products of onnx's definition of the operator, as it runs."""
    from onnx.backend.test.case.node import collect_testcases

    counted = []
    run = MatMul._run

    def counting(self, a, b):
        (result,) = run(self, a, b)
        counted.append(2 * np.size(result) * a.shape[-1])
        return (result,)

    monkeypatch.setattr(MatMul, "_run", counting)
    cases = {case.name: case for kind in ("Attention", "LinearAttention") for case in collect_testcases(kind)}
    pairs = [(case, cases[f"{name}_expanded"]) for name, case in cases.items() if f"{name}_expanded" in cases]
    assert len(pairs) > 50
    for case, expanded in pairs:
        inputs = dict(zip([value.name for value in expanded.model.graph.input], expanded.data_sets[0][0], strict=True))
        counted.clear()
        ReferenceEvaluator(expanded.model).run(None, inputs)
        path.write_bytes(case.model.SerializeToString())
        assert (case.name, read_onnx(path).flops.sum()) == (case.name, sum(counted))


LETTERS = "abcd"


@given(st.data())
def test_einsum_is_what_torch_counts(tmp_path_factory, data):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    sizes = {letter: data.draw(st.integers(2, 4)) for letter in LETTERS}
    term = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=4, unique=True).map("".join)
    terms = data.draw(st.lists(term, min_size=1, max_size=3))
    present = sorted(set("".join(terms)))
    right = "".join(data.draw(st.lists(st.sampled_from(present), unique=True)))
    dots = data.draw(st.sampled_from([(), (2,), (3, 2)]))  # before the letters of the first term
    terms_shown = ["..." + terms[0] if dots else terms[0], *terms[1:]]
    if not data.draw(st.booleans()):
        right = "".join(letter for letter in present if "".join(terms).count(letter) == 1)
        equation = ",".join(terms_shown)
    else:
        equation = ",".join(terms_shown) + "->" + ("..." if dots else "") + right
    shapes = [(dots if place == 0 else ()) + tuple(sizes[one] for one in term) for place, term in enumerate(terms)]
    with FlopCounterMode(display=False) as counter, torch.backends.opt_einsum.flags(enabled=False):
        result = torch.einsum(equation, *[torch.zeros(shape) for shape in shapes])
    names = list(string.ascii_uppercase[: len(terms)])
    inputs = [tensor(name, *shape) for name, shape in zip(names, shapes, strict=True)]
    path = tmp_path_factory.mktemp("einsum") / "e.onnx"
    found = one(path, "Einsum", inputs, [tensor("y", *result.shape)], equation=equation)
    assert found.flops.sum() == counter.get_total_flops(), equation


INT8, UINT8, INT32 = TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32


@pytest.mark.parametrize(
    ("kind", "domain", "inputs", "output", "attributes", "flops"),
    [
        ("MatMulInteger", "", [((4, 16), INT8), ((16, 8), INT8)], ((4, 8), INT32), {}, 2 * 4 * 16 * 8),
        ("ConvInteger", "", [((2, 3, 8, 8), INT8), ((5, 3, 3, 3), INT8)], ((2, 5, 6, 6), INT32), {},
         2 * 2 * 5 * 36 * 27),
        ("ConvTranspose", "", [(2, 3, 8, 8), (3, 5, 3, 3)], (2, 5, 10, 10), {}, 2 * 2 * 3 * 64 * 45),
        ("Gemm", "", [(16, 4), (8, 16)], (4, 8), {"transA": 1, "transB": 1}, 2 * 4 * 16 * 8),
        ("FusedGemm", MS, [(4, 16), (8, 16), (8,)], (4, 8), {"transB": 1, "activation": "Relu"}, 2 * 4 * 16 * 8),
        ("FusedMatMul", MS, [(3, 16, 4), (3, 8, 16)], (3, 4, 8), {"transA": 1, "transB": 1}, 2 * 3 * 4 * 16 * 8),
        ("FusedConv", MS, [(2, 3, 8, 8), (5, 3, 3, 3)], (2, 5, 6, 6), {"activation": "Relu"}, 2 * 2 * 5 * 36 * 27),
        ("MatMulNBits", MS, [(2, 4, 32), ((8, 1, 16), UINT8), (8,)], (2, 4, 8),
         {"K": 32, "N": 8, "bits": 4, "block_size": 32}, 2 * 8 * 32 * 8),
        ("DynamicQuantizeMatMul", MS, [(4, 16), ((16, 8), INT8), (1,)], (4, 8), {}, 2 * 4 * 16 * 8),
        ("MatMulIntegerToFloat", MS, [((4, 16), INT8), ((16, 8), INT8), (1,), (1,)], (4, 8), {}, 2 * 4 * 16 * 8),
        ("QGemm", MS, [((4, 16), INT8), (1,), ((1,), INT8), ((16, 8), INT8), (1,), ((1,), INT8)], (4, 8), {},
         2 * 4 * 16 * 8),
        # Projections to 48, then 4 queries by 4 keys in all heads together.
        ("Attention", MS, [(2, 4, 16), (16, 48), (48,)], (2, 4, 16), {"num_heads": 2},
         2 * 8 * 16 * 48 + 2 * 2 * 4 * 4 * (16 + 16)),
        ("Attention", MS, [(2, 4, 16), (16, 40), (40,)], (2, 4, 8), {"num_heads": 2, "qkv_hidden_sizes": [16, 16, 8]},
         2 * 8 * 16 * 40 + 2 * 2 * 4 * 4 * (16 + 8)),
        ("QAttention", MS, [((2, 4, 16), INT8), ((16, 48), INT8), (48,), (1,), (1,)], (2, 4, 16), {"num_heads": 2},
         2 * 8 * 16 * 48 + 2 * 2 * 4 * 4 * (16 + 16)),
        ("MultiHeadAttention", MS, [(2, 4, 16), (2, 6, 16), (2, 6, 24)], (2, 4, 24), {"num_heads": 2},
         2 * 2 * 4 * 6 * (16 + 24)),
        ("MultiHeadAttention", MS, [(2, 4, 2, 3, 8)], (2, 4, 16), {"num_heads": 2}, 2 * 2 * 4 * 4 * 32),
        ("MultiHeadAttention", MS, [(2, 4, 16), (2, 6, 2, 2, 8)], (2, 4, 16), {"num_heads": 2}, 2 * 2 * 4 * 6 * 32),
        ("MultiHeadAttention", MS, [(2, 4, 16), (2, 2, 6, 8), (2, 2, 6, 8)], (2, 4, 16), {"num_heads": 2},
         2 * 2 * 4 * 6 * 32),
        ("GroupQueryAttention", MS, [(2, 4, 32), (2, 4, 16), (2, 4, 16)], (2, 4, 32),
         {"num_heads": 4, "kv_num_heads": 2}, 2 * 2 * 4 * 4 * 64),
        ("GroupQueryAttention", MS, [(2, 4, 64)], (2, 4, 32), {"num_heads": 4, "kv_num_heads": 2}, 2 * 2 * 4 * 4 * 64),
    ],
)  # fmt: skip
def test_operators_by_hand(path, kind, domain, inputs, output, attributes, flops):
    """Work, and an output whose shape and type nobody declares: both follow from the inputs."""

    def split(value):
        return value if isinstance(value[0], tuple) else (value, TensorProto.FLOAT)

    made = [helper.make_tensor_value_info(f"i{place}", *split(value)[::-1]) for place, value in enumerate(inputs)]
    nodes = [
        helper.make_node(kind, [value.name for value in made], ["y"], domain=domain, **attributes),
        helper.make_node("Abs", ["y"], ["z"]),
    ]
    shape, element = split(output)
    graph = read_onnx(save(path, nodes, made, [helper.make_tensor_value_info("z", element, None)]))
    assert graph.flops.tolist() == [flops, 0]
    assert graph.output_bytes.tolist() == [4 * math.prod(shape)] * 2
    assert graph.bytes_moved[0] == graph.output_bytes[0] + sum(
        math.prod(shape) * (4 if element == TensorProto.FLOAT else 1) for shape, element in map(split, inputs)
    )


def test_a_product_of_a_turned_batch(path):
    a, b = tensor("a", 4, 3, 16), tensor("b", 3, 16, 8)
    graph = one(path, "FusedMatMul", [a, b], [tensor("y", 3, 4, 8)], domain=MS, transBatchA=1)
    assert graph.flops.tolist() == [2 * 3 * 4 * 16 * 8]


def test_linear_models(path):
    node = helper.make_node("LinearRegressor", ["x"], ["y"], domain="ai.onnx.ml", coefficients=[0.5] * 6, targets=2)
    graph = helper.make_graph([node], "g", [tensor("x", 4, 3)], [tensor("y", 4, 2)])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]),
        path,
    )
    assert read_onnx(path).flops.tolist() == [2 * 4 * 6]


def test_a_layer_as_onnx_runtime_writes_it(path):
    """BERT's embedding and first layer after fusion, no shape declared between input and output."""
    ms = {"domain": MS}
    nodes = [
        helper.make_node("EmbedLayerNormalization", ["ids", "", "words", "places", "", "g", "b"], ["e", "m"], **ms),
        helper.make_node("Attention", ["e", "qkv", "qkv_b"], ["a"], num_heads=4, **ms),
        helper.make_node("MatMul", ["a", "o"], ["p"]),
        helper.make_node("SkipLayerNormalization", ["p", "e", "g", "b"], ["s", "", "", "sum"], **ms),
        helper.make_node("MatMul", ["s", "up"], ["u"]),
        helper.make_node("BiasGelu", ["u", "up_b"], ["h"], **ms),
        helper.make_node("FusedMatMul", ["h", "down"], ["d"], transB=1, **ms),
        helper.make_node("SkipLayerNormalization", ["d", "sum", "g", "b"], ["y"], **ms),
    ]
    weights = [
        weight("words", 100, 32), weight("places", 20, 32), weight("g", 32), weight("b", 32), weight("qkv", 32, 96),
        weight("qkv_b", 96), weight("o", 32, 32), weight("up", 32, 64), weight("up_b", 64), weight("down", 32, 64),
    ]  # fmt: skip
    ids = tensor("ids", "batch", 10, kind=INT32)
    save(path, nodes, [ids], [tensor("y", "batch", 10, 32)], weights)
    graph = load(f"{path},batch=2")
    attention = 2 * 20 * 32 * 96 + 2 * 2 * 10 * 10 * 64
    assert graph.flops.tolist() == [0, attention, 2 * 20 * 32 * 32, 0, 2 * 20 * 32 * 64, 0, 2 * 20 * 64 * 32, 0]
    assert graph.output_bytes[1:].tolist() == [4 * 20 * side for side in (32, 32, 64, 64, 64, 32, 32)]
    assert not onnx.defs.has("BiasGelu", MS)  # onnx's own registry is as it was


def linear(name="Lin", domain="mine", calls="MatMul"):
    nodes = [helper.make_node(calls, ["a", "b"], ["q"], domain="" if calls == "MatMul" else domain),
             helper.make_node("Relu", ["q"], ["o"])]  # fmt: skip
    return helper.make_function(domain, name, ["a", "b"], ["o"], nodes, OPSETS)


def test_functions_of_the_model_are_inlined(path):
    nodes = [
        helper.make_node("Outer", ["x", "w"], ["h"], domain="mine", name="first"),
        helper.make_node("Lin", ["h", "v"], ["y"], domain="mine", name="second"),
    ]
    weights = [weight("w", 16, 8), weight("v", 8, 2)]
    functions = [linear(), linear("Outer", calls="Lin")]
    save(path, nodes, [tensor("x", "n", 16)], [tensor("y", "n", 2)], weights, functions)
    graph = load(f"{path},n=4")
    assert graph.kinds == ("MatMul", "Relu", "Relu", "MatMul", "Relu")
    assert graph.flops.tolist() == [2 * 4 * 16 * 8, 0, 0, 2 * 4 * 8 * 2, 0]
    assert graph.parameter_bytes.sum() == 4 * (16 * 8 + 8 * 2)
    assert graph.edges.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]


def test_functions_that_have_no_end(path):
    call = [helper.make_node("Lin", ["x", "w"], ["y"], domain="mine")]
    save(path, call, [tensor("x", 4, 4)], [tensor("y", 4, 4)], [weight("w", 4, 4)], [linear(calls="Lin")])
    with pytest.raises(ValueError, match=r"model.onnx: function Lin calls itself"):
        load(path)
    doubling = [linear()]
    for level in range(40):
        below = "Lin" if level == 0 else f"L{level - 1}"
        nodes = [helper.make_node(below, ["a", "b"], ["q"], domain="mine"),
                 helper.make_node(below, ["q", "b"], ["o"], domain="mine")]  # fmt: skip
        doubling.append(helper.make_function("mine", f"L{level}", ["a", "b"], ["o"], nodes, OPSETS))
    call = [helper.make_node("L39", ["x", "w"], ["y"], domain="mine")]
    save(path, call, [tensor("x", 4, 4)], [tensor("y", 4, 4)], [weight("w", 4, 4)], doubling)
    with pytest.raises(ValueError, match=r"model.onnx: more than 2,000,000 operators, with its functions inlined"):
        load(path)


@pytest.mark.parametrize(("kind", "bits"), [("INT4", 4), ("UINT4", 4), ("INT8", 8), ("FLOAT8E4M3FN", 8), ("INT16", 16)])
@pytest.mark.parametrize("transposed", [False, True])
def test_quantised_weights_take_what_they_are_stored_in(path, kind, bits, transposed):
    shape = (8, 16) if transposed else (16, 8)
    element = getattr(TensorProto, kind)
    raw = helper.make_tensor("q", element, shape, bytes(16 * 8 * bits // 8), raw=True)
    nodes = [helper.make_node("DequantizeLinear", ["q", "scale"], ["w"])]
    if transposed:
        nodes.append(helper.make_node("Transpose", ["w"], ["t"]))
    nodes.append(helper.make_node("MatMul", ["x", "t" if transposed else "w"], ["y"]))
    scale = numpy_helper.from_array(np.float32(0.1).reshape(()), "scale")
    graph = read_onnx(save(path, nodes, [tensor("x", 4, 16)], [tensor("y", 4, 8)], [raw, scale]))
    assert graph.kinds == ("MatMul",)
    assert graph.flops.tolist() == [2 * 4 * 16 * 8]
    assert graph.parameter_bytes.tolist() == [16 * 8 * bits / 8 + 4]
    assert graph.bytes_moved.tolist() == [4 * (4 * 16 + 4 * 8) + 16 * 8 * bits / 8 + 4]


@pytest.mark.parametrize(
    ("kind", "domain", "message"),
    [
        (
            "PackedAttention",
            MS,
            r"com.microsoft.PackedAttention may hold a product, and nobody knows its FLOPs; export",
        ),
        ("MoE", MS, r"operator MoE 'n': com.microsoft.MoE may hold a product"),
        ("Unheard", "mine", r"operator Unheard 'n': mine.Unheard may hold a product"),
    ],
)
def test_what_may_hold_a_product_is_refused_by_name(path, kind, domain, message):
    x, y, w = tensor("x", 4, 16), tensor("y", 4, 8), weight("w", 16, 8)
    with pytest.raises(ValueError, match=f"model.onnx: .*{message}") as caught:
        one(path, kind, [x], [y], [w], domain=domain)
    assert "\n" not in str(caught.value)


def test_what_reads_one_tensor_holds_none(path):
    graph = one(path, "Smooth", [tensor("x", 4, 16)], [tensor("y", 4, 16)], domain="mine")
    assert graph.flops.tolist() == [0]


def test_sizes_that_are_found_in_values(path):
    """No dimension of the file can be set that would make the size of NonZero's output known."""
    nodes = [helper.make_node("NonZero", ["x"], ["z"], name="nz"), helper.make_node("Transpose", ["z"], ["y"])]
    y = tensor("y", "n", 2, kind=TensorProto.INT64)
    message = (
        "the shape of 'z', of operator NonZero 'nz', is not known: how much NonZero 'nz' returns depends on the val"
    )
    with pytest.raises(ValueError, match=message):
        read_onnx(save(path, nodes, [tensor("x", 4, 16)], [y]))
    with pytest.raises(ValueError, match=r"dimension 'm' is open; set it: FILE.onnx,m=8"):
        read_onnx(save(path, nodes, [tensor("x", "m", 16)], [y]))
    with pytest.raises(ValueError, match=message):
        read_onnx(path, {"m": 8})

"""Operators without a formula in torch: counted by hand-computed values, or refused by name."""

import warnings

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.flop_counter import register_flop_formula  # noqa: E402

from placezoo.datasets.op_graphs.model_tracing import trace_module  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Of(nn.Module):
    """A function of inputs and one weight."""

    def __init__(self, function, *weight, dtype=torch.float32):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weight).to(dtype), requires_grad=dtype.is_floating_point)
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs, self.weight)


half = torch.bfloat16


@pytest.mark.parametrize(
    ("function", "weight", "dtype", "inputs", "flops"),
    [
        (lambda x, w: w @ x, (5, 7), torch.float32, [torch.zeros(7)], 2 * 5 * 7),
        (lambda x, w: w @ x, (7,), torch.float32, [torch.zeros(7)], 2 * 7),
        (lambda b, x, w: torch.addmv(b, w, x), (5, 7), torch.float32, [torch.zeros(5), torch.zeros(7)], 2 * 5 * 7),
        (lambda a, x, w: torch.addbmm(a, x, w), (3, 7, 2), torch.float32, [torch.zeros(5, 2), torch.zeros(3, 5, 7)],
         2 * 3 * 5 * 7 * 2),
        (lambda x, w: x.new_zeros(5, 2).addmm_(x, w), (7, 2), torch.float32, [torch.zeros(5, 7)], 2 * 5 * 7 * 2),
        (lambda x, y, w: nn.functional.bilinear(x, y, w), (6, 4, 5), torch.float32,
         [torch.zeros(3, 4), torch.zeros(3, 5)], 2 * 3 * 6 * 4 * 5),
        (lambda x, w: torch._int_mm(x, w), (8, 16), torch.int8, [torch.zeros(32, 8, dtype=torch.int8)],
         2 * 32 * 8 * 16),
        # Four experts of [16, 32]; every one of 64 rows meets one of them, however they are shared out.
        (lambda x, o, w: torch._grouped_mm(x, w, offs=o), (4, 16, 32), half,
         [torch.zeros(64, 16, dtype=half), torch.zeros(4, dtype=torch.int32)], 2 * 64 * 16 * 32),
        # As many rows for each of four experts; the columns of one matrix shared out; the rows of a gradient.
        (lambda x, w: torch._grouped_mm(x, w), (4, 16, 32), half, [torch.zeros(4, 8, 16, dtype=half)],
         2 * 4 * 8 * 16 * 32),
        (lambda x, o, w: torch._grouped_mm(x, w, offs=o), (16, 64), half,
         [torch.zeros(4, 8, 16, dtype=half), torch.zeros(4, dtype=torch.int32)], 2 * 8 * 16 * 64),
        (lambda x, o, w: torch._grouped_mm(x, w, offs=o), (64, 32), half,
         [torch.zeros(8, 64, dtype=half), torch.zeros(4, dtype=torch.int32)], 2 * 8 * 64 * 32),
    ],
)  # fmt: skip
def test_products_that_torchs_counter_does_not_know(function, weight, dtype, inputs, flops):
    graph = trace_module(Of(function, *weight, dtype=dtype), inputs)
    assert graph.flops.sum() == flops
    assert graph.parameter_bytes.sum() == torch.zeros(weight, dtype=dtype).nbytes


def test_weights_count_by_their_own_type():
    def scaled(x, w):
        one = torch.ones(())
        return torch._scaled_mm(x, w.t(), scale_a=one, scale_b=one, out_dtype=half)

    graph = trace_module(Of(scaled, 32, 16, dtype=torch.float8_e4m3fn), [torch.zeros(48, 16).to(torch.float8_e4m3fn)])
    assert graph.flops.sum() == 2 * 48 * 16 * 32
    assert graph.parameter_bytes.sum() == 32 * 16
    product = graph.kinds.index("aten._scaled_mm")
    assert graph.bytes_moved[product] == 48 * 16 + 32 * 16 + 4 + 2 * 48 * 32


def test_experts_of_transformers_count_in_every_implementation():
    transformers = pytest.importorskip("transformers")
    # Two layers; 32 tokens, each to 2 of 4 experts (64 -> 2 x 128 -> 64); projections, scores and rotations.
    experts = 2 * 2 * (32 * 2) * (64 * 256 + 128 * 64)
    attention = 2 * 2 * 32 * (64 * 64 + 2 * 64 * 32 + 64 * 64) + 2 * 2 * 2 * 32 * 32 * 64
    router = 2 * 2 * 32 * 64 * 4
    for implementation in ("grouped_mm", "batched_mm"):
        config = transformers.MixtralConfig(
            hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, vocab_size=500,
            use_cache=False, num_key_value_heads=2, num_local_experts=4, experts_implementation=implementation,
        )  # fmt: skip
        with torch.device("meta"):
            model = transformers.MixtralModel(config)
        graph = trace_module(model, (), {"input_ids": torch.zeros(1, 32, dtype=torch.long)})
        assert graph.flops.sum() == pytest.approx(experts + attention + router, abs=2 * 32 * 8)
        training = trace_module(model, (), {"input_ids": torch.zeros(1, 32, dtype=torch.long)}, training=True)
        adam = sum(flops for flops, kind in zip(training.flops, training.kinds, strict=True) if kind == "adam")
        # Each product's two gradients cost as much again; the embedding's output needs the first layer's too.
        assert training.flops.sum() - adam == pytest.approx(3 * graph.flops.sum(), rel=0.01)


@pytest.fixture(scope="module")
def operators():
    """Operators of a user's: one that nobody can count, one with a formula, one that reads one tensor."""
    with torch.library._scoped_library("placezoo_tests", "FRAGMENT"):

        @torch.library.custom_op("placezoo_tests::unknown", mutates_args=())
        def unknown(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a @ b

        @torch.library.custom_op("placezoo_tests::known", mutates_args=())
        def known(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a @ b

        @torch.library.custom_op("placezoo_tests::pointwise", mutates_args=())
        def pointwise(a: torch.Tensor) -> torch.Tensor:
            return a * 2

        for one in (unknown, known):
            one.register_fake(lambda a, b: a.new_empty(a.shape[0], b.shape[1]))
        pointwise.register_fake(torch.empty_like)

        @register_flop_formula(torch.ops.placezoo_tests.known)
        def formula(a, b, *_, out_shape=None, **__):
            return 2 * a[0] * a[1] * b[1]

        yield torch.ops.placezoo_tests
        torch.utils.flop_counter.flop_registry.pop(torch.ops.placezoo_tests.known)


@pytest.mark.parametrize("decomposed", [False, True])
def test_custom_operators(operators, decomposed):
    inputs = [torch.zeros(3, 4)]
    with pytest.raises(ValueError, match=r"operator placezoo_tests.unknown may hold a product.*register_flop_formula"):
        trace_module(Of(lambda x, w: operators.unknown(x, w), 4, 5), inputs, decomposed=decomposed)
    graph = trace_module(
        Of(lambda x, w: operators.pointwise(operators.known(x, w)), 4, 5), inputs, decomposed=decomposed
    )
    assert graph.flops.tolist() == [2 * 3 * 4 * 5, 0]


class Values(nn.Module):
    def forward(self, x):
        return torch.nonzero(x).float() * 2


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Values(), r"operator aten.nonzero \(nonzero\): how much it returns depends on values"),
        (Of(lambda x, w: x[x > 0] * w, 1), r"operator aten.index.Tensor \(index\): how much it returns"),
        (Of(lambda x, w: x * w if x.sum() > 0 else x, 1), "which operators it runs depends on values"),
    ],
)
def test_what_depends_on_values_is_said(module, message, training):
    with pytest.raises(ValueError, match=f"mine: cannot be traced: {message}") as caught:
        trace_module(module, [torch.zeros(3, 4)], training=training, name="mine")
    assert "\n" not in str(caught.value)


def test_flex_attention_is_named():
    from torch.nn.attention.flex_attention import flex_attention

    with pytest.raises(ValueError, match="flex_attention needs values; use scaled_dot_product_attention"):
        trace_module(Of(lambda x, w: flex_attention(x, x, x) * w, 1), [torch.zeros(1, 1, 16, 16)])

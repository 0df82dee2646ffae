import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import load
from placezoo.datasets.op_graphs import model_zoo as zoo
from placezoo.datasets.op_graphs.network_splits import CHIPLET_SPLITS, NETWORK_SPLITS, split_models
from placezoo.datasets.op_graphs.subnetwork import subnetwork
from tests.instances import placed_models

torch = pytest.importorskip("torch")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet(tmp_path_factory, monkeypatch):
    """Trace anew; torch warns about its own future meanwhile."""
    monkeypatch.setattr(zoo, "cache_folder", lambda: tmp_path_factory.mktemp("models"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# Small sizes of every network, so that tracing them takes a second.
SMALL = {
    "gnmt": "layers=3,width=16,vocabulary=50,tokens=3", "transformer-xl": "layers=2,width=20,inner=30,tokens=6",
    "wavenet": "stacks=2,layers=3,tokens=64", "inception-v3": "pixels=75", "amoebanet": "cells=1,channels=8,pixels=64",
    "switch": "layers=2,width=64,experts=3,tokens=10", "expert-choice": "layers=2,width=64,experts=3,tokens=10",
    "fuseconv": "percent=25,pixels=64", "paradnn-fc": "layers=3,width=8", "paradnn-cnn": "blocks=1,filters=8,pixels=64",
    "paradnn-rnn": "layers=2,width=9,tokens=3",
}  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", list(zoo.NETWORKS))
def test_networks_hold_their_parameters_and_operations(name, training):
    text = f"torch:{name},{SMALL[name]},batch=2" + (",training" if training else "")
    graph = zoo.traced_model(text)
    module, arguments, _ = zoo._network(zoo.split_name(text))
    held = sum(p.numel() * p.element_size() for p in (*module.parameters(), *module.buffers()))
    # A counter of batches in each normalisation is not read in inference.
    assert graph.parameter_bytes.sum() == pytest.approx(held, abs=8 * len(list(module.modules())))
    module.train(training)
    with FlopCounterMode(display=False) as counter:
        output = module(*arguments)
        if training:
            output.float().mean().backward()
    adam = sum(flops for flops, kind in zip(graph.flops, graph.kinds, strict=True) if kind == "adam")
    assert graph.flops.sum() - adam == counter.get_total_flops()


def parameters_and_multiply_adds(text):
    graph = zoo.traced_model(text)
    module, _, _ = zoo._network(zoo.split_name(text))
    return sum(p.numel() for p in module.parameters()), graph.flops.sum() / 2


def test_published_sizes():
    assert parameters_and_multiply_adds("torch:inception-v3") == pytest.approx((23.83e6, 5.71e9), rel=0.002)
    # FuSeConv's half variant has fewer filter weights than MobileNet-V2's 3.50 M, the full one more.
    half, _ = parameters_and_multiply_adds("torch:fuseconv")
    full, _ = parameters_and_multiply_adds("torch:fuseconv,half=0")
    assert half == pytest.approx(3.50e6, rel=0.02)
    assert half < full


def test_attention_of_transformer_xl_sees_the_past_and_its_memory_only():
    from placezoo.datasets.op_graphs.networks.transformer_xl import TransformerXL

    torch.manual_seed(0)
    model = TransformerXL(2, 20, 2, 30, 11).eval()
    tokens, memories = torch.randint(0, 11, (1, 6)), torch.randn(2, 1, 4, 20)
    before = model(tokens, memories)
    later = tokens.clone()
    later[0, 4] = (tokens[0, 4] + 1) % 11
    after = model(later, memories)
    assert torch.equal(before[0, :4], after[0, :4])
    assert not torch.equal(before[0, 4:], after[0, 4:])
    assert not torch.equal(before, model(tokens, memories + 1.0))


def test_relative_positions_depend_on_distance_only():
    """The same token everywhere after the same memory: what is one step later sees the same distances, and one more."""
    from placezoo.datasets.op_graphs.networks.transformer_xl import RelativeAttention

    torch.manual_seed(0)
    attention = RelativeAttention(8, 2)
    hidden, memory, encoding = torch.randn(1, 3, 8), torch.randn(1, 2, 8), torch.randn(5, 8)
    found = attention(hidden, memory, encoding)
    both = torch.cat([memory, hidden], 1)[0]
    queries = attention.query(hidden)[0].view(3, 2, 4)
    keys, values = attention.keys(both).view(5, 2, 8).chunk(2, dim=2)
    relative = attention.positions(encoding).view(5, 2, 4)  # row r is for distance 4 - r
    expected = []
    for i in range(3):
        heads = []
        for head in range(2):
            scores = torch.stack([
                ((queries[i, head] + attention.content_bias[head]) @ keys[j, head]
                 + (queries[i, head] + attention.position_bias[head]) @ relative[4 - (i + 2 - j), head]) / 2.0
                for j in range(i + 3)
            ])  # fmt: skip
            heads.append(torch.softmax(scores, 0) @ values[: i + 3, head])
        expected.append(torch.cat(heads))
    torch.testing.assert_close(found[0], attention.leave(torch.stack(expected)))


def test_wavenet_is_causal():
    from placezoo.datasets.op_graphs.networks.wavenet import WaveNet

    torch.manual_seed(0)
    model, audio = WaveNet(2, 3, 4, 6, 5).eval(), torch.randn(1, 5, 20)
    before = model(audio)
    audio[0, :, 12] += 1.0
    after = model(audio)
    assert torch.equal(before[..., :12], after[..., :12])
    assert not torch.equal(before[..., 12:], after[..., 12:])


@pytest.mark.parametrize("chosen", [1, 2])
def test_tokens_choose_experts(chosen):
    """Where no expert is full, each token gets what its best experts make of it, weighted by their gates."""
    from placezoo.datasets.op_graphs.networks.mixture_of_experts import TokenChoice

    torch.manual_seed(0)
    layer, tokens = TokenChoice(8, 16, 3, chosen, capacity=3.0), torch.randn(6, 8)
    gates = torch.softmax(layer.router(tokens), 1)
    expected = torch.zeros_like(tokens)
    for n in range(6):
        for expert in gates[n].topk(chosen).indices:
            expected[n] += gates[n, expert] * layer.experts[expert](tokens[n])
    torch.testing.assert_close(layer(tokens), expected)


def test_no_family_is_in_two_splits():
    for splits in (NETWORK_SPLITS, CHIPLET_SPLITS):
        families = [family for split in splits.values() for family in split]
        assert len(families) == len(set(families))
        for names in splits.values():
            for family, models in names.items():
                for model in models:
                    assert zoo.entry_of(zoo.split_name(model)).family == family
    assert len(split_models("test")) == 8
    with pytest.raises(ValueError, match=r"networks/test has instances 0..7, not 8"):
        load("networks/test/8")


@given(placed_models(), st.floats(0.1, 1.0), st.floats(0.0, 1.0), st.floats(0.25, 4.0))
def test_parts_of_networks(case, share, start, scale):
    graph, _, _, _ = case
    part = subnetwork(graph, np.asarray(graph.group), share, start * (1 - share), scale, "part")
    number = {name: op for op, name in enumerate(graph.names)}
    kept = [number[name] for name in part.names]
    np.testing.assert_allclose(part.flops, scale * graph.flops[kept])
    assert part.parameter_bytes.tolist() == graph.parameter_bytes[kept].tolist()
    between = {(int(a), int(b)) for a, b in graph.edges if {a, b} <= set(kept)}
    assert {(kept[a], kept[b]) for a, b in part.edges} == between
    groups = set(np.asarray(graph.group)[kept].tolist())
    assert all((group in groups) == (op in kept) for op, group in enumerate(np.asarray(graph.group).tolist()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torch:gnmd", "unknown model 'torch:gnmd'; did you mean torch:gnmt"),
        ("torch:gnmt,depth=3", "unknown option 'depth=3'; known: training, decomposed, batch=N, layers=N, width=N"),
        ("torch:gnmt,layers=0", "unknown option 'layers=0'"),
        ("torch:gnmt,layers=99999999999", "unknown option 'layers=99999999999'"),
        ("torch:inception-v3,pixels=8", "cannot be traced"),
    ],
)
def test_bad_names(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        zoo.traced_model(text)
    assert "\n" not in str(caught.value)

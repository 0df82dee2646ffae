"""Encoders, gathering and adapters: against plain loops, and the other device's code."""

import dataclasses

import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.networks.adapters import chosen_rows
from placezoo.agents.networks.checkpoint import network_config
from placezoo.agents.networks.encoders import ENCODERS, Encoder, Links
from placezoo.agents.networks.encoders.two_way import TwoWayLayer
from placezoo.agents.networks.gathering import (
    mean_contents,
    mean_neighbours,
    scattered_contents,
    scattered_neighbours,
)
from placezoo.agents.networks.graph_batch import Graphs, Samples
from placezoo.agents.networks.graph_memory import item_graph_of
from placezoo.agents.networks.policy_network import PolicyNetwork


def random_graph(rng, size, width=8):
    count = 3 * size
    links = torch.tensor(rng.integers(0, size, (count, 2)))
    return Graphs.of(torch.tensor(rng.random((size, 5)), dtype=torch.float32), links,
                     torch.tensor(rng.random((count, width)), dtype=torch.float32))  # fmt: skip


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_batch_learn_and_do_not_know_the_graphs_size(name):
    """Graphs side by side are encoded as they are alone; every parameter that can get a gradient gets one."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    encoder = Encoder(name, 8, 2)
    parts = [random_graph(rng, size) for size in (3, 11, 200)]
    starts = [torch.randn(part.start[-1], 8) for part in parts]
    joined = Graphs.join(parts)
    together = encoder(torch.cat(starts), Links(joined.edge_index, joined.edge_features, joined.start))
    alone = [
        encoder(start, Links(part.edge_index, part.edge_features, part.start))
        for start, part in zip(starts, parts, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    (together * torch.randn_like(together)).sum().backward()
    unused = [key for key, value in encoder.named_parameters() if value.grad is None or not value.grad.any()]
    # Softmax does not see what is added to all keys; a query's bias on its own neither.
    assert all("bias" in key or "gates" in key for key in unused), unused


@pytest.mark.parametrize("name", sorted(set(ENCODERS) - {"segment-recurrent", "two-way"}))
def test_encoders_follow_a_renumbering_of_the_items(name):
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    encoder, graph = Encoder(name, 8, 2), random_graph(rng, 20)
    start, order = torch.randn(20, 8), torch.randperm(20)
    new_number = torch.argsort(order)
    plain = encoder(start, Links(graph.edge_index, graph.edge_features, [0, 20]))
    renamed = encoder(start[order], Links(new_number[graph.edge_index], graph.edge_features, [0, 20]))
    torch.testing.assert_close(renamed, plain[order], rtol=1e-4, atol=1e-5)


def test_two_way_hears_the_whole_depth_in_one_round():
    """On a chain the first item's change reaches the last, and the last one's the first."""
    torch.manual_seed(0)
    layer, n = TwoWayLayer(64), 8
    chain = torch.tensor([list(range(n - 1)), list(range(1, n))])
    both = torch.cat([chain, chain.flip(0)], 1)
    links = Links(both, torch.zeros(both.shape[1], 64), [0, n])
    start = (3 * torch.randn(n, 64)).requires_grad_()
    result = layer(start, links)
    for end, other in ((0, n - 1), (n - 1, 0)):
        gradient = torch.autograd.grad(result[end, 0] - result[end, 1], start, retain_graph=True)[0]
        assert gradient[other].abs().sum() > 0


def test_unknown_encoders_are_named():
    with pytest.raises(ValueError, match="did you mean graph-sage"):
        Encoder("graph-sag", 8, 1)


def gathering_case(every_item):
    rng = np.random.default_rng(2)
    problems = [placezoo.make_problem("GraphPartition-v0", name, num_parts=3) for name in ("karate", "grid/train/0")]
    graphs = Graphs.join([item_graph_of(problem) for problem in problems])
    sizes = [problem.num_items for problem in problems]
    batch = 12
    graph = torch.tensor(sorted(rng.integers(0, 2, batch).tolist()))
    assignment = torch.full((batch, max(sizes)), -1)
    for sample in range(batch):
        n = sizes[int(graph[sample])]
        assignment[sample, :n] = torch.tensor(rng.integers(-1, 3, n))
        if sample and graph[sample] == graph[sample - 1] and sample % 3:  # as in an episode: few items differ
            changed = rng.random(n) < 0.1
            assignment[sample, :n] = torch.where(
                torch.tensor(changed), assignment[sample, :n], assignment[sample - 1, :n]
            )
    mask = torch.tensor(rng.random((batch, max(sizes), 3) if every_item else (batch, 3)) < 0.6)
    mask[3] = False  # nothing is allowed in one sample
    current = torch.tensor([int(rng.integers(sizes[int(g)])) for g in graph])
    features = torch.tensor(rng.random((batch, 3, 4)), dtype=torch.float32)
    return graphs, Samples(graph, assignment, current, features, mask)


@pytest.mark.parametrize("every_item", [False, True])
def test_compiled_gathering_equals_tensor_operations(every_item):
    """Values and gradients of the loops on the CPU are those of the scattered sums that other devices run."""
    graphs, samples = gathering_case(every_item)
    pairs = samples.pairs(graphs)
    first = torch.tensor(graphs.start)[samples.graph]
    torch.manual_seed(0)
    content = torch.randn(graphs.start[-1], 5, requires_grad=True)
    message = torch.randn(graphs.edge_index.shape[1], 5, requires_grad=True)
    cases = [
        (content, [mean_contents(content, graphs, samples)],
         [scattered_contents(content, first, samples.assignment, 3)]),
        (message, mean_neighbours(message, graphs, samples, pairs),
         scattered_neighbours(message, graphs, samples, pairs)),
    ]  # fmt: skip
    for source, compiled, scattered in cases:
        for one, other in zip(compiled, scattered, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
            weights = torch.randn_like(other)
            of_one, of_other = (
                torch.autograd.grad((part * weights).sum(), source, retain_graph=True)[0] for part in (one, other)
            )
            torch.testing.assert_close(of_one, of_other, rtol=1e-4, atol=1e-4)
            assert of_one.abs().sum() > 0


def test_experts_choose_the_better_half_of_each_graph():
    owner = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2])
    score = torch.tensor([0.1, 0.9, 0.5, 0.2, 0.3, 0.3, 0.8, 0.1])
    expected = [False, True, True, True, True, False, True, False]
    assert chosen_rows(score, owner).tolist() == expected


@pytest.mark.parametrize(("adapter", "experts"), [("superposition", 0), ("experts", 2)])
def test_fresh_adapters_change_nothing_and_learn(adapter, experts):
    problem = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=3)
    graphs, samples = gathering_case(False)
    plain = PolicyNetwork(network_config(problem, "graph-sage", 8, 2))
    torch.nn.init.normal_(plain.trunk.score[-1].weight)
    config = dataclasses.replace(plain.config, adapter=adapter, experts=experts)
    adapted = PolicyNetwork(config)
    missing = adapted.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing
    assert all(key.startswith("trunk.adapter") for key in missing)
    scores, values = adapted(graphs, adapted.encode(graphs), samples)
    before = plain(graphs, plain.encode(graphs), samples)
    torch.testing.assert_close((scores, values), before)
    (scores.square().sum() + values.sum()).backward()
    assert any(value.grad.abs().sum() > 0 for key, value in adapted.named_parameters() if key in missing)

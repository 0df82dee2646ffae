"""One-shot placers: the segment-recurrent transformer, the learner, and the agents gdp and go."""

import numpy as np
import pytest

import placezoo
from placezoo import Budget
from placezoo.datasets import OpGraph
from placezoo.envs.source import ProblemSource
from placezoo.experiments.train import TrainingRun, train

torch = pytest.importorskip("torch")
from placezoo.agents.networks.checkpoint import Checkpoint  # noqa: E402
from placezoo.agents.networks.segment_transformer import SegmentTransformer  # noqa: E402
from placezoo.agents.one_shot.learner import GDPConfig, GOConfig, OneShotLearner, graph_of  # noqa: E402
from placezoo.agents.one_shot.network import OneShotConfig, OneShotNetwork  # noqa: E402

DEVICES = "DevicePlace-v0"


def chains(count: int = 4, length: int = 6, sent: float = 5e7) -> OpGraph:
    """Return chains side by side: each on its own device is best, and nobody says so."""
    n = count * length
    edges = [[op, op + 1] for op in range(n) if (op + 1) % length]
    return OpGraph([1e9] * n, [0.0] * n, [sent] * n, [0.0] * n, edges, name="chains")


@pytest.mark.parametrize("superposition", [False, True])
def test_all_segments_at_once_equal_one_after_another(superposition):
    torch.manual_seed(0)
    placer = SegmentTransformer(8, 3, 2, 5, superposition)
    for layer in placer.layers:
        if superposition:
            torch.nn.init.normal_(layer.gates.weight)
    sequence, context = torch.randn(17, 8), torch.randn(8)
    found = placer(sequence, context)
    memories = [None] * len(placer.layers)  # what each layer read of the segment before
    rows = []
    for start in range(0, 17, 5):
        hidden = sequence[start : start + 5]
        for number, layer in enumerate(placer.layers):
            before, memories[number] = memories[number], hidden
            gate, inner_gate = 1.0, 1.0
            if superposition:
                gate, inner_gate = (2 * torch.sigmoid(layer.gates(context))).chunk(2)
            normal = layer.attention_norm(hidden) * gate
            both = normal if before is None else torch.cat([layer.attention_norm(before) * gate, normal])
            queries, keys = layer.query(normal).view(-1, 2, 4), layer.keys(both).view(-1, 2, 8)
            heads = []
            for head in range(2):
                key, value = keys[:, head].chunk(2, dim=1)
                heads.append(torch.softmax(queries[:, head] @ key.T / 2.0, 1) @ value)
            hidden = hidden + layer.leave(torch.cat(heads, 1))
            inner = layer.inner(layer.inner_norm(hidden) * inner_gate)
            hidden = hidden + layer.outer(torch.nn.functional.gelu(inner))
        rows.append(placer.norm(hidden))
    torch.testing.assert_close(found, torch.cat(rows))


def test_no_gradient_crosses_segments():
    placer = SegmentTransformer(8, 2, 2, 4, False)
    sequence = torch.randn(12, 8, requires_grad=True)
    placer(sequence, torch.zeros(8))[8:].sum().backward()
    assert sequence.grad is not None
    assert torch.count_nonzero(sequence.grad[:8]) == 0
    assert torch.count_nonzero(sequence.grad[8:]) > 0


@pytest.mark.parametrize("placer", ["segment-transformer", "feed-forward"])
def test_items_may_be_numbered_in_any_way(placer):
    torch.manual_seed(0)
    problem = placezoo.make_problem(DEVICES, chains())
    names = problem.feature_names
    config = OneShotConfig(
        len(names.items), len(names.item_edges), len(names.resources), width=16, placer=placer, segment=7
    )
    network, graph = OneShotNetwork(config), graph_of(problem)
    before = network(graph)
    torch.testing.assert_close(before.exp().sum(1), torch.ones(24))
    number = torch.randperm(24)  # the new number of each item
    graph.features = graph.features[torch.argsort(number)]
    graph.edge_index, graph.order = number[graph.edge_index], number[graph.order]
    torch.testing.assert_close(network(graph)[number], before)


def test_drawn_assignments_follow_the_probabilities():
    problem = placezoo.make_problem(DEVICES, chains(1, 3))
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    drawn = problem.sample(probabilities, 20_000, np.random.default_rng(0))
    for item in range(3):
        found = np.bincount(drawn[:, item], minlength=4) / 20_000
        np.testing.assert_allclose(found, probabilities[item], atol=0.02)
    assert drawn[:, 0].max() == 2


@pytest.mark.parametrize("agent", ["gdp", "go"])
def test_learns_to_place_chains_apart(agent):
    problem = placezoo.make_problem(DEVICES, chains(2, sent=2e6), topology="p100x2-pcie")
    alone = problem.evaluate(np.zeros(12, np.int64)).total
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=3_000), seed=0)
    assert solution.evaluations == 3_000
    assert alone / 2 - 1e-12 <= solution.cost.total < 0.65 * alone
    totals = [point.total for point in solution.trace]
    assert totals == sorted(totals, reverse=True)
    again = placezoo.make_agent(agent).solve(problem, Budget(evaluations=3_000), seed=0)
    assert again.assignment.tolist() == solution.assignment.tolist()


@pytest.mark.parametrize("config", [GDPConfig(), GOConfig(), GDPConfig(elite=False), GDPConfig(superposition=False)])
def test_what_is_drawn_gets_better(config):
    """The mean cost of draws falls: the best of them would, even if nothing were learned."""
    problem = placezoo.make_problem(DEVICES, chains(2, sent=2e6), topology="p100x2-pcie")
    source = ProblemSource(type(problem), instance=problem.instance, parameters=problem.parameters)
    learner, costs = OneShotLearner(source, config=config), []
    learner.learn(timesteps=3_000, on_update=lambda status: costs.append(status.relative_cost))
    assert np.mean(costs[-3:]) < 0.95 * np.mean(costs[:3])


def test_go_learns_who_goes_first():
    """A long chain and short operators on one device each: the device with both must begin with the chain."""
    lengths = [1e9] + [1e9] * 3 + [4e9]
    edges = [[0, 4]]
    graph = OpGraph(lengths, [0.0] * 5, [1.0] * 5, [1e9, 1e9, 1e9, 1e9, 0.0], edges, name="first")
    settings = {"topology": "p100x2-pcie", "memory_gb": 4.1}
    plain = placezoo.make_problem(DEVICES, graph, **settings)
    ordered = placezoo.make_problem(DEVICES, graph, priorities=2, **settings)
    assert ordered.num_items == 10
    first_come = min(plain.evaluate(np.array([0, 0, 0, 0, last])).total for last in (0, 1))
    solution = placezoo.make_agent("go").solve(ordered, Budget(evaluations=2_000))
    assert solution.cost.total <= first_come
    brute = min(
        ordered.evaluate(np.array([*places, *levels])).total
        for places in np.ndindex(*[2] * 5)
        for levels in np.ndindex(*[2] * 5)
    )
    assert solution.cost.total == pytest.approx(brute)


def test_training_a_policy_and_using_it(tmp_path):
    run = TrainingRun(
        "GraphPartition-v0", instance="karate", agent="gdp", parameters={"num_parts": 2}, timesteps=3_000, seed=1,
        hyperparameters={"width": 16, "layers": 2},
    )  # fmt: skip
    curve = train(run, tmp_path)
    assert curve[-1].timesteps == 3_000
    assert np.mean([point.training_cost for point in curve[-5:]]) < np.mean([p.training_cost for p in curve[:5]])
    policy = Checkpoint.load(tmp_path)
    assert (policy.architecture, policy.formulation) == ("one-shot", "one-shot")
    problem = placezoo.make_problem("GraphPartition-v0", instance="karate", num_parts=2)
    for finetune in (False, True):
        agent = placezoo.make_agent("gdp", checkpoint=str(tmp_path), finetune=finetune)
        solution = agent.solve(problem, Budget(evaluations=200))
        assert solution.evaluations == 200
        assert solution.cost.feasible
    with pytest.raises(ValueError, match=r"trained for GraphPartition-v0, it cannot solve DevicePlace-v0"):
        agent.solve(placezoo.make_problem(DEVICES, chains()))
    with pytest.raises(ValueError, match="trained for GraphPartition-v0"):
        OneShotLearner(ProblemSource(type(placezoo.make_problem(DEVICES, chains())), instance=chains()), start=policy)


def test_refinement_reads_the_last_answer():
    problem = placezoo.make_problem(DEVICES, chains())
    torch.manual_seed(0)
    network, graph = OneShotNetwork(GOConfig(width=16).network(problem)), graph_of(problem)
    blank = network(graph)
    torch.testing.assert_close(network(graph, torch.full((24,), -1)), blank)
    assert not torch.equal(network(graph, torch.zeros(24, dtype=torch.int64)), blank)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 1}, "group must be a whole number of at least 2"),
        ({"width": 10}, "width 10 must be a multiple of the 4 heads"),
        ({"placer": "recurrent"}, "unknown placer 'recurrent'"),
        ({"encoder": "cnn"}, "unknown encoder 'cnn'"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number above 0"),
    ],
)
def test_bad_hyperparameters(settings, message):
    source = ProblemSource(type(placezoo.make_problem(DEVICES, chains())), instance=chains())
    with pytest.raises(ValueError, match=message):
        OneShotLearner(source, config=GDPConfig(**settings))

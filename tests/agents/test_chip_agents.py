"""The agents of chip placement: wire mask, analytic, and the learned ones."""

import dataclasses
import itertools

import gymnasium as gym
import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.agent import with_policy
from placezoo.agents.chip.analytic import Analytic
from placezoo.agents.chip.wire_mask import net_area_order, place_by_wire_mask
from placezoo.agents.networks.architectures import feature_record
from placezoo.agents.networks.checkpoint import Checkpoint, network_config
from placezoo.agents.networks.encoders import Encoder, Links
from placezoo.agents.networks.graph_batch import Graphs
from placezoo.agents.networks.heads import make_network
from placezoo.agents.ppo.agent import PPO
from placezoo.agents.search.repair import repair
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.datasets import generate_netlist
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.wrappers import PadGraph
from placezoo.experiments.evaluate import verify

AGENTS = (
    "random",
    "greedy",
    "force-directed",
    "wire-mask",
    "local-search",
    "simulated-annealing",
    "analytic",
    "macro-placer",
)


@pytest.fixture(scope="module")
def problem():
    return ChipPlaceProblem(generate_netlist(num_hard=8, num_soft=24, seed=4, grid=(9, 8), hard_utilization=0.3))


@pytest.mark.parametrize("name", AGENTS)
def test_answers_are_legal_determined_by_the_seed_and_confirmed(problem, name):
    first, second = (
        placezoo.make_agent(name).solve(problem, placezoo.Budget(evaluations=400), seed=3) for _ in range(2)
    )
    assert first.cost.feasible
    assert problem.refined(first.refinement).placement(first.assignment).is_legal
    assert verify(first, problem).total == first.cost.total
    np.testing.assert_array_equal(first.assignment, second.assignment)
    assert first.cost == second.cost
    assert first.evaluations <= 400 + problem.num_items


def test_search_beats_random_by_far(problem):
    totals = {
        name: placezoo.make_agent(name).solve(problem, placezoo.Budget(evaluations=3000), seed=0).cost.total
        for name in ("simulated-annealing", "analytic")
    }
    drawn = placezoo.make_agent("random").solve(problem, placezoo.Budget(evaluations=100), seed=0).cost.total
    assert totals["simulated-annealing"] < drawn
    assert totals["analytic"] < drawn


@pytest.mark.parametrize("movable", ["macros", "all"])
@pytest.mark.parametrize("start", ["spread", "netlist"])
def test_the_macro_placer_beats_annealing_on_cells(movable, start, tmp_path):
    """Off the grid is more than on it; what it answers is legal by the challenge's rules, in float32 too."""
    netlist = generate_netlist(num_hard=8, num_soft=24, seed=4, grid=(9, 8), hard_utilization=0.3)
    problem = ChipPlaceProblem(netlist, movable=movable)
    budget = placezoo.Budget(evaluations=8000)
    found = placezoo.make_agent("macro-placer", start=start).solve(problem, budget, seed=0)
    on_cells = placezoo.make_agent("simulated-annealing").solve(problem, budget, seed=0)
    assert found.cost.total < on_cells.cost.total
    placement = problem.refined(found.refinement).placement(found.assignment)
    low = (placement.centers - placement.extents / 2).astype(np.float32)
    high = (placement.centers + placement.extents / 2).astype(np.float32)
    moved = netlist.macros if movable == "all" else netlist.hard_macros
    assert (low[moved] >= 0).all()
    assert (high[moved] <= np.float32([netlist.canvas.width, netlist.canvas.height])).all()
    for a, b in itertools.combinations(netlist.hard_macros, 2):
        assert (low[a] >= high[b]).any() or (low[b] >= high[a]).any()
    assert found.evaluations == 8000
    found.save(tmp_path / "s.json")
    assert verify(placezoo.Solution.load(tmp_path / "s.json"), problem) == found.cost


def test_the_macro_placer_leaves_fixed_macros_and_keeps_out_of_blockages_and_halos():
    netlist = generate_netlist(num_hard=8, num_soft=12, seed=4, grid=(12, 12), hard_utilization=0.15)
    canvas, fixed, halos = netlist.canvas, netlist.fixed.copy(), np.zeros((netlist.num_nodes, 4))
    fixed[netlist.hard_macros[2]] = fixed[netlist.soft_macros[0]] = True
    halos[netlist.hard_macros[:4]] = canvas.cell_width / 3
    walls = ((0.0, 0.0, canvas.width / 5, canvas.height / 3, 1.0),)
    centers = netlist.centers.copy()
    centers[netlist.hard_macros[2]] = canvas.width * 0.6, canvas.height * 0.6
    netlist = dataclasses.replace(netlist, fixed=fixed, halos=halos, centers=centers).with_canvas(blockages=walls)
    problem = ChipPlaceProblem(netlist, movable="all")
    found = placezoo.make_agent("macro-placer").solve(problem, placezoo.Budget(evaluations=3000), seed=0)
    assert found.cost.violations == ()
    placement = problem.refined(found.refinement).placement(found.assignment)
    np.testing.assert_array_equal(placement.centers[fixed], netlist.centers[fixed])


@pytest.mark.parametrize("fixed", [(), ("soft",), ("hard",)])
@pytest.mark.parametrize(("num_hard", "num_soft"), [(1, 2), (3, 4)])
def test_the_macro_placer_on_the_smallest_chips(num_hard, num_soft, fixed):
    netlist = generate_netlist(num_hard=num_hard, num_soft=num_soft, seed=1, grid=(3, 3), hard_utilization=0.2)
    grid = ChipPlaceProblem(netlist)
    netlist = netlist.with_placement(grid.placement(grid.initial_assignment(np.random.default_rng(0))))
    stay = np.concatenate(
        [netlist.hard_macros if "hard" in fixed else [], netlist.soft_macros if "soft" in fixed else []]
    )
    netlist = dataclasses.replace(netlist, fixed=netlist.fixed | np.isin(np.arange(netlist.num_nodes), stay))
    problem = ChipPlaceProblem(netlist, movable="all")
    for evaluations in (1, 7, 500):
        budget = placezoo.Budget(evaluations=evaluations)
        found = placezoo.make_agent("macro-placer").solve(problem, budget, seed=0)
        assert found.cost.feasible
        assert found.evaluations == evaluations


def test_annealing_finds_the_optimum_of_a_tiny_canvas():
    netlist = generate_netlist(num_hard=2, num_soft=4, seed=1, grid=(4, 4), hard_utilization=0.15)
    problem = ChipPlaceProblem(netlist)
    costs = [problem.evaluate(np.array(pair)) for pair in itertools.product(range(16), repeat=2)]
    best = min(cost.total for cost in costs if cost.feasible)
    found = placezoo.make_agent("simulated-annealing").solve(problem, placezoo.Budget(evaluations=4000), seed=0)
    # Moves are judged with the soft macros as they stand, answers with soft macros placed anew: hence the small gap.
    assert best <= found.cost.total <= 1.01 * best


def test_the_wire_mask_decides_and_the_genotype_breaks_ties(problem):
    rng = np.random.default_rng(0)
    genotype = rng.integers(problem.num_resources, size=problem.num_items)
    greedy = place_by_wire_mask(problem.kernel().state, problem.item_order, genotype, slack=0.0)
    kernel = problem.kernel()
    wires = np.empty(problem.num_resources)
    for item in problem.item_order:
        allowed = problem.step_kernel.allowed
        mask = np.zeros(problem.num_resources, np.int8)
        allowed(kernel.state, item, mask)
        chip_moves.wire_mask(kernel.state, item, wires)
        assert mask[greedy[item]]
        assert wires[greedy[item]] == wires[mask > 0].min()
        kernel.apply(kernel.state, (int(item), -1, int(greedy[item]), -1))
    # With every cell a tie, a legal genotype comes back as it is.
    legal = problem.initial_assignment(rng)
    np.testing.assert_array_equal(
        place_by_wire_mask(problem.kernel().state, problem.item_order, legal, slack=1.0), legal
    )


def test_order_by_net_area(problem):
    netlist = problem.instance
    area = np.prod(netlist.sizes, axis=1)
    score = np.zeros(netlist.num_nodes)
    for net in range(netlist.num_nets):
        owners = netlist.owners[netlist.net_nodes[netlist.net_indptr[net] : netlist.net_indptr[net + 1]]]
        for owner in owners:
            score[owner] += area[owners].sum()
    ranked = score[problem.item_nodes][net_area_order(problem)]
    assert np.all(np.diff(ranked) <= 1e-6)


def test_repair_makes_any_placement_legal(problem):
    rng = np.random.default_rng(1)
    for _ in range(5):
        broken = rng.integers(problem.num_resources, size=problem.num_items)
        assert problem.evaluate(repair(problem, broken)).feasible
    legal = problem.initial_assignment(rng)
    np.testing.assert_array_equal(repair(problem, legal), legal)


@pytest.mark.parametrize(
    ("name", "hyperparameters"),
    [
        ("wire-mask", {"starts": 0}),
        ("wire-mask", {"slack": 2.0}),
        ("macro-placer", {"start": "centre"}),
        ("macro-placer", {"widening": 0.5}),
        ("macro-placer", {"hard_share": 1.5}),
        ("analytic", {"share": 1.0}),
        ("analytic", {"steps": 0}),
        ("analytic", {"learning_rate": 0.0}),
        ("analytic", {"acceptance": 1.0}),
        ("analytic", {"overlap_weight": -1.0}),
        ("ppo", {"finetune": 1.0}),
    ],
)
def test_bad_hyperparameters(name, hyperparameters):
    with pytest.raises(ValueError, match=next(iter(hyperparameters))):
        placezoo.make_agent(name, **hyperparameters)


def test_domain_agents_refuse_other_problems():
    graph = placezoo.make_problem("GraphPartition-v0", "karate")
    for name in ("wire-mask", "analytic"):
        with pytest.raises(ValueError, match="is for ChipPlace-v0"):
            placezoo.make_agent(name).solve(graph)


def test_gradient_descent_is_a_better_start_than_chance(problem):
    """Before any annealing: the legalised places against random placements."""
    agent = Analytic(share=0.99, steps=60)
    rng = np.random.default_rng(0)
    drawn = [problem.evaluate(problem.initial_assignment(rng)).total for _ in range(10)]
    budget = placezoo.Budget(evaluations=61)
    solution = agent.solve(problem, budget, seed=0)
    assert solution.cost.total < np.mean(drawn)


def network(problem, head, encoder="edge-gnn"):
    torch.manual_seed(0)
    config = network_config(problem, encoder, 16, 2, head)
    return make_network(config)


def test_edge_gnn_by_hand():
    """One round on two items and one link, against the formula of AlphaChip."""
    torch.manual_seed(1)
    encoder = Encoder("edge-gnn", 4, 1)
    hidden, edges, weights = torch.randn(2, 4), torch.tensor([[0], [1]]), torch.randn(1, 4)
    layer = encoder.layers[0]
    edge = torch.relu(layer.convolution.edge(torch.cat([hidden[1], hidden[0], weights[0]])))
    expected = layer.norm(hidden + torch.stack([torch.zeros(4), edge]))
    torch.testing.assert_close(encoder(hidden, Links(edges, weights, [0, 2])), expected)


@pytest.mark.parametrize("head", ["pair", "deconvolution"])
def test_heads_score_any_grid_and_start_from_the_wire_mask(problem, head):
    net = network(problem, head)
    for on in (problem, ChipPlaceProblem(generate_netlist(num_hard=5, num_soft=9, seed=2, grid=(13, 11)))):
        policy = Checkpoint(net, "ChipPlace-v0", "construct", feature_record(on))
        agent = with_policy(PPO(), policy)
        env = gym.make("ChipPlace-v0", instance=on.instance)
        observation, _ = env.reset(seed=0)
        plain = agent.act(observation)
        assert plain == agent.act(PadGraph(env).observation(observation))
        assert observation["action_mask"][plain]
        wires = observation["resources"].nodes[:, problem.feature_names.resources.index("wire_mask")]
        allowed = np.flatnonzero(observation["action_mask"])
        assert wires[plain] <= np.quantile(wires[allowed], 0.2)


def test_deconvolution_ignores_the_padding_and_its_neighbours_in_the_batch(problem):
    """The scores of a small canvas are the same alone and beside a larger one."""
    net = network(problem, "deconvolution").eval()
    other = ChipPlaceProblem(generate_netlist(num_hard=8, num_soft=20, seed=9, grid=(14, 12)))
    alone, batch = [], []
    for on in (problem, other):
        env = PadGraph(gym.make("ChipPlace-v0", instance=on.instance))
        observation, _ = env.reset(seed=0)
        env_raw = env.unwrapped
        env_raw.step(int(np.flatnonzero(env_raw.action_masks())[3]))
        observation = env.observation(env_raw._observe())
        alone.append((on, observation))
    from placezoo.agents.networks.graph_batch import Samples

    def graphs_of(on):
        links, edges = on.item_edges
        return Graphs.of(torch.tensor(on.item_features), torch.tensor(links), torch.tensor(edges))

    most = max(on.num_resources for on, _ in alone)
    for on, observation in alone:
        features = torch.zeros(1, most, 8)
        features[0, : on.num_resources] = torch.tensor(observation["resource_features"][: on.num_resources])
        batch.append((features, torch.tensor(observation["assignment"])[None], int(observation["current_item"].item())))
    joined = Graphs.join([graphs_of(on) for on, _ in alone])
    samples = Samples(
        torch.tensor([0, 1]), torch.cat([a for _, a, _ in batch]), torch.tensor([c for _, _, c in batch]),
        torch.cat([f for f, _, _ in batch]), torch.ones(2, most, dtype=torch.bool),
    )  # fmt: skip
    together, values = net(joined, net.encode(joined), samples)
    for i, (on, _) in enumerate(alone):
        graphs = graphs_of(on)
        one = Samples(
            torch.tensor([0]),
            samples.assignment[i : i + 1],
            samples.current_item[i : i + 1],
            samples.resource_features[i : i + 1, : on.num_resources],
            samples.mask[i : i + 1, : on.num_resources],
        )
        scores, value = net(graphs, net.encode(graphs), one)
        torch.testing.assert_close(together[i, : on.num_resources], scores[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(values[i], value[0], rtol=1e-4, atol=1e-5)


def test_deconvolution_needs_a_grid():
    graph = placezoo.make_problem("GraphPartition-v0", "karate")
    with pytest.raises(ValueError, match="cells of a grid"):
        network(graph, "deconvolution")
    with pytest.raises(ValueError, match="unknown head"):
        network(graph, "convolution")


@pytest.mark.parametrize("head", ["pair", "deconvolution"])
def test_training_runs_and_its_checkpoint_solves_another_canvas(head, problem, tmp_path):
    from placezoo.experiments.train import TrainingRun, train

    run = TrainingRun(
        "ChipPlace-v0", dataset="synthetic-chips", timesteps=128, validations=1,
        hyperparameters={
            "num_envs": 4, "num_steps": 32, "head": head, "encoder": "edge-gnn", "gamma": 1.0, "gae_lambda": 1.0
        },
    )  # fmt: skip
    curve = train(run, tmp_path)
    assert curve[-1].timesteps >= 128
    assert Checkpoint.load(tmp_path).network.config.head == head
    solution = placezoo.make_agent("ppo", checkpoint=str(tmp_path)).solve(
        problem, placezoo.Budget(evaluations=5), seed=0
    )
    assert solution.cost.feasible
    assert solution.evaluations == 5

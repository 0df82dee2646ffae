"""Every environment, every formulation, every general agent."""

import gymnasium as gym
import numpy as np
import pytest

import placezoo
from placezoo import Budget
from placezoo.datasets import OpGraph, generate_netlist

torch = pytest.importorskip("torch")
from placezoo.agents.agent import with_policy  # noqa: E402
from placezoo.agents.networks.checkpoint import network_config  # noqa: E402
from placezoo.agents.networks.encoders import ENCODERS  # noqa: E402
from placezoo.agents.networks.graph_batch import Samples  # noqa: E402
from placezoo.agents.networks.graph_memory import item_graph_of  # noqa: E402
from placezoo.agents.networks.policy_network import PolicyNetwork, Trunk  # noqa: E402
from placezoo.agents.ppo.agent import PPO  # noqa: E402
from placezoo.agents.ppo.config import PPOConfig  # noqa: E402
from placezoo.agents.ppo.own_learner import PPOLearner  # noqa: E402
from placezoo.envs.registration import problem_class  # noqa: E402
from placezoo.envs.source import ProblemSource  # noqa: E402

FORMULATIONS = ("construct", "improve", "one-shot")
SMALL = PPOConfig(num_envs=4, num_steps=8, group=2, batch_size=16, num_epochs=1, width=8, layers=1)


def op_graph(count=24, megabytes=4.0):
    rng = np.random.default_rng(0)
    edges = sorted({(int(a), b) for b in range(1, count) for a in rng.integers(max(0, b - 4), b, 2)})
    size = rng.integers(1, 9, count)
    return OpGraph(
        size * 1e9,
        0.25e6 * megabytes * size,
        1e6 * megabytes * size,
        0.25e6 * megabytes * size,
        [list(edge) for edge in edges],
        name=f"{count}-operators",
    )


CASES = {
    "ChipPlace-v0": (lambda: generate_netlist(num_hard=6, num_soft=10, seed=1, grid=(8, 7)), {}),
    "DevicePlace-v0": (op_graph, {}),
    "EdgePlace-v0": (lambda: "giph/test/3", {}),
    "GraphPartition-v0": (lambda: "karate", {"num_parts": 3}),
    "MCMPartition-v0": (lambda: op_graph(60, megabytes=0.4), {}),
}


def problem_of(env_id):
    make, parameters = CASES[env_id]
    return placezoo.make_problem(env_id, make(), **parameters)


@pytest.mark.parametrize("agent", ["random", "greedy", "local-search", "simulated-annealing"])
@pytest.mark.parametrize("env_id", CASES)
def test_search_agents_solve_every_problem_and_every_formulation_takes_their_answer(env_id, agent):
    problem = problem_of(env_id)
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=300), seed=0)
    assert solution.cost == problem.evaluate(solution.assignment)
    assert solution.cost.feasible
    for formulation in FORMULATIONS:
        env = gym.make(env_id, instance=problem.instance, formulation=formulation, **problem.parameters)
        start = np.full(problem.num_items, -1)
        if formulation == "improve":
            start = solution.assignment
        env.reset(seed=0, options=None if formulation == "construct" else {"assignment": start})
        if formulation == "construct":
            items, action = problem.item_order, None
            terminated = False
            for item in items:
                action = int(solution.assignment[item])
                if not env.unwrapped.action_masks()[action]:
                    break  # a greedy mask may forbid on the way what the whole assignment may be
                *_, terminated, _, info = env.step(action)
            if not terminated:
                continue
        elif formulation == "one-shot":
            *_, info = env.step(solution.assignment)
        else:
            assert env.unwrapped.problem.evaluate(env.unwrapped.assignment).total == pytest.approx(solution.cost.total)
            continue
        assert info["cost"]["total"] == pytest.approx(solution.cost.total, rel=1e-6)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("env_id", CASES)
def test_ppo_trains_and_solves_in_every_formulation(env_id, formulation):
    problem = problem_of(env_id)
    source = ProblemSource(problem_class(env_id), instance=problem.instance, parameters=problem.parameters)
    learner = PPOLearner(source, formulation, SMALL)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    learner.learn(timesteps=64)
    assert any((value != before[name]).any() for name, value in learner.network.state_dict().items())
    assert all(torch.isfinite(value).all() for value in learner.network.state_dict().values())
    agent = with_policy(PPO(samples=2), learner.checkpoint())
    solution = agent.solve(problem, Budget(evaluations=60), seed=0)
    assert solution.cost == problem.evaluate(solution.assignment)
    env = gym.make(env_id, instance=problem.instance, formulation=formulation, **problem.parameters)
    observation, _ = env.reset(seed=0)
    action = agent.act(observation)
    mask = np.asarray(observation["action_mask"])
    assert mask[action] if mask.ndim == 1 else mask[np.arange(len(mask)), action].all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_one_trunk_serves_all_five_environments(encoder):
    """The same weights score the current item's and all items' resources everywhere, whatever the sizes."""
    torch.manual_seed(0)
    trunk = None
    for env_id in CASES:
        problem = problem_of(env_id)
        network = PolicyNetwork(network_config(problem, encoder, 8, 1), trunk)
        assert trunk is None or network.trunk is trunk
        trunk = network.trunk
        assert isinstance(trunk, Trunk)
        graphs = item_graph_of(problem)
        features = torch.zeros(1, problem.num_resources, len(problem.feature_names.resources))
        assignment = torch.full((1, problem.num_items), -1)
        exists = torch.tensor(problem.exists)[None]
        item = int(problem.item_order[0])
        for mask in (exists[:, item], exists):
            samples = Samples(torch.zeros(1, dtype=torch.int64), assignment, torch.tensor([item]), features, mask)
            with torch.no_grad():
                scores, values = network(graphs, network.encode(graphs), samples)
            assert scores.shape == (1, mask.numel())
            assert torch.isfinite(scores).all()
            assert values.shape == (1,)

"""Every environment, every formulation, every general agent."""

import gymnasium as gym
import numpy as np
import pytest

import placezoo
from placezoo import Budget
from tests.instances import small_problem

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
from placezoo.envs.registration import PROBLEMS, problem_class  # noqa: E402
from placezoo.envs.source import ProblemSource  # noqa: E402

FORMULATIONS = ("construct", "improve", "one-shot")
SMALL = PPOConfig(num_envs=4, num_steps=8, group=2, batch_size=16, num_epochs=1, width=8, layers=1)


@pytest.mark.parametrize("agent", ["random", "greedy", "local-search", "simulated-annealing"])
@pytest.mark.parametrize("env_id", PROBLEMS)
def test_search_agents_solve_every_problem_and_every_formulation_takes_their_answer(env_id, agent):
    problem = small_problem(env_id)
    solution = placezoo.make_agent(agent).solve(problem, Budget(evaluations=300), seed=0)
    assert solution.cost == problem.evaluate(solution.assignment)
    assert solution.cost.feasible
    for formulation in FORMULATIONS:
        env = gym.make(env_id, instance=problem.instance, formulation=formulation, **problem.parameters)
        if formulation == "construct":
            env.reset(seed=0)
            played, info = construct(env, solution.assignment)
        elif formulation == "one-shot":
            env.reset(seed=0, options={"assignment": np.full(problem.num_items, -1)})
            *_, info = env.step(solution.assignment)
            played = solution.assignment
        else:
            _, info = env.reset(seed=0, options={"assignment": solution.assignment})
            played = solution.assignment
        np.testing.assert_array_equal(env.unwrapped.assignment, played)
        assert info["cost"]["total"] == pytest.approx(problem.evaluate(played).total, rel=1e-6)
        assert info["feasible"]


def construct(env, wanted):
    """Place each item where it is wanted; return the assignment and the last info.

    Masks forbid a place of a feasible assignment in one case only: a construction of a chiplet partition skips no
    chiplet, not even for a while. From there on each item goes as near to its chiplet as it may.
    """
    base, played, terminated = env.unwrapped, wanted.copy(), False
    for item in base.problem.item_order:
        assert not terminated
        allowed = np.flatnonzero(base.action_masks())
        if wanted[item] not in allowed:
            assert base.problem.env_id == "MCMPartition-v0"
            assert (played != wanted).any() or wanted[item] > base.assignment.max() + 1
            played[item] = allowed[np.abs(allowed - wanted[item]).argmin()]
        *_, terminated, _, info = env.step(int(played[item]))
    assert terminated
    return played, info


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("env_id", PROBLEMS)
def test_ppo_trains_and_solves_in_every_formulation(env_id, formulation):
    problem = small_problem(env_id)
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
    for env_id in PROBLEMS:
        problem = small_problem(env_id)
        network = PolicyNetwork(network_config(problem, encoder, 8, 1), trunk)
        assert trunk is None or network.trunk is trunk
        trunk = network.trunk
        assert isinstance(trunk, Trunk)
        graphs = item_graph_of(problem)
        features = torch.zeros(1, problem.num_resources, len(problem.feature_names.resource_columns))
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

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

import placezoo
from placezoo import Budget
from placezoo.agents.agent import with_policy
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.ppo.agent import PPO
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.construct_decoder import ConstructDecoder
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.agents.ppo.sb3_learner import SB3PPOLearner
from placezoo.agents.ppo.sb3_vec_env import PaddedVecEnv
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.source import ProblemSource
from placezoo.envs.wrappers import PadGraph, RelativeReward
from tests.instances import two_cliques

ENV = "GraphPartition-v0"
SMALL = {"num_envs": 4, "num_steps": 16, "batch_size": 32, "num_epochs": 2, "width": 8, "layers": 1}


def learner(formulation="construct", dataset=None, instance=None, k=2, seed=0, **config):
    source = ProblemSource(GraphPartitionProblem, dataset=dataset, instance=instance, parameters={"num_parts": k})
    return SB3PPOLearner(source, formulation, PPOConfig(**{**SMALL, **config}), seed)


@pytest.mark.parametrize(
    ("formulation", "settings"), [("construct", {}), ("improve", {"num_moves": 9}), ("one-shot", {"refinements": 2})]
)
def test_the_padded_environment_equals_wrapped_scalar_ones(formulation, settings):
    """Against SB3's own DummyVecEnv over the wrappers: observations, rewards, ends and episodes' returns."""
    source = ProblemSource(GraphPartitionProblem, dataset="grid", parameters={"num_parts": 3})
    batched = PaddedVecEnv(3, source, formulation, **settings)

    def scalar():
        env = gym.make(ENV, dataset="grid", num_parts=3, formulation=formulation, **settings)
        return PadGraph(RelativeReward(env))

    expected = DummyVecEnv([scalar] * 3)
    assert batched.observation_space == expected.observation_space
    batched.seed(11)
    expected.seed(11)
    found_obs, expected_obs = batched.reset(), expected.reset()
    kept, copies = [], []
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(250):
        for name, values in expected_obs.items():
            np.testing.assert_array_equal(found_obs[name], values, err_msg=name)
        kept.append(found_obs)
        copies.append({name: values.copy() for name, values in found_obs.items()})
        masks = found_obs["action_mask"]
        if formulation == "one-shot":
            actions = np.array([[rng.choice(np.flatnonzero(row)) for row in mask] for mask in masks])
        else:
            actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        found_obs, rewards, dones, infos = batched.step(actions)
        expected_obs, expected_rewards, expected_dones, expected_infos = expected.step(actions)
        np.testing.assert_allclose(rewards, expected_rewards, rtol=1e-5)
        np.testing.assert_array_equal(dones, expected_dones)
        for index in np.flatnonzero(dones):
            ended += 1
            assert infos[index]["TimeLimit.truncated"] == expected_infos[index]["TimeLimit.truncated"]
            if formulation == "improve":
                for name, values in expected_infos[index]["terminal_observation"].items():
                    np.testing.assert_array_equal(infos[index]["terminal_observation"][name], values, err_msg=name)
    assert ended >= 3
    for observation, copy in zip(kept, copies, strict=True):  # SB3 stores an observation after the next step
        for name, values in copy.items():
            np.testing.assert_array_equal(observation[name], values, err_msg=name)


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
def test_each_formulation_trains_saves_and_solves_other_sizes(formulation, tmp_path):
    trained = learner(formulation, dataset="grid")
    before = {name: value.clone() for name, value in trained.model.policy.network.state_dict().items()}
    status = trained.learn(timesteps=128)
    assert status.timesteps == 128
    changed = [
        name for name, value in trained.model.policy.network.state_dict().items() if (value != before[name]).any()
    ]
    assert any(name.startswith("trunk.encoder") for name in changed)
    assert any(name.startswith("trunk.score") for name in changed)
    assert any(name.startswith("trunk.value") for name in changed)
    trained.checkpoint().save(tmp_path)
    agent = placezoo.make_agent("ppo", checkpoint=str(tmp_path), samples=2)
    for instance, k in (("florentine", 3), ("les-miserables", 5)):
        problem = placezoo.make_problem(ENV, instance=instance, num_parts=k)
        solution = agent.solve(problem, Budget(evaluations=200), seed=0)
        assert solution.cost == problem.evaluate(solution.assignment)
        assert solution.cost.feasible


def test_collected_and_trained_probabilities_agree():
    """The remembered embeddings of a rollout and the fresh ones of training give the same policy."""
    trained = learner(dataset="grid", k=3)
    policy = trained.model.policy
    first = {name: value.clone() for name, value in policy.state_dict().items()}
    trained.model.learn(64)  # collects once with the first weights, trains, and keeps the buffer
    assert any((value != first[name]).any() for name, value in policy.state_dict().items())
    policy.load_state_dict(first)
    buffer = trained.model.rollout_buffer
    assert buffer.full
    for stored in buffer.get(16):
        with torch.no_grad():
            values, log_prob, _ = policy.evaluate_actions(
                stored.observations, stored.actions.flatten(), stored.action_masks
            )
        torch.testing.assert_close(values.flatten(), stored.old_values)
        torch.testing.assert_close(log_prob, stored.old_log_prob)
    env = trained._env
    observations = env.reset()
    masks = np.stack(env.env_method("action_masks"))
    tensors = {name: torch.as_tensor(values) for name, values in observations.items()}
    with torch.no_grad():
        actions, values, log_prob = policy(tensors, action_masks=masks)
    again, log_again, entropy = policy.evaluate_actions(tensors, actions, masks)
    torch.testing.assert_close(again, values)
    torch.testing.assert_close(log_again, log_prob)
    assert (entropy >= 0).all()
    torch.testing.assert_close(policy.predict_values(tensors), values)


def test_training_is_reproducible():
    def weights():
        trained = learner(dataset="grid", seed=3)
        trained.learn(timesteps=128)
        return trained.model.policy.network.state_dict()

    first, second = weights(), weights()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0)


def test_it_really_learns_two_communities():
    """Two cliques joined by an edge: a random balanced split cuts about 20 edges, a learned one few."""
    graph = two_cliques(6)
    problem = placezoo.make_problem(ENV, instance=graph, num_parts=2)
    trained = learner(
        instance=graph, num_envs=8, num_steps=48, batch_size=96, learning_rate=3e-3, num_epochs=4, width=16
    )
    costs = []
    trained.learn(timesteps=8000, on_update=lambda status: costs.append(status.relative_cost))
    solution = with_policy(PPO(samples=1), trained.checkpoint()).solve(problem, Budget(evaluations=1))
    assert solution.cost.total <= 5
    assert solution.cost.total < 0.4 * problem.reference_cost
    assert np.nanmean(costs[-3:]) < 0.6 * np.nanmean(costs[:3])


def test_without_a_checkpoint_it_trains_on_the_instance():
    problem = placezoo.make_problem(ENV, instance="florentine", num_parts=2)
    solution = placezoo.make_agent("ppo").solve(problem, Budget(evaluations=40), seed=0)
    assert solution.cost.feasible
    assert solution.evaluations > 20


def test_a_budget_too_short_for_one_construction_still_gives_an_answer():
    trained = learner(dataset="grid")
    problem = placezoo.make_problem(ENV, instance="delaunay/test/0", num_parts=4)
    problem.item_features  # noqa: B018 - computed before the clock starts
    solution = with_policy(PPO(), trained.checkpoint()).solve(problem, Budget(seconds=1e-6), seed=0)
    assert solution.cost.feasible


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
def test_act_answers_plain_and_padded_observations_alike(formulation):
    trained = learner(formulation, dataset="grid", k=3)
    agent = with_policy(PPO(), trained.checkpoint())
    env = gym.make(ENV, instance="karate", num_parts=3, formulation=formulation)
    padded = PadGraph(env)
    observation, _ = env.reset(seed=0)
    done = False
    while not done:
        action = agent.act(observation)
        np.testing.assert_array_equal(agent.act(padded.observation(observation)), action)
        mask = observation["action_mask"]
        assert mask[action] if mask.ndim == 1 else mask[np.arange(34), action].all()
        observation, _, terminated, truncated, info = env.step(action)
        done = terminated or truncated
    assert (info["assignment"] >= 0).all()


def test_more_samples_are_never_worse():
    trained = learner(dataset="grid", k=4)
    problem = placezoo.make_problem(ENV, instance="delaunay/test/1", num_parts=4)
    one, many = (
        with_policy(PPO(samples=samples), trained.checkpoint()).solve(problem, Budget(evaluations=100), seed=0)
        for samples in (1, 9)
    )
    assert many.cost.total <= one.cost.total
    assert (one.evaluations, many.evaluations) == (1, 9)


def test_a_checkpoint_of_another_problem_is_refused(tmp_path):
    trained = learner(dataset="grid")
    checkpoint = trained.checkpoint()
    Checkpoint(checkpoint.network, "EdgePlace-v0", "construct", checkpoint.features).save(tmp_path)
    problem = placezoo.make_problem(ENV, instance="karate", num_parts=2)
    with pytest.raises(ValueError, match="trained for EdgePlace-v0"):
        placezoo.make_agent("ppo", checkpoint=str(tmp_path)).solve(problem)
    with pytest.raises(FileNotFoundError, match="not a checkpoint folder"):
        placezoo.make_agent("ppo", checkpoint=str(tmp_path / "none")).solve(problem)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_envs": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"gamma": 1.5},
        {"width": 2.5},
        {"entropy_coefficient": -1.0},
        {"batch_size": 1},
        {"clip_range": "wide"},
    ],
)
def test_bad_hyperparameters(settings):
    with pytest.raises(ValueError, match="ppo: "):
        PPOConfig(**settings)
    with pytest.raises(ValueError, match="did you mean graph-sage"):
        learner(dataset="grid", encoder="graphsage")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_devices_that_are_not_there(device):
    source = ProblemSource(GraphPartitionProblem, dataset="grid", parameters={"num_parts": 2})
    with pytest.raises(ValueError, match="cannot be used"):
        SB3PPOLearner(source, "construct", PPOConfig(**SMALL), device=device)


def test_a_checkpoint_is_a_copy_that_training_leaves_alone():
    trained = learner(dataset="grid")
    checkpoint = trained.checkpoint()
    before = {name: value.clone() for name, value in checkpoint.network.state_dict().items()}
    trained.learn(timesteps=128)
    for name, value in checkpoint.network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    weights = trained.model.policy.network.state_dict()
    assert any((weights[name] != value).any() for name, value in before.items())


@pytest.mark.parametrize("name", ["delaunay/test/0", "karate"])
def test_a_checkpoint_sees_problems_as_in_its_training(name):
    agent = placezoo.make_agent("ppo", checkpoint="pretrained", samples=1)  # trained on order=spectral
    found = {}
    for order in ("bfs", "heavy-edge", "spectral"):
        problem = placezoo.make_problem(ENV, name, num_parts=4, order=order)
        solution = agent.solve(problem, placezoo.Budget(evaluations=1), seed=0)
        assert solution.parameters["order"] == order  # the problem stays the one that was asked about
        assert problem.evaluate(solution.assignment) == solution.cost
        found[order] = solution.assignment.tolist()
    assert found["bfs"] == found["heavy-edge"] == found["spectral"]
    assert agent.presented(problem) is problem


def test_checkpoints_in_memory_know_how_problems_were_presented():
    trained = placezoo.make_problem(ENV, "karate", num_parts=3, order="heavy-edge")
    learner = PPOLearner(ProblemSource.of(trained), "construct", PPOConfig(num_envs=2, num_steps=8))
    for policy in (learner.checkpoint(), learner.checkpoint(dataset="delaunay")):
        seen = policy.as_trained(placezoo.make_problem(ENV, "florentine", num_parts=2, epsilon=0.5))
        assert seen.instance.name == "florentine"
        assert seen.parameters == {"num_parts": 2, "epsilon": 0.5, "order": "heavy-edge"}
    default = learner.checkpoint(parameters={"num_parts": 3})  # as folders say it: what is not there had its default
    assert default.as_trained(trained).parameters["order"] == "bfs"
    edge = placezoo.make_problem("EdgePlace-v0", "giph/test/0", churn=0.3)
    assert default.as_trained(edge) is edge  # another environment's
    assert edge.presented({"churn": 0.0}) is edge  # nothing of churn is seen


def test_training_that_goes_on_presents_problems_as_before():
    from placezoo.experiments.training_commands import _presented

    learner = PPOLearner(ProblemSource.of(placezoo.make_problem(ENV, "karate", order="spectral")), "construct")
    before = learner.checkpoint()
    assert _presented(before, ENV, {"num_parts": 5}) == {"num_parts": 5, "order": "spectral"}
    assert _presented(before, ENV, {"order": "bfs"}) == {"order": "bfs"}  # said so
    assert _presented(before, "ChipPlace-v0", {}) == {}


@pytest.mark.parametrize(("env_id", "instance"), [("EdgePlace-v0", "giph/test/0"), ("MCMPartition-v0", "mcm/test/0")])
def test_a_fresh_policy_goes_by_the_prior(env_id, instance):
    """Its likeliest construction takes the allowed resource with the least of that column, step by step."""
    problem = placezoo.make_problem(env_id, instance)
    agent = placezoo.make_agent("ppo", checkpoint="untrained", samples=1)
    solution = agent.solve(problem, placezoo.Budget(evaluations=1), seed=0)
    names, kernel = problem.feature_names, problem.kernel()
    column = names.pairs.index(problem.feature_roles.prior)
    mask = np.zeros(problem.num_resources, np.int8)
    features = np.zeros((problem.num_resources, len(names.pairs)), np.float32)
    for item in problem.item_order.tolist():
        problem.step_kernel.allowed(kernel.state, item, mask)
        problem.step_kernel.look(kernel.state, item, mask, features)
        least = np.where(mask > 0, features[:, column], np.inf)
        chosen = int(solution.assignment[item])
        assert least[chosen] <= least.min() + 1e-2  # the rest of a fresh network decides between those that are close
        kernel.apply(kernel.state, (item, -1, chosen, -1))


COLD = """
import placezoo
problem = placezoo.make_problem("EdgePlace-v0", "giph/test/0")
agent, step = placezoo.make_agent("ppo", checkpoint="untrained"), problem.step_kernel
agent.prepare(problem)
before = [list(one.signatures) for one in (step.allowed, step.observe, step.look)]
agent.solve(problem, placezoo.Budget(evaluations=3), seed=0)
assert [list(one.signatures) for one in (step.allowed, step.observe, step.look)] == before, before
assert all(before)
"""


def test_nothing_is_compiled_while_the_clock_runs():
    subprocess.run([sys.executable, "-c", COLD], check=True)


def test_the_fresh_policy_is_the_same_every_time():
    problem = placezoo.make_problem("EdgePlace-v0", "giph/test/1")
    state = torch.get_rng_state()
    found = [placezoo.make_agent("ppo", checkpoint="untrained").solve(problem, seed=3) for _ in range(2)]
    assert found[0].assignment.tolist() == found[1].assignment.tolist()
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_are_more_even_at_a_higher_temperature():
    problem = placezoo.make_problem("EdgePlace-v0", "giph/test/2")
    policy = placezoo.make_agent("ppo", checkpoint="untrained").policy_for(problem)
    likeliest = ConstructDecoder(policy.network, problem).construct(1, None)[0]

    def agreement(temperature):
        decoder = ConstructDecoder(policy.network, problem, temperature)
        return (decoder.construct(64, np.random.default_rng(0)) == likeliest).mean()

    assert agreement(0.1) > agreement(1.0) > agreement(4.0) > agreement(100.0)


def test_a_policys_own_temperature_is_taken_unless_another_is_asked_for(tmp_path):
    problem = placezoo.make_problem("EdgePlace-v0", "giph/test/2")
    policy = placezoo.make_agent("ppo", checkpoint="untrained").policy_for(problem)
    policy.training["temperature"] = 4.0
    policy.save(tmp_path)

    def found(**settings):
        agent = placezoo.make_agent("ppo", checkpoint=str(tmp_path), **settings)
        return agent.solve(problem, placezoo.Budget(evaluations=16), seed=0).assignment.tolist()

    assert found() == found(temperature=4.0) != found(temperature=1.0)
    with pytest.raises(ValueError, match="ppo: temperature must be"):
        placezoo.make_agent("ppo", temperature=0)


def test_the_packages_policy_for_edge_clusters_leads_its_twin_and_heft():
    """On held-out cases, by its likeliest actions alone."""
    problems = [placezoo.make_problem("EdgePlace-v0", f"giph/test/{number}") for number in range(20)]

    def mean(name, **settings):
        agent = placezoo.make_agent(name, **settings)
        solutions = [agent.solve(problem, placezoo.Budget(evaluations=1), seed=0) for problem in problems]
        return np.mean([s.cost.total / p.lower_bound for s, p in zip(solutions, problems, strict=True)])

    learned = mean("ppo", checkpoint="pretrained", samples=1)
    assert learned < mean("ppo", checkpoint="untrained", samples=1) - 0.01
    assert learned < mean("heft") - 0.01


def test_what_takes_longer_than_the_budget_to_observe_is_constructed_greedily(monkeypatch):
    """A million nodes have no order within seconds: as if the eigenvectors of a small graph never came."""
    agent, budget = placezoo.make_agent("ppo", checkpoint="pretrained", samples=2), Budget(seconds=60)
    at_once = agent.solve(placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4), budget)
    monkeypatch.setattr("placezoo.agents.search.item_arrays._AT_ONCE", 10)
    elsewhere = agent.solve(placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4), budget)
    np.testing.assert_array_equal(elsewhere.assignment, at_once.assignment)
    monkeypatch.setattr("placezoo.agents.ppo.agent._OBSERVING_SHARE", 1e-9)
    problem = placezoo.make_problem(ENV, "delaunay/test/0", num_parts=4)
    broken_off = agent.solve(problem, budget)
    assert broken_off.evaluations == 1
    assert "item_order" not in vars(problem)
    np.testing.assert_array_equal(broken_off.assignment, problem.greedy(np.random.default_rng(0)))

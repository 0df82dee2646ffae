"""RLlib on one machine and on a cluster that loses a node."""

import warnings

import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.ray_cluster import Scale, ray_session
from placezoo.agents.ppo.rllib_learner import RLlibPPOLearner
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own are many and not ours to mend
    pytest.mark.xdist_group("ray"),  # one Ray at a time
]
SMALL = PPOConfig(num_envs=4, num_steps=24, batch_size=1024, width=8, layers=1)  # more than are collected: all at once


def learner(formulation="construct", **more):
    source = ProblemSource(problem_class("GraphPartition-v0"), dataset="grid", parameters={"num_parts": 3})
    return RLlibPPOLearner(source, formulation, SMALL, **more)


@pytest.fixture(scope="module", autouse=True)
def ray_on():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ray_session(cpus=3):
            yield


def test_one_module_and_one_checkpoint_serve_every_learner(tmp_path):
    """What RLlib trained is loaded by the agent, by the fast learner and by SB3's, and back."""
    from placezoo.agents.networks.checkpoint import Checkpoint
    from placezoo.agents.ppo.own_learner import PPOLearner
    from placezoo.agents.ppo.sb3_learner import SB3PPOLearner

    one = learner()
    before = one.checkpoint().network.state_dict()
    statuses = []
    one.learn(timesteps=900, on_update=statuses.append)
    assert statuses[-1].timesteps >= 900
    assert any(np.isfinite(status.relative_cost) for status in statuses)
    assert 0 < one.metrics["best_cost"] < np.inf
    one.checkpoint().save(tmp_path)
    one.close()
    loaded = Checkpoint.load(tmp_path)
    assert any((value != before[name]).any() for name, value in loaded.network.state_dict().items())
    problem = placezoo.make_problem("GraphPartition-v0", "grid/test/0", num_parts=3)
    solution = placezoo.make_agent("ppo", checkpoint=str(tmp_path), samples=1).solve(
        problem, placezoo.Budget(evaluations=1)
    )
    assert solution.cost.feasible
    for other in (PPOLearner, SB3PPOLearner, RLlibPPOLearner):
        again = other(one.source, "construct", SMALL, start=loaded)
        for name, value in again.checkpoint().network.state_dict().items():
            torch.testing.assert_close(value, loaded.network.state_dict()[name])
        if other is RLlibPPOLearner:
            again.close()


@pytest.mark.parametrize("formulation", ["improve", "one-shot"])
def test_other_formulations_train(formulation):
    one = learner(formulation)
    one.learn(timesteps=96)
    one.close()


def test_state_comes_back(tmp_path):
    one = learner()
    one.learn(timesteps=96)
    tensors = one.state()
    assert any(name.startswith("optimizer.") for name in tensors)
    one.learn(timesteps=96)
    one.load_state(tensors)
    for name, value in one.state().items():
        torch.testing.assert_close(value, tensors[name])
    one.close()


def test_environment_runners_and_a_remote_learner():
    one = learner(scale=Scale(env_runners=1, learners=1))
    before = one.checkpoint().network.state_dict()
    status = one.learn(timesteps=200)
    assert status.timesteps >= 200
    assert any((value != before[name]).any() for name, value in one.checkpoint().network.state_dict().items())
    one.close()


def test_unreachable_clusters_and_bad_scales_are_one_line():
    from placezoo.agents.ppo.ray_cluster import _check_answers

    with pytest.raises(ValueError, match=r"reached at '127\.0\.0\.1:1': connection refused"):
        _check_answers("127.0.0.1:1")
    with pytest.raises(ValueError, match="env_runners must be a whole number of at least 0"):
        Scale(env_runners=-1)


def test_the_gradient_reaches_the_module_as_in_the_other_learners():
    """RLlib's masked logits and values are those of the network itself on the same observations."""
    from ray.rllib.core.columns import Columns

    from placezoo.agents.ppo.rllib_environment import make_training_env
    from placezoo.agents.ppo.rllib_module import PlacementModule

    one = learner()
    env = make_training_env(
        {"env_id": "GraphPartition-v0", "worst_reward": 2.0, "settings": {"dataset": "grid", "num_parts": 3}}
    )
    module = PlacementModule(
        observation_space=env.observation_space, action_space=env.action_space,
        model_config={"network": one._sizes.to_json(), "formulation": "construct"},
    )  # fmt: skip
    module.network.load_state_dict(one.checkpoint().network.state_dict())
    torch.nn.init.normal_(module.network.trunk.score[-1].weight)
    observations = [env.reset(seed=seed)[0] for seed in range(4)]
    handles = torch.tensor([[module.store.add(observation)] for observation in observations])
    out = module.forward_train({Columns.OBS: handles})
    logits = out[Columns.ACTION_DIST_INPUTS]
    logits.softmax(1)[:, 0].sum().backward()
    assert any(value.grad is not None and value.grad.any() for value in module.network.parameters())
    values = module.compute_values({Columns.OBS: handles})
    torch.testing.assert_close(values, module.compute_values({}, embeddings=out[Columns.EMBEDDINGS]).detach())
    inference = module.forward_inference({Columns.OBS: handles})[Columns.ACTION_DIST_INPUTS]
    torch.testing.assert_close(inference, logits.detach(), rtol=1e-4, atol=1e-5)
    one.close()

"""Graphs of any size through SB3 without padding, also for an environment that is not placezoo's."""

import copy
import gc
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from gymnasium.vector import SyncVectorEnv
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy as evaluate_masked
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from torch import nn

from placezoo.agents.networks.checkpoint import network_config
from placezoo.agents.networks.graph_batch import Graphs, padded_graph, samples_of, unpad
from placezoo.agents.networks.observation_reader import ObservationReader
from placezoo.agents.networks.policy_network import PolicyNetwork
from placezoo.agents.ppo.sb3_policy import RaggedGraphPolicy
from placezoo.agents.ragged.collate import collate
from placezoo.agents.ragged.sb3 import GraphExtractor, GraphVecEnv
from placezoo.agents.ragged.store import GraphStore, look_up
from placezoo.envs.wrappers import PackedObservation, PackedSpace, PackGraphs, PadGraph

ENV = "GraphPartition-v0"


class MoreEdgesOrNodes(gym.Env):
    """A foreign environment: say whether a random graph has more edges (1) than nodes (0); graphs of 2 to 12 nodes."""

    def __init__(self):
        self.observation_space = spaces.Graph(spaces.Box(0, 1, (2,)), spaces.Box(0, 1, (1,)))
        self.action_space = spaces.Discrete(2)

    def _draw(self):
        nodes, edges = int(self.np_random.integers(2, 13)), int(self.np_random.integers(0, 25))
        self._answer = int(edges > nodes)
        return GraphInstance(
            self.np_random.random((nodes, 2), np.float32), self.np_random.random((edges, 1), np.float32),
            self.np_random.integers(0, nodes, (edges, 2)),
        )  # fmt: skip

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = 4
        return self._draw(), {}

    def step(self, action):
        reward = float(action == self._answer)
        self._left -= 1
        return self._draw(), reward, False, self._left == 0, {}


class CountingNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 8))

    def forward(self, batch):
        count = batch.num_graphs
        nodes = torch.bincount(batch.batch, minlength=count)
        edges = torch.bincount(batch.batch[batch.edge_index[0]], minlength=count)
        return self.inner(torch.stack([nodes, edges], 1).float() / 10)


def kwargs_of(env):
    extractor = {"store": env.store, "make_network": CountingNetwork, "features_dim": 8}
    return {"features_extractor_class": GraphExtractor, "features_extractor_kwargs": extractor}


class OneOrTwo(gym.Env):
    """Has the graph one node or two? Random play is right half of the time; handles say nothing about it."""

    observation_space = spaces.Graph(spaces.Box(0, 1, (2,)), None)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.answer = int(self.np_random.integers(2))
        return GraphInstance(np.ones((self.answer + 1, 2), np.float32), None, None), {}

    def step(self, action):
        reward = float(action == self.answer)
        return self.reset()[0], reward, True, False, {}


class CountNodes(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 16)

    def forward(self, batch):
        return self.layer(torch.bincount(batch.batch, minlength=batch.num_graphs)[:, None].float() - 1.5).tanh()


def counting_model(env):
    kwargs = {
        "features_extractor_class": GraphExtractor,
        "features_extractor_kwargs": {"make_network": CountNodes, "features_dim": 16},
    }
    return PPO(
        "MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=4, learning_rate=1e-2, gamma=0.0, seed=0,
        policy_kwargs=kwargs,
    )  # fmt: skip


TRAINING = 4 * 32 * 6


@pytest.fixture(scope="module")
def one_or_two():
    """A model that knows OneOrTwo, and its environment."""
    env = GraphVecEnv([OneOrTwo] * 4, capacity=4 * 32)
    model = counting_model(env)
    model.learn(TRAINING)
    return model, env


def returns(model, env, episodes=100):
    return evaluate_policy(model, env, n_eval_episodes=episodes)[0]


def test_a_model_acts_on_any_environment_of_its_process(one_or_two):
    model, env = one_or_two
    assert returns(model, env) == 1.0
    for count in (1, 3):
        assert returns(model, GraphVecEnv([OneOrTwo] * count)) == 1.0
    other = GraphVecEnv([OneOrTwo] * 2)
    assert model.predict(other.reset(), deterministic=True)[0].tolist() == [env.answer for env in other.envs]


def test_eval_callbacks_have_an_environment_of_their_own():
    model = counting_model(GraphVecEnv([OneOrTwo] * 4, capacity=4 * 32))
    callback = EvalCallback(GraphVecEnv([OneOrTwo]), n_eval_episodes=50, eval_freq=32, verbose=0)
    model.learn(TRAINING, callback=callback)
    assert callback.last_mean_reward == 1.0


def test_a_loaded_model_goes_on_with_any_number_of_environments(one_or_two, tmp_path):
    model, env = one_or_two
    model.save(tmp_path / "model.zip")
    another = GraphVecEnv([OneOrTwo] * 3)
    loaded = PPO.load(tmp_path / "model.zip", env=another)
    assert returns(loaded, another) == 1.0
    assert returns(loaded, env) == 1.0
    loaded.learn(3 * 32 * 2)
    assert loaded.n_envs == 3
    loaded.set_env(GraphVecEnv([OneOrTwo] * 3))
    loaded.learn(3 * 32, reset_num_timesteps=False)
    assert returns(loaded, GraphVecEnv([OneOrTwo] * 2)) == 1.0
    kwargs = copy.deepcopy(model.policy_kwargs)
    kwargs["features_extractor_kwargs"]["store"] = another.store  # as the extractor needed it once
    loaded = PPO.load(tmp_path / "model.zip", env=another, custom_objects={"policy_kwargs": kwargs})
    assert returns(loaded, another) == 1.0


OTHER_PROCESS = """
import sys
import numpy as np
import tests.agents.test_ragged as here

env = here.GraphVecEnv([here.OneOrTwo] * 2)
model = here.PPO.load(sys.argv[1], env=env)
print(here.returns(model, env))
model.learn(128)
env.reset()
try:
    model.predict(np.array(eval(sys.argv[2])))
except ValueError as error:
    print(error)
"""


def test_a_loaded_model_goes_on_in_another_process_and_knows_no_handles_of_this_one(one_or_two, tmp_path):
    model, env = one_or_two
    model.save(tmp_path / "model.zip")
    handles = str(env.reset().tolist())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OTHER_PROCESS, str(tmp_path / "model.zip"), handles],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    score, refusal = done.stdout.splitlines()
    assert score == "1.0"
    assert "is of an environment that is gone or in another process" in refusal


def test_foreign_forgotten_and_changed_handles_are_refused(one_or_two):
    model, _ = one_or_two
    env = GraphVecEnv([OneOrTwo] * 2, capacity=2)  # at most 8 observations
    handles = env.reset()
    model.predict(handles)
    for wrong in (handles / 2, handles - 2**23 - 2**24, np.where(True, np.nan, handles), handles + 2**25):
        with pytest.raises(ValueError, match="no handles of a GraphVecEnv"):
            look_up(wrong)
    with pytest.raises(ValueError, match="no handles of a GraphVecEnv"):
        look_up(np.concatenate([handles, handles], axis=1))
    for _ in range(4):
        env.step(np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="no longer kept: give the GraphStore a capacity above 8") as refusal:
        model.predict(handles)
    assert "\n" not in str(refusal.value)
    del refusal  # its traceback holds the store
    latest = env.reset()
    with pytest.raises(ValueError, match="another environment's"):
        GraphVecEnv([OneOrTwo]).store.get(latest)
    assert len(look_up(latest.astype(np.float32))) == 2
    del env
    gc.collect()
    with pytest.raises(ValueError, match="gone or in another process"):
        model.predict(latest)


def test_numbers_are_not_given_again_after_the_last():
    store = GraphStore(3)
    first = store.add("a")
    store._next = 2**24 - 1
    last, after = store.add("b"), store.add("c")
    assert len({first, last, after}) == 3
    assert store.get(np.array([after, first, last], np.float32)) == ["c", "a", "b"]
    store.add("d")
    with pytest.raises(KeyError, match="no longer kept"):
        store.get(np.array(first))


def test_a_copied_store_has_handles_of_its_own():
    store = GraphStore(3)
    handle = store.add("a")
    for copied in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        with pytest.raises(KeyError, match="another environment's"):
            copied.get(np.array(handle))
        assert look_up(np.array([handle, copied.add("b")])) == ["a", "b"]


def test_ppo_learns_on_a_foreign_environment_of_ragged_graphs(tmp_path):
    env = GraphVecEnv([MoreEdgesOrNodes] * 8, capacity=8 * 64)
    model = PPO(
        "MlpPolicy", env, n_steps=64, batch_size=64, policy_kwargs=kwargs_of(env), learning_rate=3e-3, seed=0, gamma=0.5
    )
    model.learn(8 * 64 * 8)
    returns = [episode["r"] for episode in model.ep_info_buffer]
    assert np.mean(returns[-50:]) > 3.2  # of 4; guessing gets 2
    model.save(tmp_path / "model.zip")
    assert (tmp_path / "model.zip").stat().st_size < 200_000  # the observations are not in it


def test_off_policy_algorithms_keep_their_targets_apart():
    env = GraphVecEnv([MoreEdgesOrNodes] * 2, capacity=500)
    model = DQN("MlpPolicy", env, buffer_size=250, learning_starts=20, policy_kwargs=kwargs_of(env), seed=0)
    model.learn(300)
    online, target = (net.features_extractor.network.inner[0].weight for net in (model.q_net, model.q_net_target))
    assert online.data_ptr() != target.data_ptr()
    assert len(env.store) > 250


def test_the_store_forgets_the_oldest_and_says_so():
    store = GraphStore(3)
    handles = [store.add(value) for value in "abcd"]
    assert store.get(np.array(handles[1:])) == ["b", "c", "d"]
    with pytest.raises(KeyError, match="no longer kept: give the GraphStore a capacity above 3"):
        store.get(np.array(handles[:1]))
    with pytest.raises(ValueError, match="capacity must be"):
        GraphStore(0)


def test_collate_batches_nested_observations():
    space = spaces.Dict(a=spaces.Graph(spaces.Box(0, 1, (3,)), None), b=spaces.Tuple([spaces.Discrete(4)]))
    parts = [{"a": space["a"].sample(num_nodes=n), "b": (np.int64(n),)} for n in (1, 4, 2)]
    batch = collate(parts)
    assert batch["a"].x.shape == (7, 3)
    assert batch["a"].batch.tolist() == [0, 1, 1, 1, 1, 2, 2]
    assert batch["b"][0].tolist() == [1, 4, 2]
    torch.testing.assert_close(batch["a"][1].x, torch.tensor(parts[1]["a"].nodes))
    with pytest.raises(ValueError, match="no observations"):
        collate([])


def test_packed_observations_pass_gymnasium_and_share_what_stands_still():
    env = PackGraphs(gym.make(ENV, dataset="grid", num_parts=3))
    assert isinstance(env.observation_space, PackedSpace)
    vector = SyncVectorEnv([lambda: PackGraphs(gym.make(ENV, dataset="grid", num_parts=3))] * 3)
    first, _ = vector.reset(seed=0)
    second, *_ = vector.step(np.zeros(3, np.int64))
    assert first.shape == (3,)
    for index in range(3):
        assert isinstance(first[index], PackedObservation)
        assert vector.single_observation_space.contains(second[index])
        assert second[index].value["items"].nodes is first[index].value["items"].nodes
        assert (second[index].value["assignment"] != first[index].value["assignment"]).sum() == 1
    assert env.observation_space.contains(env.observation_space.sample())


def test_a_foreign_environment_that_copies_its_graphs_shares_them_packed():
    class Copies(MoreEdgesOrNodes):
        def _draw(self):
            self._answer = 0
            return GraphInstance(np.ones((3, 2), np.float32), np.ones((1, 1), np.float32), np.zeros((1, 2), np.int64))

    env = PackGraphs(Copies())
    observation, _ = env.reset(seed=0)
    following, *_ = env.step(0)
    assert all(one is other for one, other in zip(observation.value, following.value, strict=True))


@pytest.mark.parametrize("formulation", ["construct", "improve", "one-shot"])
@torch.no_grad()
def test_unpadded_observations_score_as_padded_ones(formulation):
    torch.manual_seed(0)
    env = gym.make(ENV, dataset="grid", num_parts=3, formulation=formulation)
    padded_env = PadGraph(env)
    network = PolicyNetwork(network_config(env.unwrapped.problem, "graph-sage", 8, 1))
    torch.nn.init.normal_(network.trunk.score[-1].weight)
    raw, padded = [], []
    for seed in (0, 1, 2, 0):
        observation, _ = env.reset(seed=seed)
        raw.append(observation)
        padded.append(padded_env.observation(observation))
    batch = {name: torch.as_tensor(np.stack([one[name] for one in padded])) for name in padded[0]}
    every_item = formulation != "construct"
    first, graph = unpad(batch)
    graphs = Graphs.join([padded_graph(batch, sample) for sample in first])
    expected = network(graphs, network.encode(graphs), samples_of(batch, graph, every_item))
    for learning in (False, True):
        found = ObservationReader(network, every_item).scores(raw, torch.device("cpu"), learning)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("formulation", ["construct", "improve"])
def test_maskable_ppo_trains_on_handles(formulation):
    env = GraphVecEnv(
        [lambda: gym.make(ENV, dataset="grid", num_parts=3, formulation=formulation)] * 4, capacity=4 * 16
    )
    sizes = network_config(env.envs[0].unwrapped.problem, "graph-sage", 8, 1).to_json()
    model = MaskablePPO(
        RaggedGraphPolicy, env, n_steps=16, batch_size=32, seed=0,
        policy_kwargs={"network": sizes, "formulation": formulation, "store": env.store},
    )  # fmt: skip
    before = {name: value.clone() for name, value in model.policy.network.state_dict().items()}
    model.learn(4 * 16 * 3)
    assert any((value != before[name]).any() for name, value in model.policy.network.state_dict().items())
    assert model.rollout_buffer.observations.shape[-1] == 2  # a handle, whatever the graph's size


def test_maskable_ppo_is_loaded_and_evaluated_elsewhere(tmp_path):
    def makers(count):
        return [lambda: gym.make(ENV, instance="karate", num_parts=3)] * count

    env = GraphVecEnv(makers(2), capacity=2 * 16)
    sizes = network_config(env.envs[0].unwrapped.problem, "graph-sage", 8, 1).to_json()
    kwargs = {"network": sizes, "formulation": "construct"}
    model = MaskablePPO(RaggedGraphPolicy, env, n_steps=16, batch_size=32, seed=0, policy_kwargs=kwargs)
    model.learn(2 * 16)
    model.save(tmp_path / "model.zip")
    expected = evaluate_masked(model, env, n_eval_episodes=2)[0]
    another = GraphVecEnv(makers(3))
    loaded = MaskablePPO.load(tmp_path / "model.zip", env=another)
    for one in (model, loaded):
        assert evaluate_masked(one, another, n_eval_episodes=3)[0] == expected
    loaded.learn(3 * 16)

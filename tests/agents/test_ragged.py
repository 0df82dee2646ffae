"""Graphs of any size through SB3 without padding, also for an environment that is not placezoo's."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.spaces import GraphInstance
from gymnasium.vector import SyncVectorEnv
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN, PPO
from torch import nn

from placezoo.agents.networks.checkpoint import network_config
from placezoo.agents.networks.graph_batch import Graphs, padded_graph, samples_of, unpad
from placezoo.agents.networks.observation_reader import ObservationReader
from placezoo.agents.networks.policy_network import PolicyNetwork
from placezoo.agents.ppo.sb3_policy import RaggedGraphPolicy
from placezoo.agents.ragged.collate import collate
from placezoo.agents.ragged.sb3 import GraphExtractor, GraphVecEnv
from placezoo.agents.ragged.store import GraphStore
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
    assert model.rollout_buffer.observations.shape[-1] == 1

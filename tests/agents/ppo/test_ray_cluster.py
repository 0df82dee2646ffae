"""Training over two Ray nodes on this machine, one of which dies."""

import time

import pytest

from placezoo.agents.ppo.config import PPOConfig
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("ray"), pytest.mark.slow]


def test_a_killed_node_costs_nothing_but_its_part_of_a_batch(monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    from placezoo.agents.ppo.ray_cluster import Scale
    from placezoo.agents.ppo.rllib_learner import RLlibPPOLearner

    assert not ray.is_initialized()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": 200_000_000, "include_dashboard": False},
    )
    worker = cluster.add_node(num_cpus=2, object_store_memory=200_000_000)
    cluster.wait_for_nodes()
    source = ProblemSource(problem_class("GraphPartition-v0"), dataset="grid", parameters={"num_parts": 3})
    config = PPOConfig(num_envs=6, num_steps=32, batch_size=64, width=8, layers=1)
    # Three runners need a processor each and the head has two: at least one lives on the worker.
    one = RLlibPPOLearner(source, "construct", config, scale=Scale(env_runners=3, address=cluster.address))
    try:
        before = one.checkpoint().network.state_dict()
        steps = []

        def alive():
            return sum(node["Alive"] for node in ray.nodes())

        def on_update(status):
            steps.append(status.timesteps)
            if len(steps) == 1:
                assert alive() == 2
            if len(steps) == 3:
                cluster.remove_node(worker, allow_graceful=False)

        status = one.learn(timesteps=12 * 192, on_update=on_update)
        for _ in range(120):  # Ray may notice later than the training has gone on
            if alive() == 1:
                break
            time.sleep(0.5)
        assert alive() == 1
        assert status.timesteps >= 12 * 192
        assert steps == sorted(steps)
        after = one.checkpoint().network.state_dict()
        assert any((value != before[name]).any() for name, value in after.items())
    finally:
        one.close()
        cluster.shutdown()

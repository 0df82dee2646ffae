"""Whole constructions as each other's baseline."""

from types import SimpleNamespace

import numpy as np
import pytest

from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.group_episodes import GroupEpisodes, set_advantages
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.agents.ppo.sb3_learner import SB3PPOLearner
from placezoo.envs.partition.problem import GraphPartitionProblem
from placezoo.envs.source import ProblemSource
from tests.instances import two_cliques

SMALL = {"num_envs": 8, "num_steps": 16, "batch_size": 64, "width": 8, "layers": 1, "baseline": "group"}


def source(**what):
    return ProblemSource(GraphPartitionProblem, parameters={"num_parts": 2}, **what)


def test_the_nth_episodes_of_neighbours_are_a_group():
    groups = GroupEpisodes(2)
    # Environment 1 ends twice before environment 0 ends once; 2 and 3 are another group.
    assert groups.add(1, 10.0, "1a") is None
    assert groups.add(1, 11.0, "1b") is None
    assert groups.add(3, 30.0, "3a") is None
    assert groups.add(0, 0.0, "0a") == [(10.0, "1a"), (0.0, "0a")]
    assert groups.add(2, 20.0, "2a") == [(30.0, "3a"), (20.0, "2a")]
    assert groups.add(0, 1.0, "0b") == [(11.0, "1b"), (1.0, "0b")]


def test_advantages_are_relative_to_the_group():
    rng = np.random.default_rng(0)
    groups = [
        [(float(cost), SimpleNamespace(length=int(rng.integers(1, 5)))) for cost in rng.normal(mean, 2.0, 6)]
        for mean in (1.0, 100.0, 3.0)
    ]
    episodes = set_advantages(groups)
    assert len(episodes) == 18
    for group in groups:
        costs = np.array([cost for cost, _ in group])
        advantages = np.array([segment.advantage[0] for _, segment in group])
        assert advantages.sum() == pytest.approx(0, abs=1e-4)
        assert (np.argsort(advantages) == np.argsort(-costs)).all()  # the cheapest is the best
        for _, segment in group:
            assert segment.advantage.tolist() == [segment.advantage[0]] * segment.length
    assert np.sqrt(np.mean(np.square([one.advantage[0] for one in episodes]))) == pytest.approx(1.0, abs=1e-3)


def test_a_group_is_on_one_instance_every_time():
    learner = PPOLearner(source(dataset="grid"), "construct", PPOConfig(**SMALL, group=4), seed=5)
    names = set()
    for _ in range(3):
        groups, costs, made = learner._finish_groups(400)
        assert made % 8 == 0
        assert made >= 400
        assert len(costs) >= sum(map(len, groups))
        for group in groups:
            assert len({id(segment.problem) for _, segment in group}) == 1
            for cost, segment in group:
                assert segment.length == segment.problem.num_items
                assignment = segment.assignment[-1].copy()
                assignment[segment.current_item[-1]] = segment.action[-1]
                assert cost == pytest.approx(segment.problem.evaluate(assignment).total / segment.scale, rel=1e-5)
            names.add(group[0][1].problem.instance.name)
    assert len(names) > 2


def test_it_learns_without_a_critic():
    """Two cliques: from cutting through them to cutting the one edge between them."""
    learner = PPOLearner(source(instance=two_cliques(6)), "construct", PPOConfig(**SMALL, group=8), seed=0)
    first = learner.update(0.0)
    critic = [value.clone() for value in learner.network.trunk.value.parameters()]
    for _ in range(30):
        last = learner.update(0.5)
    assert last.relative_cost < 0.6 * first.relative_cost
    assert learner.best[0] == 1
    for before, after in zip(critic, learner.network.trunk.value.parameters(), strict=True):
        assert (before == after).all()  # nobody asks it


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="ppo: baseline=group compares constructions, not what improve does"):
        PPOLearner(source(instance="karate"), "improve", PPOConfig(**SMALL))
    with pytest.raises(ValueError, match="group must be at least 2 and divide num_envs"):
        PPOConfig(**SMALL, group=3)
    with pytest.raises(ValueError, match="ppo: unknown baseline 'mean'; known: critic, group"):
        PPOConfig(baseline="mean")
    with pytest.raises(ValueError, match="ppo: baseline=group is for the backend fast, sb3 has a critic"):
        SB3PPOLearner(source(instance="karate"), "construct", PPOConfig(**SMALL))

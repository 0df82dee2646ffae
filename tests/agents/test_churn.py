"""Agents and learners while the cluster changes, within episodes and between them."""

import numpy as np
import pytest

import placezoo
from placezoo.agents.registry import AGENTS, is_for
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource

ENV = "EdgePlace-v0"
AT_ONCE = ("gdp", "go", "one-shot-ppo")
CHURN = {"churn": 0.3, "episode_churn": 3}
SETTINGS = {
    "ppo": {"samples": 2}, "gdp": {"windows": 0.5}, "cp-sat": {"workers": 1}, "giph": {"start": "heft", "batch": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in AGENTS if is_for(name, ENV)])
def test_every_agent_solves_the_world_as_it_is(name):
    whole = placezoo.make_problem(ENV, "giph/test/1", **CHURN)
    problem = whole.next_episode(np.random.default_rng(3))
    assert problem is not whole
    agent = placezoo.make_agent(name, **SETTINGS.get(name, {}))
    solution = agent.solve(problem, placezoo.Budget(evaluations=30, seconds=60), seed=1)
    assert solution.cost == problem.evaluate(solution.assignment)
    if name not in AT_ONCE:  # a fresh network's whole answers may use devices that do not support a task
        assert solution.cost.feasible
    assert solution.digest == problem.instance.digest != whole.instance.digest


def test_a_live_problem_is_used_and_stands_still():
    problem = placezoo.make_problem(ENV, "giph/test/1", **CHURN)
    source, rng = ProblemSource.of(problem), np.random.default_rng(0)
    assert source.is_one_problem
    assert all(source.draw(rng) is problem for _ in range(5))
    assert source.first() is problem
    built = ProblemSource(type(problem), instance=problem.instance, parameters=problem.parameters)
    assert not built.is_one_problem
    assert any(built.draw(rng) is not built.first() for _ in range(5))


@pytest.mark.parametrize("name", ["ppo", "giph", "gdp"])
def test_learners_follow_a_world_that_changes_between_episodes(name):
    from placezoo.agents.learning.learners import learner_entry

    config_class, learner_class, _ = learner_entry(name).load()
    small = {"ppo": {"num_envs": 4, "num_steps": 32, "width": 8}, "giph": {"instances": 2, "group": 2},
             "gdp": {"width": 8, "group": 4}}[name]  # fmt: skip
    source = ProblemSource(problem_class(ENV), instance="giph/train/0", parameters={"episode_churn": 2})
    learner = learner_class(source, config=config_class(**small), seed=0)
    before = {key: value.clone() for key, value in learner.network.state_dict().items()}
    for _ in range(2):
        assert np.isfinite(learner.update(0.0).timesteps)
    assert any((before[key] != value).any() for key, value in learner.network.state_dict().items())
    if learner.best is not None:  # what was the best of a world that is gone says nothing
        cost, assignment = learner.best
        assert source.first().evaluate(assignment).total == pytest.approx(cost)


def test_improving_follows_a_world_that_changes_within_episodes():
    from placezoo.agents.ppo.config import PPOConfig
    from placezoo.agents.ppo.own_learner import PPOLearner

    source = ProblemSource(problem_class(ENV), instance="giph/train/0", parameters={"churn": 0.5})
    learner = PPOLearner(source, "improve", PPOConfig(num_envs=4, num_steps=16, width=8))
    segments, _ = learner.collect(16)
    assert len({id(segment.problem) for segment in segments}) > 4
    assert learner.best is None

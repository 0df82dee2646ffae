"""PPO in one process: what it stores, what it computes, and that it learns as SB3 does."""

import dataclasses

import numpy as np
import pytest
import torch

import placezoo
from placezoo.agents.agent import with_policy
from placezoo.agents.learning.training_state import Progress, TrainingState
from placezoo.agents.learning.transfer import transfer_network, without_adapter
from placezoo.agents.networks.pair_distribution import PairDistribution
from placezoo.agents.ppo.agent import PPO
from placezoo.agents.ppo.config import PPOConfig
from placezoo.agents.ppo.own_learner import PPOLearner
from placezoo.agents.ppo.rollout import collate, cut, minibatches
from placezoo.agents.ppo.sb3_learner import SB3PPOLearner
from placezoo.envs.registration import problem_class
from placezoo.envs.source import ProblemSource
from tests.instances import two_cliques

SMALL = PPOConfig(num_envs=6, num_steps=20, group=2, batch_size=48, width=8, layers=1)
CASES = [
    ("GraphPartition-v0", "grid", {"num_parts": 3}, "construct"),
    ("GraphPartition-v0", "grid", {"num_parts": 3}, "improve"),
    ("GraphPartition-v0", "grid", {"num_parts": 3}, "one-shot"),
    ("EdgePlace-v0", "giph", {}, "construct"),
    ("EdgePlace-v0", "giph", {"churn": 0.3}, "improve"),
]


def source(env_id="GraphPartition-v0", dataset="grid", **parameters):
    return ProblemSource(problem_class(env_id), dataset=dataset, parameters=parameters)


def learner(env_id="GraphPartition-v0", dataset="grid", parameters=None, formulation="construct", config=SMALL, **more):
    parameters = {"num_parts": 3} if parameters is None else parameters
    return PPOLearner(source(env_id, dataset, **parameters), formulation, config, **more)


def all_on(env_id, instance, **parameters):
    return placezoo.make_problem(env_id, instance, **parameters)


@pytest.mark.parametrize(("env_id", "dataset", "parameters", "formulation"), CASES)
def test_what_was_drawn_has_the_same_probability_when_it_is_learned_from(env_id, dataset, parameters, formulation):
    """Remembered embeddings, ragged storage and re-batching give the policy and values of the rollout again."""
    one = learner(env_id, dataset, parameters, formulation)
    torch.nn.init.normal_(one.network.trunk.score[-1].weight)
    segments, _ = one.collect(20)
    assert sum(segment.length for segment in segments) == 6 * 20
    for segment in segments:
        segment.estimate_advantages(0.99, 0.95)
    batch = collate(cut(segments, 7), formulation)
    pairs = batch.samples.pairs(batch.graphs)
    with torch.no_grad():
        scores, values = one.network.score_pairs(batch.graphs, one.network.encode(batch.graphs), batch.samples, pairs)
    distribution = PairDistribution(scores, pairs, len(values), formulation == "one-shot")
    chosen = torch.searchsorted(pairs.action, batch.action)
    torch.testing.assert_close(pairs.action[chosen], batch.action)
    torch.testing.assert_close(distribution.log_prob(chosen), batch.log_prob, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(values, batch.target - batch.advantage, rtol=1e-3, atol=1e-4)
    assert batch.log_prob.std() > 0.01


def test_segments_hold_what_the_environment_did():
    """Replaying the stored actions on scalar problems gives the stored rewards, states and masks."""
    one = learner()
    segments, _ = one.collect(20)
    from placezoo.agents.learning.learner import mean_greedy_cost

    checked = 0
    for segment in segments:
        problem = segment.problem
        for step in range(segment.length - 1):
            before, after = segment.assignment[step].astype(np.int64), segment.assignment[step + 1].astype(np.int64)
            item, part = int(segment.current_item[step]), int(segment.action[step])
            assert before[item] == -1
            assert after[item] == part
            np.testing.assert_array_equal(np.delete(before, item), np.delete(after, item))
            np.testing.assert_array_equal(segment.mask[step], problem.allowed(before, item))
            rise = problem.move_cost(before, item, part) / mean_greedy_cost(problem)
            assert segment.reward[step] == pytest.approx(-rise, abs=1e-5)
            checked += 1
    assert checked > 80


def test_advantages_by_the_definition():
    one = learner()
    segment = one.collect(20)[0][0]
    segment.last_value = 0.7
    segment.estimate_advantages(0.9, 0.8)
    values = [*segment.value[: segment.length].tolist(), 0.7]
    errors = [float(segment.reward[t]) + 0.9 * values[t + 1] - values[t] for t in range(segment.length)]
    expected = [
        sum((0.9 * 0.8) ** (later - t) * errors[later] for later in range(t, segment.length))
        for t in range(segment.length)
    ]
    np.testing.assert_allclose(segment.advantage, expected, rtol=1e-4, atol=1e-5)


def test_minibatches_hold_every_step_once_and_keep_graphs_together():
    one = learner()
    segments, _ = one.collect(20)
    for segment in segments:
        segment.estimate_advantages(0.99, 0.95)
    chunks = cut(segments, 6)
    groups = minibatches(chunks, 30, np.random.default_rng(0))
    flat = [(id(c.segment), step) for group in groups for c in group for step in range(c.begin, c.end)]
    assert len(flat) == len(set(flat)) == 120
    assert 3 <= len(groups) <= 4


def test_pair_distribution_against_torch():
    one = learner()
    segments, _ = one.collect(4)
    for segment in segments:
        segment.estimate_advantages(0.99, 0.95)
    batch = collate(cut(segments, 4), "construct")
    pairs = batch.samples.pairs(batch.graphs)
    scores = torch.randn(len(pairs.row))
    distribution = PairDistribution(scores, pairs, len(batch.advantage), False)
    dense = torch.full((len(batch.advantage), 3), -torch.inf).flatten().index_put((pairs.action,), scores).view(-1, 3)
    expected = torch.distributions.Categorical(logits=dense)
    torch.testing.assert_close(distribution.entropy(), torch.nan_to_num(expected.entropy()), rtol=1e-4, atol=1e-5)
    chosen = distribution.sample(np.random.default_rng(0))
    torch.testing.assert_close(distribution.log_prob(chosen), expected.log_prob(pairs.resource[chosen]))
    drawn = np.zeros(len(scores))
    rng = np.random.default_rng(1)
    for _ in range(2000):
        drawn[distribution.sample(rng).numpy()] += 1 / 2000
    np.testing.assert_allclose(drawn, distribution.log_probs.exp().numpy(), atol=0.06)


@pytest.mark.parametrize(("env_id", "dataset", "parameters", "formulation"), CASES[:4])
def test_trains_saves_and_solves(env_id, dataset, parameters, formulation, tmp_path):
    one = learner(env_id, dataset, parameters, formulation)
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    status = one.learn(timesteps=240)
    assert status.timesteps == 240
    changed = {name.split(".")[0] for name, value in one.network.state_dict().items() if (value != before[name]).any()}
    assert changed == {"inputs", "trunk"}
    one.checkpoint().save(tmp_path)
    problem = all_on(env_id, f"{dataset}/test/0", **parameters)
    solution = placezoo.make_agent("ppo", checkpoint=str(tmp_path), samples=2).solve(
        problem, placezoo.Budget(evaluations=300)
    )
    assert solution.cost == problem.evaluate(solution.assignment)


def test_one_gradient_is_that_of_sb3():
    """On the same transitions, with the same weights, both losses have the same gradient."""
    config = dataclasses.replace(SMALL, num_epochs=1, batch_size=120, entropy_coefficient=0.02)
    sb3 = SB3PPOLearner(source(num_parts=3), "construct", config, seed=3)
    fast = learner(config=config)
    fast.network.load_state_dict(sb3.network.state_dict())
    segments, _ = fast.collect(20)
    for segment in segments:
        segment.estimate_advantages(0.99, 0.95)
    batch = collate(cut(segments, 20), "construct")
    fast.optimizer.zero_grad()
    fast._loss(batch, 0.02).backward()
    ours = {name: value.grad.clone() for name, value in fast.network.named_parameters() if value.grad is not None}
    # The same by SB3's own formulas (MaskablePPO.train), on its policy's masked distribution.
    graphs, samples = batch.graphs, batch.samples
    fast.optimizer.zero_grad()
    scores, values = fast.network(graphs, fast.network.encode(graphs), samples)
    from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution

    distribution = MaskableCategoricalDistribution(3).proba_distribution(scores)
    distribution.apply_masking(samples.mask.numpy())
    actions = batch.action % 3
    advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    ratio = torch.exp(distribution.log_prob(actions) - batch.log_prob)
    gain = torch.min(advantage * ratio, advantage * torch.clamp(ratio, 0.8, 1.2)).mean()
    value_loss = torch.nn.functional.mse_loss(batch.target, values)
    (-gain + 0.02 * -distribution.entropy().mean() + 0.5 * value_loss).backward()
    for name, value in fast.network.named_parameters():
        if value.grad is not None:
            torch.testing.assert_close(ours[name], value.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_learns_to_separate_two_cliques():
    """Two cliques and a bridge: construction learns to cut the bridge alone."""
    graph = two_cliques(6)
    one = PPOLearner(
        ProblemSource(problem_class("GraphPartition-v0"), instance=graph, parameters={"num_parts": 2}), "construct",
        PPOConfig(num_envs=16, num_steps=24, batch_size=128, width=16, learning_rate=5e-3),
    )  # fmt: skip
    one.learn(timesteps=16 * 24 * 20)
    problem = placezoo.make_problem("GraphPartition-v0", graph, num_parts=2)
    solution = with_policy(PPO(samples=1), one.checkpoint()).solve(problem, placezoo.Budget(evaluations=1))
    assert solution.cost.terms["cut"] == 1
    assert one.best[0] == 1


def test_a_restored_learner_goes_on_as_the_one_it_was_taken_from(tmp_path):
    one = learner()
    one.learn(timesteps=120)
    state = TrainingState(one.state(), Progress(120, 1, 2.0), {"a": 1})
    state.save(tmp_path)
    loaded = TrainingState.load(tmp_path)
    assert (loaded.progress, loaded.record) == (state.progress, {"a": 1})
    other = learner(seed=9)
    other.load_state(loaded.tensors)
    segments, _ = one.collect(10)
    for segment in segments:
        segment.estimate_advantages(0.99, 0.95)
    for who in (one, other):
        who._rng = np.random.default_rng(5)
        who._learn_from(cut(segments, 10), 0.01)
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(other.network.state_dict()[name], value, msg=name)


def test_damaged_and_foreign_states_are_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="no training to go on with"):
        TrainingState.load(tmp_path)
    one = learner()
    one.learn(timesteps=120)
    TrainingState(one.state(), Progress(), {}).save(tmp_path)
    path = tmp_path / "state.safetensors"
    content = path.read_bytes()
    for damaged in (b"", content[:100], content[:-10], b"\0" * 200):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a training state") as caught:
            TrainingState.load(tmp_path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="another network"):
        learner(config=dataclasses.replace(SMALL, width=12)).load_state(one.state())


@pytest.mark.parametrize("method", ["full", "head", "superposition", "experts"])
@pytest.mark.parametrize("env_id", ["GraphPartition-v0", "EdgePlace-v0"])
def test_fine_tuning_changes_only_what_the_method_says(method, env_id):
    start = learner().checkpoint()
    torch.nn.init.normal_(start.network.trunk.score[-1].weight)
    dataset, parameters = ("barabasi-albert", {"num_parts": 3}) if env_id == "GraphPartition-v0" else ("giph", {})
    one = learner(env_id, dataset, parameters, start=start, method=method)
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    one.learn(timesteps=240)
    changed = {name for name, value in one.network.state_dict().items() if (value != before[name]).any()}
    assert changed
    old = {name: value for name, value in start.network.state_dict().items() if name.startswith("trunk.")}
    shared = {name for name in old if not name.startswith("trunk.value")}
    if method == "full":
        assert changed & {name for name in shared if "encoder" in name}
        return
    frozen = {name for name in shared if "encoder" in name or "query" in name}
    assert not changed & frozen
    if method != "head":
        assert not changed & shared
        assert any(name.startswith("trunk.adapter.") for name in changed)
        plain = without_adapter(one.network).state_dict()
        for name in shared:
            torch.testing.assert_close(plain[name], old[name])


def test_experts_grow_and_earlier_ones_stand_still():
    first = learner(start=learner().checkpoint(), method="experts", dataset="delaunay")
    first.learn(timesteps=120)
    second = learner(start=first.checkpoint(), method="experts", dataset="barabasi-albert")
    before = {name: value.clone() for name, value in second.network.state_dict().items()}
    second.learn(timesteps=120)
    assert second.network.config.experts == 2
    for name, value in second.network.state_dict().items():
        if ".experts.0." in name or ".routers.0." in name:
            torch.testing.assert_close(value, before[name])
    assert any(
        (value != before[name]).any() for name, value in second.network.state_dict().items() if ".experts.1." in name
    )
    with pytest.raises(ValueError, match="has experts; it cannot get superposition"):
        transfer_network(second.checkpoint(), second.source.first(), "superposition")
    with pytest.raises(ValueError, match="unknown method"):
        transfer_network(second.checkpoint(), second.source.first(), "hed")


def test_holding_on_keeps_the_policy_near_where_it_began():
    start = learner().checkpoint()
    far = {}
    for hold in (0.0, 100.0):
        config = dataclasses.replace(SMALL, hold=hold, learning_rate=1e-2)
        one = learner(dataset="delaunay", config=config, start=start)
        segments, _ = one.collect(20)
        one.learn(timesteps=720)
        for segment in segments:
            segment.estimate_advantages(0.99, 0.95)
        batch = collate(cut(segments, 20), "construct")
        pairs = batch.samples.pairs(batch.graphs)
        with torch.no_grad():
            scores = [
                net.score_pairs(batch.graphs, net.encode(batch.graphs), batch.samples, pairs)[0]
                for net in (start.network, one.network)
            ]
        said, says = (PairDistribution(part, pairs, len(batch.advantage), False).log_probs for part in scores)
        far[hold] = float((said.exp() * (said - says)).sum())
    assert far[100.0] < 0.5 * far[0.0]

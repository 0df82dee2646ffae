"""``guided-search``: the filter's choice, its memory, its checkpoints, and what training makes of searches."""

import json
import shutil

import numpy as np
import pytest

import placezoo
from placezoo import Budget
from placezoo.datasets import OpGraph

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from placezoo.agents.agent import with_policy  # noqa: E402
from placezoo.agents.guided_search.agent import GuidedSearch  # noqa: E402
from placezoo.agents.guided_search.filter import SEARCH_FEATURES, guided  # noqa: E402
from placezoo.agents.guided_search.learner import GuidedSearchConfig, GuidedSearchLearner  # noqa: E402
from placezoo.agents.guided_search.network import MoveScoreConfig, MoveScoreNetwork, move_feature_names  # noqa: E402
from placezoo.agents.networks.checkpoint import Checkpoint, checkpoint_folder  # noqa: E402
from placezoo.envs.source import ProblemSource  # noqa: E402

ENV = "DevicePlace-v0"


def branching_problem(seed=0):
    """Return a model in which operators read what one or two of the last eight made, with as much to send as to do."""
    rng = np.random.default_rng(seed)
    edges = sorted({(int(rng.integers(max(0, op - 8), op)), op) for op in range(1, 40) for _ in range(2)})
    flops, outputs = rng.uniform(1e10, 2e11, 40), rng.uniform(1e6, 1e8, 40)
    model = OpGraph(flops, [1e6] * 40, outputs, rng.uniform(0, 1e8, 40), edges)
    return placezoo.make_problem(ENV, model, topology="v100x4-nvlink", memory_share=0.5, priorities=3)


@pytest.fixture(scope="module")
def problem():
    return branching_problem()


@pytest.fixture
def network(problem):
    torch.manual_seed(0)
    network = MoveScoreNetwork(MoveScoreConfig(len(move_feature_names(problem.candidates.names)), 5))
    network.train()
    network(torch.randn(64, network.config.features))  # what is normalised by
    return network.eval()


@pytest.mark.parametrize("linear", [False, True])
def test_the_score_is_the_networks_up_to_a_constant_and_the_best_candidate_is_proposed(problem, network, linear):
    drawn = problem.candidates
    start = problem.initial_assignment(np.random.default_rng(0))
    kernel = guided(problem.kernel(start), problem.num_resources, drawn, network.score(linear), 6, 0.2)
    plain, rng, same = problem.kernel(start), np.random.default_rng(1), np.random.default_rng(1)
    failures, waited, explored, ties = {}, 0, 0, 0
    for _ in range(300):
        move = kernel.propose(kernel.state, rng)
        explores = same.random() < 0.2
        candidates = [drawn.draw(plain.state, same) for _ in range(1 if explores else 6)]
        if explores:
            assert move == candidates[0]
            explored += 1
        else:
            rows = np.zeros((6, network.config.features), np.float32)
            for row, one in zip(rows, candidates, strict=True):
                row[0], row[1] = 0.1 * np.log1p(waited), np.log1p(failures.get((one[0], one[2]), 0.0))
                drawn.see(plain.state, one, row[len(SEARCH_FEATURES) :])
            with torch.no_grad():
                scores = network(torch.from_numpy(rows)).numpy()[:, int(linear)]
            assert scores[candidates.index(move)] == pytest.approx(scores.max(), abs=1e-4)
            ties += len(set(candidates)) == 1
        change = kernel.delta(kernel.state, move)
        assert change == plain.delta(plain.state, move)
        waited += 1
        if change >= 0:
            failures[move[0], move[2]] = failures.get((move[0], move[2]), 0.0) + 1
        if change <= 0:
            kernel.apply(kernel.state, move)
            plain.apply(plain.state, move)
        if change < 0:
            waited, failures = 0, {pair: 0.3 * count for pair, count in failures.items()}
    assert kernel.state.assignment.tolist() == plain.state.assignment.tolist() != start.tolist()
    assert 30 < explored < 100
    assert ties < 100
    move = kernel.propose(kernel.state, rng)
    before = kernel.state.assignment.copy()
    kernel.apply(kernel.state, move)
    kernel.undo(kernel.state, move)
    assert kernel.state.assignment.tolist() == before.tolist()


@pytest.mark.parametrize("acceptance", ["local-search", "annealing"])
@pytest.mark.parametrize("chosen", ["network", "linear", "by-hand", "none"])
def test_a_seed_and_evaluations_determine_a_search_and_claims_hold(problem, network, acceptance, chosen):
    agent = GuidedSearch(filter=chosen, acceptance=acceptance)
    with_policy(agent, Checkpoint.of(network, problem, "improve", {}))
    first, again, other = (agent.solve(problem, Budget(evaluations=400), seed) for seed in (0, 0, 1))
    assert first.assignment.tolist() == again.assignment.tolist()
    assert [(point.evaluations, point.total) for point in first.trace] == [
        (point.evaluations, point.total) for point in again.trace
    ]
    assert first.assignment.tolist() != other.assignment.tolist()
    assert first.trace[-1].evaluations == 400
    assert problem.evaluate(first.assignment) == first.cost
    assert first.cost.feasible
    assert first.cost.total < problem.evaluate(problem.greedy(np.random.default_rng(0))).total


def test_without_a_filter_it_is_local_search(problem):
    budget = Budget(evaluations=500)
    ours, theirs = (
        placezoo.make_agent(*one).solve(problem, budget, seed=3) for one in (("guided-search",), ("local-search",))
    )
    twin = GuidedSearch(filter="none").solve(problem, budget, seed=3)
    assert twin.assignment.tolist() == theirs.assignment.tolist() != ours.assignment.tolist()


def test_checkpoints_come_back_and_wrong_ones_are_refused_in_one_line(problem, network, tmp_path):
    Checkpoint.of(network, problem, "improve", {}).save(tmp_path / "mine")
    loaded = Checkpoint.load(tmp_path / "mine").network
    for linear in (False, True):
        assert all(np.array_equal(a, b) for a, b in zip(network.score(linear), loaded.score(linear), strict=True))
    shutil.copytree(tmp_path / "mine", tmp_path / "other")
    path = tmp_path / "other" / "policy.json"
    content = json.loads(path.read_text())
    content["features"]["moves"][0] = "alone?"
    path.write_text(json.dumps(content))
    content["network"]["width"] = 10**9
    shutil.copytree(tmp_path / "other", tmp_path / "large")
    (tmp_path / "large" / "policy.json").write_text(json.dumps(content))
    budget = Budget(evaluations=1)
    for checkpoint, chosen, message in (
        (None, "network", r"filter=network needs a checkpoint"),
        (None, "linear", r"filter=linear needs a checkpoint"),
        (str(checkpoint_folder("pretrained", "gap")), None, r"holds another kind of policy \(gap\)"),
        (str(tmp_path / "other"), None, r"reads other features than DevicePlace-v0 has"),
        (str(tmp_path / "large"), None, r"width is 1,000,000,000"),
    ):
        with pytest.raises(ValueError, match=rf"\A[^\n]*{message}[^\n]*\Z"):
            GuidedSearch(checkpoint=checkpoint, filter=chosen).solve(problem, budget)
    with pytest.raises(FileNotFoundError, match=r"\A[^\n]*not a checkpoint folder[^\n]*\Z"):
        GuidedSearch(checkpoint=str(tmp_path / "nothing")).solve(problem, budget)
    with pytest.raises(ValueError, match="GraphPartition-v0 offers no candidate moves"):
        GuidedSearch().solve(placezoo.make_problem("GraphPartition-v0", "karate"), budget)


def test_training_tells_moves_that_improve_from_others(problem):
    """On another model, of which it has seen nothing."""

    def learner(seed, **config):
        config = GuidedSearchConfig(evaluations=600, random_starts=1.0, steps=60, batch=256, **config)
        return GuidedSearchLearner(ProblemSource.of(branching_problem(seed)), config=config, seed=seed)

    trained, other = learner(1, variants=[{"priorities": 1}]), learner(2, kept=1.0)
    for done in (0.0, 0.2, 0.5, 0.9):
        batch = trained.update(done)
    assert (batch.timesteps, batch.episodes) == (600, 1)
    other.update(0.0)
    rows = slice(0, other._kept)
    with torch.no_grad():
        scores = trained.network(torch.from_numpy(other._features[rows])).numpy()
    improved = other._gains[rows] > 0
    assert 20 < improved.sum() < other._kept
    for column in scores.T:  # the network's and its linear twin's: the area under the curve
        better = (column[improved][:, None] > column[~improved]).mean()
        assert better > 0.7
    with pytest.raises(ValueError, match="variants must be a list of parameters"):
        GuidedSearchConfig(variants=["grouping"])


def test_the_network_of_the_package_is_small_and_better_than_none(problem):
    folder = checkpoint_folder("pretrained", "guided-search", ENV)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000
    agent, twin = GuidedSearch(checkpoint="pretrained"), GuidedSearch(filter="none")
    ours, theirs = (
        np.mean([one.solve(problem, Budget(evaluations=100), seed).cost.total for seed in range(5)])
        for one in (agent, twin)
    )
    assert ours < theirs

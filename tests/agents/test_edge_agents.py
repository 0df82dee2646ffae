import importlib.util
import itertools
import sys
import types

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given

import placezoo
from placezoo import Budget
from placezoo.agents.edge.random_task_eft import earliest_finish_device
from placezoo.agents.giph.episodes import ImprovementEpisodes, draw
from placezoo.agents.giph.gp_net_batch import GpNetBatch
from placezoo.agents.giph.learner import GiPHConfig, ImprovementLearner, PlacetoConfig
from placezoo.agents.giph.network import GpNetConfig, GpNetNetwork
from placezoo.agents.giph.policy_search import load_policy
from placezoo.agents.giph.selections import SELECTIONS, movable_tasks, moves_of
from placezoo.agents.networks.checkpoint import Checkpoint
from placezoo.agents.networks.topological_pass import PassPlan, TopologicalPass
from placezoo.cost_models.edge.ranks import by_decreasing, mean_times, optimistic_costs, upward_rank
from placezoo.datasets import DeviceCluster, EdgeInstance, TaskGraph, generate_cluster, generate_task_graph
from placezoo.envs.edge.gp_net import EDGE_FEATURES, NODE_FEATURES, GpNetBuilder
from placezoo.envs.edge.list_scheduling import cpop_placement, heft_placement, peft_placement
from placezoo.envs.source import ProblemSource
from placezoo.envs.wrappers import GpNet
from tests.examples import examples
from tests.instances import edge_instances

ENV = "EdgePlace-v0"


def problem_of(instance):
    return placezoo.make_problem(ENV, instance)


# Figure 1 of Topcuoglu, Hariri & Wu 2002: three processors, any task on any of them.
TOPCUOGLU_EDGES = [
    (0, 1, 18), (0, 2, 12), (0, 3, 9), (0, 4, 11), (0, 5, 14), (1, 7, 19), (1, 8, 16), (2, 6, 23), (3, 7, 27),
    (3, 8, 23), (4, 8, 13), (5, 7, 15), (6, 9, 17), (7, 9, 11), (8, 9, 13),
]  # fmt: skip
TOPCUOGLU_TIMES = [
    [14, 16, 9], [13, 19, 18], [11, 13, 19], [13, 8, 17], [12, 13, 10], [13, 16, 9], [7, 15, 11], [5, 11, 14],
    [18, 12, 20], [21, 7, 16],
]  # fmt: skip


@pytest.fixture
def topcuoglu(monkeypatch):
    """Return the example as a problem; its times are no quotients of work and speed, so they are put in directly."""
    times = np.array(TOPCUOGLU_TIMES, float)
    edges = np.array(TOPCUOGLU_EDGES)
    graph = TaskGraph(times.mean(axis=1), edges=edges[:, :2], bytes=edges[:, 2])
    apart = 1.0 - np.eye(3)
    problem = problem_of(EdgeInstance(graph, DeviceCluster(np.ones(3), 0 * apart, apart, [[0]] * 3)))
    problem.cost_model.__dict__["compute_time"] = times
    return problem


def test_heft_on_the_example_of_its_paper(topcuoglu):
    rank = upward_rank(topcuoglu.instance.task_graph, *mean_times(topcuoglu.instance))
    published = [108.000, 77.000, 80.000, 80.000, 69.000, 63.333, 42.667, 35.667, 44.333, 14.667]
    assert rank == pytest.approx(published, abs=6e-4)
    placement, makespan = heft_placement(topcuoglu)
    assert makespan == 80
    assert placement.tolist() == [2, 0, 2, 1, 2, 1, 2, 0, 1, 1]


def test_cpop_on_the_example_of_its_paper(topcuoglu):
    placement, makespan = cpop_placement(topcuoglu)
    assert makespan == 86
    assert [placement[task] for task in (0, 1, 8, 9)] == [1, 1, 1, 1]  # the critical path


def test_peft_prefers_what_its_table_promises(topcuoglu):
    """The table against its recursive definition; the schedule is one of the best known for the example."""
    graph, times = topcuoglu.instance.task_graph, topcuoglu.cost_model.compute_time

    def cost(task, device):
        return max(
            (
                min(cost(b, other) + times[b, other] + (other != device) * graph.bytes[e] for other in range(3))
                for e, (a, b) in enumerate(graph.links)
                if a == task
            ),
            default=0.0,
        )

    table = optimistic_costs(topcuoglu.instance, times)
    assert table.tolist() == [[cost(task, device) for device in range(3)] for task in range(10)]
    assert peft_placement(topcuoglu)[1] <= 86


@pytest.fixture(scope="module")
def saga():
    """Return SAGA's HEFT; the package's own ``schedulers`` imports solvers that are not installed."""
    if importlib.util.find_spec("saga") is None:
        pytest.skip("the peer package anrg-saga is not installed")
    import saga

    folder = importlib.util.find_spec("saga").submodule_search_locations[0] + "/schedulers"
    package = types.ModuleType("saga.schedulers")
    package.__path__ = [folder]
    sys.modules.setdefault("saga.schedulers", package)
    from saga.schedulers.cpop import upward_rank as saga_rank
    from saga.schedulers.heft import HeftScheduler

    return saga, HeftScheduler, saga_rank


def test_heft_against_sagas(saga):
    """On the instances where both rank tasks alike: SAGA's means count a device's link to itself."""
    package, scheduler, saga_rank = saga
    compared = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, k = int(rng.integers(3, 12)), int(rng.integers(2, 5))
        edges = [(0, b) for b in range(1, n)] + [(a, n - 1) for a in range(1, n - 1)]
        edges += [(a, b) for a in range(1, n - 1) for b in range(a + 1, n - 1) if rng.random() < 0.3]
        edges = sorted(set(edges))
        compute, sizes = rng.uniform(1, 10, n), rng.uniform(1, 10, len(edges))
        speed, bandwidth = rng.uniform(1, 3, k), np.triu(rng.uniform(0.5, 3, (k, k)), 1)
        network = package.Network.create(
            [(f"d{d}", speed[d]) for d in range(k)],
            [(f"d{a}", f"d{b}", bandwidth[a, b]) for a in range(k) for b in range(a + 1, k)],
        )
        tasks = package.TaskGraph.create(
            [(f"t{t:02}", compute[t]) for t in range(n)],
            [(f"t{a:02}", f"t{b:02}", size) for (a, b), size in zip(edges, sizes, strict=True)],
        )
        inverse = np.zeros((k, k))
        inverse[bandwidth > 0] = 1 / bandwidth[bandwidth > 0]
        instance = EdgeInstance(
            TaskGraph(compute, edges=edges, bytes=sizes),
            DeviceCluster(speed, np.zeros((k, k)), inverse + inverse.T, [[0]] * k),
        )
        theirs = saga_rank(network, tasks)
        ours = by_decreasing(upward_rank(instance.task_graph, *mean_times(instance)), instance.task_graph)
        if [f"t{t:02}" for t in ours] != sorted(theirs, key=lambda task, rank=theirs: -rank[task]):
            continue
        assert heft_placement(problem_of(instance))[1] == pytest.approx(scheduler().schedule(network, tasks).makespan)
        compared += 1
    assert compared >= 25


@given(edge_instances(max_tasks=5, max_devices=3))
@examples(25)
def test_cp_sat_finds_and_proves_the_optimum(instance):
    problem = problem_of(instance)
    choices = [np.flatnonzero(row) for row in instance.allowed]
    optimum = min(problem.evaluate(np.array(one)).total for one in itertools.product(*choices))
    solution = placezoo.make_agent("cp-sat", workers=1).solve(problem, Budget(seconds=20))
    assert solution.cost.total == pytest.approx(optimum)
    assert solution.bound == pytest.approx(optimum, rel=1e-5)
    assert solution.bound <= optimum + 1e-9


def small_instance(seed=0):
    rng = np.random.default_rng(seed)
    return EdgeInstance(generate_task_graph(4, 1.0, 0.3, rng), generate_cluster(8, rng, type_probability=0.4))


def test_cp_sat_on_other_objectives_and_its_limits():
    for objective in ("slr", "total-cost"):
        problem = placezoo.make_problem(ENV, small_instance(), objective=objective)
        solution = placezoo.make_agent("cp-sat").solve(problem, Budget(seconds=60))
        annealed = placezoo.make_agent("simulated-annealing").solve(problem, Budget(evaluations=30_000))
        assert solution.bound <= annealed.cost.total + 1e-9
        assert solution.cost.total <= annealed.cost.total + 1e-6
    with pytest.raises(ValueError, match="cp-sat: noise has no schedule"):
        placezoo.make_agent("cp-sat").solve(placezoo.make_problem(ENV, "giph/test/1", noise=0.1))


def test_a_bound_survives_saving(tmp_path):
    solution = placezoo.make_agent("cp-sat").solve(problem_of(small_instance()), Budget(seconds=60))
    solution.save(tmp_path / "a.json")
    assert placezoo.Solution.load(tmp_path / "a.json").bound == solution.bound


@given(edge_instances())
def test_earliest_finish_device(instance):
    problem = problem_of(instance)
    state = problem.kernel(problem.initial_assignment(np.random.default_rng(0))).state
    graph, cluster = instance.task_graph, instance.cluster
    for task in range(problem.num_items):
        finish = {}
        for device in np.flatnonzero(instance.allowed[task]):
            arrivals = [
                state.schedule.end[a]
                + (state.assignment[a] != device)
                * (cluster.delay[state.assignment[a], device]
                   + graph.bytes[e] * cluster.inverse_bandwidth[state.assignment[a], device])
                for e, (a, b) in enumerate(graph.links) if b == task
            ]  # fmt: skip
            finish[device] = max(arrivals, default=0.0) + graph.compute[task] / cluster.speed[device]
        found = earliest_finish_device(state, task, -1)
        assert finish[found] == pytest.approx(min(finish.values()))
        here = int(state.assignment[task])
        assert (earliest_finish_device(state, task, here) == here) == (len(finish) == 1)


def test_every_general_agent_works_on_a_cluster():
    problem = placezoo.make_problem(ENV, "giph/test/0")
    heft = placezoo.make_agent("heft").solve(problem).cost.total
    for name in (
        "random", "greedy", "local-search", "simulated-annealing", "heft", "cpop", "peft", "portfolio",
        "random-task-eft",
    ):  # fmt: skip
        solution = placezoo.make_agent(name).solve(problem, Budget(evaluations=2000), seed=1)
        assert solution.cost.feasible
        assert solution.evaluations <= 2000
        again = placezoo.make_agent(name).solve(problem, Budget(evaluations=2000), seed=1)
        assert again.assignment.tolist() == solution.assignment.tolist()
        if name in ("local-search", "simulated-annealing"):
            assert solution.cost.total < heft


@pytest.mark.parametrize("number", range(4))
def test_a_portfolio_is_its_best_and_where_searches_start(number):
    problem = placezoo.make_problem(ENV, f"giph/test/{number}")
    names = ("heft", "peft", "cpop", "greedy")
    each = [placezoo.make_agent(name).solve(problem, Budget(evaluations=1)) for name in names]
    best = placezoo.make_agent("portfolio").solve(problem, Budget(evaluations=200))
    assert best.cost.total == min(one.cost.total for one in each)
    for evaluations in range(1, 4):  # HEFT, PEFT, CPOP come first
        fewer = placezoo.make_agent("portfolio").solve(problem, Budget(evaluations=evaluations))
        assert fewer.cost.total == min(one.cost.total for one in each[:evaluations])
        assert fewer.evaluations <= evaluations
    for name in ("local-search", "simulated-annealing"):
        found = placezoo.make_agent(name).solve(problem, Budget(evaluations=4))
        assert found.cost.total == best.cost.total
        assert found.evaluations <= 4
        assert placezoo.make_agent(name).solve(problem, Budget(evaluations=500)).cost.total <= best.cost.total


def random_plan(rng, nodes=12, edges=30):
    """Return a plan over a random layered graph, and its edges."""
    layer = np.sort(rng.integers(0, 4, nodes))
    layer -= layer[0]
    pairs = [(a, b) for a in range(nodes) for b in range(nodes) if layer[a] < layer[b]]
    chosen = [pairs[i] for i in rng.choice(len(pairs), min(edges, len(pairs)), replace=False)]
    chosen.sort(key=lambda edge: layer[edge[1]])
    source, target = np.array(chosen).T
    degree = np.bincount(target, minlength=nodes)
    steps = range(layer.max() + 1)
    return PassPlan(
        torch.tensor(source), torch.tensor(target),
        [tuple(np.searchsorted(layer, [s, s + 1]).tolist()) for s in steps],
        [tuple(np.searchsorted(layer[target], [s, s + 1]).tolist()) for s in steps],
        torch.tensor(np.where(degree > 0, 1 / np.maximum(degree, 1), 0.0)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_topological_pass_and_its_derivative(seed):
    """Compiled float32 loops and torch operations in float64 against the recurrence in autograd."""
    rng = np.random.default_rng(seed)
    plan, d = random_plan(rng), 4
    torch.manual_seed(seed)
    layer = TopologicalPass(d, 3).double()
    start = torch.randn(12, d, dtype=torch.float64, requires_grad=True)
    edges = torch.randn(len(plan.source), 3, dtype=torch.float64)
    weights = torch.randn(12, d, dtype=torch.float64)

    values = list(start)
    term = layer.edge(edges)
    for (first, last), (begin, end) in zip(plan.nodes, plan.edges, strict=True):
        heard = {node: [] for node in range(first, last)}
        for e in range(begin, end):
            heard[int(plan.target[e])].append(torch.relu(layer.message.weight @ values[plan.source[e]] + term[e]))
        for node, messages in heard.items():
            mean = torch.stack(messages).mean(0) if messages else torch.zeros(d, dtype=torch.float64)
            values[node] = values[node] + torch.relu(layer.update(mean))
    expected = torch.stack(values)
    wanted = torch.autograd.grad((expected * weights).sum(), [start, *layer.parameters()])
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        other = TopologicalPass(d, 3).to(dtype)
        other.load_state_dict(layer.state_dict())
        plan.inverse_degree = plan.inverse_degree.to(dtype)
        begin = start.detach().to(dtype).requires_grad_()
        found = other(begin, edges.to(dtype), plan)
        torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)
        gradients = torch.autograd.grad((found * weights.to(dtype)).sum(), [begin, *other.parameters()])
        for gradient, right in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient.double(), right, atol=10 * tolerance, rtol=10 * tolerance)


@pytest.mark.parametrize("encoder", ["two-way", "no-edge", "radial", "graph-sage"])
def test_a_batch_scores_as_its_parts_do(encoder):
    torch.manual_seed(0)
    network = GpNetNetwork(GpNetConfig(len(NODE_FEATURES), len(EDGE_FEATURES), encoder))
    graphs, masks = [], []
    for number in range(3):
        problem = placezoo.make_problem(ENV, f"giph/train/{number}")
        state = problem.kernel(problem.initial_assignment(np.random.default_rng(number))).state
        graph = GpNetBuilder(problem).build(state)
        graphs.append(graph)
        masks.append(~graph.pivots)
    together = network(GpNetBatch.of(graphs, masks))
    for row, graph, mask in zip(together, graphs, masks, strict=True):
        alone = network(GpNetBatch.of([graph], [mask]))[0]
        torch.testing.assert_close(row[: len(alone)], alone, atol=1e-5, rtol=1e-5)
        assert torch.isfinite(alone).tolist() == mask.tolist()
        assert not torch.isfinite(row[len(alone) :]).any()


def test_draws_follow_the_softmax():
    scores = torch.tensor([[0.0, 1.0, float("-inf"), 2.0]]).repeat(20_000, 1)
    counts = torch.bincount(draw(scores, torch.Generator().manual_seed(0)), minlength=4) / 20_000
    torch.testing.assert_close(counts, torch.softmax(scores[0], 0), atol=0.012, rtol=0.0)
    assert draw(torch.full((2, 3), float("-inf")), torch.Generator()).tolist() == [-1, -1]


@pytest.mark.parametrize("selection", list(SELECTIONS))
def test_episodes_move_as_the_environment_does(selection):
    """Rewards are decreases of the cost, nothing infeasible is reached, the best is remembered."""
    problems = [placezoo.make_problem(ENV, f"giph/train/{number}") for number in range(3)]
    rng = np.random.default_rng(0)
    starts = [problem.initial_assignment(rng) for problem in problems]
    episodes = ImprovementEpisodes(problems, starts, moves_of(selection))
    begin, sums, steps = episodes.totals.copy(), np.zeros(3), np.zeros(3, int)
    lowest = begin.copy()
    while (active := episodes.active).size:
        batch = episodes.observe(active)
        scores = torch.where(batch.selectable, 0.0, float("-inf"))
        chosen = draw(scores, torch.Generator().manual_seed(int(steps.max())))
        sums[active] += episodes.step(active, chosen.numpy())
        steps[active] += 1
        lowest = np.minimum(lowest, episodes.totals)
    assert steps.tolist() == [2 * problem.num_items for problem in problems]
    assert sums == pytest.approx(begin - episodes.totals)
    assert episodes.best == pytest.approx(lowest)
    for number, problem in enumerate(problems):
        cost = problem.evaluate(episodes.best_assignments[number])
        assert cost.feasible
        assert cost.total == pytest.approx(episodes.best[number])


@given(edge_instances())
def test_movable_tasks(instance):
    problem = problem_of(instance)
    state = problem.kernel(np.zeros(problem.num_items, np.int64)).state
    stranded = ~instance.allowed[:, 0]
    movable = movable_tasks(problem, state, -1)
    assert movable.tolist() == (stranded if stranded.any() else instance.allowed.sum(axis=1) > 1).tolist()
    for last in np.flatnonzero(movable):
        others = movable_tasks(problem, state, int(last))
        assert others[last] == (movable.sum() == 1)


@pytest.mark.parametrize(
    ("agent", "config"),
    [
        ("giph", GiPHConfig(instances=2, group=4, minibatches=2)),
        ("giph", GiPHConfig(selection="task-eft", encoder="radial", instances=2, group=2)),
        ("giph", GiPHConfig(instances=1, group=1, epochs=1, minibatches=1, baseline="running-mean")),
        ("placeto", PlacetoConfig(instances=2, group=2)),
    ],
)
def test_what_is_trained_can_be_saved_and_used(agent, config, tmp_path):
    source = ProblemSource(placezoo.envs.registration.problem_class(ENV), dataset="giph")
    learner = ImprovementLearner(source, config=config, seed=1)
    before = [parameter.clone() for parameter in learner.network.parameters()]
    statuses = []
    status = learner.learn(timesteps=200, on_update=statuses.append)
    assert status.timesteps >= 200
    assert status.done == 1.0
    assert statuses[-1] == status
    assert np.isfinite(status.relative_cost)
    changed = [not torch.equal(a, b) for a, b in zip(before, learner.network.parameters(), strict=True)]
    assert all(changed)
    learner.checkpoint(agent=agent).save(tmp_path)
    problem = placezoo.make_problem(ENV, "giph/test/0")
    for start in ("random", "heft"):
        solver = placezoo.make_agent(agent, checkpoint=str(tmp_path), start=start)
        solution = solver.solve(problem, Budget(evaluations=100), seed=3)
        assert solution.cost.feasible
        assert solution.evaluations == 100
        assert (
            solver.solve(problem, Budget(evaluations=100), seed=3).assignment.tolist() == solution.assignment.tolist()
        )
        if start == "heft":
            assert solution.cost.total <= placezoo.make_agent("heft").solve(problem).cost.total
    again = ImprovementLearner(source, config=config, start=Checkpoint.load(tmp_path))
    for a, b in zip(again.network.parameters(), learner.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_is_the_same_for_a_seed():
    source = ProblemSource(placezoo.envs.registration.problem_class(ENV), dataset="giph")
    weights = []
    for _ in range(2):
        learner = ImprovementLearner(source, config=GiPHConfig(instances=1, group=2), seed=4)
        learner.learn(timesteps=100)
        weights.append(torch.cat([parameter.flatten() for parameter in learner.network.parameters()]))
    assert torch.equal(*weights)


def test_the_pretrained_policy_beats_random_search_and_the_heuristic():
    """On held-out instances, with twice as many evaluations as tasks."""
    slr = {}
    for agent in ("giph", "random", "random-task-eft"):
        solver = placezoo.make_agent(agent)
        solutions = []
        for number in range(12):
            problem = placezoo.make_problem(ENV, f"giph/test/{number}")
            solutions.append(solver.solve(problem, Budget(evaluations=2 * problem.num_items), seed=number))
        slr[agent] = np.mean([solution.cost.terms["slr"] for solution in solutions])
    assert slr["giph"] < slr["random-task-eft"] < slr["random"]


def test_acting_on_observations_of_the_wrapper():
    env = GpNet(gym.make(ENV, dataset="giph", split="test"))
    agent = placezoo.make_agent("giph")
    observation, info = env.reset(seed=0)
    begin, best = info["cost"]["total"], info["cost"]["total"]
    truncated = False
    while not truncated:
        observation, _, _, truncated, info = env.step(agent.act(observation))
        best = min(best, info["cost"]["total"])
    assert best < 0.9 * begin


def test_bad_input(tmp_path):
    problem = placezoo.make_problem(ENV, "giph/test/0")
    graph_problem = placezoo.make_problem("GraphPartition-v0", "karate", num_parts=2)
    source = ProblemSource(placezoo.envs.registration.problem_class(ENV), dataset="giph")
    for call, message in (
        (lambda: placezoo.make_agent("giph", start="nowhere"), "unknown start 'nowhere'"),
        (lambda: placezoo.make_agent("giph", batch=0), "batch must be a whole number of at least 1"),
        (lambda: placezoo.make_agent("heft").solve(graph_problem), "heft is for EdgePlace-v0"),
        (lambda: placezoo.make_agent("giph", start="instance").solve(problem), "comes without a placement"),
        (lambda: GiPHConfig(width=5), "width must be even"),
        (lambda: GiPHConfig(gamma=2.0), "gamma must be a finite number"),
        (lambda: GiPHConfig(group=1), "a group of one has no others"),
        (lambda: GiPHConfig(encoder="gcn"), "unknown encoder 'gcn'"),
        (lambda: GiPHConfig(selection="traversal"), "is placeto's"),
        (lambda: ImprovementLearner(source, "construct"), "no formulation 'construct'"),
        (lambda: ImprovementLearner(source, device="abacus"), "device 'abacus' cannot be used"),
        (lambda: load_policy(str(tmp_path), "giph"), "not a checkpoint folder"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            call()
    ImprovementLearner(source, config=PlacetoConfig()).checkpoint().save(tmp_path)
    with pytest.raises(ValueError, match="holds another kind of policy"):
        load_policy(str(tmp_path), "giph")

"""Chip placements off the grid: places as part of a claim, their legality, and what is written of them."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

import placezoo
from placezoo.agents.solution import ClaimError, Solution, budget_record, problem_record
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip.legality import illegalities
from placezoo.datasets import generate_netlist, read_netlist
from placezoo.datasets.chip.netlist import Placement
from placezoo.datasets.chip.netlist_format import write_netlist
from placezoo.datasets.chip.plc_format import write_plc
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.experiments.evaluate import verify


@pytest.fixture(scope="module")
def netlist():
    return generate_netlist(num_hard=8, num_soft=20, seed=4, grid=(9, 8), hard_utilization=0.3)


def refined(problem, seed, shift=0.3):
    """Return a random legal assignment, and its macros pushed about within their cells, some of them flipped."""
    rng = np.random.default_rng(seed)
    assignment = problem.initial_assignment(rng)
    places = problem.refinement_of(problem.placement(assignment))
    canvas = problem.instance.canvas
    places[:, :2] += rng.uniform(-shift, shift, (problem.num_items, 2)) * [canvas.cell_width, canvas.cell_height]
    hard = np.isin(problem.item_nodes, problem.instance.hard_macros)
    places[hard, 2] = rng.integers(4, size=hard.sum())
    return assignment, places


@pytest.mark.parametrize("movable", ["macros", "all"])
@pytest.mark.parametrize("seed", range(4))
def test_refined_costs_are_those_of_the_places(netlist, movable, seed):
    problem = ChipPlaceProblem(netlist, movable=movable)
    assignment, places = refined(problem, seed)
    view = problem.refined(places)
    cost, placement = view.evaluate(assignment), view.placement(assignment)
    np.testing.assert_array_equal(view.refinement_of(placement), places)
    exact = ProxyCost(netlist).evaluate(placement)
    count, found = illegalities(placement, problem.item_nodes)
    assert cost.terms == pytest.approx(dict(exact.terms), rel=1e-12)
    assert cost.total == pytest.approx(exact.total + count, rel=1e-12)
    assert cost.feasible == (count == 0)
    assert cost.violations == found
    if movable == "all":  # nothing follows
        by_hand = netlist.with_positions(
            {name: places[i, :2] for i, name in enumerate(problem.item_names)},
            {name: ("N", "FN", "S", "FS")[int(places[i, 2])] for i, name in enumerate(problem.item_names)},
        )
        assert ProxyCost(netlist).evaluate(by_hand).terms == pytest.approx(dict(cost.terms), rel=1e-12)
    assert pickle.loads(pickle.dumps(view)).evaluate(assignment) == cost
    assert problem.refined(None) is problem


def test_centres_of_cells_refine_nothing(netlist):
    for problem in (ChipPlaceProblem(netlist, flips=False), ChipPlaceProblem(netlist, movable="all")):
        assignment = problem.initial_assignment(np.random.default_rng(0))
        places = problem.refinement_of(problem.placement(assignment))
        terms = problem.refined(places).evaluate(assignment).terms
        assert terms == pytest.approx(dict(problem.evaluate(assignment).terms), rel=1e-12)


def slow_count(placement, nodes):
    """What is illegal, pair by pair, from the definition."""
    netlist, canvas = placement.netlist, placement.netlist.canvas
    hard = [int(node) for node in netlist.hard_macros]
    low, high = placement.centers - placement.extents / 2, placement.centers + placement.extents / 2
    count = 0
    for i, a in enumerate(hard):
        for b in hard[i + 1 :]:
            if a not in nodes and b not in nodes:
                continue
            room = [max(netlist.halos[n][axis::2].max() for n in (a, b)) for axis in (0, 1)]
            apart = [max(low[a][k] - high[b][k], low[b][k] - high[a][k]) for k in (0, 1)]
            reach = max(apart[0] - room[0], apart[1] - room[1])
            count += max(apart) < -1e-9 or reach < -1e-9
    for node in nodes:
        count += low[node].min() < -1e-9 or high[node][0] > canvas.width + 1e-9 or high[node][1] > canvas.height + 1e-9
        for x0, y0, x1, y1, rate in canvas.blockages:
            if rate > 0 and node in hard:
                count += bool(low[node][0] < x1 and high[node][0] > x0 and low[node][1] < y1 and high[node][1] > y0)
    return count


@pytest.mark.parametrize("seed", range(12))
def test_legality_pair_by_pair(netlist, seed):
    """Halos, blockages and fixed macros, against the definition."""
    rng = np.random.default_rng(seed)
    fixed = netlist.fixed.copy()
    fixed[netlist.hard_macros[:2]] = True
    halos = np.where(rng.random((netlist.num_nodes, 1)) < 0.5, rng.uniform(0, 20, (netlist.num_nodes, 4)), 0.0)
    canvas = netlist.canvas
    walls = ((0.0, 0.0, canvas.width / 5, canvas.height / 4, 1.0), (0.0, 0.0, canvas.width, canvas.height, 0.0))
    walled = dataclasses.replace(netlist, fixed=fixed, halos=halos).with_canvas(blockages=walls)
    problem = ChipPlaceProblem(walled, movable="all")
    centers = walled.centers.copy()
    centers[problem.item_nodes] = rng.uniform(0.1, 0.9, (problem.num_items, 2)) * [canvas.width, canvas.height]
    placement = Placement(walled, centers, walled.orientations)
    count, found = illegalities(placement, problem.item_nodes)
    assert count == slow_count(placement, problem.item_nodes)
    assert (count == 0) == (found == ())
    assert all("\n" not in line for line in found)
    cost = problem.refined(problem.refinement_of(placement)).evaluate(problem.assignment_of(placement))
    assert cost.violations == found


def test_a_macro_in_a_halo_is_named():
    netlist = generate_netlist(num_hard=2, num_soft=2, seed=0, grid=(6, 6), hard_utilization=0.05)
    halos = np.zeros((netlist.num_nodes, 4))
    a, b = netlist.hard_macros
    halos[a] = 2.0
    problem = ChipPlaceProblem(dataclasses.replace(netlist, halos=halos))
    width = netlist.sizes[[a, b], 0].mean()
    for gap, feasible in ((0.0, False), (1.9, False), (2.0, True)):
        centers = netlist.centers.copy()
        middle = netlist.canvas.height / 2
        centers[a], centers[b] = (width, middle), (2 * width + gap, middle)
        placement = Placement(problem.instance, centers, netlist.orientations)
        cost = problem.refined(problem.refinement_of(placement)).evaluate(problem.assignment_of(placement))
        assert cost.feasible is feasible
        if not feasible:
            assert "halo" in cost.violations[0]
            assert netlist.names[a] in cost.violations[0]


def test_bad_refinements(netlist):
    problem = ChipPlaceProblem(netlist)
    assignment, places = refined(problem, 0)
    for bad in (places[:-1], places[:, :2], places * np.nan, "here", [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="a refinement is x, y and orientation"):
            problem.refined(bad)
    for turn in (4.0, 0.5, 9.0):
        turned = places.copy()
        turned[3, 2] = turn
        with pytest.raises(ValueError, match="orientation"):
            problem.refined(turned)
    moved = assignment.copy()
    moved[0] = (moved[0] + 1) % problem.num_resources
    with pytest.raises(ValueError, match="which is not in its cell"):
        problem.refined(places).evaluate(moved)
    kept = ChipPlaceProblem(netlist, flips=False)
    flipped = kept.refinement_of(netlist.placement)
    flipped[0, 2] = (flipped[0, 2] + 1) % 4
    with pytest.raises(ValueError, match="orientation"):
        kept.refined(flipped)
    with pytest.raises(ValueError, match="has no refinements"):
        placezoo.make_problem("GraphPartition-v0", "karate").refined(places)


def solution_of(problem, assignment, places):
    return Solution(
        **problem_record(problem), agent="by-hand", hyperparameters={}, seed=0,
        budget=budget_record(placezoo.Budget(evaluations=1)), assignment=assignment,
        cost=problem.refined(places).evaluate(assignment), trace=(), refinement=places,
    )  # fmt: skip


@pytest.mark.parametrize("movable", ["macros", "all"])
def test_a_saved_solution_is_scored_by_its_places(netlist, movable, tmp_path):
    problem = ChipPlaceProblem(netlist, movable=movable)
    assignment, places = refined(problem, 1)
    solution = solution_of(problem, assignment, places)
    solution = dataclasses.replace(solution, trace=(placezoo.agents.solution.TracePoint(1, 0.0, solution.cost.total),))
    path = tmp_path / "s.json"
    solution.save(path)
    loaded = Solution.load(path)
    np.testing.assert_array_equal(loaded.refinement, places)
    assert verify(loaded, problem) == solution.cost
    np.testing.assert_array_equal(loaded.to_pandas(problem)["x"], places[:, 0])
    with pytest.raises(ClaimError, match="cost"):  # without its places it is another claim
        verify(dataclasses.replace(loaded, refinement=None), problem)
    content = json.loads(path.read_text())
    content["refinement"][0][0] += 0.01
    path.write_text(json.dumps(content))
    with pytest.raises(ClaimError, match="changed after"):
        Solution.load(path)
    with pytest.raises(ClaimError, match="a refinement is"):
        verify(dataclasses.replace(loaded, refinement=places[:2]), problem)


def test_exports_and_pictures_go_by_the_places(netlist, tmp_path):
    write_netlist(tmp_path / "n.pb.txt", netlist)
    write_plc(tmp_path / "start.plc", netlist.placement)
    problem = ChipPlaceProblem(read_netlist(tmp_path / "n.pb.txt", tmp_path / "start.plc"), movable="all")
    assignment, places = refined(problem, 2)
    view = problem.refined(places)
    view.export(assignment, tmp_path / "p.plc")
    back = read_netlist(tmp_path / "n.pb.txt", tmp_path / "p.plc")
    again = ProxyCost(back).evaluate(back.placement)
    assert again.terms == dict(view.evaluate(assignment).terms)
    np.testing.assert_array_equal(problem.refinement_of(back.placement), places)
    view.export(assignment, tmp_path / "p.csv")
    assert repr(float(places[0, 0])) in (tmp_path / "p.csv").read_text()
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    view.draw(assignment, axes)
    assert f"{view.evaluate(assignment).total:.4f}" in axes.get_title()
    assert len(view.panels(assignment)) == 4
    partial = assignment.copy()
    partial[3:] = -1
    view.draw(partial, Figure().subplots())

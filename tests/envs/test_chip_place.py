"""ChipPlace-v0: moves against fresh evaluations, masks against definitions, episodes in all formulations."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.cost_models import ProxyCost
from placezoo.cost_models.chip import layout as chip_layout
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.chip import state as chip_state
from placezoo.datasets import generate_netlist, read_def, write_def
from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.netlist import Netlist, NodeType
from placezoo.datasets.instance_warning import InstanceWarning
from placezoo.envs.chip.problem import ChipPlaceProblem
from placezoo.envs.wrappers import CanvasImage
from tests.examples import examples

FORMULATIONS = ("construct", "improve", "one-shot")


@pytest.fixture(scope="module")
def netlist():
    return generate_netlist(num_hard=8, num_soft=20, seed=4, grid=(9, 8), hard_utilization=0.3)


def random_episode(env, seed):
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    rewards, done = [], False
    while not done:
        mask = observation["action_mask"]
        if mask.ndim == 2:
            action = np.array([rng.choice(np.flatnonzero(row)) for row in mask])
        else:
            action = int(rng.choice(np.flatnonzero(mask)))
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        done = terminated or truncated
    return rewards, info, observation


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("source", [{"instance": True}, {"dataset": "synthetic-chips"}])
def test_gymnasium_checker_is_silent(netlist, formulation, source):
    if "instance" in source:
        source = {"instance": netlist}
    settings = {"num_moves": 5} if formulation == "improve" else {}
    check_env(
        gym.make("ChipPlace-v0", formulation=formulation, render_mode="rgb_array", **source, **settings).unwrapped
    )


def test_a_construction_pays_its_proxy_cost_at_the_end(netlist):
    env = gym.make("ChipPlace-v0", instance=netlist)
    assert env.action_space.n == 72
    finished = 0
    for seed in range(8):
        rewards, info, observation = random_episode(env, seed)
        problem = env.unwrapped.problem
        assert all(reward == 0 for reward in rewards[:-1])
        if info["feasible"]:
            finished += 1
            assert len(rewards) == 8
            cost = problem.evaluate(env.unwrapped.assignment)
            assert rewards[-1] == -cost.total == -info["cost"]["total"]
            placement = problem.placement(env.unwrapped.assignment)
            assert placement.is_legal
            exact = ProxyCost(netlist).evaluate(placement)
            assert exact.total == pytest.approx(cost.total, rel=1e-12)
            assert exact.terms == pytest.approx(dict(cost.terms), rel=1e-12)
        else:
            assert rewards[-1] == -problem.infeasible_penalty
            assert observation["current_item"] == -1
    assert finished > 0


def two_wide_macros():
    """Two macros of which each fills two thirds of the canvas's width: the second fits only above or below."""
    types = np.array([NodeType.HARD_MACRO, NodeType.HARD_MACRO, NodeType.PORT])
    return Netlist(
        ("A", "B", "P"), types, np.arange(3), np.array([[20.0, 10], [20, 10], [0, 0]]), np.full((3, 2), 15.0),
        np.zeros((3, 2)), np.zeros(3), types == NodeType.PORT, np.array([0, 3]), np.arange(3), np.ones(1),
        Canvas(30, 30, 3, 3),
    )  # fmt: skip


def test_a_construction_that_jams_ends_with_the_penalty():
    for make in (gym.make, lambda *a, **k: gym.make_vec(*a, num_envs=2, vectorization_mode="vector_entry_point", **k)):
        netlist = two_wide_macros().with_canvas(blockages=((0, 0, 30, 10, 1.0), (0, 20, 30, 30, 1.0)))
        env = make("ChipPlace-v0", instance=netlist)
        observation, _ = env.reset(seed=0)
        middle = 4  # the centre: the only cell at which A is inside the canvas and off the blockages
        action = middle if isinstance(observation["current_item"], np.int64) else np.array([middle, middle])
        observation, reward, terminated, _, _ = env.step(action)
        assert np.all(np.asarray(reward) == -4.0)
        assert np.all(terminated)
        assert np.all(np.asarray(observation["current_item"]) == -1)
        assert not np.any(observation["action_mask"])


def test_masks_are_as_defined(netlist):
    problem = placezoo.make_problem("ChipPlace-v0", netlist)
    rng = np.random.default_rng(0)
    assignment = problem.initial_assignment(rng)
    canvas = netlist.canvas
    cells = np.arange(canvas.num_cells)
    centres = np.stack(
        [(cells % canvas.columns + 0.5) * canvas.cell_width, (cells // canvas.columns + 0.5) * canvas.cell_height], 1
    )
    half = netlist.sizes[problem.item_nodes] / 2
    for item in range(problem.num_items):
        partial = assignment.copy()
        partial[rng.random(problem.num_items) < 0.4] = -1
        partial[item] = -1
        expected = np.all((centres - half[item] >= 0) & (centres + half[item] <= [canvas.width, canvas.height]), axis=1)
        for other in np.flatnonzero(partial >= 0):
            apart = np.abs(centres - centres[partial[other]]) >= half[item] + half[other]
            expected &= apart.any(axis=1)
        np.testing.assert_array_equal(problem.allowed(partial, item), expected)
        # Wire mask: what the netlist's own nets measure more, soft macros at their estimates.
        state = problem.kernel(partial).state
        wires = np.empty(canvas.num_cells)
        chip_moves.wire_mask(state, item, wires)
        block = problem.item_blocks[item]
        present = state.proxy.placed.astype(bool) | (state.proxy.kinds == 1)
        present[block] = True
        for cell in rng.integers(canvas.num_cells, size=4):
            x, y = state.proxy.x.copy(), state.proxy.y.copy()
            x[block], y[block] = centres[cell]
            total = 0.0
            for net in range(netlist.num_nets):
                terminals = np.arange(*state.proxy.net_ptr[net : net + 2])
                owners = state.proxy.terminal_block[terminals]
                if block not in owners or not np.any(present[owners] & (owners != block)):
                    continue
                seen = terminals[present[owners]]
                owners = state.proxy.terminal_block[seen]
                px, py = (
                    x[owners] + state.proxy.terminal_shift[seen, 0],
                    y[owners] + state.proxy.terminal_shift[seen, 1],
                )
                total += netlist.net_weights[net] * (np.ptp(px) + np.ptp(py))
            assert wires[cell] == pytest.approx(total * state.proxy.grid[4], rel=1e-9)


@pytest.mark.parametrize("movable", ["macros", "all"])
@pytest.mark.parametrize("flips", [True, False])
@given(seed=st.integers(0, 2**32))
@examples(10)
def test_moves_equal_fresh_evaluations(movable, flips, seed):
    """Proposals of all five actions, and arbitrary ones, legal or not; undone at times."""
    netlist = generate_netlist(num_hard=6, num_soft=10, seed=4, grid=(9, 8), hard_utilization=0.25)
    problem = ChipPlaceProblem(netlist, movable=movable, flips=flips, smoothing_range=1)
    rng = np.random.default_rng(seed)
    kernel = problem.kernel(problem.initial_assignment(rng))
    state = kernel.state
    model = ProxyCost(netlist, smoothing_range=1)

    def total():
        placement = problem.placement_of(state)
        return model.evaluate(placement).total + len(placement.overlaps()) + len(placement.outside())

    assert chip_state.total_of(state) == pytest.approx(total(), rel=1e-9)
    kinds = set()
    for _ in range(25):
        if rng.random() < 0.6:
            move = kernel.propose(state, rng)
        else:
            item, partner = rng.choice(problem.num_items, 2, replace=False)
            source = state.assignment[item]
            if rng.random() < 0.5 and state.assignment[partner] != source:
                move = (int(item), int(source), int(state.assignment[partner]), int(partner))
            else:
                move = (int(item), int(source), int(rng.integers(problem.num_resources)), -1)
        kinds.add(min(move[3], 0) if move[3] > chip_layout.CYCLE else chip_layout.CYCLE)
        before, assignment = total(), state.assignment.copy()
        change = kernel.delta(state, move)
        np.testing.assert_array_equal(state.assignment, assignment)
        kernel.apply(state, move)
        assert total() - before == pytest.approx(change, abs=1e-9)
        assert chip_state.total_of(state) == pytest.approx(total(), rel=1e-9)
        placed = problem.placement_of(state).centers[problem.item_nodes]
        np.testing.assert_array_equal(problem.assignment_of(problem.placement_of(state)), state.assignment)
        assert np.isfinite(placed).all()
        if rng.random() < 0.4:
            kernel.undo(state, move)
            np.testing.assert_array_equal(state.assignment, assignment)
            assert total() == pytest.approx(before, rel=1e-9)
    assert len(kinds) > 1


def test_proposals_keep_a_legal_placement_legal(netlist):
    problem = placezoo.make_problem("ChipPlace-v0", netlist)
    rng = np.random.default_rng(1)
    kernel = problem.kernel(problem.initial_assignment(rng))
    actions = {"swap": 0, "mirror": 0, "shuffle": 0, "move": 0}
    for _ in range(3000):
        _, source, target, partner = move = kernel.propose(kernel.state, rng)
        if partner >= 0:
            actions["swap"] += 1
        elif partner == chip_layout.MIRROR:
            actions["mirror"] += 1
        elif partner <= chip_layout.CYCLE:
            actions["shuffle"] += 1
        elif source != target:
            actions["move"] += 1
        kernel.apply(kernel.state, move)
    assert problem.placement_of(kernel.state).is_legal
    assert min(actions.values()) > 5


def test_twins_are_the_items_of_one_size():
    netlist = generate_netlist(num_hard=12, num_soft=6, seed=3, grid=(9, 8), hard_utilization=0.3)
    sizes = netlist.sizes.copy()
    sizes[netlist.hard_macros[::2]] = sizes[netlist.hard_macros[0]]
    problem = ChipPlaceProblem(dataclasses.replace(netlist, sizes=sizes), movable="all")
    twins = problem.kernel().state.twins
    extents = problem.instance.sizes[problem.item_nodes]
    hard = np.isin(problem.item_nodes, netlist.hard_macros)
    for item in range(problem.num_items):
        same = np.flatnonzero((extents == extents[item]).all(axis=1) & (hard == hard[item]))
        first, count = twins[1, item], twins[2, item]
        np.testing.assert_array_equal(np.sort(twins[0, first : first + count]), same)
    assert twins[2].max() >= 6


def test_what_follows_depends_on_the_assignment_alone(netlist):
    problem = placezoo.make_problem("ChipPlace-v0", netlist)
    rng = np.random.default_rng(2)
    first, second = (problem.initial_assignment(rng) for _ in range(2))
    kernel = problem.kernel(first)
    for item, cell in enumerate(second):  # by way of another placement
        kernel.apply(kernel.state, (item, int(kernel.state.assignment[item]), int(cell), -1))
    assert kernel.complete(kernel.state) == problem.evaluate(second).total
    settled = kernel.settle(kernel.state)
    assert settled == pytest.approx(ProxyCost(netlist).evaluate(problem.placement_of(kernel.state)).total, rel=1e-9)


def test_flips_shorten_wires_and_keep_fixed_macros(netlist):
    rng = np.random.default_rng(3)
    free, kept = ChipPlaceProblem(netlist), ChipPlaceProblem(netlist, flips=False)
    shorter = 0
    for _ in range(5):
        assignment = free.initial_assignment(rng)
        shorter += free.evaluate(assignment).terms["wirelength"] < kept.evaluate(assignment).terms["wirelength"]
        assert np.all(kept.placement(assignment).orientations == netlist.orientations)
    assert shorter >= 4


def test_fixed_macros_and_blockages_are_obstacles():
    netlist = two_wide_macros()
    placed = netlist.with_positions({"A": (15, 5)})
    fixed = dataclasses.replace(netlist, fixed=np.array([True, False, True]), centers=placed.centers)
    problem = ChipPlaceProblem(fixed)
    assert problem.num_items == 1
    assert np.flatnonzero(problem.allowed(np.array([-1]), 0)).tolist() == [4, 7]
    assert not problem.evaluate(np.array([1])).feasible
    assert problem.evaluate(np.array([7])).feasible


def test_infeasible_assignments_are_counted(netlist):
    problem = placezoo.make_problem("ChipPlace-v0", netlist)
    stacked = np.full(8, 40)
    cost = problem.evaluate(stacked)
    assert not cost.feasible
    assert cost.total == pytest.approx(28 + ProxyCost(netlist).evaluate(problem.placement(stacked)).total)
    partial = np.full(8, -1)
    assert problem.evaluate(partial).total == 0
    assert problem.evaluate(partial).violations == ("8 of 8 macros are not placed",)
    with pytest.raises(ValueError, match="8 of 8 macros are not placed"):
        problem.placement(partial)
    legal = problem.legalize(stacked)
    assert problem.evaluate(legal).feasible
    assert abs(legal % 9 - 4).max() <= 4


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_batched_environment_equals_the_scalar_one(netlist, formulation):
    settings = {"num_moves": 6} if formulation == "improve" else {}
    vector = gym.make_vec(
        "ChipPlace-v0", num_envs=3, vectorization_mode="vector_entry_point", instance=netlist, formulation=formulation,
        **settings,
    )  # fmt: skip
    scalars = [gym.make("ChipPlace-v0", instance=netlist, formulation=formulation, **settings) for _ in range(3)]
    observation, _ = vector.reset(seed=5)
    singles = [env.reset(seed=5 + i)[0] for i, env in enumerate(scalars)]
    rng = np.random.default_rng(0)
    ended = np.zeros(3, bool)
    for _ in range(20):
        actions = []
        for i in range(3):
            np.testing.assert_array_equal(observation["action_mask"][i], singles[i]["action_mask"])
            np.testing.assert_array_equal(observation["resources"][i].nodes, singles[i]["resources"].nodes)
            mask = singles[i]["action_mask"]
            if mask.ndim == 2:
                actions.append(np.array([rng.choice(np.flatnonzero(row)) for row in mask]))
            else:
                actions.append(int(rng.choice(np.flatnonzero(mask))) if mask.any() else 0)
        observation, rewards, terminated, truncated, _ = vector.step(np.array(actions))
        for i, env in enumerate(scalars):
            if ended[i]:
                singles[i], _ = env.reset()
                ended[i] = False
                continue
            singles[i], reward, done, cut, _ = env.step(actions[i])
            assert rewards[i] == reward
            assert (terminated[i], truncated[i]) == (done, cut)
            ended[i] = done or cut


def test_canvas_image(netlist):
    env = CanvasImage(gym.make("ChipPlace-v0", instance=netlist))
    observation, _ = env.reset(seed=0)
    assert observation["image"].shape == (8, 8, 9)
    assert observation in env.observation_space
    mask = observation["image"][env.channels.index("position_mask")]
    np.testing.assert_array_equal(mask.ravel(), env.action_masks())
    observation, *_ = env.step(int(np.flatnonzero(env.action_masks())[0]))
    density = observation["image"][env.channels.index("density")]
    area = netlist.sizes[env.unwrapped.problem.item_nodes[0]].prod()
    assert 2 * density.sum() * netlist.canvas.cell_width * netlist.canvas.cell_height == pytest.approx(area, rel=1e-5)
    larger = CanvasImage(gym.make("ChipPlace-v0", instance=netlist), shape=(12, 12))
    assert larger.reset(seed=0)[0]["image"][:, 8:, :].max() == 0
    with pytest.raises(ValueError, match="does not fit"):
        CanvasImage(gym.make("ChipPlace-v0", instance=netlist), shape=(4, 4)).reset()
    with pytest.raises(ValueError, match="not another environment"):
        CanvasImage(gym.make("GraphPartition-v0", instance="karate"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"movable": "soft"}, "unknown movable"),
        ({"flips": 1}, "flips"),
        ({"smoothing_range": -1}, "smoothing_range"),
        ({"weights": [1, -1, 0]}, "weights"),
    ],
)
def test_bad_parameters(netlist, parameters, message):
    with pytest.raises(ValueError, match=message):
        ChipPlaceProblem(netlist, **parameters)


def test_bad_assignments(netlist):
    problem = ChipPlaceProblem(netlist)
    for assignment, message in (
        (np.zeros(3, int), "8 whole numbers"),
        (np.zeros(8), "whole numbers"),
        (np.full(8, 72), "cells are 0..71"),
    ):
        with pytest.raises(ValueError, match=message):
            problem.evaluate(assignment)
    with pytest.raises(ValueError, match="places a Netlist"):
        placezoo.make_problem("ChipPlace-v0", "karate")


LEF = """MACRO RAM CLASS BLOCK ; SIZE 20 BY 20 ;
PIN D DIRECTION INPUT ; PORT LAYER m4 ; RECT 0 10 1 11 ; END END D
PIN Q DIRECTION OUTPUT ; PORT LAYER m4 ; RECT 19 10 20 11 ; END END Q END RAM
MACRO BUF CLASS CORE ; SIZE 1 BY 2 ; PIN A DIRECTION INPUT ; END A PIN Z DIRECTION OUTPUT ; END Z END BUF
MACRO BUMP CLASS COVER BUMP ; SIZE 10 BY 10 ; PIN P DIRECTION INOUT ; END P END BUMP
"""


def design(folder, die="( 0 0 ) ( 100000 100000 )", components=(), nets=("n ( u1 Q ) ( u2 D )",)):
    """Write a design of two blocks and more, and return its netlist."""
    (folder / "lib.lef").write_text(LEF)
    section = "".join(f"- {component} ;\n" for component in ("u1 RAM", "u2 RAM", *components))
    (folder / "d.def").write_text(
        f"DESIGN d ;\nUNITS DISTANCE MICRONS 1000 ;\nDIEAREA {die} ;\nCOMPONENTS {2 + len(components)} ;\n{section}"
        f"END COMPONENTS\nNETS {len(nets)} ;\n{''.join(f'- {net} ;' for net in nets)}\nEND NETS\nEND DESIGN\n"
    )
    return read_def(folder / "d.def", [folder / "lib.lef"])


def test_no_macro_lies_where_there_is_no_die(tmp_path):
    die = "( 0 0 ) ( 0 100000 ) ( 50000 100000 ) ( 50000 50000 ) ( 100000 50000 ) ( 100000 0 )"
    problem = placezoo.make_problem("ChipPlace-v0", design(tmp_path, die))
    allowed = problem.allowed(np.full(2, -1), 0)
    columns, rows = problem.instance.canvas.columns, problem.instance.canvas.rows
    x, y = np.meshgrid((np.arange(columns) + 0.5) * 100 / columns, (np.arange(rows) + 0.5) * 100 / rows)
    inside = (np.minimum(x, y) >= 10) & (np.maximum(x, y) <= 90) & ((x <= 40) | (y <= 40))
    assert allowed.tolist() == inside.ravel().tolist()
    corner = int(np.flatnonzero((x.ravel() > 75) & (y.ravel() > 75))[0])
    cost = problem.evaluate(np.array([corner, int(np.flatnonzero(allowed)[0])]))
    assert not cost.feasible


def test_bumps_obstruct_nothing(tmp_path):
    bumps = [f"b{i} BUMP + FIXED ( {25000 * (i % 4) + 5000} {25000 * (i // 4) + 5000} ) N" for i in range(16)]
    covered = placezoo.make_problem("ChipPlace-v0", design(tmp_path, components=bumps))
    bare = placezoo.make_problem("ChipPlace-v0", design(tmp_path))
    assert covered.num_items == bare.num_items == 2
    assert covered.allowed(np.full(2, -1), 0).tolist() == bare.allowed(np.full(2, -1), 0).tolist()
    answer = bare.greedy(np.random.default_rng(0))
    assert covered.evaluate(answer) == bare.evaluate(answer)


def test_a_flat_design_is_clustered_and_written_back(tmp_path):
    cells = [f"c{i} BUF" for i in range(60)]
    nets = [f"n{i} ( c{i} Z ) ( c{i + 1} A )" for i in range(59)] + ["in ( u1 Q ) ( c0 A )", "out ( c59 Z ) ( u2 D )"]
    flat = design(tmp_path, components=cells, nets=nets)
    with pytest.warns(InstanceWarning, match="d is flat: its 60 standard cells are clustered into 31 soft macros"):
        problem = placezoo.make_problem("ChipPlace-v0", flat)
    clustered = problem.instance
    assert (clustered.types != NodeType.STDCELL).all()
    assert clustered.owners.min() >= 0
    assert clustered.canvas == flat.canvas
    assert np.prod(clustered.sizes[clustered.soft_macros], axis=1).sum() == pytest.approx(2 * 60 * 1 * 2)
    with pytest.warns(InstanceWarning):
        again = placezoo.make_problem("ChipPlace-v0", flat)
    assert again.instance.digest == clustered.digest  # or no solution could be scored again
    answer = placezoo.make_agent("greedy").solve(problem, placezoo.Budget(evaluations=1)).assignment
    placement = problem.placement(answer)
    assert len(np.unique(placement.centers[clustered.soft_macros], axis=0)) > 1  # not all at the die's centre
    write_def(tmp_path / "out.def", placement, tmp_path / "d.def")
    read = read_def(tmp_path / "out.def", [tmp_path / "lib.lef"])
    for name in ("u1", "u2"):
        there = placement.centers[clustered.index[name]]
        assert read.centers[read.index[name]] == pytest.approx(there, abs=1e-3)


def test_a_few_cells_are_soft_macros_each(tmp_path):
    with pytest.warns(InstanceWarning, match="its 1 standard cells are clustered into 1 soft macros"):
        problem = placezoo.make_problem("ChipPlace-v0", design(tmp_path, components=["c BUF"]))
    assert problem.instance.soft_macros.size == 1


def test_a_design_without_nets_is_said_to_have_none(tmp_path):
    with pytest.warns(InstanceWarning, match="d has no nets: the wirelength of every placement is 0"):
        placezoo.make_problem("ChipPlace-v0", design(tmp_path, nets=()))


def test_the_grid_admits_a_macro_between_margins(tmp_path):
    row = "ROW r{} core 9000 {} N DO 510 BY 1 STEP 200 0 ;\n"
    (tmp_path / "big.lef").write_text("MACRO BIG CLASS BLOCK ; SIZE 100 BY 100 ; END BIG")
    (tmp_path / "d.def").write_text(
        "UNITS DISTANCE MICRONS 1000 ;\nDIEAREA ( 0 0 ) ( 120000 120000 ) ;\n"
        + "".join(row.format(i, 9000 + 2000 * i) for i in range(51))
        + "COMPONENTS 1 ;\n- u BIG ;\nEND COMPONENTS\nPINS 1 ; - p + NET n ; END PINS\nEND DESIGN\n"
    )
    with pytest.warns(InstanceWarning, match="no nets"):
        problem = placezoo.make_problem("ChipPlace-v0", read_def(tmp_path / "d.def", [tmp_path / "big.lef"]))
    assert problem.evaluate(problem.greedy(np.random.default_rng(0))).feasible

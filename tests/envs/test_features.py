"""The columns of features: their names and the constants by which kernels write them agree."""

import numpy as np
import pytest

import placezoo
from placezoo.cost_models.accel import moves as accel_moves
from placezoo.cost_models.chip import moves as chip_moves
from placezoo.cost_models.device import moves as device_moves
from placezoo.cost_models.edge import moves as edge_moves
from placezoo.cost_models.mcm import moves as mcm_moves
from placezoo.cost_models.partition import moves as partition_moves
from placezoo.datasets import DeviceCluster, EdgeInstance, OpGraph, TaskGraph, generate_netlist
from placezoo.envs.edge import gp_net
from tests.instances import small_network


def edge_problem():
    graph = TaskGraph([3.0, 2.0, 4.0], edges=[[0, 1], [0, 2]], bytes=[5.0, 1.0])
    apart = 1.0 - np.eye(3)
    cluster = DeviceCluster([4.0, 1.0, 2.0], [1.0, 2.0, 3.0] * apart, [3.0, 1.0, 2.0] * apart, [[0], [0], [0]])
    return placezoo.make_problem("EdgePlace-v0", EdgeInstance(graph, cluster))


def model():
    edges = [(op - 1, op) for op in range(1, 6)] + [(0, 3)]
    return OpGraph([5e9] * 6, [1e6, 2e6, 3e6, 4e6, 5e6, 6e6], [1e5] * 6, [2e5] * 6, edges)


PROBLEMS = {
    "OPTION": (accel_moves, lambda: placezoo.make_problem("AccelSearch-v0", small_network(), space="fast")),
    "PART": (partition_moves, lambda: placezoo.make_problem("GraphPartition-v0", "karate", num_parts=3)),
    "CELL": (chip_moves, lambda: placezoo.make_problem("ChipPlace-v0", generate_netlist(num_hard=4, num_soft=6))),
    "DEVICE of a cluster": (edge_moves, edge_problem),
    "DEVICE": (device_moves, lambda: placezoo.make_problem("DevicePlace-v0", model(), topology="p100x2-pcie")),
    "CHIPLET": (mcm_moves, lambda: placezoo.make_problem("MCMPartition-v0", model(), package="mcm4")),
}  # fmt: skip


def columns_of(module, prefix, names):
    return [getattr(module, f"{prefix}_{name.upper()}") for name in names]


@pytest.mark.parametrize("resource", list(PROBLEMS))
def test_names_and_columns_agree(resource):
    moves, make = PROBLEMS[resource]
    problem, prefix = make(), resource.split()[0]
    names = problem.feature_names
    assert names.resources == getattr(moves, f"{prefix}_FEATURE_NAMES")
    assert columns_of(moves, prefix, names.resources) == list(range(len(names.resources)))
    features = np.full((problem.num_resources, len(names.resources)), np.nan, np.float32)
    state = problem.kernel(problem.initial_assignment(np.random.default_rng(0))).state
    problem.step_kernel.observe(state, features, np.empty(2 + len(problem.term_names)))
    assert np.isfinite(features).all()
    assert problem.item_features.shape == (problem.num_items, len(names.items))
    for (links, values), columns in (
        (problem.item_edges, names.item_edges),
        (problem.resource_edges, names.resource_edges),
    ):
        assert values.shape == (len(links), len(columns))


def test_columns_of_gp_nets_agree_with_their_names():
    assert columns_of(gp_net, "NODE", gp_net.NODE_FEATURES) == list(range(len(gp_net.NODE_FEATURES)))
    assert columns_of(gp_net, "EDGE", gp_net.EDGE_FEATURES) == list(range(len(gp_net.EDGE_FEATURES)))
    problem = edge_problem()
    state = problem.kernel(np.array([0, 1, 2])).state
    arrays = gp_net.GpNetBuilder(problem).build(state)
    compute = np.array([3.0, 2.0, 4.0])[arrays.pairs[:, 0]]
    speed = np.array([4.0, 1.0, 2.0])[arrays.pairs[:, 1]]
    assert arrays.nodes[:, gp_net.NODE_COMPUTE] == pytest.approx(compute / 4)
    assert arrays.nodes[:, gp_net.NODE_INVERSE_SPEED] == pytest.approx(1 / speed)
    assert arrays.nodes[:, gp_net.NODE_COMPUTE_TIME] == pytest.approx(compute / speed / 4)
    assert arrays.nodes[:, gp_net.NODE_CRITICALITY].max() == 1.0  # the task without inputs


def test_what_no_placement_changes_of_a_cluster_stands_in_its_column():
    problem = edge_problem()
    features = problem.cost_model.state().device_features
    assert features[:, edge_moves.DEVICE_SPEED].tolist() == [1.0, 0.25, 0.5]
    assert features[:, edge_moves.DEVICE_PRESENT].tolist() == features[:, edge_moves.DEVICE_TYPES].tolist() == [1.0] * 3
    assert features[:, edge_moves.DEVICE_DELAY] == pytest.approx(np.array([5, 4, 3]) / 5)
    assert features[:, edge_moves.DEVICE_INVERSE_BANDWIDTH] == pytest.approx(np.array([3, 5, 4]) / 5)

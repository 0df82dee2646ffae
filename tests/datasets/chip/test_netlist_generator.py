"""Synthetic netlists, and clustering flat ones."""

import dataclasses
import gzip
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from placezoo import datasets
from placezoo.datasets import (
    Netlist,
    NodeType,
    cluster_cells,
    generate_netlist,
    group_netlist,
    read_groups,
    write_netlist,
)
from placezoo.envs.registration import make_problem


def test_a_seed_determines_the_netlist():
    assert generate_netlist(10, 30, seed=5) == generate_netlist(10, 30, seed=5)
    assert generate_netlist(10, 30, seed=5) != generate_netlist(10, 30, seed=6)


def test_sizes_and_utilization_are_as_asked():
    netlist = generate_netlist(
        40, 120, seed=1, num_ports=25, grid=(17, 13), hard_utilization=0.4, soft_utilization=0.15
    )
    assert (netlist.hard_macros.size, netlist.soft_macros.size, netlist.ports.size) == (40, 120, 25)
    assert (netlist.canvas.columns, netlist.canvas.rows) == (17, 13)
    area = np.prod(netlist.sizes, axis=1)
    canvas = netlist.canvas.width * netlist.canvas.height
    assert area[netlist.hard_macros].sum() / canvas == pytest.approx(0.4, rel=0.02)
    assert area[netlist.soft_macros].sum() / canvas == pytest.approx(0.15)


@pytest.mark.parametrize("exponent", [0.5, 0.65, 0.8])
def test_rents_rule_holds(exponent):
    """The nets that leave a part of n blocks grow like n^p; soft macros are numbered along the hierarchy."""
    netlist = generate_netlist(1, 1023, seed=2, num_ports=0, rent_exponent=exponent)
    rank = np.full(netlist.num_nodes, 512)
    rank[netlist.soft_macros] = np.arange(1023)
    owner = rank[netlist.owners[netlist.net_nodes]]
    sizes, leaving = [8, 16, 32, 64, 128], []
    for size in sizes:
        crossed = 0
        for first, last in zip(netlist.net_indptr[:-1], netlist.net_indptr[1:], strict=True):
            parts = np.unique(owner[first:last] // size)
            crossed += parts.size if parts.size > 1 else 0
        leaving.append(crossed / (1024 / size))
    slope = np.polyfit(np.log(sizes), np.log(leaving), 1)[0]
    assert abs(slope - exponent) < 0.1


@pytest.mark.parametrize(
    "arguments",
    [{"num_hard": 0}, {"num_soft": 1}, {"rent_exponent": 0}, {"hard_utilization": 0.9}, {"soft_utilization": -1}],
)
def test_bad_parameters(arguments):
    with pytest.raises(ValueError, match=r"needs|must be"):
        generate_netlist(**{"num_hard": 3, "num_soft": 4, **arguments})


def test_macros_that_cannot_be_placed_are_refused():
    with pytest.raises(ValueError, match="do not fit: use fewer"):
        generate_netlist(70, 10, grid=(8, 8), hard_utilization=0.5)


def test_every_chip_of_the_dataset_can_be_placed():
    for split in datasets.SPLITS:
        for index in range(12):
            problem = make_problem("ChipPlace-v0", f"synthetic-chips/{split}/{index}")
            assert problem.evaluate(problem.initial_assignment(np.random.default_rng(0))).feasible


def test_the_dataset_keeps_its_limits():
    dataset = datasets.get_dataset("synthetic-chips")
    for split in datasets.SPLITS:
        netlist = dataset.instance(split, 1)
        assert netlist.hard_macros.size <= dataset.max_nodes
        assert netlist.canvas.num_cells <= dataset.max_resources


def flat_netlist():
    """Six cells in a row, a macro with a pin, a port: cell i drives cell i + 1."""
    names = ("P", "M", "M/a", *(f"c{i}" for i in range(6)))
    types = [NodeType.PORT, NodeType.HARD_MACRO, NodeType.HARD_PIN] + [NodeType.STDCELL] * 6
    n = len(names)
    sizes = np.zeros((n, 2))
    sizes[1] = 4, 4
    sizes[3:] = 1, 1
    sizes[3] = 3, 1
    centers = np.zeros((n, 2))
    centers[3:, 0] = np.arange(6)
    nets = [[0, 3], [3, 4], [4, 5, 2], [5, 6], [6, 7], [7, 8, 5]]
    return Netlist(
        names, np.array(types), np.array([0, 1, 1, *range(3, n)]), sizes, centers, np.zeros((n, 2)), np.zeros(n),
        np.zeros(n, bool), np.cumsum([0, *map(len, nets)]), np.concatenate(nets), np.ones(len(nets)),
        datasets.Canvas(20, 20),
    )  # fmt: skip


def test_grouping_by_hand():
    clustered = group_netlist(flat_netlist(), np.array([-1, -1, -1, 7, 7, 7, 9, 9, 9]), grid=(4, 5))
    assert [name for name in clustered.names if name.startswith("Grp")] == [
        "Grp_7", "Grp_7/Poutput_single_0", "Grp_7/Poutput_single_1", "Grp_7/Pinput",
        "Grp_9", "Grp_9/Poutput_single_0", "Grp_9/Pinput",
    ]  # fmt: skip
    seven = clustered.index["Grp_7"]
    assert clustered.centers[seven, 0] == pytest.approx((3 * 0 + 1 + 2) / 5)
    assert np.prod(clustered.sizes[seven]) == pytest.approx(10)
    nets = {}
    for net, weight in enumerate(clustered.net_weights):
        nodes = clustered.net_nodes[clustered.net_indptr[net] : clustered.net_indptr[net + 1]]
        nets[clustered.names[nodes[0]]] = [clustered.names[node] for node in nodes[1:]], weight
    assert nets == {
        "P": (["Grp_7/Pinput"], 1.0),
        "Grp_7/Poutput_single_0": (["Grp_9/Pinput"], 1.0),  # c2 drives c3
        "Grp_7/Poutput_single_1": (["M/a"], 1.0),  # c1 drives c2, which is its own group's, and the macro
        "Grp_9/Poutput_single_0": (["Grp_7/Pinput"], 1.0),  # c4 drives c5 and c2
    }


def with_pins(flat):
    """The same flat netlist with a pin for each end of a net at a cell, as DEF and Bookshelf have it."""
    names, types, owners = list(flat.names), list(flat.types), list(flat.owners)
    nodes = []
    for node in flat.net_nodes.tolist():
        if flat.types[node] == NodeType.STDCELL:
            names.append(f"{flat.names[node]}/{len(names)}")
            types.append(NodeType.HARD_PIN)
            owners.append(node)
            node = len(names) - 1
        nodes.append(node)
    more = len(names) - flat.num_nodes
    padded = {
        what: np.concatenate([getattr(flat, what), np.zeros((more, *getattr(flat, what).shape[1:]))])
        for what in ("sizes", "centers", "offsets", "orientations", "fixed", "halos")
    }
    return dataclasses.replace(
        flat, names=tuple(names), types=np.array(types), owners=np.array(owners), net_nodes=np.array(nodes), sides=(),
        **padded,
    )  # fmt: skip


def test_grouping_cells_with_pins_is_grouping_cells():
    flat, groups = flat_netlist(), np.array([-1, -1, -1, 7, 7, 7, 9, 9, 9])
    pinned = with_pins(flat)
    more = pinned.num_nodes - flat.num_nodes
    clustered = group_netlist(pinned, np.concatenate([groups, np.full(more, -1)]), grid=(4, 5))
    assert clustered == group_netlist(flat, groups, grid=(4, 5))
    assert clustered.owners.min() >= 0
    ours = cluster_cells(pinned, 2, imbalance=0.3)
    assert ours[: flat.num_nodes].tolist() == cluster_cells(flat, 2, imbalance=0.3).tolist()


def test_grouping_keeps_every_net_and_weight_of_a_cell():
    """c1 drives the macro by one pin and c3 by another; the macro's pin drives two nets."""
    flat = with_pins(flat_netlist())
    c1, c3 = flat.index["c1"], flat.index["c3"]
    names = (*flat.names, "c1/x", "c1/y", "c3/z")
    pad = {
        what: np.concatenate([getattr(flat, what), np.zeros((3, *getattr(flat, what).shape[1:]))])
        for what in ("sizes", "centers", "offsets", "orientations", "fixed", "halos")
    }
    n = flat.num_nodes
    nets = [[n, 2], [n + 1, n + 2], [2, n + 2], [2, 0]]
    netlist = dataclasses.replace(
        flat, names=names, types=[*flat.types, *[NodeType.HARD_PIN] * 3], owners=[*flat.owners, c1, c1, c3],
        net_nodes=np.concatenate(nets), net_indptr=[0, 2, 4, 6, 8], net_weights=[2.0, 3.0, 5.0, 7.0], sides=(), **pad,
    )  # fmt: skip
    groups = np.full(n + 3, -1)
    groups[3:6], groups[6:9] = 0, 1
    clustered = group_netlist(netlist, groups, grid=(4, 5))
    nets = [
        ([clustered.names[node] for node in clustered.net_nodes[2 * net : 2 * net + 2]], float(weight))
        for net, weight in enumerate(clustered.net_weights)
    ]
    assert nets == [
        (["M/a", "Grp_1/Pinput"], 5.0), (["M/a", "P"], 7.0),
        (["Grp_0/Poutput_single_0", "Grp_1/Pinput"], 3.0), (["Grp_0/Poutput_single_1", "M/a"], 2.0),
    ]  # fmt: skip
    assert (clustered.canvas.width, clustered.canvas.columns) == (20, 4)  # the flat netlist's own


def test_a_flat_netlist_with_pins_there_and_back(tmp_path):
    flat = with_pins(flat_netlist())
    write_netlist(tmp_path / "flat.pb.txt", flat)
    again = datasets.read_netlist(tmp_path / "flat.pb.txt")
    names = [[n.names[node] for node in n.net_nodes] for n in (flat, again)]
    assert names[0] == names[1]
    assert again.owners.tolist() == flat.owners.tolist()


def test_owners_are_nodes():
    with pytest.raises(ValueError, match="c0: its owner is -1, which is no node"):
        dataclasses.replace(flat_netlist(), owners=np.array([0, 1, 1, -1, 4, 5, 6, 7, 8]))


def test_grouping_errors():
    flat = flat_netlist()
    with pytest.raises(ValueError, match="standard cell c0 has no group"):
        group_netlist(flat, np.full(9, -1), (4, 5))
    with pytest.raises(ValueError, match="shape"):
        group_netlist(flat, np.zeros(3), (4, 5))
    with pytest.raises(ValueError, match="num_groups"):
        cluster_cells(flat, 7)


def test_clustering_finds_the_cut_of_a_chain():
    groups = cluster_cells(flat_netlist(), 2, imbalance=0.3)
    assert (groups[:3] == -1).all()
    cells = groups[3:]
    assert len(set(cells)) == 2
    assert sum(a != b for a, b in itertools.pairwise(cells)) == 1


@pytest.fixture
def flat_ariane():
    folders = [Path(folder) / "chip" for folder in os.environ.get("PLACEZOO_DATA", "").split(os.pathsep) if folder]
    folder = next((folder for folder in folders if (folder / "flat_ariane133_ng45").is_dir()), None)
    if folder is None:
        pytest.skip("chip/flat_ariane133_ng45 is not in PLACEZOO_DATA")
    return folder, datasets.read_netlist(folder / "flat_ariane133_ng45/ariane.pb.txt.gz")


def test_the_published_grouping_gives_the_published_netlist_byte_for_byte(flat_ariane, tmp_path):
    folder, flat = flat_ariane
    groups = read_groups(folder / "flat_ariane133_ng45/groups.final.xz", flat)
    write_netlist(tmp_path / "clustered.pb.txt", group_netlist(flat, groups, grid=(24, 21)))
    published = gzip.decompress((folder / "ariane133_ng45.pb.txt.gz").read_bytes())
    assert (tmp_path / "clustered.pb.txt").read_bytes() == published
    (tmp_path / "short").write_text("1\n2\n")
    with pytest.raises(ValueError, match=r"short:2: groups of 2 nodes"):
        read_groups(tmp_path / "short", flat)
    (tmp_path / "text").write_text("1\nx\n")
    with pytest.raises(ValueError, match=r"text:2: not a whole number"):
        read_groups(tmp_path / "text", flat)


@pytest.mark.slow
def test_our_own_grouping_cuts_hardly_more_nets_than_the_published_one(flat_ariane):
    folder, flat = flat_ariane
    published = group_netlist(flat, read_groups(folder / "flat_ariane133_ng45/groups.final.xz", flat), (24, 21))
    ours = group_netlist(flat, cluster_cells(flat, published.soft_macros.size), (24, 21))
    assert ours.soft_macros.size == published.soft_macros.size
    assert ours.net_weights.sum() < 1.05 * published.net_weights.sum()

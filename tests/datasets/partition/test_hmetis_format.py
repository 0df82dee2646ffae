import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import Hypergraph, load, read_hmetis, write_hmetis
from tests.instances import graphs, hypergraphs


def write(tmp_path, text, name="h.hgr"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# The hypergraph of the hMETIS 1.5 manual, figure 3: seven nodes, four nets, in the four forms of the format.
NETS = [[0, 1], [0, 6, 4, 5], [4, 5, 3], [1, 2, 3]]
PLAIN = "4 7\n1 2\n1 7 5 6\n5 6 4\n2 3 4\n"
WEIGHTED_NETS = "% weights of nets\n4 7 1\n2 1 2\n3 1 7 5 6\n8 5 6 4\n7 2 3 4\n"
WEIGHTED_NODES = "4 7 10\n1 2\n1 7 5 6\n5 6 4\n2 3 4\n5\n1\n8\n7\n3\n9\n3\n"
BOTH = "4 7 11\n2 1 2\n3 1 7 5 6\n8 5 6 4\n7 2 3 4\n5\n1\n8\n7\n3\n9\n3\n"
NET_WEIGHTS, NODE_WEIGHTS = [2, 3, 8, 7], [5, 1, 8, 7, 3, 9, 3]


@pytest.mark.parametrize(
    ("text", "net_weights", "node_weights"),
    [
        (PLAIN, None, None),
        (WEIGHTED_NETS, NET_WEIGHTS, None),
        (WEIGHTED_NODES, None, NODE_WEIGHTS),
        (BOTH, NET_WEIGHTS, NODE_WEIGHTS),
    ],
)
def test_manual_examples(tmp_path, text, net_weights, node_weights):
    expected = Hypergraph.from_nets(7, NETS, net_weights=net_weights, node_weights=node_weights)
    for form in (text, "\ufeff" + text, text.replace("\n", "\r\n"), text.rstrip("\n"), text + "\n\n"):
        assert read_hmetis(write(tmp_path, form)) == expected
    assert load(write(tmp_path, text)) == expected


def test_a_node_that_a_net_names_twice_counts_once(tmp_path):
    assert read_hmetis(write(tmp_path, "2 3\n1 2 1\n3 3\n")) == Hypergraph.from_nets(3, [[0, 1], [2]])


def test_nodes_without_nets(tmp_path):
    assert read_hmetis(write(tmp_path, "1 4\n2 3\n")) == Hypergraph.from_nets(4, [[1, 2]])
    assert read_hmetis(write(tmp_path, "0 2\n")) == Hypergraph.from_nets(2, [])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty file"),
        ("4\n", 1, "2 or 3 numbers"),
        ("1 2 1 1\n1 2\n", 1, "2 or 3 numbers"),
        ("1 2 2\n1 2\n", 1, "fmt must be 1, 10 or 11"),
        ("1 2 100\n1 2\n", 1, "fmt must be 1, 10 or 11"),
        ("1 0\n\n", 1, "at least one node"),
        ("2 2\n1 2\n", 2, "says 2 lines of nets and weights, but only 1 follow"),
        ("1 2 10\n1 2\n1\n", 3, "says 3 lines of nets and weights, but only 2"),
        ("% c\n1 2\n1 2\n2\n", 4, "after the last of 1"),
        ("2 2\n\n1 2\n", 2, "without a node"),
        ("1 2 1\n5\n", 2, "without a node"),
        ("1 2 1\n0 1 2\n", 2, "must be at least 1"),
        ("1 2\n1 3\n", 2, r"outside 1\.\.2"),
        ("1 2\n0 1\n", 2, r"outside 1\.\.2"),
        ("1 2\n-1 1\n", 2, "whole numbers"),
        ("1 2 10\n1 2\n1 1\n1\n", 3, "one node's weight"),
        ("1 1000000000000\n1 2\n", 1, "nets can name"),
        ("1 2 1\n900000000000000000 1 2\n", 1, r"2\*\*52"),
    ],
)
def test_malformed_files_name_file_line_and_fault(tmp_path, text, line, what):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=what) as caught:
        read_hmetis(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert "\n" not in str(caught.value)


@given(hypergraph=hypergraphs())
def test_round_trip(hypergraph, tmp_path_factory):
    path = tmp_path_factory.mktemp("hmetis") / "h.hgr"
    write_hmetis(hypergraph, path)
    assert read_hmetis(path) == hypergraph


def test_digest_is_what_the_format_says():
    # Solutions name instances by this digest: a changed value would orphan them all.
    parts = [b"placezoo.Hypergraph/1", np.array([0, 2, 3], "<i8"), np.array([0, 1, 1], "<i4")]
    parts += [np.array([4, 5], "<i8"), np.array([1, 2], "<i8")]
    one = Hypergraph.from_nets(2, [[1, 0], [1]], net_weights=[4, 5], node_weights=[1, 2])
    assert one.digest == hashlib.sha256(parts[0] + b"".join(bytes(part) + b"|" for part in parts[1:])).hexdigest()


@given(hypergraphs())
def test_nets_of_nodes_are_the_nodes_of_nets(hypergraph):
    nets = [hypergraph.pins[a:b] for a, b in zip(hypergraph.net_ptr, hypergraph.net_ptr[1:], strict=False)]
    for node in range(hypergraph.num_nodes):
        own = hypergraph.node_nets[hypergraph.node_ptr[node] : hypergraph.node_ptr[node + 1]].tolist()
        assert own == [net for net, pins in enumerate(nets) if node in pins]
        assert hypergraph.weighted_degrees[node] == sum(hypergraph.net_weights[own])


@given(graphs())
def test_the_graph_in_the_place_of_a_graphs_nets_is_that_graph(graph):
    expansion = Hypergraph.from_graph(graph).expansion
    assert expansion.edges.tolist() == graph.edges.tolist()
    assert (expansion.edge_weights * max(graph.edge_weights, default=1)).tolist() == (
        graph.edge_weights * max(expansion.edge_weights, default=1)
    ).tolist()


def test_small_nets_become_cliques_and_large_ones_rings():
    small = Hypergraph.from_nets(4, [[0, 1, 2, 3], [0, 1]], net_weights=[3, 2]).expansion
    assert small.num_edges == 6
    assert small.edge_weights[:3].tolist() == [840 * 3, 840, 840]  # node 0: 3 / 3 and 2 / 1 to node 1
    ring = Hypergraph.from_nets(20, [range(20)]).expansion
    assert np.diff(ring.indptr).tolist() == [8] * 20
    assert set(ring.edge_weights) == {840 // 8}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_nodes=0, nets=[]), "at least one node"),
        (dict(num_nodes=2, nets=[[]]), "net 0 has no pins"),
        (dict(num_nodes=2, nets=[[0, 2]]), r"outside 0\.\.1"),
        (dict(num_nodes=2, nets=[[0, 1]], net_weights=[0]), "at least 1"),
        (dict(num_nodes=2, nets=[[0, 1]], net_weights=[1, 1]), "one value more than nets"),
        (dict(num_nodes=2, nets=[[0, 0.5]]), "whole numbers"),
        (dict(num_nodes=2, nets=[[0, 1]], node_weights=[-1, 1]), "at least 0"),
        (dict(num_nodes=2, nets=[[0, 1]], net_weights=[2**52]), r"2\*\*52"),
    ],
)
def test_bad_hypergraphs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Hypergraph.from_nets(**arguments)


def test_pins_must_be_sorted_and_distinct():
    for pins in ([1, 0], [0, 0]):
        with pytest.raises(ValueError, match="sorted and distinct"):
            Hypergraph(np.array([0, 2]), np.array(pins), np.array([1]), np.array([1, 1]))


@given(hypergraphs(), st.data())
def test_contraction_keeps_the_cost_of_partitions_that_keep_groups_together(hypergraph, data):
    from placezoo.cost_models import HypergraphCost

    n = hypergraph.num_nodes
    groups = data.draw(st.integers(1, n))
    coarse = np.array(data.draw(st.permutations([*range(groups), *[0] * (n - groups)])), np.int64)
    parts = np.array(data.draw(st.lists(st.integers(0, 1), min_size=groups, max_size=groups)), np.int64)
    contracted = hypergraph.contracted(coarse, groups)
    if groups < 2:
        return
    fine, rough = HypergraphCost(hypergraph, 2).evaluate(parts[coarse]), HypergraphCost(contracted, 2).evaluate(parts)
    for term in ("cut_net", "km1", "imbalance", "balancedness"):
        assert fine.terms[term] == rough.terms[term]

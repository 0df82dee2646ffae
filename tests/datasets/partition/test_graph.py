import hashlib

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

import placezoo
from placezoo.datasets import Graph, from_networkx, from_scipy, load, to_networkx, to_scipy
from tests.instances import graphs


def triangle() -> Graph:
    return Graph.from_edges(3, [(0, 1), (1, 2), (2, 0)], edge_weights=[1, 2, 3])


def test_rows_are_sorted_and_symmetric():
    graph = triangle()
    assert graph.indices.tolist() == [1, 2, 0, 2, 0, 1]
    assert graph.edge_weights.tolist() == [1, 3, 1, 2, 3, 2]
    assert graph.weighted_degrees.tolist() == [4, 3, 5]
    assert graph.edges.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_order_of_edges_and_names_do_not_matter_weights_do():
    same = Graph.from_edges(3, [(2, 0), (1, 0), (2, 1)], edge_weights=[3, 1, 2], name="other")
    assert same == triangle()
    assert hash(same) == hash(triangle())
    assert Graph.from_edges(3, [(0, 1), (1, 2), (2, 0)]) != triangle()


def test_digest_is_what_the_format_says():
    # Solutions name instances by this digest: a changed value would orphan them all.
    parts = [
        b"placezoo.Graph/1",
        np.array([0, 2, 4, 6], "<i8").tobytes(),
        np.array([1, 2, 0, 2, 0, 1], "<i4").tobytes(),
        np.array([1, 3, 1, 2, 3, 2], "<i8").tobytes(),
        np.array([1, 1, 1], "<i8").tobytes(),
    ]
    assert triangle().digest == hashlib.sha256(b"".join(parts)).hexdigest()


def test_arrays_are_read_only_copies():
    edges = np.array([[0, 1]])
    graph = Graph.from_edges(2, edges)
    edges[0, 0] = 1
    assert graph.edges.tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        graph.indices[0] = 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_nodes=0, edges=[]), "at least one node"),
        (dict(num_nodes=2, edges=[(0, 0)]), "edge to itself"),
        (dict(num_nodes=2, edges=[(0, 1), (1, 0)]), "parallel"),
        (dict(num_nodes=2, edges=[(0, 2)]), r"outside 0\.\.1"),
        (dict(num_nodes=2, edges=[(0, 1)], edge_weights=[0]), "at least 1"),
        (dict(num_nodes=2, edges=[(0, 1)], edge_weights=[1, 2]), "edge weights of shape"),
        (dict(num_nodes=2, edges=[(0, 1)], edge_weights=[1.5]), "whole numbers"),
        (dict(num_nodes=2, edges=[(0, 1)], edge_weights=[float("nan")]), "whole numbers"),
        (dict(num_nodes=2, edges=[(0, 1)], node_weights=[-1, 1]), "at least 0"),
        (dict(num_nodes=2, edges=[(0, 1)], node_weights=[2**62, 2**62]), r"2\*\*53"),
        (dict(num_nodes=2, edges=[(0, 1)], positions=np.zeros((3, 2))), "positions"),
    ],
)
def test_bad_graphs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Graph.from_edges(**arguments)


def test_asymmetric_csr_is_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        Graph(np.array([0, 1, 1]), np.array([1]), np.array([1]), np.array([1, 1]))


@given(graphs())
def test_networkx_round_trip(graph):
    assert from_networkx(to_networkx(graph)) == graph


@given(graphs())
def test_scipy_round_trip_keeps_structure_and_edge_weights(graph):
    unweighted_nodes = Graph(graph.indptr, graph.indices, graph.edge_weights, np.ones(graph.num_nodes))
    assert from_scipy(to_scipy(graph)) == unweighted_nodes


def test_directions_and_parallel_edges_are_summed_and_loops_dropped():
    multi = nx.MultiDiGraph()
    multi.add_weighted_edges_from([("a", "b", 2), ("b", "a", 3), ("a", "b", 1), ("a", "a", 9)])
    assert from_networkx(multi) == Graph.from_edges(2, [(0, 1)], edge_weights=[6])


def test_embedded_karate_is_networkx_own():
    from placezoo.datasets import load

    graph, club = load("karate"), nx.karate_club_graph()
    assert graph.num_edges == club.number_of_edges() == 78
    assert graph.edge_weights.sum() // 2 == sum(weight for _, _, weight in club.edges(data="weight"))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), "square"),
        (np.array([[0, 1], [2, 0]]), "not symmetric"),
        (np.array([[0, -1], [-1, 0]]), "at least 1"),
        (np.array([[0, 0.5], [0.5, 0]]), "whole numbers"),
    ],
)
def test_bad_matrices_are_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        from_scipy(sp.csr_array(matrix))


@given(graphs())
def test_subgraph_equals_networkx_subgraph(graph):
    nodes = np.arange(0, graph.num_nodes, 2)
    expected = to_networkx(graph).subgraph(nodes.tolist())
    found = graph.subgraph(nodes)
    assert {tuple(sorted(nodes[edge])) for edge in found.edges} == {tuple(sorted(edge)) for edge in expected.edges}


def test_problems_take_networkx_graphs_and_matrices():
    club = nx.karate_club_graph()
    matrix = nx.to_scipy_sparse_array(club)
    for other in (club, nx.DiGraph(club), matrix, sp.csr_matrix(matrix), matrix.toarray()):
        graph = placezoo.make_problem("GraphPartition-v0", other).instance
        expected = from_networkx(club)
        assert graph.node_weights.tolist() == expected.node_weights.tolist()
        scale = 2 if isinstance(other, nx.DiGraph) else 1  # both directions of an edge are summed
        assert (to_scipy(graph) != scale * to_scipy(expected)).nnz == 0


def test_environments_take_them_too_and_see_what_changed_since():
    club = nx.karate_club_graph()
    env = gym.make("GraphPartition-v0", instance=club)
    observation, _ = env.reset(seed=0)
    assert len(observation["items"].nodes) == 34
    club.remove_edge(0, 1)
    env.reset(seed=0, options={"instance": club})
    assert env.unwrapped.problem.instance == from_networkx(club)
    vector = gym.make_vec("GraphPartition-v0", 2, instance=nx.to_scipy_sparse_array(club))
    assert vector.reset(seed=0)[0]["assignment"].shape == (2, 34)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([1], "partitions a Graph, not a list; from_networkx, from_scipy and Graph.from_edges"),
        (sp.csr_array([[0, 0.5], [0.5, 0]]), "scipy csr_array: edge_weights must be whole numbers.*multiply and round"),
        (sp.csr_array([[0, 1], [0, 0]]), "not symmetric"),
        (np.zeros(3), "two dimensions"),
        (np.array([["a"]]), "real numbers"),
        (nx.Graph(), "networkx Graph: a graph needs at least one node"),
        (nx.Graph([(1, 2, {"weight": "x"})]), "edge 1 - 2: its weight must be a whole number, not 'x'"),
        (nx.Graph([(1, 2, {"weight": 0.5})]), "whole numbers, not float64; multiply and round them"),
    ],
)
def test_what_cannot_be_converted_says_how(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        placezoo.make_problem("GraphPartition-v0", wrong)
    assert "\n" not in str(caught.value)


def test_other_domains_say_what_makes_an_instance():
    for env_id, how in (("EdgePlace-v0", "DeviceCluster"), ("ChipPlace-v0", "read_def"), ("DevicePlace-v0", "trace_")):
        with pytest.raises(ValueError, match=rf"not a networkx\.Graph; .*{how}"):
            placezoo.make_problem(env_id, nx.path_graph(3))


def test_a_task_graph_with_its_cluster_is_an_edge_instance():
    instance = load("giph/test/3")
    problem = placezoo.make_problem("EdgePlace-v0", (instance.task_graph, instance.cluster))
    assert problem.instance.digest == instance.digest

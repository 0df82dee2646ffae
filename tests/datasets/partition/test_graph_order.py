import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import Graph, to_networkx
from placezoo.datasets.heap import heap_pop, heap_push
from placezoo.datasets.partition import graph_generators as generators
from placezoo.datasets.partition.graph_order import breadth_first_order, fiedler_order, heavy_edge_order, spectral_order
from placezoo.datasets.partition.laplacian import laplacian_coordinates
from tests.instances import graphs


@pytest.mark.parametrize("order", [breadth_first_order, heavy_edge_order, fiedler_order, spectral_order])
@given(graph=graphs(max_nodes=40))
def test_orders_are_permutations(order, graph):
    assert sorted(order(graph)) == list(range(graph.num_nodes))


@given(graph=graphs())
def test_breadth_first_order_visits_level_by_level(graph):
    order = breadth_first_order(graph).tolist()
    network = to_networkx(graph)
    while order:
        component = nx.node_connected_component(network, order[0])
        distance = nx.single_source_shortest_path_length(network, order[0])
        visited, order = order[: len(component)], order[len(component) :]
        assert set(visited) == component
        assert [distance[node] for node in visited] == sorted(distance.values())


@given(graph=graphs())
def test_heavy_edge_order_takes_the_most_tied_node_next(graph):
    order = heavy_edge_order(graph).tolist()
    network = to_networkx(graph)
    for position in range(1, len(order)):
        ties = {
            node: sum(network[node][before]["weight"] for before in order[:position] if network.has_edge(node, before))
            for node in order[position:]
        }
        assert ties[order[position]] == max(ties.values())


def test_a_path_is_ordered_from_end_to_end():
    path = Graph.from_edges(50, [(i, i + 1) for i in range(49)])
    for order in (breadth_first_order(path), fiedler_order(path)):
        assert order.tolist() in (list(range(50)), list(range(49, -1, -1)))


def test_quarters_of_the_spectral_order_cut_a_long_grid_like_slices():
    graph = generators.grid(4, 64)
    part = np.empty(graph.num_nodes, int)
    part[spectral_order(graph)] = np.arange(graph.num_nodes) * 4 // graph.num_nodes
    tails, heads = graph.edges.T
    assert (part[tails] != part[heads]).sum() == 3 * 4


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans())))
def test_heap_yields_largest_first(steps):
    keys, nodes, size = np.empty(64, np.int64), np.empty(64, np.int64), 0
    model = []
    for key, is_push in steps[:60]:
        if is_push or not model:
            size = heap_push(keys, nodes, size, key, key + 1000)
            model.append(key)
        else:
            assert keys[0] == max(model)
            assert nodes[0] == keys[0] + 1000
            model.remove(keys[0])
            size = heap_pop(keys, nodes, size)
        assert size == len(model)


@pytest.mark.parametrize("nodes", [30, 600])
def test_laplacian_coordinates_solve_the_eigenproblem(nodes):
    graph = generators.delaunay(nodes, np.random.default_rng(1))
    coordinates = laplacian_coordinates(graph, 3)
    adjacency = nx.to_numpy_array(to_networkx(graph))
    random_walk = np.eye(nodes) - adjacency / adjacency.sum(axis=1, keepdims=True)
    eigenvalues = np.sort(np.linalg.eigvals(random_walk).real)
    for column, eigenvalue in zip(coordinates.T, eigenvalues[1:4], strict=True):
        np.testing.assert_allclose(random_walk @ column, eigenvalue * column, atol=1e-6)
    np.testing.assert_allclose(np.abs(coordinates).max(axis=0), 1.0)


def test_laplacian_coordinates_of_disconnected_and_tiny_graphs():
    pair_and_loner = Graph.from_edges(3, [(0, 2)])
    assert laplacian_coordinates(pair_and_loner, 2).tolist() == [[1, 0], [0, 0], [-1, 0]]
    assert laplacian_coordinates(Graph.from_edges(1, []), 2).tolist() == [[0, 0]]

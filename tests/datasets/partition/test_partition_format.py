import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo import Budget
from placezoo.cost_models import PartitionCost
from placezoo.datasets import load, read_partition, to_networkx, write_partition

ENV = "GraphPartition-v0"


@given(parts=st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_round_trip(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("partition") / "g.part.9"
    write_partition(path, np.array(parts))
    assert read_partition(path, len(parts)).tolist() == parts


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty file"),
        ("\n\n", 1, "empty file"),
        ("0\n1 1\n", 2, "one part, this one holds 2"),
        ("0\n\n1\n", 2, "one part, this one holds 0"),
        ("0\n-1\n", 2, "whole numbers"),
        ("0\n1\n0\n", 3, "3 parts for 2 nodes"),
        ("0\n", 1, "1 parts for 2 nodes"),
    ],
)
def test_malformed_files_name_file_line_and_fault(tmp_path, text, line, what):
    path = tmp_path / "g.part.2"
    path.write_text(text)
    with pytest.raises(ValueError, match=what) as caught:
        read_partition(path, 2)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_the_cut_that_metis_reports_is_that_of_the_file_of_its_parts(tmp_path):
    """METIS says which edge weight it cuts; its parts, written and read, cut just that."""
    import pymetis

    graph = load("les-miserables")
    adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
    weights = {"vweights": graph.node_weights.tolist(), "eweights": graph.edge_weights.tolist()}
    cut, parts = pymetis.part_graph(4, adjacency, **weights)
    path = tmp_path / "les-miserables.graph.part.4"
    write_partition(path, np.array(parts))
    assert PartitionCost(graph, 4).cut(read_partition(path, graph.num_nodes)) == cut


@pytest.mark.parametrize("name", ["x.part.4", "x.graph.part.4", "x.part"])
def test_an_exported_solution_is_one_line_a_node_and_cuts_what_it_says(tmp_path, name):
    problem = placezoo.make_problem(ENV, "karate", num_parts=4)
    solution = placezoo.make_agent("metis").solve(problem, Budget(evaluations=2))
    problem.export(solution.assignment, tmp_path / name)
    lines = (tmp_path / name).read_text().split("\n")
    assert lines.pop() == ""
    network = to_networkx(problem.instance)
    cut = sum(weight for u, v, weight in network.edges(data="weight") if lines[u] != lines[v])
    assert cut == solution.cost.total
    assert problem.evaluate(read_partition(tmp_path / name, 34)) == solution.cost


def test_names_that_say_something_else_are_refused(tmp_path):
    problem = placezoo.make_problem(ENV, "karate", num_parts=4)
    whole = np.zeros(34, np.int64)
    with pytest.raises(ValueError, match=r"x\.part\.5: there are 4 parts: name it \.part\.4"):
        problem.export(whole, tmp_path / "x.part.5")
    with pytest.raises(ValueError, match=r"exported as \.csv .*, \.part \(a partition file of METIS"):
        problem.export(whole, tmp_path / "x.txt")
    with pytest.raises(ValueError, match="node 3 is in no part"):
        problem.export(np.where(np.arange(34) == 3, -1, 0), tmp_path / "x.part.4")
    assert list(tmp_path.iterdir()) == []

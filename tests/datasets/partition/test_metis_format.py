import gzip
import lzma
import tempfile
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placezoo.datasets import Graph, from_networkx, read_metis, write_metis
from tests.instances import graphs


def write(tmp_path, text, name="g.graph"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_manual_example(tmp_path):
    # METIS 5 manual, figure 2: seven nodes, eleven edges.
    text = "7 11\n5 3 2\n1 3 4\n5 4 2 1\n2 3 6 7\n1 3 6\n5 4 7\n6 4\n"
    graph = read_metis(write(tmp_path, text))
    assert (graph.num_nodes, graph.num_edges) == (7, 11)
    assert graph.indices[: graph.indptr[1]].tolist() == [1, 2, 4]


def test_weights_sizes_comments_blank_lines_and_windows_line_ends(tmp_path):
    lines = [
        "% made by hand",
        "3 1 111 1",
        "% node 1: size 9, weight 4, neighbour 2 by 7",
        "9 4 2 7",
        "8 5\t1 7",
        "7 6",
        "",
    ]
    graph = read_metis(write(tmp_path, "\r\n".join(lines)))
    assert graph == Graph.from_edges(3, [(0, 1)], edge_weights=[7], node_weights=[4, 5, 6])


def test_a_blank_line_is_an_isolated_node(tmp_path):
    assert read_metis(write(tmp_path, "3 1\n3\n\n1\n")) == Graph.from_edges(3, [(0, 2)])


@pytest.mark.parametrize("text", ["4 1\n2\n1\n\n", "4 1\n2\n1\n\n\n", "4 1\n2\n1\n", "4 1\n2\n1", "4 1 1\n2 1\n1 1"])
def test_isolated_nodes_at_the_end_need_no_lines(tmp_path, text):
    assert read_metis(write(tmp_path, text)) == Graph.from_edges(4, [(0, 1)])
    assert read_metis(write(tmp_path, "4 0")) == Graph.from_edges(4, [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_content(tmp_path, encoding):
    assert read_metis(write(tmp_path, "% ü\n2 1\n2\n1\n".encode(encoding))) == Graph.from_edges(2, [(0, 1)])
    with pytest.raises(ValueError, match=r"g\.graph:1: it begins as UTF-16"):
        read_metis(write(tmp_path, b"\xff\xfe2"))


@pytest.mark.parametrize("fmt", ["1", "01", "001"])
def test_leading_zeros_of_fmt_may_be_left_out(tmp_path, fmt):
    assert read_metis(write(tmp_path, f"2 1 {fmt}\n2 5\n1 5\n")) == Graph.from_edges(2, [(0, 1)], edge_weights=[5])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty file"),
        ("% only a comment\n", 1, "empty file"),
        ("\n2 1\n2\n1\n", 1, "2 to 4 numbers"),
        ("2\n2\n1\n", 1, "2 to 4 numbers"),
        ("2 1 0 1 1\n2\n1\n", 1, "2 to 4 numbers"),
        ("2 1 2\n2\n1\n", 1, "fmt must be"),
        ("2 1 1111\n2\n1\n", 1, "fmt must be"),
        ("2 1 10 2\n1 1 2\n1 1 1\n", 1, "only one is supported"),
        ("2 1 1 1\n2 1\n1 1\n", 1, "says that nodes have none"),
        ("0 0\n", 1, "at least one node"),
        ("2 x\n2\n1\n", 1, "whole numbers"),
        ("2 1\n2\n-1\n", 3, "whole numbers"),
        ("2 1\n2\n1.0\n", 3, "whole numbers"),
        ("2 1\n2\n1é\n", 3, "whole numbers"),
        ("2 1\n2\n99999999999999999999\n", 3, "larger than"),
        ("4 2\n2\n1\n", 3, "only 2 node lines"),  # an edge is missing too: the file was cut short
        ("3 1 10\n1 2\n1 1\n", 3, "only 2 node lines"),  # the weight of a node is missing too
        ("1000000000000 1\n2\n1\n", 3, "only 2 node lines"),
        ("2 1\n2\n1\n1\n", 4, "after the last of 2 nodes"),
        ("2 1\n3\n1\n", 2, r"outside 1\.\.2"),
        ("2 1\n0\n1\n", 2, r"outside 1\.\.2"),
        ("2 1\n1\n2\n", 2, "edge to itself"),
        ("% c\n3 2\n2 2\n1\n\n", 3, "listed twice"),
        ("3 2\n2\n1 3\n\n", 3, "does not list node 2"),
        ("2 1 1\n2 5\n1 6\n", 2, "another weight"),
        ("2 1 1\n2\n1 5\n", 2, "without an edge weight"),
        ("2 1 1\n2 0\n1 0\n", 2, "must be at least 1"),
        ("2 1 10\n1 2\n\n", 3, "weight is missing"),
        ("2 2\n2\n1\n", 1, "says 2 edges, the file has 1"),
        ("2 1 10\n90000000000000000 2\n1 1\n", 1, r"2\*\*53"),
        ("2 1 1\n2 9000000000000000000\n1 9000000000000000000\n", 2, "larger than"),
        ("11 1 10\n" + "999999999999999999 2\n999999999999999999 1\n" + 9 * "999999999999999999\n", 1, r"2\*\*53"),
    ],
)
def test_malformed_files_name_file_line_and_fault(tmp_path, text, line, what):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=what) as caught:
        read_metis(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_metis(tmp_path / "none.graph")


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_and_cut_short(tmp_path, suffix, compress):
    content = compress(b"2 1\n2\n1\n")
    assert read_metis(write(tmp_path, content, f"g.graph{suffix}")).name == "g"
    with pytest.raises(ValueError, match="damaged"):
        read_metis(write(tmp_path, content[:-6], f"h.graph{suffix}"))
    with pytest.raises(ValueError, match="damaged"):
        read_metis(write(tmp_path, b"2 1\n2\n1\n", f"i.graph{suffix}"))


@given(graph=graphs())
def test_round_trip(graph, tmp_path_factory):
    path = tmp_path_factory.mktemp("metis") / "g.graph"
    write_metis(graph, path)
    assert read_metis(path) == graph


@given(st.binary(max_size=200) | st.text("0123456789 \n%", max_size=200).map(str.encode))
def test_nothing_but_value_errors_escape(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.graph"
        path.write_bytes(content)
        try:
            graph = read_metis(path)
        except ValueError as error:
            message = str(error)
            graph = None
        assert graph.num_nodes >= 1 if graph else message.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("name", "nodes", "edges"),
    [
        ("4elt", 15606, 45878),
        ("fe_4elt2", 11143, 32818),
        ("airfoil1", 4253, 12289),
        ("wing", 62032, 121544),
        ("PGPgiantcompo", 10680, 24316),
        ("power", 4941, 6594),
        ("hep-th", 8361, 15751),
        ("delaunay_n10", 1024, 3056),
        ("delaunay_n15", 32768, 98274),
    ],
)
def test_public_graphs(public_graph, name, nodes, edges):
    graph = public_graph(name)
    assert (graph.num_nodes, graph.num_edges) == (nodes, edges)


def test_the_public_karate_file_is_networkx_karate():
    from placezoo.datasets.public_files import data_folders

    files = [folder / "graphs" / "karate.graph.gz" for folder in data_folders()]
    found = [file for file in files if file.exists()]
    if not found:
        pytest.skip("karate.graph.gz is not in PLACEZOO_DATA")
    unweighted = nx.Graph(nx.karate_club_graph().edges())
    ordered = nx.Graph()
    ordered.add_nodes_from(range(34))
    ordered.add_edges_from(unweighted.edges())
    assert read_metis(found[0]) == from_networkx(ordered)
    assert np.diff(read_metis(found[0]).indptr).max() == 17

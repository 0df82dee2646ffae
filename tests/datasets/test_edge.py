import itertools
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import placezoo
from placezoo.datasets import (
    DeviceCluster,
    EdgeInstance,
    TaskGraph,
    generate_cluster,
    generate_task_graph,
    get_dataset,
    load,
    read_cluster,
    read_edge,
    read_task_graph,
    write_edge,
)
from placezoo.datasets.dag import both_directions
from placezoo.datasets.edge.edge_generator import MAX_DEVICES, MIN_DEVICES, NUM_TYPES
from placezoo.datasets.edge.workflow_generator import epigenomics, genome, montage
from tests.instances import edge_instances

ONE = {"speed": [1.0], "delay": [[0.0]], "inverse_bandwidth": [[0.0]], "supports": [[0]]}
TWO = {
    "speed": [1.0, 2.0], "delay": [[0.0, 1.0], [1.0, 0.0]], "inverse_bandwidth": [[0.0, 0.5], [0.5, 0.0]],
    "supports": [[0], [0, 1]],
}  # fmt: skip


@given(edge_instances())
def test_depth_and_order_by_their_definition(instance):
    graph = instance.task_graph
    order = graph.order.tolist()
    assert sorted(order) == list(range(graph.num_tasks))
    assert all(order.index(a) < order.index(b) for a, b in graph.links)

    def depth(task):
        return max((1 + depth(a) for a, b in graph.links if b == task), default=0)

    assert graph.depth.tolist() == [depth(task) for task in range(graph.num_tasks)]
    start, edges = graph.successors
    for task in range(graph.num_tasks):
        out = edges[start[task] : start[task + 1]]
        assert out.tolist() == [e for e, (a, _) in enumerate(graph.links) if a == task]


@given(edge_instances())
def test_longest_to_end_by_its_definition(instance):
    graph = instance.task_graph
    node_times, edge_times = np.asarray(graph.compute), np.asarray(graph.bytes)

    def to_end(task, edge_times):
        later = [edge_times[e] + to_end(b, edge_times) for e, (a, b) in enumerate(graph.links) if a == task]
        return node_times[task] + max(later, default=0)

    tasks = range(graph.num_tasks)
    assert graph.dag.longest_to_end(node_times, edge_times).tolist() == [to_end(task, edge_times) for task in tasks]
    node_times = np.zeros(graph.num_tasks, np.int64)
    counted = graph.dag.longest_to_end(node_times, 1)
    assert counted.dtype == np.int64
    assert counted.tolist() == [to_end(task, np.ones(graph.num_edges, int)) for task in tasks]


@given(edge_instances())
def test_both_directions_are_sorted_by_head(instance):
    graph = instance.task_graph
    links, features = both_directions(graph.links, np.asarray(graph.bytes))
    most = max([*np.asarray(graph.bytes), 1e-300])
    expected = [(b, a, size / most, 1.0) for (a, b), size in zip(graph.links, graph.bytes, strict=True)]
    expected += [(a, b, size / most, -1.0) for (a, b), size in zip(graph.links, graph.bytes, strict=True)]
    found = [(head, tail, *row) for (tail, head), row in zip(links.tolist(), features.tolist(), strict=True)]
    assert found == [pytest.approx(row) for row in sorted(expected)]


@given(edge_instances(whole_numbers=False))
def test_writing_and_reading_is_exact(tmp_path_factory, instance):
    path = tmp_path_factory.mktemp("edge") / "a.json"
    placed = EdgeInstance(instance.task_graph, instance.cluster, "a", instance.allowed.argmax(axis=1))
    write_edge(placed, path)
    found = read_edge(path)
    assert found == placed
    assert found.digest == placed.digest
    assert found.placement.tolist() == placed.placement.tolist()
    assert load(path) == placed
    assert read_task_graph(path) == instance.task_graph
    assert read_cluster(path) == instance.cluster


def test_the_digest_is_of_the_content():
    instance = load("giph/test/0")
    again = EdgeInstance(instance.task_graph, instance.cluster, "other name")
    assert again == instance
    assert hash(again) == hash(instance)
    smaller = EdgeInstance(instance.task_graph, instance.cluster.joined(0, [0], speed=99.0))
    assert smaller != instance


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compute": []}, "at least one task"),
        ({"compute": [1.0, -1.0]}, "compute must be finite and at least 0, but for task 1 it is -1.0"),
        ({"compute": [float("nan")]}, "compute must be finite and at least 0, but for task 0 it is nan"),
        ({"compute": ["many"]}, "compute must be numbers"),
        ({"compute": [1.0], "hardware_type": [-1]}, "task 0 has hardware type -1"),
        ({"compute": [1.0], "hardware_type": [0, 1]}, "1 tasks but hardware types of shape"),
        ({"compute": [1.0] * 2, "edges": [[0, 2]], "bytes": [1.0]}, r"edge 0 is \[0, 2\], tasks are 0..1"),
        ({"compute": [1.0] * 2, "edges": [[1, 1]], "bytes": [1.0]}, "task 1 has an edge to itself"),
        ({"compute": [1.0] * 2, "edges": [[0, 1]] * 2, "bytes": [1.0] * 2}, "from task 0 to task 1 is given twice"),
        ({"compute": [1.0] * 2, "edges": [[0, 1]], "bytes": []}, "1 edges but bytes of shape"),
        (
            {"compute": [1.0] * 2, "edges": [[0, 1]], "bytes": [-3.0]},
            "bytes must be finite .* for edge 0",
        ),
        ({"compute": [1.0] * 2, "edges": [[0, 0.5]], "bytes": [1.0]}, "edges must be whole numbers"),
        ({"compute": [1.0] * 3, "edges": [[0, 1], [1, 2], [2, 0]], "bytes": [1.0] * 3}, "cycle: 0 -> 1 -> 2 -> 0"),
        ({"compute": [1.0], "task_names": ("a", "b")}, "1 tasks but 2 names"),
    ],
)
def test_bad_task_graphs(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaskGraph(**arguments)


@given(st.integers(3, 40), st.integers(0, 2**32))
def test_a_reported_cycle_is_one(n, seed):
    rng = np.random.default_rng(seed)
    edges = {(a, b) for a, b in rng.integers(0, n, (2 * n, 2)).tolist() if a != b}
    try:
        TaskGraph(np.ones(n), edges=sorted(edges), bytes=np.ones(len(edges)))
    except ValueError as error:
        cycle = str(error).removeprefix("the tasks have a cycle: ").split(" -> ")
        assert cycle[0] == cycle[-1]
        if "..." not in cycle:
            assert all((int(a), int(b)) in edges for a, b in itertools.pairwise(cycle))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speed": [1.0, 0.0]}, "device 1 has speed 0"),
        ({"speed": [1.0, float("inf")]}, "speed must be finite and at least 0, but for device 1"),
        ({"delay": [[0.0]]}, "2 devices but delay of shape"),
        ({"delay": [[1.0, 1.0], [1.0, 0.0]]}, "delay from device 0 to itself must be 0, not 1.0"),
        ({"inverse_bandwidth": [[0.0, -1.0], [1.0, 0.0]]}, "inverse_bandwidth must be finite and at least 0"),
        ({"supports": [[0]]}, "2 devices but supports has 1 rows"),
        ({"supports": [[0], [-1]]}, "device 1 supports type -1"),
        ({"supports": [[0], [0.5]]}, "supports of device 1 must be whole numbers"),
        ({"supports": [[0], [10**9]]}, "device 1 supports type 1000000000, types are below"),
    ],
)
def test_bad_clusters(change, message):
    with pytest.raises(ValueError, match=message):
        DeviceCluster(**{**TWO, **change})


def test_devices_leave_and_join():
    cluster = DeviceCluster(**TWO)
    smaller = cluster.without(0)
    assert smaller.present.tolist() == [False, True]
    assert smaller.num_devices == 2
    assert smaller.joined(0, [0]) == cluster
    assert smaller.joined(0, [1], speed=4.0).support_matrix.tolist() == [[False, True], [True, True]]
    assert cluster.can_run([1, 0, 7]).tolist() == [[False, True], [True, True], [False, False]]
    for call, message in (
        (lambda: cluster.without(2), "device 2 does not exist, devices are 0..1"),
        (lambda: smaller.joined(0, [5]), "hardware types are 0..1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_bad_instances():
    cluster = DeviceCluster(**TWO)
    with pytest.raises(ValueError, match="no device supports task 1, which needs hardware type 3"):
        EdgeInstance(TaskGraph([1.0, 1.0], [0, 3]), cluster)
    with pytest.raises(ValueError, match="no device supports task 0"):
        EdgeInstance(TaskGraph([1.0], [1]), cluster.without(1))
    with pytest.raises(ValueError, match=r"a task's device lies outside 0..1"):
        EdgeInstance(TaskGraph([1.0]), cluster, placement=[2])
    with pytest.raises(ValueError, match="1 tasks but a placement of shape"):
        EdgeInstance(TaskGraph([1.0]), cluster, placement=[0, 0])
    with pytest.raises(ValueError, match="made of a TaskGraph and a DeviceCluster"):
        EdgeInstance(cluster, cluster)


@given(st.integers(1, 40), st.floats(0.1, 2.0), st.floats(0, 1), st.integers(0, 2**32))
def test_generated_task_graphs(size, shape, connection, seed):
    rng = np.random.default_rng(seed)
    graph = generate_task_graph(size, shape, connection, rng)
    inputs = np.bincount(graph.links[:, 1], minlength=graph.num_tasks)
    outputs = np.bincount(graph.links[:, 0], minlength=graph.num_tasks)
    assert np.flatnonzero(inputs == 0).tolist() == [0]
    assert np.flatnonzero(outputs == 0).tolist() == [graph.num_tasks - 1]
    height = graph.depth.max() - 1  # a path leads through every layer
    assert np.ceil(0.8 * np.sqrt(size) / shape) <= height <= np.ceil(1.2 * np.sqrt(size) / shape)
    for values in (graph.compute, graph.bytes):
        assert np.all((values >= 80) & (values <= 120))
    assert graph.hardware_type.max() < NUM_TYPES


@given(st.integers(1, 30), st.floats(0, 1), st.integers(0, 2**32))
def test_generated_clusters(num_devices, probability, seed):
    cluster = generate_cluster(num_devices, np.random.default_rng(seed), type_probability=probability)
    assert cluster.present.all()
    assert cluster.support_matrix.any(axis=0).all()
    for links, low, high in ((cluster.delay, 0, 20), (cluster.inverse_bandwidth, 0.6 / 100, 1.4 / 100)):
        assert np.array_equal(links, links.T)
        apart = links[~np.eye(num_devices, dtype=bool)]
        assert np.all((apart >= low) & (apart <= high))
    assert np.all((cluster.speed >= 3) & (cluster.speed <= 7))


def test_generators_refuse_what_makes_no_sense():
    rng = np.random.default_rng(0)
    for call in (
        lambda: generate_task_graph(0, 1.0, 0.1, rng),
        lambda: generate_task_graph(10, 0.0, 0.1, rng),
        lambda: generate_task_graph(10, 1.0, 1.5, rng),
        lambda: generate_cluster(0, rng),
        lambda: generate_cluster(3, rng, type_probability=float("nan")),
    ):
        with pytest.raises(ValueError, match="out of"):
            call()


def test_the_dataset_fits_its_bounds_and_its_splits_differ():
    dataset = get_dataset("giph")
    digests = set()
    for split, count in dataset.sizes.items():
        for number in range(min(count, 100)):
            instance = dataset.instance(split, number)
            digests.add(instance.digest)
            assert instance.task_graph.num_tasks <= dataset.max_nodes
            assert instance.task_graph.num_edges <= dataset.max_edges
            assert MIN_DEVICES <= instance.cluster.num_devices <= MAX_DEVICES
            assert instance.name == f"giph/{split}/{number}"
    assert len(digests) == 220


def test_large_families_have_the_sizes_they_say():
    for name, fewest in (("giph-large", 200), ("workflows", 100)):
        for number in range(9):
            instance = load(f"{name}/test/{number}")
            assert fewest <= instance.task_graph.num_tasks <= 2000
            assert 20 <= instance.cluster.num_devices <= 100


def test_a_third_of_the_devices_has_left_and_none_that_is_needed():
    for number in range(20):
        instance = load(f"giph-churn/test/{number}")
        away = instance.cluster.num_devices - int(instance.cluster.present.sum())
        assert 1 <= away <= instance.cluster.num_devices / 3
        assert instance.allowed.any(axis=1).all()
        assert not instance.allowed[:, ~instance.cluster.present].any()


def names_of(graph):
    """Return how many tasks there are of each kind, and the kinds that each kind reads from."""
    kinds = [name.rsplit("_", 1)[0] for name in graph.task_names]
    return Counter(kinds), {kind: {kinds[a] for a, b in graph.links if kinds[b] == kind} for kind in kinds}


def test_workflows_have_the_shapes_of_their_papers():
    rng = np.random.default_rng(0)
    counts, reads = names_of(montage(9, rng, num_types=5))  # a square of 3 x 3 images
    overlaps = 6 + 6 + 4  # beside, above, diagonally
    assert counts == {
        "mProject": 9, "mDiffFit": overlaps, "mConcatFit": 1, "mBgModel": 1, "mBackground": 9, "mImgtbl": 1, "mAdd": 1,
        "mShrink": 1, "mJPEG": 1,
    }  # fmt: skip
    assert reads["mDiffFit"] == {"mProject"}
    assert reads["mBackground"] == {"mProject", "mBgModel"}
    assert reads["mAdd"] == {"mImgtbl", "mBackground"}

    graph = epigenomics(2, 3, rng, work=50.0, size=7.0)
    counts, reads = names_of(graph)
    assert counts["map"] == counts["filterContams"] == 6
    assert counts["mapMerge"] == 2
    assert (reads["fastqSplit"], reads["mapMerge"], reads["pileup"]) == (set(), {"map"}, {"maqIndex"})
    assert graph.depth.max() == 8
    assert graph.compute.mean() == pytest.approx(50.0)
    assert graph.bytes.mean() == pytest.approx(7.0)

    counts, reads = names_of(genome(2, 4, rng))
    assert counts == {
        "individuals": 8, "individuals_merge": 2, "sifting": 2, "mutation_overlap": 14, "frequency": 14,
    }  # fmt: skip
    assert reads["frequency"] == {"individuals_merge", "sifting"}
    for call in (lambda: montage(1, rng), lambda: epigenomics(0, 1, rng), lambda: genome(1, 0, rng)):
        with pytest.raises(ValueError, match="at least"):
            call()


def test_tasks_of_one_kind_need_one_hardware_type():
    graph = montage(30, np.random.default_rng(1), num_types=5)
    kinds = [name.rsplit("_", 1)[0] for name in graph.task_names]
    types = {kind: {int(t) for k, t in zip(kinds, graph.hardware_type, strict=True) if k == kind} for kind in kinds}
    assert all(len(each) == 1 for each in types.values())
    assert len(set().union(*types.values())) > 1


WORKFLOW = {
    "name": "tiny",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {"id": "a_1", "name": "a", "parents": [], "inputFiles": [], "outputFiles": ["x", "y"]},
                {"id": "b_2", "name": "b", "parents": ["a_1"], "inputFiles": ["y", "z"], "outputFiles": []},
            ],
            "files": [{"id": "x", "sizeInBytes": 7}, {"id": "y", "sizeInBytes": 30}, {"id": "z", "sizeInBytes": 11}],
        },
        "execution": {"tasks": [{"id": "b_2", "runtimeInSeconds": 2.5}, {"id": "a_1", "runtimeInSeconds": 0.5}]},
    },
}  # fmt: skip
OLDER_WORKFLOW = {
    "name": "tiny",
    "schemaVersion": "1.3",
    "workflow": {
        "tasks": [
            {"name": "a", "runtime": 0.5, "parents": [], "files": [{"link": "output", "name": "y", "size": 30}]},
            {"name": "b", "runtimeInSeconds": 2.5, "parents": ["a"],
             "files": [{"link": "input", "name": "y", "sizeInBytes": 30}]},
        ]
    },
}  # fmt: skip


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("content", [WORKFLOW, OLDER_WORKFLOW])
def test_workflows(content, tmp_path):
    graph = read_task_graph(written(tmp_path / "w.json", content))
    assert graph.name == "tiny"
    assert graph.task_names[0].startswith("a")
    assert (graph.compute.tolist(), graph.links.tolist(), graph.bytes.tolist()) == ([0.5, 2.5], [[0, 1]], [30.0])
    cluster = written(tmp_path / "c.json", TWO)
    instance = load(f"{tmp_path / 'w.json'},{cluster}")
    assert instance.cluster == DeviceCluster(**TWO)
    assert instance.task_graph == graph


def test_sagas_files(tmp_path):
    tasks = {
        "tasks": [{"name": "T2", "cost": 2.0}, {"name": "T1", "cost": 1.0}],
        "dependencies": [{"source": "T1", "target": "T2", "size": 5.0}],
    }
    network = {
        "nodes": [{"name": "B", "speed": 3.0}, {"name": "A", "speed": 1.0}],
        "edges": [{"source": "A", "target": "B", "speed": 4.0}, {"source": "A", "target": "A", "speed": 1e9}],
    }
    instance = read_edge(written(tmp_path / "t.json", tasks), written(tmp_path / "n.json", network))
    assert instance.task_graph.compute.tolist() == [1.0, 2.0]
    assert instance.task_graph.links.tolist() == [[0, 1]]
    assert instance.cluster.speed.tolist() == [1.0, 3.0]
    assert instance.cluster.inverse_bandwidth.tolist() == [[0.0, 0.25], [0.25, 0.0]]


def _changed(content, path, value):
    copy = json.loads(json.dumps(content))
    place = copy
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copy


GOOD = {"task_graph": {"compute": [1.0, 2.0], "hardware_type": [0, 1], "edges": [[0, 1, 3.0]]}, "cluster": TWO}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", ":1: not JSON"),
        ("[]", ":1: an object expected, not a list"),
        ('{"a":\n 1,}', ":2: not JSON"),
        (_changed(GOOD, ["cluster"], None), ":1: 'cluster' is missing"),
        (_changed(GOOD, ["task_graph", "compute"], [1.0, "x"]), ":1: numbers expected"),
        (_changed(GOOD, ["task_graph", "edges"], [[0, 1]]), r":1: each of 'edges' must be \[source, target, bytes\]"),
        (_changed(GOOD, ["task_graph", "edges"], [[0, 9, 1.0]]), r":1: edge 0 is \[0, 9\], tasks are 0..1"),
        (_changed(GOOD, ["task_graph", "edges"], [[0, 1, -1]]), ":1: bytes must be finite and at least 0"),
        (_changed(GOOD, ["task_graph", "hardware_type"], [0, 7]), ":1: .*no device supports task 1"),
        (_changed(GOOD, ["cluster", "delay"], [[0], [1, 2]]), ":1: numbers expected, in rows of one length"),
        (_changed(GOOD, ["cluster", "supports"], "all"), ":1: 'supports' must be of type list"),
        ({**GOOD, "placement": [0, 5]}, ":1: .*a task's device lies outside 0..1"),
        (WORKFLOW, ":1: a task graph without a cluster"),
        (_changed(WORKFLOW, ["workflow", "execution", "tasks"], []), ":1: task 'a_1' has no run time"),
        (_changed(WORKFLOW, ["workflow", "specification", "tasks", 1, "parents"], ["q"]), ":1: .*unknown parent 'q'"),
    ],
)
def test_bad_files(content, message, tmp_path):
    path = written(tmp_path / "bad.json", content)
    is_workflow = isinstance(content, dict) and "workflow" in content and "without" not in message
    read = read_task_graph if is_workflow else read_edge
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_bad_networks(tmp_path):
    network = {"nodes": [{"name": "A", "speed": 1.0}, {"name": "B", "speed": 1.0}], "edges": []}
    with pytest.raises(ValueError, match=r":1: devices 'A' and 'B' have no link"):
        read_cluster(written(tmp_path / "n.json", network))
    with pytest.raises(ValueError, match=r":1: 'speed' is missing"):
        read_cluster(written(tmp_path / "n.json", {"nodes": [{"name": "A"}], "edges": []}))
    with pytest.raises(ValueError, match="a task graph has one cluster file, not 2"):
        load("a.json,b.json,c.json")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "missing.json")


SAGA_NETWORK = {
    "nodes": [{"name": "b", "speed": 2.0}, {"name": "a", "speed": 1.0}],
    "edges": [
        {"source": "b", "target": "b", "speed": None}, {"source": "a", "target": "b", "speed": 10.0},
        {"source": "a", "target": "a", "speed": None},
    ],
}  # fmt: skip
SAGA_GRAPH = {
    "tasks": [{"name": "t2", "cost": 2.0}, {"name": "t1", "cost": 1.0}],
    "dependencies": [{"source": "t1", "target": "t2", "size": 4.0}],
}


def test_saga_writes_infinite_speeds_as_null(tmp_path):
    (tmp_path / "net.json").write_text(json.dumps(SAGA_NETWORK))
    cluster = read_cluster(tmp_path / "net.json")
    assert cluster.speed.tolist() == [1.0, 2.0]
    assert cluster.inverse_bandwidth.tolist() == [[0.0, 0.1], [0.1, 0.0]]
    joined = {**SAGA_NETWORK, "edges": [{"source": "a", "target": "b", "speed": None}]}
    (tmp_path / "net.json").write_text(json.dumps(joined))
    assert read_cluster(tmp_path / "net.json").inverse_bandwidth.max() == 0.0
    endless = {**SAGA_NETWORK, "nodes": [{"name": "a", "speed": 1.0}, {"name": "b", "speed": None}]}
    (tmp_path / "net.json").write_text(json.dumps(endless))
    with pytest.raises(ValueError, match=r"net\.json:\d+: device 'b' is infinitely fast"):
        read_cluster(tmp_path / "net.json")


def test_an_instance_that_saga_saved_is_one(tmp_path):
    path = tmp_path / "inst.json"
    path.write_text(json.dumps({"name": "inst", "task_graph": SAGA_GRAPH, "network": SAGA_NETWORK}))
    instance = read_edge(path)
    (tmp_path / "net.json").write_text(json.dumps(SAGA_NETWORK))
    (tmp_path / "tg.json").write_text(json.dumps(SAGA_GRAPH))
    assert instance == read_edge(tmp_path / "tg.json", tmp_path / "net.json")
    assert read_task_graph(path) == instance.task_graph
    assert read_cluster(path) == instance.cluster
    # t1 on a: 1 s; then 4 / 10 s over the link; t2 on b: 1 s.
    problem = placezoo.make_problem("EdgePlace-v0", str(path))
    assert problem.evaluate(np.array([0, 1])).total == pytest.approx(2.4)


def test_what_saga_itself_saves_is_read(tmp_path):
    saga = pytest.importorskip("saga")
    network = saga.Network.create([("x", 2.0), ("y", 3.0)], [("x", "y", 5.0)])
    graph = saga.TaskGraph.create([("one", 6.0), ("two", 3.0)], [("one", "two", 10.0)])
    parts = {"task_graph": graph, "network": network}
    content = {name: json.loads(saved.model_dump_json()) for name, saved in parts.items()}
    (tmp_path / "n.json").write_text(json.dumps({"name": "n", **content}))
    problem = placezoo.make_problem("EdgePlace-v0", str(tmp_path / "n.json"))
    assert problem.evaluate(np.array([0, 1])).total == pytest.approx(6 / 2 + 10 / 5 + 3 / 3)

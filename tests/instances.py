"""The small instances of every domain: drawn by hypothesis, random from a seed, and one of each environment."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

import placezoo
from placezoo.datasets import DeviceCluster, EdgeInstance, Graph, Hypergraph, TaskGraph, generate_netlist
from placezoo.datasets.accel.layer_graph import Layer, LayerGraph, convolution, separable_convolution
from placezoo.datasets.chip.canvas import Canvas
from placezoo.datasets.chip.netlist import Netlist, NodeType
from placezoo.datasets.device.topology import DeviceTopology
from placezoo.datasets.mcm.package import MultiChipModule
from placezoo.datasets.op_graphs.op_graph import OpGraph
from placezoo.envs.problem import PlacementProblem

ONE_RUN = """
version = 1
description = "one run"
evaluations = 20
seeds = [0]
[[problems]]
env = "GraphPartition-v0"
instances = ["karate"]
[[agents]]
name = "random"
"""
"""The text of a suite of one run."""


def random_model(n: int = 30, seed: int = 0, held: float = 1e5) -> OpGraph:
    """Return a random model of about the proportions of a real one: a chain with residual edges.

    Args:
        n: its operators.
        seed: of its quantities.
        held: most bytes of parameters of an operator.
    """
    rng = np.random.default_rng(seed)
    edges = {(i - 1, i) for i in range(1, n)} | {(i, min(i + 3, n - 1)) for i in range(0, n - 2, 4)}
    return OpGraph(
        rng.uniform(1e8, 2e9, n), rng.uniform(1e5, 1e6, n), rng.uniform(1e4, 1e5, n), rng.uniform(0, held, n),
        sorted(edges), kinds=tuple(rng.choice(["aten.linear", "aten.mm", "aten.layer_norm"], n)), state_bytes=3.0,
        name="random model",
    )  # fmt: skip


def small_network() -> LayerGraph:
    """Return a network with a layer of each kind, one of which two read."""
    layers = (
        convolution("stem", 16, 3, 8, 3, 2),
        convolution("depthwise", 8, 8, 8, 3, groups=8),
        separable_convolution("rows", 8, 8, 3),
        Layer("add", "elementwise", 1024.0, 0.0, 512.0),
        Layer("classifier", "product", 512.0, 5120.0, 10.0, 1, 1, 512, 10),
    )
    return LayerGraph(layers, [(0, 1), (1, 2), (0, 3), (2, 3), (3, 4)], name="small network")


def random_graph(rng: np.random.Generator, nodes: int | None = None) -> Graph:
    """Return a random weighted graph, of 2 to 24 nodes unless told otherwise."""
    n = int(rng.integers(2, 25)) if nodes is None else nodes
    pairs = [pair for pair in itertools.combinations(range(n), 2) if rng.random() < 0.3]
    return Graph.from_edges(
        n, np.array(pairs, np.int64).reshape(-1, 2), edge_weights=rng.integers(1, 9, len(pairs)),
        node_weights=rng.integers(1, 5, n),
    )  # fmt: skip


def two_cliques(size: int) -> Graph:
    """Return two cliques joined by an edge: the best halves cut that edge alone."""
    edges = [pair for block in (0, size) for pair in itertools.combinations(range(block, block + size), 2)]
    return Graph.from_edges(2 * size, [*edges, (0, size)], name="two-cliques")


# --- One of each environment ------------------------------------------------------------------------------------------


class Small(NamedTuple):
    """A small problem of an environment."""

    instance: Callable[[], Any]
    parameters: dict[str, Any] = {}  # noqa: RUF012


# What tests over all environments run on: an environment that is registered and not here fails them.
SMALL = {
    "AccelSearch-v0": Small(small_network, {"space": "fast"}),
    "ChipPlace-v0": Small(lambda: generate_netlist(num_hard=6, num_soft=10, seed=1, grid=(8, 7))),
    "DevicePlace-v0": Small(lambda: random_model(24)),
    "EdgePlace-v0": Small(lambda: "giph/test/3"),
    "GraphPartition-v0": Small(lambda: "karate", {"num_parts": 3}),
    "MCMPartition-v0": Small(lambda: random_model(60)),
}


def small_problem(env_id: str) -> PlacementProblem:
    """Return the small problem of an environment."""
    small = SMALL[env_id]
    return placezoo.make_problem(env_id, small.instance(), **small.parameters)


def small_settings(env_id: str, formulation: str) -> dict[str, Any]:
    """Return what makes its environment."""
    small = SMALL[env_id]
    return {"instance": small.instance(), "formulation": formulation, **small.parameters}


# --- Drawn by hypothesis ----------------------------------------------------------------------------------------------


def built(make: Callable[[], Any], *reasons: str) -> Any:
    """Return what ``make`` builds of a drawn case; one that it refuses, for one of these reasons, is drawn again."""
    try:
        return make()
    except ValueError as error:
        refusal = str(error)
    assert any(reason in refusal for reason in reasons), refusal
    reject()


def _acyclic_edges(rng: np.random.Generator, n: int, density: float) -> np.ndarray:
    """Return the edges of a random acyclic graph that is not numbered topologically, int64 [num_edges, 2]."""
    order = rng.permutation(n)
    edges = [(order[a], order[b]) for a, b in itertools.combinations(range(n), 2) if rng.random() < density]
    return rng.permutation(np.array(edges, np.int64).reshape(-1, 2))


@st.composite
def graphs(draw, max_nodes: int = 12, max_weight: int = 5) -> Graph:
    """Draw any small graph: disconnected, weighted, with isolated and weightless nodes."""
    n = draw(st.integers(1, max_nodes))
    pairs = [(u, v) for u in range(n) for v in range(u + 1, n)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Graph.from_edges(
        n,
        np.array(edges, dtype=np.int64).reshape(-1, 2),
        edge_weights=np.array(
            draw(st.lists(st.integers(1, max_weight), min_size=len(edges), max_size=len(edges))), dtype=np.int64
        ),
        node_weights=np.array(draw(st.lists(st.integers(0, max_weight), min_size=n, max_size=n)), dtype=np.int64),
    )


@st.composite
def hypergraphs(draw, max_nodes: int = 10, max_weight: int = 5) -> Hypergraph:
    """Draw any small hypergraph: nets of one pin and of all, equal nets, isolated and weightless nodes."""
    n = draw(st.integers(1, max_nodes))
    nets = draw(st.lists(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True), max_size=12))
    weights = draw(st.lists(st.integers(1, max_weight), min_size=len(nets), max_size=len(nets)))
    loads = draw(st.lists(st.integers(0, max_weight), min_size=n, max_size=n))
    return Hypergraph.from_nets(n, nets, net_weights=np.array(weights, np.int64), node_weights=loads)


@st.composite
def edge_instances(draw, max_tasks: int = 8, max_devices: int = 4, whole_numbers: bool = True) -> EdgeInstance:
    """Draw any small instance: several entries and exits, isolated tasks, data of no size."""
    n, k = draw(st.integers(1, max_tasks)), draw(st.integers(1, max_devices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    edges = _acyclic_edges(rng, n, draw(st.sampled_from([0.1, 0.4, 0.8])))

    def quantities(low, high, *shape):
        return rng.integers(low, high + 1, shape).astype(float) if whole_numbers else rng.uniform(low, high, shape)

    num_types = draw(st.integers(1, 2))
    supports = rng.random((k, num_types)) < 0.6
    supports[rng.integers(k, size=num_types), np.arange(num_types)] = True
    return EdgeInstance(
        TaskGraph(
            quantities(1, 4, n), rng.integers(num_types, size=n), edges, quantities(0, 3, len(edges)),
        ),
        DeviceCluster(
            quantities(1, 2, k), quantities(0, 2, k, k) * ~np.eye(k, dtype=bool),
            quantities(0, 1, k, k) * ~np.eye(k, dtype=bool), supports,
        ),
    )  # fmt: skip


@st.composite
def placed_models(draw, max_ops: int = 9, max_devices: int = 4):
    """Draw a small model, a topology with switches or direct links, groups, and a device or none for each group."""
    n, k = draw(st.integers(1, max_ops)), draw(st.integers(1, max_devices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    edges = _acyclic_edges(rng, n, draw(st.sampled_from([0.2, 0.5, 0.8])))
    graph = OpGraph(
        rng.integers(0, 5, n), rng.integers(0, 5, n), rng.integers(0, 4, n), rng.integers(0, 3, n),
        edges, group=rng.integers(0, n, n), state_bytes=float(rng.integers(0, 3)),
    )  # fmt: skip
    if draw(st.booleans()):  # everything through one switch
        links, switches = [(a, k) for a in range(k)] + [(k, a) for a in range(k)], 1
    else:
        links, switches = [(a, b) for a in range(k) for b in range(k) if a != b], 0
    topology = DeviceTopology(
        ["x"] * k, rng.integers(1, 4, k), rng.integers(1, 4, k), rng.integers(0, 25, k), links,
        rng.integers(1, 3, len(links)), rng.integers(0, 2, len(links)), switches, efficiency=0.5,
        launch_overhead=float(rng.integers(0, 2)),
    )  # fmt: skip
    return graph, topology, rng.integers(-1, k, len(np.unique(graph.group))), rng


@st.composite
def dags(draw, max_nodes: int = 7, max_edges: int = 12) -> tuple[int, list[tuple[int, int]]]:
    """Draw an acyclic graph that is not numbered topologically: how many nodes, and its edges."""
    n = draw(st.integers(1, max_nodes))
    pairs = list(itertools.combinations(range(n), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=max_edges, unique=True)) if pairs else []
    number = draw(st.permutations(range(n)))
    return n, [(number[a], number[b]) for a, b in chosen]


@st.composite
def replicating_models(draw, max_ops: int, max_edges: int, unit_flops: float = 1.0, unit_bytes: float = 1.0) -> OpGraph:
    """Draw a small model of which some operators are so cheap that chiplets replicate them."""
    n, links = draw(dags(max_ops, max_edges))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    cheap = rng.random(n) < 0.25
    return OpGraph(
        unit_flops * np.where(cheap, 0, rng.integers(1, 9, n)), unit_bytes * (rng.integers(0, 9, n) + 9),
        unit_bytes * rng.integers(0, 9, n), unit_bytes * np.where(cheap, 0, rng.integers(0, 9, n)),
        np.array(links, np.int64).reshape(-1, 2), kinds=tuple(np.where(cheap, "aten.add.Tensor", "aten.mm")),
    )  # fmt: skip


@st.composite
def pipelines(draw) -> tuple[OpGraph, MultiChipModule, np.random.Generator]:
    """Draw a model with cheap operators, a package, and what draws assignments."""
    graph, count = draw(replicating_models(9, 16)), draw(st.integers(1, 4))
    package = MultiChipModule(count, 1.0, 2.0, float(draw(st.integers(30, 200))), 0.5, 0.25, 2.0)
    return graph, package, np.random.default_rng(draw(st.integers(0, 1000)))


@st.composite
def netlists(draw) -> Netlist:
    """Draw small netlists with blocks anywhere, also outside the canvas, in all orientations."""
    columns, rows = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    canvas = Canvas(
        draw(st.floats(20, 60)), draw(st.floats(20, 60)), columns, rows, (draw(st.floats(1, 9)), draw(st.floats(1, 9))),
        (draw(st.floats(0, 5)), draw(st.floats(0, 5))),
    )  # fmt: skip
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    num_hard, num_soft, num_ports = draw(st.integers(0, 4)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    blocks = num_hard + num_soft + num_ports
    types = [NodeType.HARD_MACRO] * num_hard + [NodeType.SOFT_MACRO] * num_soft + [NodeType.PORT] * num_ports
    owners = list(range(blocks))
    for block in range(num_hard + num_soft):
        for _ in range(2):
            owners.append(block)
            types.append(NodeType.HARD_PIN if block < num_hard else NodeType.SOFT_PIN)
    n = len(owners)
    sizes = np.zeros((n, 2))
    sizes[: num_hard + num_soft] = rng.uniform(1, 18, (num_hard + num_soft, 2))
    if draw(st.booleans()):  # exactly on the grid's lines
        sizes[: num_hard + num_soft] = np.minimum([canvas.cell_width, canvas.cell_height], 19)
    centers = rng.uniform(-5, 65, (n, 2))
    if draw(st.booleans()):
        centers = (rng.integers(0, 7, (n, 2)) + 0.5) * [canvas.cell_width, canvas.cell_height]
    nets = [
        rng.choice(n, size=int(rng.integers(1, min(n, 6) + 1)), replace=False) for _ in range(draw(st.integers(1, 6)))
    ]
    orientations = np.zeros(n, np.int8)
    orientations[:num_hard] = rng.integers(0, 8, num_hard)
    return Netlist(
        tuple(f"n{i}" for i in range(n)), np.array(types), np.array(owners), sizes, centers,
        np.where(np.array(types)[:, None] == NodeType.HARD_PIN, rng.uniform(-6, 6, (n, 2)), 0), orientations,
        np.zeros(n, bool), np.concatenate([[0], np.cumsum([len(net) for net in nets])]), np.concatenate(nets),
        rng.choice([0.5, 1.0, 2.0, 7.0], len(nets)), canvas,
    )  # fmt: skip

import numpy as np
import pytest
from hypothesis import given

from placezoo.datasets import load_topology, topology_names
from tests.instances import placed_models

GOOD = """
kinds:
  mine: {peak_flops: 1e12, memory_bandwidth: 1e11, memory: 8e9}
devices: [{kind: mine, count: 2}, {kind: v100}]
switches: 1
links:
  - {star: [3, 0, 1, 2], bandwidth: 1e10, latency: 1e-6}
efficiency: 0.4
"""
NUM_DEVICES = {
    "p100x2-pcie": 2, "xeon-p100x2-pcie": 3, "v100x4-nvlink": 4, "v100x8-pcie": 8, "v100x2x4-ethernet": 8,
    "a100x8-nvswitch": 8, "h100x8-nvswitch": 8, "tpu-v3x8": 8,
    "v100x4x4-ethernet": 16, "tpu-v3x32-torus": 32,
}  # fmt: skip


@pytest.mark.parametrize("name", list(topology_names()))
def test_presets(name):
    topology = load_topology(name)
    assert topology.num_devices == NUM_DEVICES[name]
    start, links = topology.routes
    k = topology.num_devices
    for a in range(k):
        for b in range(k):
            route = links[start[a * k + b] : start[a * k + b + 1]]
            nodes = [a, *topology.links[route, 1].tolist()]
            assert nodes[-1] == b
            assert topology.links[route, 0].tolist() == nodes[:-1]
            assert all(node >= k for node in nodes[1:-1])  # devices do not forward
    tight = load_topology(name, memory=1e9)
    assert set(tight.memory) == {1e9}
    assert tight != topology


def test_reaching_the_other_host_takes_the_network():
    topology = load_topology("v100x2x4-ethernet")
    start, links = topology.routes
    route = links[start[0 * 8 + 5] : start[0 * 8 + 6]]
    assert topology.link_bandwidth[route].min() == 12.5e9
    assert topology.link_bandwidth[links[start[1] : start[2]]].tolist() == [25e9]


def test_a_torus_wraps_around():
    """From each chip at most two links in each direction lead to any other."""
    topology = load_topology("tpu-v3x32-torus")
    start, _ = topology.routes
    lengths = np.diff(start).reshape(32, 32)
    chips = np.arange(32) // 2
    rows, columns = np.divmod(chips, 4)
    apart = [np.minimum(d, 4 - d) for d in (np.abs(x[:, None] - x[None, :]) for x in (rows, columns))]
    hops = apart[0] + apart[1] + 2  # to the chip's switch, and from the other's
    np.testing.assert_array_equal(lengths, np.where(np.eye(32, dtype=bool), 0, hops))


def test_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    topology = load_topology(path)
    assert topology.kinds == ("mine", "mine", "v100")
    assert topology.peak_flops.tolist() == [1e12, 1e12, 15.7e12]
    assert topology.efficiency == 0.4
    assert len(topology.links) == 6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("devices:", "gadgets:", ":1: 'devices' is missing"),
        ("kind: mine,", "kind: nine,", ":1: unknown kind 'nine'; did you mean mine"),
        ("peak_flops: 1e12", "peak_flops: fast", ":1: mine: peak_flops must be a number, not 'fast'"),
        ("memory: 8e9", "m: 8e9", ":1: mine: 'memory' is missing"),
        ("bandwidth: 1e10", "bandwidth: 0", ":1: link_bandwidth must be above 0"),
        ("[3, 0, 1, 2]", "[3, 0, 1]", ":1: .*device 2 cannot be reached from device 0"),
        ("[3, 0, 1, 2]", "[9, 0, 1, 2]", r":1: a link's end lies outside the nodes 0..3"),
        ("efficiency: 0.4", "efficiency: 4", r":1: efficiency must be in \(0, 1\]"),
        ("switches: 1", "switches: [", ":[0-9]+: not YAML"),
    ],
)
def test_bad_files(old, new, message, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        load_topology(path)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_unknown_names():
    with pytest.raises(ValueError, match="unknown topology 'v100x4'; did you mean v100x4-nvlink"):
        load_topology("v100x4")
    with pytest.raises(FileNotFoundError):
        load_topology("missing.yaml")


@given(placed_models())
def test_digests_tell_topologies_apart(case):
    topology = case[1]
    faster = type(topology)(
        topology.kinds, np.asarray(topology.peak_flops) * 2, topology.memory_bandwidth, topology.memory, topology.links,
        topology.link_bandwidth, topology.link_latency, topology.num_switches, topology.efficiency,
    )  # fmt: skip
    assert faster != topology

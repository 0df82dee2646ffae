import contextlib
import gzip
import http.server
import json
import lzma
import shutil
import threading

import networkx as nx
import numpy as np
import pytest

from placezoo import datasets
from placezoo.datasets import public_files as public
from placezoo.datasets import registry
from placezoo.datasets.files import write_atomically
from placezoo.datasets.partition import graph_generators as generators
from placezoo.envs.registration import make_problem


@pytest.fixture
def empty_machine(monkeypatch, tmp_path):
    """Search only in an empty data folder, fetch only into an empty cache."""
    monkeypatch.setenv("PLACEZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(public, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


def test_near_names_are_suggested():
    with pytest.raises(ValueError, match=r"unknown instance '4etl'; did you mean 4elt"):
        datasets.load("4etl")
    with pytest.raises(ValueError, match="unknown dataset 'delauney'; did you mean delaunay"):
        datasets.get_dataset("delauney")
    with pytest.raises(ValueError, match="unknown split 'tset'; did you mean test"):
        datasets.load("delaunay/tset/0")


def test_registry_entries_are_complete():
    for entry in public.public_files().values():
        assert entry.licence
        assert entry.citation
        assert entry.format in ("metis", "netlist", "giph", "accel-table")
        assert (entry.format == "netlist") == (entry.placement is not None)
        for file in entry.files:
            assert len(file.sha256) == 64 or len(file.git_blob) == 40
            assert (file.size > 0) == bool(file.sha256)
            assert not file.url or file.url.startswith("https://")


def test_every_public_download_is_registered():
    """The list of what is too large to lie in PLACEZOO_DATA, where it is there."""
    path = next((folder / "chip/downloads.json" for folder in public.data_folders()), None)
    if path is None or not path.is_file():
        pytest.skip("chip/downloads.json is not in PLACEZOO_DATA")
    for listed in json.loads(path.read_text()):
        entry = public.public_files()[listed["name"]]
        assert entry.placement is not None
        assert entry.git_blob == listed["netlist_git_blob"]
        assert entry.placement.git_blob == listed["placement_git_blob"]
        assert entry.url.endswith(f"{listed['commit']}/{listed['netlist']}")
        published = listed.get("published_proxy_cost", {})
        assert list(entry.published.values()) == list(published.values())


def test_a_file_with_other_content_is_refused(empty_machine, public_graph):
    folder = empty_machine / "data" / "graphs"
    folder.mkdir(parents=True)
    (folder / "airfoil1.graph").write_text("2 1\n2\n1\n")
    with pytest.raises(ValueError, match=r"airfoil1.graph: not the published airfoil1"):
        datasets.load("airfoil1")


def test_folders_are_searched_in_order_and_compressed_files_are_found(monkeypatch, tmp_path, public_graph):
    public_graph("airfoil1")
    source = public.find_file(public.public_files()["airfoil1"])
    second = tmp_path / "second" / "graphs"
    second.mkdir(parents=True)
    shutil.copy(source, second / source.name)
    monkeypatch.setenv("PLACEZOO_DATA", f"{tmp_path / 'first'}:{tmp_path / 'second'}")
    assert public.find_file(public.public_files()["airfoil1"]) == second / source.name
    assert datasets.load("airfoil1").num_nodes == 4253


def test_without_file_and_network_the_error_says_what_to_do(empty_machine, monkeypatch):
    import requests

    def unreachable(*_args, **_kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "get", unreachable)
    with pytest.raises(OSError, match=r"cannot download 4elt from https://.*PLACEZOO_DATA"):
        datasets.load("4elt")


@contextlib.contextmanager
def serving(folder):
    """Serve a folder on this machine, as the network would."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_download_lands_in_the_cache_and_is_verified(empty_machine, monkeypatch, public_graph):
    """Serve the real file from this machine, as the network would."""
    monkeypatch.undo()
    public_graph("airfoil1")
    entry = public.public_files()["airfoil1"]
    content = gzip.decompress(public.find_file(entry).read_bytes())
    site = empty_machine / "site"
    site.mkdir()
    (site / "airfoil1.graph").write_bytes(content)

    with serving(site) as server:
        local = public.PublicFile(**{**entry.__dict__, "url": f"http://127.0.0.1:{server.server_port}/airfoil1.graph"})
        monkeypatch.setenv("PLACEZOO_DATA", "")
        monkeypatch.setattr(public, "cache_folder", lambda: empty_machine / "cache")
        for module in (public, registry):
            monkeypatch.setattr(module, "public_files", lambda: {"airfoil1": local})
        path = public.fetch("airfoil1")
        assert path == empty_machine / "cache" / "graphs" / "airfoil1.graph"
        assert path.read_bytes() == content
        (site / "airfoil1.graph").write_bytes(content + b"\n")
        path.unlink()
        with pytest.raises(ValueError, match="not the published airfoil1"):
            public.fetch("airfoil1")
        assert not path.exists()


def test_a_netlist_is_fetched_and_verified_by_its_git_blob_id(empty_machine, monkeypatch, capsys):
    """As ibm01 is: two files from a server, checked by blob id, then by the costs in the header."""
    import subprocess

    from placezoo.cost_models import ProxyCost
    from placezoo.experiments import command_line

    site = empty_machine / "site"
    site.mkdir()
    netlist = datasets.generate_netlist(num_hard=4, num_soft=8, seed=0, grid=(6, 5))
    datasets.write_netlist(site / "netlist.pb.txt", netlist)
    datasets.write_plc(site / "initial.plc", netlist.placement)
    exact = datasets.read_netlist(site / "netlist.pb.txt", site / "initial.plc")
    terms = {name: round(value, 4) for name, value in ProxyCost(exact).evaluate(exact.placement).terms.items()}
    datasets.write_plc(site / "initial.plc", netlist.placement, costs=terms)
    contents = {path.name: path.read_bytes() for path in site.iterdir()}
    blobs = {name: public.git_blob(content) for name, content in contents.items()}
    if shutil.which("git"):
        known = subprocess.run(["git", "hash-object", site / "initial.plc"], capture_output=True, text=True, check=True)
        assert known.stdout.strip() == blobs["initial.plc"]

    with serving(site) as server:

        def file(name, **more):
            url = f"http://127.0.0.1:{server.server_port}/{name}"
            return public.PublicFile(name="chip", path=f"chip/{name}", url=url, git_blob=blobs[name], **more)

        entry = file("netlist.pb.txt", format="netlist", licence="none", placement=file("initial.plc"))
        monkeypatch.setenv("PLACEZOO_DATA", "")
        monkeypatch.setattr(public, "cache_folder", lambda: empty_machine / "cache")
        for module in (public, registry, command_line):
            monkeypatch.setattr(module, "public_files", lambda: {"chip": entry})
        assert datasets.load("chip").placement.centers.tolist() == exact.placement.centers.tolist()
        command_line.data_verify(["chip"])
        said = capsys.readouterr().out
        assert "is the published file" in said
        assert "costs computed again agree with its header: wirelength" in said
        (empty_machine / "cache/chip/initial.plc").unlink()
        (site / "initial.plc").write_bytes(contents["initial.plc"] + b"\n")
        with pytest.raises(ValueError, match="not the published chip: git blob"):
            public.fetch("chip")


@pytest.mark.parametrize("path", ["../x.graph", "/etc/x.graph", "a/../../x.graph", "..", "", "a\\..\\x"])
def test_public_files_lie_below_their_folder(path):
    with pytest.raises(ValueError, match="does not lie below a folder of data"):
        public.PublicFile(name="x", path=path)


def test_a_download_breaks_off_where_it_is_longer_than_published(empty_machine, monkeypatch):
    """And one of another content, or from a file instead of the network, leaves nothing behind."""
    site, cache = empty_machine / "site", empty_machine / "cache"
    site.mkdir()
    (site / "x.graph").write_bytes(bytes(3 << 20))
    monkeypatch.setattr(public, "cache_folder", lambda: cache)
    with serving(site) as server:
        url = f"http://127.0.0.1:{server.server_port}/x.graph"
        for address, size, message in (
            (url, 5000, "longer than 15,050 bytes"),
            (url, 3 << 20, "not the published x"),
            (f"file://{site}/x.graph", 3 << 20, "cannot download x"),
        ):
            entry = public.PublicFile(name="x", path="graphs/x.graph", url=address, size=size, sha256="0" * 64)
            monkeypatch.setattr(public, "public_files", lambda entry=entry: {"x": entry})
            with pytest.raises((ValueError, OSError), match=message):
                public.fetch("x")
            assert [path for path in cache.rglob("*") if path.is_file()] == []


def generated_datasets():
    """Return the datasets that need neither a file nor a model."""
    return {
        name: dataset
        for name, dataset in datasets.DATASETS.items()
        if not dataset.files and dataset.max_nodes is not None and dataset.max_nodes <= LARGE
    }


LARGE = 10_000  # nodes: instances of more take seconds to draw, and their generators are tested on small ones


def test_members_of_datasets_are_the_same_every_time_and_splits_differ():
    for name, dataset in generated_datasets().items():
        first = datasets.load(f"{name}/train/3")
        registry_copy = dataset.generate(np.random.default_rng([*name.encode(), 0, 3]), f"{name}/train/3")
        assert first == registry_copy
        members = {datasets.load(f"{name}/{split}/{i}").digest for split in datasets.SPLITS for i in range(3)}
        assert len(members) == (9 if name != "grid" else 8)  # of 49 lattices, two of the nine are the same


def test_datasets_keep_their_bounds():
    for dataset in generated_datasets().values():
        for index in range(100 if dataset.max_nodes <= 1000 else 9):  # of large ones each kind three times
            instance = dataset.instance("train", index)
            if isinstance(instance, datasets.Graph):
                assert instance.num_nodes <= dataset.max_nodes
                assert instance.num_edges <= dataset.max_edges
            else:
                env = "EdgePlace-v0" if isinstance(instance, datasets.EdgeInstance) else "ChipPlace-v0"
                problem = make_problem(env, instance)
                assert problem.num_items <= dataset.max_nodes
                assert len(problem.item_edges[0]) <= 2 * dataset.max_edges
                assert problem.num_resources <= dataset.max_resources
    with pytest.raises(ValueError, match=r"has instances 0\.\.19, not 20"):
        datasets.load("delaunay/test/20")


def test_generators_make_what_they_say():
    rng = np.random.default_rng(0)
    assert generators.grid(3, 4).num_edges == 3 * 3 + 2 * 4
    assert generators.erdos_renyi(30, 100, rng).num_edges == 100
    assert generators.erdos_renyi(5, 10, rng).num_edges == 10
    assert generators.barabasi_albert(50, 3, rng).num_edges == 3 + 46 * 3
    planted = generators.planted_partition(40, 4, 1.0, 0.0, rng)
    assert planted.num_edges == 4 * 45
    delaunay = generators.delaunay(100, rng)
    assert delaunay.num_edges <= 3 * 100 - 6


def test_road_like_graphs_are_connected_sparse_and_part_of_the_lattice():
    lattice = {tuple(edge) for edge in generators.grid(20, 30).edges.tolist()}
    for crossings in (0.0, 0.3, 1.0):
        road = generators.road_like(20, 30, np.random.default_rng(1), crossings=crossings)
        assert road.num_nodes == 600
        assert {tuple(edge) for edge in road.edges.tolist()} <= lattice
        assert nx.is_connected(datasets.to_networkx(road))
        beyond = (road.num_edges - 599) / (len(lattice) - 599)
        assert beyond == pytest.approx(crossings, abs=0.1)


def test_rmat_graphs_are_skewed_as_their_shares_say():
    even = generators.rmat(8, 8, np.random.default_rng(2), shares=(0.25, 0.25, 0.25))
    skewed = generators.rmat(8, 8, np.random.default_rng(2))
    assert even.num_nodes == skewed.num_nodes == 256
    assert skewed.num_edges < even.num_edges <= 8 * 256  # more draws fall on one pair
    assert np.diff(skewed.indptr).max() > 2 * np.diff(even.indptr).max()
    corner = generators.rmat(3, 50, np.random.default_rng(3), shares=(0.0, 1.0, 0.0))
    assert corner.num_edges == 1  # from the first node to the last, whatever their numbers


@pytest.mark.parametrize(
    "call",
    [
        lambda rng: generators.delaunay(2, rng),
        lambda rng: generators.grid(0, 3),
        lambda rng: generators.erdos_renyi(4, 7, rng),
        lambda rng: generators.barabasi_albert(3, 3, rng),
        lambda rng: generators.planted_partition(4, 5, 0.5, 0.5, rng),
        lambda rng: generators.road_like(4, 4, rng, crossings=1.5),
        lambda rng: generators.rmat(4, 1, rng, shares=(0.5, 0.5, 0.5)),
        lambda rng: generators.planted_partition(4, 2, float("nan"), 0.5, rng),
    ],
)
def test_generators_refuse_bad_sizes(call):
    with pytest.raises(ValueError, match=r"must be|needs|room|shares"):
        call(np.random.default_rng(0))


def test_atomic_writes_leave_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomically(path, "old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("placezoo.datasets.files.os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["bomb.graph.gz", "bomb.graph.xz"])
def test_small_files_that_unfold_into_large_ones(name, tmp_path, monkeypatch):
    from placezoo.datasets import files

    monkeypatch.setattr(files, "MOST_BYTES", 1_000_000)
    compress = gzip.compress if name.endswith("gz") else lzma.compress
    (tmp_path / name).write_bytes(compress(b"% " + b"0" * 1_000_000 + b"\n1 0\n\n"))
    assert (tmp_path / name).stat().st_size < 3000
    with pytest.raises(ValueError, match="more than 1,000,000 bytes once decompressed"):
        datasets.load(tmp_path / name)
    monkeypatch.setattr(files, "MOST_BYTES", 2_000_000)
    assert datasets.load(tmp_path / name).num_nodes == 1


@pytest.mark.parametrize(
    "name",
    [
        "giph/../giph/test/0", "giph/test/../0", "giph/test/-1", "giph/test/0/..", "giph//0", "../giph/test/0",
        "transformers:../../bert-base", "transformers:bert-base,../x", "torch:../gnmt", "torch:os:system", "karate/..",
        "..", ".", "/", "", "4elt/../4elt", "karate\x00.graph",
    ],
)  # fmt: skip
def test_names_are_no_paths(name):
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        datasets.load(name)
    assert "\n" not in str(caught.value)

"""Placements as accelerate and torch's pipelines take them, run by these tools."""

import json

import numpy as np
import pytest
import torch
from accelerate import dispatch_model
from accelerate.utils import check_device_map
from torch import nn
from torch.distributed.pipelining import SplitPoint, pipeline

from placezoo.datasets.model_tracing import trace_module
from placezoo.datasets.op_graphs.op_grouping import GROUPINGS
from placezoo.envs.device.framework_formats import device_map, pipeline_split
from placezoo.envs.device.problem import DevicePlaceProblem

# torch exports by functions of its own that it has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning", "ignore:.*LeafSpec.*:DeprecationWarning")

X = torch.randn(2, 16)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.feed = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x):
        return x + self.feed(self.norm(x))


class Net(nn.Module):
    """Blocks in a list, between an input and an output layer."""

    def __init__(self, tied=False):
        super().__init__()
        self.enter = nn.Linear(16, 16, bias=False)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.leave = nn.Linear(16, 16, bias=False)
        if tied:
            self.leave.weight = self.enter.weight

    def forward(self, x):
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(torch.relu(x))


class Attention(nn.Module):
    """A module with a parameter of its own and one in a module of its own, read by one function."""

    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
        self.after = nn.Linear(16, 16)

    def forward(self, x):
        x = x[None]
        return self.after(self.attend(x, x, x, need_weights=False)[0])


def problem(module, grouping="modules", **options):
    return DevicePlaceProblem(trace_module(module, (X,), **options), topology="v100x4-nvlink", grouping=grouping)


def placed(module, places, grouping="modules", **options):
    """Place the operators of each parameter's group by the first prefix of the parameter; the others as their group."""
    one = problem(module, grouping, **options)
    graph, groups = one.instance, one.cost_model.groups
    assignment = np.zeros(one.num_items, np.int64)
    for op, names in enumerate(graph.parameters):
        for name in names:
            assignment[groups[op]] = next(place for prefix, place in places.items() if name.startswith(prefix))
    return one, assignment


def read(one, assignment, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    one.export(assignment, path)
    return json.loads(path.read_text())


@pytest.mark.parametrize("options", [{}, {"decomposed": True}, {"training": True}])
@pytest.mark.parametrize("tied", [False, True])
def test_every_parameter_has_its_names_once(options, tied):
    module = Net(tied)
    graph = trace_module(module, (X,), **options)
    names = [name for held in graph.parameters for name in held]
    assert sorted(names) == sorted(name for name, _ in module.named_parameters(remove_duplicate=False))
    sizes = {name: 4 * value.numel() for name, value in module.named_parameters()}  # a tied one once
    for held, size in zip(graph.parameters, graph.parameter_bytes, strict=True):
        assert sum(sizes.get(name, 0) for name in held) == size


@pytest.mark.parametrize("make", [Net, Attention, lambda: Net(tied=True)])
@pytest.mark.parametrize("seed", range(3))
def test_accelerate_runs_the_device_map_of_any_placement_of_modules(make, seed, tmp_path):
    module = make().eval()
    one = problem(module)
    assignment = np.random.default_rng(seed).integers(0, 2, one.num_items)
    found = read(one, assignment, tmp_path, ".device_map.json")
    check_device_map(module, found)
    device = one.cost_model.expand(assignment)
    for op, names in enumerate(one.instance.parameters):
        for name in names:  # the longest entry that names it says where it is
            entry = max((key for key in found if f"{name}.".startswith(f"{key}.") or key == ""), key=len)
            assert found[entry] == device[op]
    expected = module(X)
    if len(set(found.values())) > 1:  # two devices that every machine has
        places = {key: ("cpu", "disk")[place] for key, place in found.items()}
        module = dispatch_model(
            module, places, main_device="cpu", offload_dir=tmp_path, force_hooks=True,
            preload_module_classes=["MultiheadAttention"],
        )  # fmt: skip
    torch.testing.assert_close(module(X), expected)


def test_a_device_map_has_few_entries(tmp_path):
    one, assignment = placed(Net(), {"enter": 1, "blocks.0": 1, "blocks": 2, "": 2})
    found = read(one, assignment, tmp_path, ".device_map.json")
    assert found == {"enter": 1, "blocks.0": 1, "blocks.1": 2, "blocks.2": 2, "leave": 2}
    assert read(one, np.full(one.num_items, 3), tmp_path, ".device_map.json") == {"": 3}


def test_a_module_on_two_devices_is_no_device_map():
    one, assignment = placed(Attention(), {"attend.in_proj": 0, "attend.out_proj": 1, "": 2}, "own")
    with pytest.raises(ValueError, match=r"no device_map: the parameters of attend are on the devices 0, 1; grouping="):
        device_map(one.instance, one.cost_model.expand(assignment))


@pytest.mark.parametrize(
    ("places", "points"),
    [
        ({"enter": 0, "blocks.0": 0, "": 1}, ["blocks.1"]),
        ({"enter": 3, "": 0}, ["blocks.0"]),
        ({"enter": 0, "blocks.0": 1, "blocks.1": 2, "blocks": 2, "leave": 3}, ["blocks.0", "blocks.1", "leave"]),
        ({"enter": 0, "blocks.0.norm": 0, "blocks.0.feed.0": 0, "": 1}, ["blocks.0.feed.2"]),
        ({"": 2}, []),
    ],
)  # fmt: skip
def test_torch_splits_the_pipeline_there(places, points, tmp_path):
    module = Net().eval()
    one, assignment = placed(module, places)
    found = read(one, assignment, tmp_path, ".pipeline.json")
    assert found["split_points"] == points
    stages = pipeline(module, (X,), split_spec=dict.fromkeys(points, SplitPoint.BEGINNING))
    assert stages.num_stages == len(found["devices"])
    (result,) = stages(X)
    torch.testing.assert_close(result, module(X))
    there = one.cost_model.expand(assignment)
    where = {name: there[op] for op, names in enumerate(one.instance.parameters) for name in names}
    for stage, place in enumerate(found["devices"]):
        for name, _ in stages.get_stage_module(stage).named_parameters():
            assert where[name] == place


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"enter": 0, "blocks.1": 1, "": 0}, r"no pipeline: \w+ is on device 0, which the model has left"),
        ({"enter": 0, "blocks.0": 0, "blocks.1": 1, "blocks.2": 1, "leave": 0}, "device 0, which the model has left"),
    ],
)
def test_a_model_that_comes_back_is_no_pipeline(places, message):
    one, assignment = placed(Net(), places)
    with pytest.raises(ValueError, match=message):
        pipeline_split(one.instance, one.cost_model.expand(assignment))


def test_a_stage_that_begins_within_a_module_is_no_pipeline():
    one = problem(Net(), "own")
    kinds = [one.instance.kinds[op] for op in range(one.instance.num_ops)]
    device = np.arange(one.instance.num_ops) >= kinds.index("aten.gelu")
    with pytest.raises(ValueError, match="begins with gelu, within a module; grouping=modules"):
        pipeline_split(one.instance, device.astype(np.int64))


def test_graphs_without_names_say_so():
    one, assignment = placed(Net(), {"": 0})
    nameless = type(one.instance)(
        *(getattr(one.instance, name) for name in ("flops", "bytes_moved", "output_bytes", "parameter_bytes"))
    )
    for export in (device_map, pipeline_split):
        with pytest.raises(ValueError, match="no names of parameters"):
            export(nameless, assignment[one.cost_model.groups])
    with pytest.raises(ValueError, match="no names of parameters"):
        GROUPINGS["modules"](nameless)


def test_groups_of_modules_hold_their_modules():
    graph = trace_module(Attention(), (X,))
    groups = GROUPINGS["modules"](graph)
    where = {name: groups[op] for op, names in enumerate(graph.parameters) for name in names}
    assert len({place for name, place in where.items() if name.startswith("attend.")}) == 1
    assert len(set(where.values())) == 2

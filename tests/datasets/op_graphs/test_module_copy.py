"""Tracing leaves the caller's module as it was, whether it succeeds or not."""

import copy
import threading
import warnings

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from placezoo.datasets.op_graphs.model_tracing import trace_module  # noqa: E402
from placezoo.datasets.op_graphs.module_copy import meta_copy  # noqa: E402


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Users(nn.Module):
    """What users' modules hold: shared and frozen weights, buffers, hooks, tensors nobody registered, a lock, state."""

    def __init__(self, broken=False):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4, dtype=torch.float64)
        self.norm = nn.BatchNorm1d(4)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.first.weight
        self.second.weight.requires_grad_(False)
        self.scaled = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.table = torch.randn(4)
        self.lock = threading.Lock()
        self.call = self.double
        self.seen = []
        self.broken = broken
        self.norm.eval()
        self.first.register_forward_hook(lambda module, args, output: output + 1)

    def double(self, x):
        return self.first(x) * 2

    def forward(self, x):
        self.seen.append(x.shape)
        if self.broken:
            raise RuntimeError("no such luck")
        x = self.norm(self.call(x) + self.table)
        return self.second(self.scaled(self.tied(x)).double())


def state(module):
    """Everything of a module that tracing could touch, with the identities of its tensors."""
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return (
        {name: (id(one), one.device, one.dtype, one.requires_grad, one.grad) for name, one in tensors},
        {name: one.training for name, one in module.named_modules()},
        {name: (list(one._forward_hooks.values()), list(vars(one))) for name, one in module.named_modules()},
        (module.table.device, id(module.table), list(module.seen), id(module.lock)),
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("broken", [False, True])
def test_the_callers_module_stays_as_it_is(training, broken):
    torch.manual_seed(0)
    module, x = Users(), torch.randn(3, 4)
    expected, values = module(x), copy.deepcopy(module.state_dict())
    module.broken = broken
    before = state(module)
    if broken:
        with pytest.raises(ValueError, match="mine: cannot be traced: no such luck"):
            trace_module(module, (x,), training=training, name="mine")
    else:
        graph = trace_module(module, (x,), training=training, name="mine")
        adam = [name for name in graph.names if name.startswith("adam_")]
        assert ("adam_first.weight" in adam) == training
        assert "adam_second.weight" not in adam  # frozen
    assert state(module) == before
    assert all(torch.equal(value, values[name]) for name, value in module.state_dict().items())
    assert x.device.type == "cpu"
    module.broken = False
    assert torch.equal(module(x), expected)
    module(x).sum().backward()
    assert module.first.weight.grad is not None


def test_a_copy_computes_on_the_copys_weights():
    module = Users()
    made = meta_copy(module)
    assert type(made) is Users
    assert {one.device.type for one in (*made.parameters(), *made.buffers(), made.table)} == {"meta"}
    assert made.tied.weight is made.first.weight
    assert made.call.__self__ is made
    assert [one.requires_grad for one in made.parameters()] == [one.requires_grad for one in module.parameters()]
    assert made.seen is not module.seen
    assert made.lock is module.lock  # cannot be copied
    assert not made.norm.training
    out = made(torch.zeros(3, 4, device="meta"))
    assert (out.shape, out.dtype) == ((3, 4), torch.float64)


def test_models_on_the_meta_device_are_copied_too():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        x = torch.zeros(2, 4)
    module.register_parameter("unused", nn.Parameter(torch.zeros(3, device="meta")))  # has no gradient
    before = [(id(one), one.requires_grad) for one in module.parameters()]
    trace_module(module, (x,), training=True)
    assert [(id(one), one.requires_grad) for one in module.parameters()] == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.utils.weight_norm(nn.Linear(4, 4)),  # keeps a weight that is no leaf of the autograd graph
        lambda: torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU())),  # a class of its own
    ],
)
def test_modules_that_deepcopy_refuses_or_treats_specially(make):
    module, x = make(), torch.randn(2, 4)
    expected = module(x)
    assert trace_module(module, (x,)).flops.sum() == 2 * 2 * 4 * 4
    assert torch.equal(module(x), expected)


def test_arguments_may_be_nested():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTM(4, 6)
            self.table = torch.randn(3, 1, 4)  # nobody registered it

        def forward(self, x, memory, scale=None):
            return self.cell(x * scale["by"] + self.table, memory)[0]

    state = (torch.zeros(1, 2, 6), torch.zeros(1, 2, 6))
    for training in (False, True):
        graph = trace_module(
            Recurrent(), (torch.zeros(3, 2, 4), state), {"scale": {"by": torch.ones(())}}, training=training
        )
        forward = graph.flops[~graph.backward].sum()
        assert forward == 2 * 3 * 2 * 24 * (4 + 6)  # four gates of 6, at 3 steps of 2
    assert [one.device.type for one in state] == ["cpu", "cpu"]

"""A copy of a module without its weights' values, so that tracing leaves the caller's module alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


def meta_copy(module: nn.Module) -> nn.Module:
    """Return a copy of a module on the meta device; nothing of the module itself is changed or moved.

    Parameters and buffers keep shape, strides, type and ``requires_grad``; those that are shared stay shared. Whatever
    else the module holds is copied with it, so that a forward pass of the copy changes nothing of the original either.
    What Python cannot copy (locks, process groups, open files) both have.
    """
    modules = list(module.modules())
    memo: dict[int, Any] = {id(one): object.__new__(type(one)) for one in modules}
    for one in modules:
        for tensor in (*one._parameters.values(), *one._buffers.values()):
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = _without_values(tensor)
    with _TensorsWithoutValues():  # those that are attributes without being registered
        for one in modules:
            for name, value in vars(one).items():
                memo[id(one)].__dict__[name] = _copied(value, memo)
    result: nn.Module = memo[id(module)]
    return result


def _without_values(tensor: torch.Tensor) -> torch.Tensor:
    moved = tensor.detach().to("meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(moved, requires_grad=tensor.requires_grad)
    return moved.requires_grad_(tensor.requires_grad)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, dict):  # of parameters, buffers, modules, hooks: one that cannot be copied leaves the others
        same = copy.copy(value)
        same.update({key: _copied(one, memo) for key, one in value.items()})
        return memo.setdefault(id(value), same)
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # whatever its own ``__deepcopy__`` or ``__reduce__`` raises
        return value


class _TensorsWithoutValues(TorchFunctionMode):
    """While it is on, ``deepcopy`` makes a tensor one of the meta device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = _without_values(tensor)
        return memo[id(tensor)]

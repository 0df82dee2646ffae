"""Hyperparameters, problem parameters and settings: their types and bounds stand where they are declared, checked here.

A bound is part of the annotation: ``starts: Annotated[int, at_least(1)] = 8``. ``check_fields`` checks a dataclass,
``check_parameters`` what the ``__init__`` of any class is given.
"""

from __future__ import annotations

import functools
import math
import types
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from placezoo.datasets.suggestion import unknown_name

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    type(None): "None",
}


@dataclass(frozen=True)
class Bound:
    """An interval of numbers; an end is open where the number itself is not allowed."""

    low: float = -math.inf
    high: float = math.inf
    low_is_open: bool = False
    high_is_open: bool = False

    def holds(self, value: float) -> bool:
        """Return whether a number is inside."""
        above = value > self.low if self.low_is_open else value >= self.low
        return above and (value < self.high if self.high_is_open else value <= self.high)

    def __and__(self, other: Bound) -> Bound:
        """Return what is inside both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Bound(
            low, high,
            any(one.low_is_open and one.low == low for one in (self, other)),
            any(one.high_is_open and one.high == high for one in (self, other)),
        )  # fmt: skip

    def __str__(self) -> str:
        if math.isinf(self.high):
            return "" if math.isinf(self.low) else f"{'above' if self.low_is_open else 'of at least'} {self.low:g}"
        if math.isinf(self.low):
            return f"{'below' if self.high_is_open else 'of at most'} {self.high:g}"
        return f"in {'(' if self.low_is_open else '['}{self.low:g}, {self.high:g}{')' if self.high_is_open else ']'}"


@dataclass(frozen=True)
class OneOf:
    """Some names, of which a text must be one."""

    names: tuple[str, ...]


def at_least(low: float) -> Bound:
    """Return the bound of numbers of at least ``low``."""
    return Bound(low=low)


def above(low: float) -> Bound:
    """Return the bound of numbers above ``low``."""
    return Bound(low=low, low_is_open=True)


def at_most(high: float) -> Bound:
    """Return the bound of numbers of at most ``high``."""
    return Bound(high=high)


def below(high: float) -> Bound:
    """Return the bound of numbers below ``high``."""
    return Bound(high=high, high_is_open=True)


def between(low: float, high: float) -> Bound:
    """Return the bound of numbers from ``low`` to ``high``, both allowed."""
    return Bound(low, high)


def one_of(*names: str) -> OneOf:
    """Return the bound of a text that is one of some names."""
    return OneOf(names)


@dataclass(frozen=True)
class Parameter:
    """What an annotation says of a value.

    Attributes:
        kinds: the types that it may have; only ``int``, ``float``, ``bool``, ``str``, ``None`` and classes are checked.
        bound: of numbers.
        names: that a text may be; none for any.
    """

    kinds: tuple[Any, ...]
    bound: Bound = Bound()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, annotation: Any) -> Parameter:
        """Return what an annotation says: a type, ``X | None``, or ``Annotated`` with bounds around either."""
        kinds, said = _flatten(annotation)
        bounds = [one for one in said if isinstance(one, Bound)]
        names = [name for one in said if isinstance(one, OneOf) for name in one.names]
        return cls(kinds, functools.reduce(Bound.__and__, bounds, Bound()), tuple(names))

    def __str__(self) -> str:
        limits = str(self.bound)
        if int in self.kinds and math.isfinite(self.bound.low) and math.isfinite(self.bound.high):
            limits = f"in {self.bound.low:g}..{self.bound.high:g}"
        texts: dict[Any, str] = {**_KINDS, str: f"one of {', '.join(self.names)}"} if self.names else _KINDS
        return " or ".join(
            f"{texts.get(kind, getattr(kind, '__name__', kind))} {limits if kind in (int, float) else ''}".rstrip()
            for kind in self.kinds
        )

    def check(self, owner: str, name: str, value: Any) -> Any:
        """Return a value in the type that it is kept in: a whole number given for a float is a float.

        Raises:
            ValueError: in one line, the value has another type, is not finite or is out of bounds.
        """
        if self.names and isinstance(value, str) and value not in self.names:
            raise ValueError(f"{owner}: {unknown_name(name, value, self.names)}")
        converted = _converted(value, self.kinds)
        is_number = isinstance(converted, (int, float)) and not isinstance(converted, bool)
        if converted is _NEITHER or (is_number and not self.bound.holds(converted)):
            raise ValueError(f"{owner}: {name} must be {self}, not {_in_one_line(value)}")
        return converted


_NEITHER = object()


def _in_one_line(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _flatten(annotation: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the types of an annotation, and what is said of them."""
    if get_origin(annotation) is Annotated:
        kinds, said = _flatten(annotation.__origin__)
        return kinds, (*said, *annotation.__metadata__)
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [_flatten(part) for part in get_args(annotation)]
        return tuple(kind for kinds, _ in parts for kind in kinds), tuple(one for _, said in parts for one in said)
    return (annotation,), ()


def _converted(value: Any, kinds: tuple[Any, ...]) -> Any:
    """Return a value as one of some kinds, or ``_NEITHER``. Numbers of NumPy count as numbers; bool is no number."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        if int in kinds:
            return int(value)
        if float in kinds:
            return float(value) if abs(int(value)) < 1 << 1000 else _NEITHER
    elif isinstance(value, (float, np.floating)):
        if float in kinds:
            return float(value) if math.isfinite(value) else _NEITHER
    return value if any(_is_of(value, kind) for kind in kinds) else _NEITHER


def _is_of(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind that is not a number; what ``isinstance`` cannot ask about counts as one."""
    cls = get_origin(kind) or kind
    if cls in (int, float):
        return False
    return cls is Any or not isinstance(cls, type) or isinstance(value, cls)


@functools.cache
def parameters_of(declaration: Any) -> dict[str, Parameter]:
    """Return what may be set on a class: a dataclass's fields, else the annotated arguments of its ``__init__``."""
    if is_dataclass(declaration):
        hints = get_type_hints(declaration, include_extras=True)
        return {field.name: Parameter.of(hints[field.name]) for field in fields(declaration)}
    hints = get_type_hints(declaration.__init__, include_extras=True)
    return {name: Parameter.of(hint) for name, hint in hints.items() if name != "return"}


def check_fields(record: Any, owner: str) -> None:
    """Check all fields of a dataclass, and put whole numbers given for floats right: for its ``__post_init__``.

    Args:
        record: the dataclass, frozen or not.
        owner: whose hyperparameters they are, for messages.

    Raises:
        ValueError: in one line, a value has another type, is not finite or is out of bounds.
    """
    for name, parameter in parameters_of(record.__class__).items():
        object.__setattr__(record, name, parameter.check(owner, name, getattr(record, name)))


def check_parameters(declaration: Any, owner: str, **values: Any) -> dict[str, Any]:
    """Return what a class is given, checked against the annotations of its ``__init__``; otherwise as ``check_fields``.

    Args:
        declaration: the class.
        owner: whose parameters they are, for messages.
        values: by name.

    Raises:
        ValueError: in one line, a value has another type, is not finite or is out of bounds.
    """
    known = parameters_of(declaration)
    return {name: known[name].check(owner, name, value) for name, value in values.items()}

"""Methods of dataclasses without a compiler: `dataclasses` writes five or six a class as text and compiles each by itself. A
short command has 150 classes. Restoring one folder took 0.57 s of processor time so, and 0.51 s with the closures here.

`__init__` stays as it is. What compares, hashes, shows and freezes is called seldom, and does the same as a closure over the
names of the fields. In a command's process only, before its modules are imported; and only where the functions that are
replaced are those that are known here (Python 3.11 and 3.12: later ones compile a class at once).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import FunctionType
from typing import Any

Method = Callable[..., Any]

_KNOWN = {
    "_repr_fn": ("fields", "globals"),
    "_cmp_fn": ("name", "op", "self_tuple", "other_tuple", "globals"),
    "_hash_fn": ("fields", "globals"),
    "_frozen_get_del_attr": ("cls", "fields", "globals"),
}
"""The functions that make methods, and their parameters."""


def install() -> bool:
    """From now on; whether these are the functions that are known here. A second time nothing happens."""
    found = {name: getattr(dataclasses, name, None) for name in _KNOWN}
    if any(not isinstance(one, FunctionType) or _parameters(one) != _KNOWN[name] for name, one in found.items()):
        return False
    original: Any = found["_cmp_fn"]
    if original.__module__ != dataclasses.__name__:
        return True

    def compare(name: str, op: str, self_tuple: str, other_tuple: str, globals: dict[str, Any]) -> Method:  # noqa: A002
        if name != "__eq__":
            method: Method = original(name, op, self_tuple, other_tuple, globals)
            return method
        return equal([one.removeprefix("self.") for one in self_tuple.strip("()").split(",") if one])

    for name, made in {"_repr_fn": show, "_cmp_fn": compare, "_hash_fn": digest, "_frozen_get_del_attr": freeze}.items():
        setattr(dataclasses, name, made)
    return True


def show(fields: Sequence[dataclasses.Field[Any]], globals: dict[str, Any]) -> Method:  # noqa: A002
    """`__repr__`."""
    names = [one.name for one in fields]

    def __repr__(self: object) -> str:  # noqa: N807
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    guard: Callable[[Method], Method] = getattr(dataclasses, "_recursive_repr")  # noqa: B009 (it is not in the stubs)
    return guard(__repr__)


def equal(names: Sequence[str]) -> Method:
    """`__eq__`."""
    values = _values(names)

    def __eq__(self: object, other: object) -> Any:  # noqa: N807, ANN401
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def digest(fields: Sequence[dataclasses.Field[Any]], globals: dict[str, Any]) -> Method:  # noqa: A002
    """`__hash__`."""
    values = _values([one.name for one in fields])

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(values(self))

    return __hash__


def freeze(cls: Any, fields: Sequence[dataclasses.Field[Any]], globals: dict[str, Any]) -> tuple[Method, Method]:  # noqa: A002, ANN401
    """`__setattr__` and `__delattr__` of what is frozen."""
    names = frozenset(one.name for one in fields)

    def __setattr__(self: object, name: str, value: object) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: object, name: str) -> None:  # noqa: N807
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


def _values(names: Sequence[str]) -> Callable[[object], object]:
    """What an object has in these fields, as something that compares and hashes like a tuple of it."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _parameters(function: FunctionType) -> tuple[str, ...]:
    return function.__code__.co_varnames[: function.__code__.co_argcount]

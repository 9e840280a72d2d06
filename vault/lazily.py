"""Values that are found out when they are first asked for, and kept with their object.

Python 3.11's own `cached_property` holds one lock for all objects of a class while it finds out: the backup of one project
would wait until another's index is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lazily(Generic[T]):  # noqa: N801 - it reads as a word before a method, as `property` does
    """Of two threads that ask at once, each may find out; that must do no harm."""

    def __init__(self, find: Callable[[Any], T]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> lazily[T]: ...

    @overload
    def __get__(self, owner: object, kind: type) -> T: ...

    def __get__(self, owner: object | None, kind: type) -> lazily[T] | T:
        if owner is None:
            return self
        found = owner.__dict__[self._name] = self._find(owner)  # from now on it is met there, and not here
        return found

"""Phases of long work: reporting them to a listener, asking whether it shall go on, and releasing what one of them has used
before the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Stop: TypeAlias = Callable[[], None]
"""Called often by long work; what it raises ends the work."""


def never() -> None:
    """The default for `Stop`: nothing ends the work."""


class Progress(Protocol):
    """A listener. It is called often, from one thread, and must be quick."""

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """A new phase begins, of about `items` items and `size` bytes (0: unknown)."""
        ...

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """So many more items and bytes are done."""
        ...


class NoProgress:
    """The default listener: it ignores everything."""

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """Nothing."""

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """Nothing."""


class HeldProgress:
    """Passes on to another listener what it hears, but not before `release`: a listener may start a thread, and there must be
    none while a process is forked."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._phase: tuple[str, int, int] | None = None
        self._items = 0
        self._size = 0
        self._held = True

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """See `Progress`."""
        if self._held:
            self._phase, self._items, self._size = (name, items, size), 0, 0
        else:
            self._inner.phase(name, items=items, size=size)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """See `Progress`."""
        if self._held:
            self._items += items
            self._size += size
        else:
            self._inner.advance(items=items, size=size)

    def release(self) -> None:
        """Pass on the last phase and how far it is, and from now on everything."""
        if not self._held:
            return
        self._held = False
        if self._phase is not None:
            name, items, size = self._phase
            self._inner.phase(name, items=items, size=size)
        if self._items or self._size:
            self._inner.advance(items=self._items, size=self._size)


def release_memory() -> None:
    """Return Arrow's free memory to the kernel. Takes some milliseconds: for use between phases, not in their loops.

    Arrow asks for memory that begins at a multiple of 64 bytes. What it frees is then often a few bytes too short for the next
    request of the same size, and stays unused between what is in use, until the allocator returns it.
    """
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def run_phase(work: Callable[[], T]) -> T:
    """Do some work, and release the memory that it used."""
    try:
        return work()
    finally:
        release_memory()

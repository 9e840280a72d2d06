"""The bounds that every store checks before it moves or allocates a byte."""

from __future__ import annotations

from vault.errors import StorageError
from vault.storage.contract import LARGEST_OBJECT, Buffer


def bounded(name: str, data: Buffer) -> memoryview:
    """`data` as a flat view of bytes. Raises `StorageError` where it is longer than `LARGEST_OBJECT`."""
    view = memoryview(data).cast("B")
    within_limit(name, view.nbytes)
    return view


def within_limit(name: str, size: int) -> int:
    """`size` itself, if an object may have it: what is stored may have been put there by somebody else.

    Raises `StorageError`.
    """
    if not 0 <= size <= LARGEST_OBJECT:
        raise StorageError(f"{name} has {size} bytes; no object of a repository has more than {LARGEST_OBJECT}")
    return size


def check_range(name: str, start: int, length: int) -> None:
    """Raises `StorageError` where no object can have such a range."""
    if start < 0 or not 0 <= length <= LARGEST_OBJECT:
        raise StorageError(f"{name}: invalid range of {length} bytes from {start} on")

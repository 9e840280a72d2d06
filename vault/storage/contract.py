"""What the layers above may assume of a store, and what they may not.

A store keeps whole objects under names. Four things can be relied on, and nothing more:

1. `put` of a whole object (at most `LARGEST_OBJECT` bytes) is atomic: a reader sees all of it or what was there before.
2. What was written is visible to `get`, `get_range`, `size` and `list` as soon as `put` has returned.
3. `get_range` reads a part of an object.
4. `list` yields every object under a folder, each once, in no order at all.

Not relied on: the order of listings, ETags, times of modification, copies, multipart uploads, conditional writes. `create`
(write only if the name is free) is offered by every store and *kept* only by some: whoever uses it asks the repository's
descriptor whether a race on this very store has shown that it works.

Names follow `vault.storage.object_names`. Every exception that leaves a store is a `vault.errors.StorageError`. All methods may
be called from several threads at once. Deleting what is not there is not an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

LARGEST_OBJECT = 64 * 1024 * 1024
"""Bytes; what every store known to us takes in one single-part PUT without complaint."""

Buffer = bytes | bytearray | memoryview

Checksum = Literal["sha256", "md5", "both", "none"]
"""What accompanies an upload, for a store that has a wire before it to verify: `x-amz-checksum-sha256`, `Content-MD5`,
both, or neither."""


class ObjectInfo(Struct, frozen=True):
    """One row of a listing: the whole name, and the stored length in bytes."""

    name: str
    size: int


class Store(Protocol):
    """Whole objects under names; see this module's text for what is promised."""

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """Create or replace a whole object. `sha256` (32 bytes), where the caller knows it already,
        lets a store that can check it at upload do so without a second reading."""
        ...

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """Write a whole object if the name is free, else raise `ObjectExists`."""
        ...

    def get(self, name: str) -> bytes:
        """The whole object. Raises `ObjectNotFound`."""
        ...

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """The bytes from `start`, exactly `length` of them, or fewer only where the object ends first
        (an empty answer at or past the end). Raises `ObjectNotFound`."""
        ...

    def size(self, name: str) -> int:
        """Stored length in bytes. Raises `ObjectNotFound`."""
        ...

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Every object whose name begins with `folder` + "/", at any depth; every object at all for ""."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; nothing happens where there is none."""
        ...

    def describe(self) -> str:
        """The address for people: never a secret in it."""
        ...

    def close(self) -> None:
        """Let go of connections; the store is not used afterwards."""
        ...


@runtime_checkable
class ListsAfter(Protocol):
    """A store that can be asked for the end of a folder."""

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        """As `list`, for the objects whose names sort after `name`, a whole one, and perhaps others. None where the store
        cannot be asked so. Stores are known that leave some out: whoever relies on it looks for names that must be there."""
        ...


def list_after(store: Store, folder: str, name: str) -> Iterator[ObjectInfo] | None:
    """See `ListsAfter`; None for a store that is none."""
    return store.list_after(folder, name) if isinstance(store, ListsAfter) else None


@runtime_checkable
class ChoosesChecksum(Protocol):
    """A store whose checksum can be chosen once the descriptor is read."""

    def choose_checksum(self, checksum: Checksum) -> None:
        """From now on only this accompanies uploads."""
        ...

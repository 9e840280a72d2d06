"""Storage that fails as a test says: power that is cut, a disk that is full, a store that lies about what it keeps.

    with strongroom_faults.power_cut(after_writes=2):
        strongroom_project.backup()
    strongroom_project.backup()                  # power is back

A fault lasts as long as its `with` block, and acts on what this process stores through the library; one that did not come about
fails the test.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct, field

from vault.errors import StorageFull
from vault.storage.contract import Buffer, ObjectInfo, Store
from vault.storage.object_locks import Locks, locks_of

CONTENT = "*/packs/*"
"""The names of packs, which hold the content of files; docs/format.md has the others."""


class PowerCut(BaseException):
    """The machine is off: no error that a program could catch. It ends the `with` block of `Faults.power_cut`."""


class _Write(Struct):
    """One write, before it takes effect. verb: put, create or delete."""

    verb: str
    name: str
    data: bytes
    act: Callable[[bytes], None]


class _Fault(Struct):
    """What is wrong at present. write: does, changes or refuses a write · reachable: raises where nothing answers."""

    what: str
    write: Callable[[_Write], None]
    reachable: Callable[[], None] = lambda: None
    happened: bool = False


class Faults:
    """The faults of one repository's storage. Nested blocks: the innermost one acts."""

    def __init__(self) -> None:
        self._active: list[_Fault] = []
        self._lock = threading.RLock()

    @contextmanager
    def power_cut(self, *, after_writes: int, when: Literal["before", "after"] = "before") -> Iterator[None]:
        """The power goes with the write after so many. From then on nothing answers, and the block ends; after it the power is
        back. when: whether that write itself still takes effect.

        A write is a put, a create or a delete of one object. Raises AssertionError where the block made no more writes."""
        left = after_writes

        def write(one: _Write) -> None:
            nonlocal left
            reachable()
            if left:
                left -= 1
                one.act(one.data)
                return
            fault.happened = True
            if when == "after":
                one.act(one.data)
            raise PowerCut

        def reachable() -> None:
            if fault.happened:
                raise PowerCut

        fault = _Fault(f"a power cut after write {after_writes}", write, reachable)
        try:
            with self._acting(fault):
                yield
        except PowerCut:
            if not fault.happened:  # another block's
                raise

    @contextmanager
    def full_disk(self, *, after_bytes: int = 0) -> Iterator[None]:
        """There is room for so many more bytes; a write that needs more fails with `StorageFull`. Deleting makes no room."""
        left = after_bytes

        def write(one: _Write) -> None:
            nonlocal left
            if len(one.data) > left:
                fault.happened = True
                raise StorageFull(f"cannot write {one.name}: no space left on the device")
            left -= len(one.data)
            one.act(one.data)

        fault = _Fault(f"a disk that is full after {after_bytes} bytes", write)
        with self._acting(fault):
            yield

    @contextmanager
    def lying_store(self, how: Literal["drops", "empties", "flips"], *, names: str = CONTENT) -> Iterator[None]:
        """Every write of a matching name is answered as done. how: it keeps nothing, an empty object, or one with a bit
        flipped · names: a glob of objects' names; packs by default."""

        def write(one: _Write) -> None:
            if one.verb == "delete" or not fnmatchcase(one.name, names):
                one.act(one.data)
                return
            fault.happened = True
            if how != "drops":
                one.act(b"" if how == "empties" else _flipped(one.data))

        fault = _Fault(f"a store that {how} {names}", write)
        with self._acting(fault):
            yield

    @contextmanager
    def _acting(self, fault: _Fault) -> Iterator[None]:
        with self._lock:
            self._active.append(fault)
        try:
            yield
        finally:
            with self._lock:
                self._active.remove(fault)
        if not fault.happened:
            raise AssertionError(f"{fault.what} did not come about: nothing in the block was stored that it would have met")

    def reachable(self) -> None:
        """Raises `PowerCut` where the power is off."""
        for fault in self._active[-1:]:
            fault.reachable()

    def write(self, verb: str, name: str, data: Buffer, act: Callable[[bytes], None]) -> None:
        """Do one write as the faults will have it. Under one lock: nothing may land after the power is gone."""
        with self._lock:
            if self._active:
                self._active[-1].write(_Write(verb, name, bytes(data), act))
                return
        act(bytes(data))


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


class FaultyStore(Struct, frozen=True):
    """A `Store` over another one, with its faults."""

    inner: Store
    faults: Faults = field(default_factory=Faults)

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside."""
        return locks_of(self.inner)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """See `Store`. The digest is that of the right bytes, so a store that checks it would not be fooled: it is left out
        where the bytes are others."""
        self.faults.write(
            "put", name, data, lambda stored: self.inner.put(name, stored, sha256=sha256 if stored == data else None)
        )

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """See `Store`."""
        self.faults.write(
            "create", name, data, lambda stored: self.inner.create(name, stored, sha256=sha256 if stored == data else None)
        )

    def delete(self, name: str) -> None:
        """See `Store`."""
        self.faults.write("delete", name, b"", lambda _: self.inner.delete(name))

    def get(self, name: str) -> bytes:
        """See `Store`."""
        self.faults.reachable()
        return self.inner.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """See `Store`."""
        self.faults.reachable()
        return self.inner.get_range(name, start, length)

    def size(self, name: str) -> int:
        """See `Store`."""
        self.faults.reachable()
        return self.inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """See `Store`."""
        self.faults.reachable()
        for row in self.inner.list(folder):
            self.faults.reachable()
            yield row

    def describe(self) -> str:
        """See `Store`."""
        return self.inner.describe()

    def close(self) -> None:
        """See `Store`."""
        self.inner.close()

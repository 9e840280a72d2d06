"""A store that misbehaves as planned. Faults are data, and a plan that did not come about fails the test.

store = FaultyStore(MemoryStore())
with faults(store).on("put", nth=2, raises=TransientStorageError("reset")) as plan:
    back_up(store)
assert plan.all_happened
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from vault.storage.contract import Buffer, ObjectInfo, Store

Verb = Literal["put", "create", "get", "get_range", "size", "list", "delete"]
When = Literal["before", "after"]


@dataclass
class Fault:
    """What shall happen at the `nth` call (from 1) of `verb` for a name that matches the pattern `name`."""

    verb: Verb
    nth: int
    name: str
    raises: BaseException | None
    when: When
    flips: int | None
    cuts: int | None
    calls: int = 0
    happened: bool = False


Faults = list[Fault]


class Plan:
    """The faults that a store still has before it, in any order; forgotten at the end of a `with` block."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def on(
        self,
        verb: Verb,
        *,
        nth: int = 1,
        name: str = "*",
        raises: BaseException | None = None,
        when: When = "before",
        flips: int | None = None,
        cuts: int | None = None,
    ) -> Plan:
        """Plan one fault: an exception before the call or `when="after"` it took effect (a lost answer), the bit with
        this number (counted on from the start where the answer has fewer) flipped in what `get` or `get_range` gives
        back, or an answer of `cuts` bytes only."""
        self._faults.append(Fault(verb, nth, name, raises, when, flips, cuts))
        return self

    @property
    def all_happened(self) -> bool:
        return all(fault.happened for fault in self._faults)

    def __enter__(self) -> Plan:
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self._faults:
            fault.nth = -1

    def due(self, verb: Verb, name: str) -> list[Fault]:
        """The faults of this very call."""
        with self._lock:
            found = [fault for fault in self._faults if fault.verb == verb and fnmatchcase(name, fault.name)]
            for fault in found:
                fault.calls += 1
            found = [fault for fault in found if fault.calls == fault.nth]
            for fault in found:
                fault.happened = True
            return found


class FaultyStore:
    """A `Store` over another one that follows its plan."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.plan = Plan()

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        due = self._before("put", name)
        self._inner.put(name, data, sha256=sha256)
        _raise(due, "after")

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        due = self._before("create", name)
        self._inner.create(name, data, sha256=sha256)
        _raise(due, "after")

    def delete(self, name: str) -> None:
        due = self._before("delete", name)
        self._inner.delete(name)
        _raise(due, "after")

    def get(self, name: str) -> bytes:
        due = self._before("get", name)
        return _spoilt(due, self._inner.get(name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        due = self._before("get_range", name)
        return _spoilt(due, self._inner.get_range(name, start, length))

    def size(self, name: str) -> int:
        due = self._before("size", name)
        answer = self._inner.size(name)
        _raise(due, "after")
        return answer

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """A fault "after" comes in the middle of the listing."""
        due = self._before("list", folder)
        rows = list(self._inner.list(folder))
        yield from rows[: len(rows) // 2]
        _raise(due, "after")
        yield from rows[len(rows) // 2 :]

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def _before(self, verb: Verb, name: str) -> Faults:
        due = self.plan.due(verb, name)
        _raise(due, "before")
        return due


class Overwriting(FaultyStore):
    """Takes "create only if the name is free" for a plain PUT, as some stores do."""

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self.put(name, data, sha256=sha256)


def faults(store: FaultyStore) -> Plan:
    """The plan of a store, to add to."""
    return store.plan


def _raise(due: list[Fault], when: When) -> None:
    for fault in due:
        if fault.raises is not None and fault.when == when:
            raise fault.raises


def _spoilt(due: list[Fault], answer: bytes) -> bytes:
    _raise(due, "after")
    for fault in due:
        if fault.cuts is not None:
            answer = answer[: fault.cuts]
        if fault.flips is not None:
            place, bit = divmod(fault.flips % (8 * max(1, len(answer))), 8)
            answer = answer[:place] + bytes([answer[place] ^ (1 << bit)]) + answer[place + 1 :]
    return answer

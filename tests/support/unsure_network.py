"""A network to a store on which a few requests go wrong, by a seed: no answer though it was done, no answer and not done, no
answer and done much later; and a listing that leaves out one object, once.

network = UnsureNetwork(disk, seed, time=lambda: turns.time)
…
network.settle()        what is still on its way arrives
assert network.happened
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

from vault.errors import ObjectExists, TransientStorageError
from vault.storage.contract import Buffer, ObjectInfo, Store

LATEST = 3000.0
"""Seconds after which a late request has arrived: the protocol assumes that it does within an hour."""

KINDS = ("before", "after", "late")


class UnsureNetwork:
    """A `Store` over another one, for one call at a time. faults: about how many · calls: among how many · time: now, in
    seconds · leaves_out: whether one listing leaves out an object."""

    def __init__(
        self,
        inner: Store,
        seed: int | str,
        *,
        time: Callable[[], float],
        faults: int = 3,
        calls: int = 300,
        leaves_out: bool = False,
    ) -> None:
        self._inner = inner
        self._random = random.Random(seed)
        self._time = time
        self._at = {self._random.randrange(calls): self._random.choice(KINDS) for _ in range(faults)}
        self._leaves_out = self._random.randrange(60) if leaves_out else -1
        self._calls = self._lists = 0
        self._late: list[tuple[float, Callable[[], None]]] = []
        self.happened: Counter[str] = Counter()

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._change(lambda: self._inner.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._change(lambda: self._inner.create(name, data, sha256=sha256))

    def delete(self, name: str) -> None:
        self._change(lambda: self._inner.delete(name))

    def get(self, name: str) -> bytes:
        self._arrive()
        return self._inner.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        self._arrive()
        return self._inner.get_range(name, start, length)

    def size(self, name: str) -> int:
        self._arrive()
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        self._arrive()
        found = list(self._inner.list(folder))
        self._lists += 1
        if found and self._lists > self._leaves_out >= 0:
            self._leaves_out = -1
            del found[self._random.randrange(len(found))]
            self.happened["left out"] += 1
        return iter(found)

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def settle(self) -> None:
        """Nothing is on its way any more."""
        self._arrive(everything=True)

    def _change(self, act: Callable[[], None]) -> None:
        self._arrive()
        self._calls += 1
        kind = self._at.pop(self._calls, None)
        if kind is None or kind == "after":
            act()
        if kind is None:
            return
        self.happened[kind] += 1
        if kind == "late":
            self._late.append((self._time() + self._random.uniform(1.0, LATEST), act))
        raise TransientStorageError("no answer")

    def _arrive(self, *, everything: bool = False) -> None:
        due = [one for one in self._late if everything or one[0] <= self._time()]
        self._late = [one for one in self._late if one not in due]
        for _, act in sorted(due, key=lambda one: one[0]):
            with suppress(ObjectExists):
                act()

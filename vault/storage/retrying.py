"""Tries again what is worth another try, and settles what a lost answer leaves open.

Only `TransientStorageError` is tried again. Reading, putting a whole object and deleting may be repeated blindly.
`create` may not: the answer can get lost after the object was made, and the second try would then meet our own object
and call it somebody else's. So after a lost answer the object is read back and compared. Callers put a nonce into every
object that they create, hence equal bytes prove that it is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from vault.chance import Chance
from vault.clock import Clock
from vault.errors import ObjectExists, ObjectNotFound, TransientStorageError
from vault.storage.contract import Buffer, ObjectInfo, Store
from vault.storage.locks import Kept, Locks, Retention, locks_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: at most `tries` attempts, pauses drawn from [0, min(cap, base * 2^n)) seconds, and no
    pause that would end later than `total` seconds after the first attempt began."""

    tries: int
    base: float
    cap: float
    total: float

    @classmethod
    def network(cls) -> Patience:
        """For stores behind a network: about a minute of trouble is sat out."""
        return cls(tries=8, base=0.25, cap=15.0, total=90.0)

    @classmethod
    def none(cls) -> Patience:
        """One attempt."""
        return cls(tries=1, base=0.0, cap=0.0, total=0.0)


def patiently(action: Callable[[], T], patience: Patience, clock: Clock, chance: Chance) -> T:
    """Do what may be repeated blindly, again and again while it fails with `TransientStorageError` and there is patience."""
    waits = pauses(patience, clock, chance)
    while True:
        try:
            return action()
        except TransientStorageError:
            pause = next(waits, None)
            if pause is None:
                raise
            clock.sleep(pause)


def pauses(patience: Patience, clock: Clock, chance: Chance) -> Iterator[float]:
    """The seconds to wait after each failure, as long as there is patience."""
    began = clock.monotonic()
    for attempt in range(patience.tries - 1):
        # full jitter: many clients that were refused together must not come back together
        pause = chance.fraction() * min(patience.cap, patience.base * 2.0**attempt)
        if clock.monotonic() - began + pause > patience.total:
            return
        yield pause


class RetryingStore:
    """A `Store` over another one, with `Patience`."""

    def __init__(self, inner: Store, patience: Patience, clock: Clock, chance: Chance) -> None:
        self._inner = inner
        self._patience = patience
        self._clock = clock
        self._chance = chance

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside, with the same patience."""
        inner = locks_of(self._inner)
        return None if inner is None else _RetryingLocks(inner, self._patience, self._clock, self._chance)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._again(lambda: self._inner.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        pauses = self._pauses()
        in_doubt = False
        while True:
            try:
                self._inner.create(name, data, sha256=sha256)
                return
            except ObjectExists:
                # an earlier attempt of ours may have arrived after we looked
                if in_doubt and self._standing(name) == data:
                    return
                raise
            except TransientStorageError as error:
                in_doubt = True
                self._pause_or_raise(pauses, error)
            standing = self._standing(name)
            if standing == data:
                return
            if standing is not None:
                raise ObjectExists(f"{name} exists already")

    def get(self, name: str) -> bytes:
        return self._again(lambda: self._inner.get(name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._again(lambda: self._inner.get_range(name, start, length))

    def size(self, name: str) -> int:
        return self._again(lambda: self._inner.size(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        pauses = self._pauses()
        given: set[str] = set()
        while True:
            try:
                for row in self._inner.list(folder):
                    if row.name not in given:
                        given.add(row.name)
                        yield row
                return
            except TransientStorageError as error:
                self._pause_or_raise(pauses, error)

    def delete(self, name: str) -> None:
        self._again(lambda: self._inner.delete(name))

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def _standing(self, name: str) -> bytes | None:
        try:
            return self.get(name)
        except ObjectNotFound:
            return None

    def _again(self, action: Callable[[], T]) -> T:
        return patiently(action, self._patience, self._clock, self._chance)

    def _pause_or_raise(self, pauses: Iterator[float], error: TransientStorageError) -> None:
        pause = next(pauses, None)
        if pause is None:
            raise error
        self._clock.sleep(pause)

    def _pauses(self) -> Iterator[float]:
        return pauses(self._patience, self._clock, self._chance)


class _RetryingLocks:
    """`Locks` over others: whatever is said about an object may be said again."""

    def __init__(self, inner: Locks, patience: Patience, clock: Clock, chance: Chance) -> None:
        self._inner = inner
        self._patience = patience
        self._clock = clock
        self._chance = chance

    def available(self) -> bool | None:
        return self._again(self._inner.available)

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        self._inner.lock_uploads(folder, choose)

    def retain(self, name: str, retention: Retention) -> None:
        self._again(lambda: self._inner.retain(name, retention))

    def kept(self, name: str) -> Kept:
        return self._again(lambda: self._inner.kept(name))

    def put_legal_hold(self, name: str) -> None:
        self._again(lambda: self._inner.put_legal_hold(name))

    def lift_legal_hold(self, name: str) -> None:
        self._again(lambda: self._inner.lift_legal_hold(name))

    def _again(self, action: Callable[[], T]) -> T:
        return patiently(action, self._patience, self._clock, self._chance)

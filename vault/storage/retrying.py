"""Tries again what is worth another try, and settles what a lost answer leaves open.

`TransientStorageError` is tried again until patience ends. Reading, putting a whole object and deleting may be repeated
blindly. `create` may not: the answer can get lost after the object was made, and the second try would then meet our own object
and call it somebody else's. So after a lost answer the object is read back and compared. Callers put a nonce into every
object that they create, hence equal bytes prove that it is ours.

A refusal (403) or "not there" (404) that came over a network is asked once more when something is read: one odd answer of a
proxy must not cost an item.

A store that says how long it wants to be left alone is left alone for so long.

Patience counts from the moment at which the store stopped answering, whatever was asked of it since: a command whose every
request waits anew would not come to an end. Once it has run out, requests fail at once for a while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from msgspec import Struct

from vault.clock import Clock
from vault.errors import ObjectExists, ObjectNotFound, StorageDenied, StorageError, TransientStorageError
from vault.randomness import Randomness
from vault.storage.contract import Buffer, ObjectInfo, Store, list_after
from vault.storage.object_locks import Locks, LockState, Retention, locks_of
from vault.storage.object_versions import OffersVersions, Versions

T = TypeVar("T")

MINUTES = 300.0
"""Seconds that a run which somebody waits for sits out: stores are restarted and failed over in less."""

FOR_UNATTENDED = 3600.0
"""Seconds that a run of the daemon sits out."""

LONGEST_UNHEARD = 75.0
"""Seconds: a request that hears nothing for so long has failed before. One that fails later was moving until then, over a slow
line for one."""


class RetryPolicy(Struct, frozen=True):
    """How long to go on: no pause that would end later than `total` seconds after the store stopped answering, pauses of
    half to all of min(cap, base * 2^n) seconds, and at most `tries` attempts."""

    total: float
    base: float = 0.25
    cap: float = 15.0
    tries: int = 1_000_000

    @classmethod
    def network(cls, total: float = MINUTES) -> RetryPolicy:
        """For stores behind a network."""
        return cls(total)

    @classmethod
    def none(cls) -> RetryPolicy:
        """One attempt."""
        return cls(total=0.0, tries=1)


class RetryListener(Protocol):
    """Hears of what would otherwise look like a command that hangs. Called from any thread."""

    def waiting(self, error: TransientStorageError, *, elapsed: float, pause: float, left: float) -> None:
        """The store has not answered for `elapsed` seconds; it is asked again in `pause`, and given up in `left`."""
        ...

    def answered(self, elapsed: float) -> None:
        """It answers again, after so many seconds."""
        ...


class NoListener:
    """Nobody hears of it."""

    def waiting(self, error: TransientStorageError, *, elapsed: float, pause: float, left: float) -> None:
        """Nothing."""

    def answered(self, elapsed: float) -> None:
        """Nothing."""


class RequestRetries:
    """Patience with one store, shared by all requests to it."""

    def __init__(
        self, patience: RetryPolicy, clock: Clock, randomness: Randomness, listener: RetryListener | None = None
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._randomness = randomness
        self._listener = listener or NoListener()
        self._lock = threading.Lock()
        self._silent_since: float | None = None
        self._given_up: tuple[float, TransientStorageError] | None = None

    def run(self, action: Callable[[], T], *, doubts: tuple[type[StorageError], ...] = ()) -> T:
        """Do what may be repeated blindly, again and again while it fails with `TransientStorageError` and there is patience.
        doubts: errors that are asked once more where they came over a network."""
        attempts = self.attempts()
        while True:
            try:
                found = action()
            except TransientStorageError as error:
                attempts.failed(error)
            except doubts as error:
                self.answered()
                if not _came_over_a_network(error):
                    raise
                doubts = ()
                self._clock.sleep(self._patience.base)
            else:
                self.answered()
                return found

    def attempts(self) -> Attempts:
        """For one request. Raises the error with which the store was given up a moment ago."""
        with self._lock:
            given_up = self._given_up
        if given_up is not None and self._clock.monotonic() - given_up[0] < self._patience.cap:
            raise given_up[1]
        return Attempts(self, self._clock.monotonic())

    def answered(self) -> None:
        """The store has answered, whatever it said."""
        with self._lock:
            since, self._silent_since, self._given_up = self._silent_since, None, None
        if since is not None:
            self._listener.answered(self._clock.monotonic() - since)

    def wait(self, error: TransientStorageError, number: int, began: float) -> None:
        """Sleep after the failed attempt `number` (from 0) of a request that began at `began`, or raise `error`."""
        now = self._clock.monotonic()
        began = max(began, now - LONGEST_UNHEARD)
        with self._lock:
            self._silent_since = since = began if self._silent_since is None else min(self._silent_since, began)
        pause = (0.5 + self._randomness.fraction() / 2) * min(self._patience.cap, self._patience.base * 2.0 ** min(number, 16))
        pause = max(pause, error.retry_after)
        left = self._patience.total - (now - since)
        if pause > left > 0 or (left <= 0 < self._patience.total):
            with self._lock:
                self._given_up = now, error
        if pause > left or number + 1 >= self._patience.tries:
            raise error
        self._listener.waiting(error, elapsed=now - since, pause=pause, left=left)
        self._clock.sleep(pause)


class Attempts:
    """The attempts of one request. began: a reading of the monotonic clock."""

    def __init__(self, retries: RequestRetries, began: float) -> None:
        self._retries = retries
        self._began = began
        self._number = 0

    def failed(self, error: TransientStorageError) -> None:
        """Wait for the next attempt, or raise `error` where patience ends."""
        self._retries.wait(error, self._number, self._began)
        self._number += 1


class RetryingStore:
    """A `Store` over another one, with `RetryPolicy`."""

    def __init__(
        self,
        inner: Store,
        patience: RetryPolicy,
        clock: Clock,
        randomness: Randomness,
        *,
        listener: RetryListener | None = None,
    ) -> None:
        self._inner = inner
        self._retries = RequestRetries(patience, clock, randomness, listener)

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside, with the same patience."""
        inner = locks_of(self._inner)
        return None if inner is None else _RetryingLocks(inner, self._retries)

    @property
    def versions(self) -> Versions | None:
        """Those of the store inside, with the same patience."""
        inner = self._inner.versions if isinstance(self._inner, OffersVersions) else None
        return None if inner is None else _RetryingVersions(inner, self._retries)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._retries.run(lambda: self._inner.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        attempts = self._retries.attempts()
        in_doubt = False
        while True:
            try:
                self._inner.create(name, data, sha256=sha256)
                self._retries.answered()
                return
            except ObjectExists:
                # an earlier attempt of ours may have arrived after we looked
                if in_doubt and self._standing(name) == data:
                    return
                raise
            except TransientStorageError as error:
                in_doubt = True
                attempts.failed(error)
            standing = self._standing(name)
            if standing == data:
                return
            if standing is not None:
                raise ObjectExists(f"{name} exists already")

    def get(self, name: str) -> bytes:
        return self._retries.run(lambda: self._inner.get(name), doubts=(StorageDenied, ObjectNotFound))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._retries.run(lambda: self._inner.get_range(name, start, length), doubts=(StorageDenied, ObjectNotFound))

    def size(self, name: str) -> int:
        return self._retries.run(lambda: self._inner.size(name), doubts=(StorageDenied,))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._listed(lambda: self._inner.list(folder))

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        first = list_after(self._inner, folder, name)
        return None if first is None else self._listed(lambda: list_after(self._inner, folder, name) or iter(()))

    def _listed(self, begin: Callable[[], Iterator[ObjectInfo]]) -> Iterator[ObjectInfo]:
        attempts = self._retries.attempts()
        given: set[str] = set()
        behind = False  # rows of an earlier attempt come again
        while True:
            try:
                for row in begin():
                    if row.name not in given:
                        given.add(row.name)
                        if behind:  # it has come further than before: patience begins anew
                            self._retries.answered()
                            attempts, behind = self._retries.attempts(), False
                        yield row
            except TransientStorageError as error:
                attempts.failed(error)
                behind = True
            else:
                self._retries.answered()
                return

    def delete(self, name: str) -> None:
        self._retries.run(lambda: self._inner.delete(name))

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def _standing(self, name: str) -> bytes | None:
        try:
            return self._retries.run(lambda: self._inner.get(name))
        except ObjectNotFound:
            return None


class _RetryingLocks:
    """`Locks` over others: whatever is said about an object may be said again."""

    def __init__(self, inner: Locks, retries: RequestRetries) -> None:
        self._inner = inner
        self._retries = retries

    def available(self) -> bool | None:
        return self._retries.run(self._inner.available)

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        self._inner.lock_uploads(folder, choose)

    def retain(self, name: str, retention: Retention) -> None:
        self._retries.run(lambda: self._inner.retain(name, retention))

    def kept(self, name: str) -> LockState:
        return self._retries.run(lambda: self._inner.kept(name))

    def put_legal_hold(self, name: str) -> None:
        self._retries.run(lambda: self._inner.put_legal_hold(name))

    def lift_legal_hold(self, name: str) -> None:
        self._retries.run(lambda: self._inner.lift_legal_hold(name))


class _RetryingVersions:
    """`Versions` over others."""

    def __init__(self, inner: Versions, retries: RequestRetries) -> None:
        self._inner = inner
        self._retries = retries

    def kept(self) -> bool:
        return self._retries.run(self._inner.kept)

    def count(self, folder: str) -> int:
        return self._retries.run(lambda: self._inner.count(folder))

    def names(self, folder: str) -> set[str]:
        return self._retries.run(lambda: self._inner.names(folder))

    def delete(self, name: str) -> int:
        return self._retries.run(lambda: self._inner.delete(name))


def _came_over_a_network(error: StorageError) -> bool:
    """A file system's answer is not wrong for once."""
    return error.__cause__ is not None and not isinstance(error.__cause__, OSError)

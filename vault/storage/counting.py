"""Counts what goes through: requests by verb, bytes up and down. The logger `strongroom.requests` names each (debug)."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field

from vault.storage.contract import Buffer, ObjectInfo, Store, list_after
from vault.storage.object_locks import Locks, LockState, Retention, locks_of
from vault.storage.object_versions import OffersVersions, Versions

_log = logging.getLogger("strongroom.requests")

LIST_PAGE = 1000
"""Rows that an S3 listing answers to one request; a listing is counted as that many requests."""


class Traffic(Struct, frozen=True):
    """What went through so far: `requests` by the contract's verbs, and bytes of objects without the protocol's own."""

    requests: Mapping[str, int] = field(default_factory=dict)
    bytes_up: int = 0
    bytes_down: int = 0

    @property
    def total_requests(self) -> int:
        return sum(self.requests.values())

    def since(self, earlier: Traffic) -> Traffic:
        """What was added after `earlier`, an older snapshot of the same counter."""
        return Traffic(
            dict(Counter(self.requests) - Counter(earlier.requests)),
            self.bytes_up - earlier.bytes_up,
            self.bytes_down - earlier.bytes_down,
        )


class CountingStore:
    """Passes everything on and counts it, failed calls too: they were requests."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._requests: Counter[str] = Counter()
        self._up = 0
        self._down = 0
        self._lock = threading.Lock()

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside, counted too."""
        inner = locks_of(self._inner)
        return None if inner is None else _CountingLocks(inner, self._count)

    @property
    def versions(self) -> Versions | None:
        """Those of the store inside, counted too."""
        inner = self._inner.versions if isinstance(self._inner, OffersVersions) else None
        return None if inner is None else _CountingVersions(inner, self._count)

    def snapshot(self) -> Traffic:
        """What went through until now, as a value."""
        with self._lock:
            return Traffic(dict(self._requests), self._up, self._down)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._count("put", name, up=memoryview(data).nbytes)
        self._inner.put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._count("create", name, up=memoryview(data).nbytes)
        self._inner.create(name, data, sha256=sha256)

    def get(self, name: str) -> bytes:
        self._count("get", name)
        return self._came_down(self._inner.get(name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        self._count("get_range", name)
        return self._came_down(self._inner.get_range(name, start, length))

    def size(self, name: str) -> int:
        self._count("size", name)
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._counted(folder, self._inner.list(folder))

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        rows = list_after(self._inner, folder, name)
        return None if rows is None else self._counted(folder, rows)

    def _counted(self, folder: str, rows: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        self._count("list", folder)
        for number, row in enumerate(rows):
            if number and number % LIST_PAGE == 0:
                self._count("list", folder)
            yield row

    def delete(self, name: str) -> None:
        self._count("delete", name)
        self._inner.delete(name)

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def _count(self, verb: str, name: str, *, up: int = 0) -> None:
        _log.debug("%s %s", verb, name)
        with self._lock:
            self._requests[verb] += 1
            self._up += up

    def _came_down(self, data: bytes) -> bytes:
        with self._lock:
            self._down += len(data)
        return data


class _CountingLocks:
    """Passes everything on and counts it."""

    def __init__(self, inner: Locks, count: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._count = count

    def available(self) -> bool | None:
        self._count("lock_available", "")
        return self._inner.available()

    def lock_uploads(self, folder: str, choose: Callable[[], Retention]) -> None:
        self._inner.lock_uploads(folder, choose)

    def retain(self, name: str, retention: Retention) -> None:
        self._count("retain", name)
        self._inner.retain(name, retention)

    def kept(self, name: str) -> LockState:
        self._count("kept", name)
        return self._inner.kept(name)

    def put_legal_hold(self, name: str) -> None:
        self._count("legal_hold", name)
        self._inner.put_legal_hold(name)

    def lift_legal_hold(self, name: str) -> None:
        self._count("legal_hold", name)
        self._inner.lift_legal_hold(name)


class _CountingVersions:
    """Passes everything on and counts it."""

    def __init__(self, inner: Versions, count: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._count = count

    def kept(self) -> bool:
        self._count("versioning", "")
        return self._inner.kept()

    def count(self, folder: str) -> int:
        self._count("list_versions", folder)
        return self._inner.count(folder)

    def names(self, folder: str) -> set[str]:
        self._count("list_versions", folder)
        return self._inner.names(folder)

    def delete(self, name: str) -> int:
        self._count("delete_versions", name)
        return self._inner.delete(name)

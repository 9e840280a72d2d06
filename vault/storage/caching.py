"""A local cache of immutable objects: a second `list`, `ls` or `backup` asks the store for news only.

Kept are the small things that every command reads: index segments, snapshot records, catalogue packs; as they are stored, so
the cache holds nothing that the store does not, and it may be deleted at any time. Each file begins with the SHA-256 of the
rest: a damaged one is fetched anew instead of being blamed on the store. LIST always goes to the store, so that what is gone
there is not read here.

Who reads the packs of a thousand manifests reads them once and keeps what it made of them: they would crowd out what is asked
for every day, and writing them down takes longer than reading them. For that there is `in_passing`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vault.chance import Chance
from vault.storage.contract import Buffer, ObjectInfo, Store
from vault.storage.locks import Locks, locks_of

KEPT_FOLDERS = ("index", "meta", "snapshots", "rollups", "forgotten")
"""Third part of the names that are kept: projects/<id>/<folder>/…; objects there are written once and never edited."""

LARGEST_CACHE = 2 * 1024 * 1024 * 1024
"""Bytes; the cache of a repository is thinned, oldest use first, when it has grown past this."""

HELD = 16 * 1024 * 1024
"""Bytes of objects that are read in passing and held in memory: the ranges of one are asked for one soon after another."""

_SUM = hashlib.sha256().digest_size


class CachingStore:
    """Wraps a store. folder: of this repository's cache (made 0700) · limit: bytes."""

    def __init__(self, inner: Store, folder: Path, chance: Chance, *, limit: int = LARGEST_CACHE) -> None:
        self._inner = inner
        self._folder = folder
        self._chance = chance
        self._limit = limit
        self._sound: set[str] = set()
        self._added = 0

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside: nothing about them is kept here."""
        return locks_of(self._inner)

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """Passed on; what is stored is kept, since this very run or the next one will want it."""
        self._inner.put(name, data, sha256=sha256)
        self._keep(name, data)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        """As `put`."""
        self._inner.create(name, data, sha256=sha256)
        self._keep(name, data)

    def get(self, name: str) -> bytes:
        """From the cache where it is there and whole."""
        if not _is_kept(name):
            return self._inner.get(name)
        found = self._load(name)
        if found is None:
            found = self._inner.get(name)
            self._keep(name, found)
        return found

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """A kept object is fetched whole once; its ranges then come from here."""
        if not _is_kept(name):
            return self._inner.get_range(name, start, length)
        if name not in self._sound:
            whole = self.get(name)
            return whole[start : start + length]
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY)
        except OSError:
            return self._inner.get_range(name, start, length)
        try:
            return os.pread(descriptor, length, start + _SUM)
        finally:
            os.close(descriptor)

    def size(self, name: str) -> int:
        """Always asked of the store: it is the question whether the object is there."""
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Always asked of the store."""
        return self._inner.list(folder)

    def delete(self, name: str) -> None:
        """In the store, and here."""
        self._inner.delete(name)
        if _is_kept(name):
            self._sound.discard(name)
            with suppress(OSError):
                self._path(name).unlink()

    def describe(self) -> str:
        """The store's own address."""
        return self._inner.describe()

    def close(self) -> None:
        """Thin the cache where this run has added to it, and close the store."""
        if self._added > self._limit // 100:
            self._thin()
        self._inner.close()

    def in_passing(self) -> Store:
        """This store for one long reading: what is here already is used, and nothing new is written down."""
        return _Passing(self._inner, self._folder, self._chance, limit=self._limit)

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / digest[:2] / digest

    def _load(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(memoryview(data)[_SUM:]).digest() != data[:_SUM]:
            with suppress(OSError):
                path.unlink()
            return None
        self._sound.add(name)
        with suppress(OSError):
            os.utime(path)  # the thinning goes by last use
        return data[_SUM:]

    def _keep(self, name: str, data: Buffer) -> None:
        """A cache that cannot be written is no reason to fail."""
        if not _is_kept(name):
            return
        path = self._path(name)
        half = path.with_name(f"{path.name}.{self._chance.token(4).hex()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).digest())
                file.write(data)
            half.replace(path)
        except OSError:
            with suppress(OSError):
                half.unlink()
            return
        self._sound.add(name)
        self._added += len(data)

    def _thin(self) -> None:
        files = []
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self._limit:
            return
        for _, size, path in sorted(files):
            if total <= self._limit * 4 // 5:
                return
            with suppress(OSError):
                path.unlink()
            total -= size


class _Passing(CachingStore):
    """See `CachingStore.in_passing`."""

    def __init__(self, inner: Store, folder: Path, chance: Chance, *, limit: int) -> None:
        super().__init__(inner, folder, chance, limit=limit)
        self._lock = threading.Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._held_bytes = 0

    def delete(self, name: str) -> None:
        super().delete(name)
        with self._lock:
            self._let_go(name)

    def _load(self, name: str) -> bytes | None:
        with self._lock:
            found = self._held.get(name)
        return super()._load(name) if found is None else found

    def _keep(self, name: str, data: Buffer) -> None:
        if not _is_kept(name):
            return
        with self._lock:
            self._let_go(name)
            self._held[name] = bytes(data)
            self._held_bytes += len(data)
            while self._held_bytes > HELD:
                self._let_go(next(iter(self._held)))

    def _let_go(self, name: str) -> None:
        self._held_bytes -= len(self._held.pop(name, b""))


def in_passing(store: Store) -> Store:
    """A store for one long reading, see `CachingStore.in_passing`; one that keeps nothing anyway as it is."""
    return store.in_passing() if isinstance(store, CachingStore) else store


def beneath(store: Store) -> Store:
    """The store itself, below what is kept on this machine."""
    while isinstance(store, CachingStore):
        store = store._inner  # noqa: SLF001 - of the same module
    return store


def _is_kept(name: str) -> bool:
    parts = name.split("/", 3)
    return len(parts) == 4 and parts[0] == "projects" and parts[2] in KEPT_FOLDERS

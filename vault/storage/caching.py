"""A local cache of immutable objects: a second `list`, `ls` or `backup` asks the store for news only.

Kept are the small things that every command reads: index segments, snapshot records, catalogue packs; as they are stored, so
the cache holds nothing that the store does not, and it may be deleted at any time. Each file begins with the SHA-256 of the
rest: a damaged one is fetched anew instead of being blamed on the store. LIST always goes to the store, so that what is gone
there is not read here, and a copy of another length than the listing says is dropped. A catalogue pack, whose name is its
SHA-256, is kept only if it is what its name says.

A check, or whoever must know what a stranger to this machine would find, reads below the cache: `uncached`. What is found
there to differ from what is kept here is dropped, so that from then on this machine sees what the store has. Where the store's
object may be the one that is damaged, or is gone, the copy is saved first: see `saved_copies`.

Who reads the packs of a thousand manifests reads them once and keeps what it made of them: they would crowd out what is asked
for every day, and writing them down takes longer than reading them. For that there is `in_passing`.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from vault.errors import ObjectNotFound
from vault.randomness import Randomness
from vault.storage.contract import Buffer, ObjectInfo, Store, list_after
from vault.storage.object_locks import Locks, locks_of
from vault.storage.object_versions import OffersVersions, Versions
from vault.storage.saved_copies import SavedCopies

KEPT_FOLDERS = ("index", "meta", "snapshots", "rollups", "records", "heads", "forgotten", "grants")
"""Third part of the names that are kept: projects/<id>/<folder>/…; objects there are written once and never edited."""

LARGEST_CACHE = 2 * 1024 * 1024 * 1024
"""Bytes; the cache of a repository is thinned, oldest use first, when it has grown past this."""

HELD = 16 * 1024 * 1024
"""Bytes of objects that are read in passing and held in memory: the ranges of one are asked for one soon after another."""

DERIVED = "history"
"""The folder of files that were made of what objects say."""

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SUM = hashlib.sha256().digest_size


class CachingStore:
    """Wraps a store. folder: of this repository's cache (made 0700) · limit: bytes."""

    def __init__(self, inner: Store, folder: Path, randomness: Randomness, *, limit: int = LARGEST_CACHE) -> None:
        self._inner = inner
        self._folder = folder
        self._randomness = randomness
        self._limit = limit
        self._sound: set[str] = set()
        self._listed: dict[str, int] = {}
        self._unfit: set[str] = set()
        self._added = 0
        self.saved = SavedCopies(folder, randomness)

    @property
    def derived(self) -> Path | None:
        """The folder for what was made of objects; None where everything is read from the store itself."""
        return self._folder / DERIVED

    @property
    def locks(self) -> Locks | None:
        """Those of the store inside: nothing about them is kept here."""
        return locks_of(self._inner)

    @property
    def versions(self) -> Versions | None:
        """Those of the store inside."""
        return self._inner.versions if isinstance(self._inner, OffersVersions) else None

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
        if name in self._unfit:
            return self._inner.get_range(name, start, length)
        if name not in self._sound:
            whole = self.get(name)
            return whole[start : start + length]
        return self._read_range(name, start, length)

    def size(self, name: str) -> int:
        """Always asked of the store: it is the question whether the object is there."""
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Always asked of the store."""
        return self._noted(folder, self._inner.list(folder))

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        """Always asked of the store."""
        rows = list_after(self._inner, folder, name)
        return None if rows is None else self._noted(folder, rows)

    def _noted(self, folder: str, rows: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        whole = _is_kept(f"{folder}/")  # of a long history there are thousands in one folder
        for info in rows:
            if whole or _is_kept(info.name):
                self._listed[info.name] = info.size
            yield info

    def delete(self, name: str) -> None:
        """In the store, and here."""
        self._inner.delete(name)
        if _is_kept(name):
            self._drop(name)
            self.saved.discard(name)

    def save(self, name: str) -> None:
        """Save what is kept here of an object, where that is whole: the store's is damaged or gone."""
        kept = self._read_kept(name)
        if kept is not None:
            self.saved.save(name, kept)

    def whole_copy(self, name: str) -> bytes | None:
        """What this machine has of an object, whatever the store has: saved when the store's was found damaged or gone, or
        kept here. Whether it is the right one, its reader must tell."""
        saved = self.saved.read(name)
        return self._read_kept(name) if saved is None else saved

    def has_copy(self, name: str) -> bool:
        """Whether something is kept here of an object; it may be damaged."""
        return self._path(name).exists()

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
        return _Passing(self._inner, self._folder, self._randomness, limit=self._limit)

    def beneath(self) -> Store:
        """The store as it is, whatever is kept here: each object is read from it first, and what is kept of it is dropped
        where it differs."""
        return _Beneath(self._inner, self._folder, self._randomness, limit=self._limit)

    def _read_range(self, name: str, start: int, length: int) -> bytes:
        """Of an object that this run has found here whole."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY)
        except OSError:
            return self._inner.get_range(name, start, length)
        try:
            return os.pread(descriptor, length, start + _SUM)
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self._folder / digest[:2] / digest

    def _load(self, name: str) -> bytes | None:
        data = self._read_kept(name)
        if data is not None and len(data) != self._listed.get(name, len(data)):
            self.saved.save(name, data)
            data = None
        if data is None:
            self._drop(name)
            return None
        self._sound.add(name)
        with suppress(OSError):
            os.utime(self._path(name))  # the thinning goes by last use
        return data

    def _read_kept(self, name: str) -> bytes | None:
        """What is kept here; None where nothing is, or it is damaged."""
        try:
            data = self._path(name).read_bytes()
        except OSError:
            return None
        return data[_SUM:] if hashlib.sha256(memoryview(data)[_SUM:]).digest() == data[:_SUM] else None

    def _drop(self, name: str) -> None:
        self._sound.discard(name)
        self._listed.pop(name, None)
        with suppress(OSError):
            self._path(name).unlink()

    def _keep(self, name: str, data: Buffer) -> None:
        """A cache that cannot be written is no reason to fail."""
        if not _is_kept(name):
            return
        digest = hashlib.sha256(data).digest()
        if not _may_be_named(name, digest):
            self._unfit.add(name)  # damaged on its way or in the store: its ranges are asked for there
            return
        self._unfit.discard(name)
        self._listed.pop(name, None)
        path = self._path(name)
        half = path.with_name(f"{path.name}.{self._randomness.token(4).hex()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(digest)
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
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
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

    def __init__(self, inner: Store, folder: Path, randomness: Randomness, *, limit: int) -> None:
        super().__init__(inner, folder, randomness, limit=limit)
        self._lock = threading.Lock()
        self._held = _Held()

    def delete(self, name: str) -> None:
        super().delete(name)
        with self._lock:
            self._held.let_go(name)

    def _load(self, name: str) -> bytes | None:
        with self._lock:
            found = self._held.get(name)
        return super()._load(name) if found is None else found

    def _keep(self, name: str, data: Buffer) -> None:
        if not _is_kept(name):
            return
        with self._lock:
            self._held.hold(name, data)


class _Beneath(CachingStore):
    """See `CachingStore.beneath`. What was read from the store and is what is kept here, serves the rest of this run; so do
    the last few of the others, out of memory."""

    def __init__(self, inner: Store, folder: Path, randomness: Randomness, *, limit: int) -> None:
        super().__init__(inner, folder, randomness, limit=limit)
        self._lock = threading.Lock()
        self._read: set[str] = set()
        self._held = _Held()

    @property
    def derived(self) -> Path | None:
        return None

    def get(self, name: str) -> bytes:
        if not _is_kept(name):
            return self._inner.get(name)
        with self._lock:
            held = self._held.get(name)
        if held is not None:
            return held
        if name in self._sound:
            return super().get(name)
        try:
            data = self._inner.get(name)
        except ObjectNotFound:
            self.save(name)
            raise
        self._compare(name, data)
        return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        if not _is_kept(name):
            return self._inner.get_range(name, start, length)
        with self._lock:
            held, read = self._held.get(name), name in self._read
        if held is not None:
            return held[start : start + length]
        if not read:
            return self.get(name)[start : start + length]
        return self._read_range(name, start, length) if name in self._sound else self._inner.get_range(name, start, length)

    def delete(self, name: str) -> None:
        super().delete(name)
        with self._lock:
            self._held.let_go(name)

    def _compare(self, name: str, data: bytes) -> None:
        """What was just read, with what is kept here."""
        kept = self._load(name)
        if kept is not None and kept != data:
            self.saved.save(name, kept)
            self._drop(name)
        elif kept is None and _is_named_by_digest(name):
            self._keep(name, data)
        with self._lock:
            self._read.add(name)
            if name not in self._sound:
                self._held.hold(name, data)


class _Held:
    """The objects that were held last, up to `HELD` bytes. Not safe for threads."""

    def __init__(self) -> None:
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def get(self, name: str) -> bytes | None:
        return self._objects.get(name)

    def hold(self, name: str, data: Buffer) -> None:
        """In place of those that were held first, where there are too many."""
        self.let_go(name)
        self._objects[name] = bytes(data)
        self._size += len(data)
        while self._size > HELD:
            self.let_go(next(iter(self._objects)))

    def let_go(self, name: str) -> None:
        self._size -= len(self._objects.pop(name, b""))


@runtime_checkable
class HasCache(Protocol):
    """A store with a cache, or one round such a store."""

    def in_passing(self) -> Store:
        """See `CachingStore.in_passing`."""
        ...

    def beneath(self) -> Store:
        """See `CachingStore.beneath`."""
        ...


def in_passing(store: Store) -> Store:
    """A store for one long reading, see `CachingStore.in_passing`; one that keeps nothing anyway as it is."""
    return store.in_passing() if isinstance(store, HasCache) else store


def uncached(store: Store) -> Store:
    """A store as a stranger to this machine would find it, see `CachingStore.beneath`; one that keeps nothing as it is."""
    return store.beneath() if isinstance(store, HasCache) else store


def is_kept(store: Store, name: str) -> bool:
    """Whether this machine has a copy of an object of a store, as far as can be told without reading it."""
    return isinstance(store, CachingStore) and store.has_copy(name)


def derived_files(store: Store) -> Path | None:
    """Where what was made of a store's objects may be kept; None where nothing is kept."""
    return store.derived if isinstance(store, CachingStore) else None


def _is_named_by_digest(name: str) -> bool:
    return name.split("/", 3)[2] == "meta"


def _may_be_named(name: str, sha256: bytes) -> bool:
    """Whether the bytes of that SHA-256 may stand under a name: a catalogue pack's name is that of its bytes."""
    leaf = name.rpartition("/")[2]
    return not _is_named_by_digest(name) or not _SHA256.match(leaf) or leaf == sha256.hex()


def _is_kept(name: str) -> bool:
    parts = name.split("/", 3)
    return len(parts) == 4 and parts[0] == "projects" and parts[2] in KEPT_FOLDERS

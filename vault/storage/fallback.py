"""A store whose objects are read from others where it does not have them, does not give them, or has them damaged.

Only objects are looked for elsewhere, by their names: what exists is what the first store lists, and what a reader has found
that it should list (`list_also`). A store that does not answer is left alone for a while, or each request would wait for it
anew. Nothing is written.

What was read elsewhere is on record: the first store has lost it, and somebody has to know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from vault.clock import Clock
from vault.errors import Damaged, ObjectNotFound, StorageError, StrongroomError, TransientStorageError
from vault.problems import Problem
from vault.storage.caching import in_passing, uncached
from vault.storage.contract import ObjectInfo, Store
from vault.storage.readonly import ReadOnlyStore

T = TypeVar("T")

READ_FROM_COPY = "read-from-copy"
"""What a problem says of an object that was read elsewhere."""

LEFT_ALONE = 60.0
"""Seconds for which a store that did not answer is asked only for what no other has."""


class OtherStore(NamedTuple):
    """name: of the copy, for people."""

    name: str
    store: Store


class FallbackNotes:
    """What was read elsewhere, each object once. Used from several threads. tell: hears of each."""

    def __init__(self, tell: Callable[[Problem], None] = lambda _problem: None) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, Problem] = {}
        self._tell = tell

    def add(self, name: str, why: StrongroomError, other: str) -> None:
        """An object was read from the copy of that name."""
        if isinstance(why, ObjectNotFound):
            what = "is gone from the repository itself"
        else:
            what = f"{'is damaged' if isinstance(why, Damaged) else 'cannot be read'} in the repository itself ({why})"
        self.note(Problem(name.encode(), READ_FROM_COPY, f"{what}; it was read from the copy {other!r}"))

    def note(self, problem: Problem) -> None:
        """Say it, once."""
        with self._lock:
            if problem.path in self._known:
                return
            self._known[problem.path] = problem
        self._tell(problem)

    @property
    def problems(self) -> list[Problem]:
        """All of them."""
        with self._lock:
            return list(self._known.values())


class FallbackStore(ReadOnlyStore):
    """inner: the first store · others: opens the others when they are needed first · notes: of what was read from them."""

    def __init__(self, inner: Store, others: Callable[[], Sequence[OtherStore]], clock: Clock, notes: FallbackNotes) -> None:
        super().__init__(inner)
        self.others = others
        self.notes = notes
        self._clock = clock
        self._away: tuple[float, StorageError] | None = None
        self._unlisted: dict[str, int] = {}

    def get(self, name: str) -> bytes:
        return self._read(name, lambda store: store.get(name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._read(name, lambda store: store.get_range(name, start, length))

    def size(self, name: str) -> int:
        return self._read(name, lambda store: store.size(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._with_unlisted(folder, self._inner.list(folder))

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo] | None:
        rows = super().list_after(folder, name)
        return None if rows is None else self._with_unlisted(folder, rows)

    def _with_unlisted(self, folder: str, rows: Iterator[ObjectInfo]) -> Iterator[ObjectInfo]:
        listed = set()
        for info in rows:
            listed.add(info.name)
            yield info
        for name, size in self._unlisted.items():
            if name not in listed and (not folder or name.startswith(f"{folder}/")):
                yield ObjectInfo(name, size)

    def list_also(self, name: str) -> None:
        """List an object that the first store should have, and does not list; here, beneath and in passing. Raises
        `ObjectNotFound` where no store has it."""
        self._unlisted[name] = self.size(name)

    def beneath(self) -> Store:
        """All of the stores as they are, whatever this machine keeps of them."""

        def others() -> list[OtherStore]:
            return [OtherStore(one.name, uncached(one.store)) for one in self.others()]

        return self._with(FallbackStore(uncached(self._inner), others, self._clock, self.notes))

    def in_passing(self) -> Store:
        """For one long reading."""
        return self._with(FallbackStore(in_passing(self._inner), self.others, self._clock, self.notes))

    def _with(self, store: FallbackStore) -> FallbackStore:
        store._unlisted = self._unlisted
        return store

    def read_elsewhere(self, name: str, why: StrongroomError, read: Callable[[Store], T]) -> T:
        """What `read` makes of an object of another store. why: it is not read from the first one; raised where no other gives
        it either."""
        for other in self.others():
            try:
                found = read(other.store)
            except (StorageError, Damaged):
                continue
            self.notes.add(name, why, other.name)
            return found
        raise why

    def _read(self, name: str, read: Callable[[Store], T]) -> T:
        away = self._away
        if away is not None and self._clock.monotonic() - away[0] < LEFT_ALONE:
            try:
                return self.read_elsewhere(name, away[1], read)
            except TransientStorageError:
                return read(self._inner)
        try:
            found = read(self._inner)
        except StorageError as error:
            if isinstance(error, TransientStorageError):
                self._away = self._clock.monotonic(), error
            return self.read_elsewhere(name, error, read)
        self._away = None
        return found


def problems_of(store: Store, project: str) -> list[Problem]:
    """What was read elsewhere through a store, of a project (its id) or of everything."""
    if not isinstance(store, FallbackStore):
        return []
    own = (f"projects/{project}/".encode(), f"keys/{project}".encode())
    return [one for one in store.notes.problems if one.path.startswith(own) or b"/" not in one.path]


def others_of(store: Store) -> Sequence[OtherStore]:
    """The stores from which is read what a store does not give; mostly none. Opens them."""
    return store.others() if isinstance(store, FallbackStore) else ()


def read_elsewhere(store: Store, name: str, why: Damaged, read: Callable[[Store], T]) -> T:
    """What `read` makes of an object that is damaged in a store, out of another one. Raises `why` where there is none."""
    if isinstance(store, FallbackStore):
        return store.read_elsewhere(name, why, read)
    raise why

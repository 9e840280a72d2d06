"""Whole copies of stored objects: in this machine's cache, and in other stores that hold a copy of the repository.

A copy is believed only where it proves itself (see `object_proof`), so it does not matter who keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vault.errors import ObjectNotFound, StorageError
from vault.repository import object_proof
from vault.repository.project import Project
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.storage.readonly import ReadOnlyStore

CACHE = "this machine's cache"


class CopyStore(NamedTuple):
    """Where copies are. origin: in words."""

    origin: str
    store: Store


class WholeCopy(NamedTuple):
    """A copy that proves itself. origin: where it is from, in words."""

    data: bytes
    origin: str


class ObjectCopies:
    """Copies of a project's objects. others: stores with a copy of the repository, the first one is asked first.

    `unreachable`: what other stores answered that could not be asked, by where they are
    """

    def __init__(self, project: Project, others: Sequence[Store] = ()) -> None:
        self._project = project
        cache = project.store
        self._places = [CopyStore(CACHE, _KeptObjects(cache))] if isinstance(cache, CachingStore) else []
        self._places += [CopyStore(origin_of(store), store) for store in others]
        self.unreachable: dict[str, StorageError] = {}

    def find(self, name: str) -> WholeCopy | None:
        """A copy that proves itself; None where there is none."""
        found = (WholeCopy(data, place.origin) for place, data in self._all(name))
        return next((one for one in found if object_proof.proves(self._project, name, one.data)), None)

    def expect(self, name: str, size: int | None = None) -> CopyStore | None:
        """Where a copy of a pack probably is, without fetching it from another store; None where there is none. size: stored
        bytes, where they are known."""
        for place in self._places:
            try:
                whole = size in (None, place.store.size(name))
                if whole and (place.origin != CACHE or object_proof.proves(self._project, name, place.store.get(name))):
                    return place
            except ObjectNotFound:
                continue
            except StorageError as error:
                self.unreachable[place.origin] = error
        return None

    def _all(self, name: str) -> Iterator[tuple[CopyStore, bytes]]:
        for place in self._places:
            try:
                yield place, place.store.get(name)
            except ObjectNotFound:
                continue
            except StorageError as error:
                self.unreachable[place.origin] = error


class _KeptObjects(ReadOnlyStore):
    """What a cache has of a store's objects, whatever the store has."""

    def __init__(self, cache: CachingStore) -> None:
        super().__init__(cache)
        self._cache = cache

    def get(self, name: str) -> bytes:
        data = self._cache.whole_copy(name)
        if data is None:
            raise ObjectNotFound(f"there is no copy of {name} in the cache")
        return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self.get(name)[start : start + length]

    def size(self, name: str) -> int:
        return len(self.get(name))


def origin_of(store: Store) -> str:
    """A store that holds a copy, in words."""
    return f"the copy at {store.describe()}"

"""The grants of a project as they are once those that are damaged or gone are put back from whole copies: who holds keys
follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec.structs import replace

from vault.errors import StorageError
from vault.format import layout
from vault.repository import grants
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.repository.repair.object_copies import ObjectCopies
from vault.storage.caching import uncached
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore
from vault.storage.overlaid import OverlaidStore

BAD = ("damaged-grant", "missing-grant")
"""Problems of grants that a copy of the object mends."""


def only_in_copies(project: Project, others: Sequence[Store]) -> list[str]:
    """The names of grants, revocations and epochs that a copy of the repository has and the store has not: as none is ever
    deleted, they are lost, though nobody here has seen them. Raises `StorageError` of the project's own store."""
    folder, found = project.folder("grants"), set[str]()
    for store in others:
        with suppress(StorageError):
            found |= {info.name for info in store.list(folder) if layout.is_ours(info.name)}
    return sorted(found - {info.name for info in project.store.list(folder)}) if found else []


def overlaid(project: Project, memory: ClientMemory, others: Sequence[Store] = ()) -> Store:
    """A project's store, below every cache, with the grants that can be had. others: stores with a copy of the repository.
    Raises `StorageError`."""
    below = uncached(project.store)
    copies, whole = ObjectCopies(project, others), MemoryStore()
    bad = [one.path.decode() for one in grants.read(replace(project, store=below), memory).problems if one.what in BAD]
    bad += only_in_copies(project, others)
    for name, copy in ((name, copies.find(name)) for name in bad):
        if copy is not None:
            whole.put(name, copy.data)
    return OverlaidStore(below, {info.name: whole for info in whole.list("")}) if bad else below

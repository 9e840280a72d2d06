"""Which small objects of a project are damaged, or were here and are gone: records, notes, holds, marks, claims, roll-ups,
index segments, grants. Packs are looked at by `pack_damage`. Before one is written over or deleted, it is looked at once more,
and what stands there is kept on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from vault.errors import ObjectNotFound, TargetError
from vault.format import layout
from vault.problems import Problem
from vault.repository import (
    check_objects,
    forget_notes,
    grants,
    head_chunks,
    missing_objects,
    object_proof,
    record_tables,
    rollups,
    snapshots,
)
from vault.repository.chunk_index import ChunkIndex
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.repository.repair.grant_copies import BAD
from vault.storage.caching import uncached


class BadObject(NamedTuple):
    """folder: of the project, as `snapshots` · gone: whether the store has none; else a damaged one · message: what is wrong,
    in words."""

    name: str
    folder: str
    gone: bool
    message: str

    @property
    def leaf(self) -> str:
        """The last part of its name: of a record the snapshot's id."""
        return self.name.rpartition("/")[2]


def look(project: Project, memory: ClientMemory) -> list[BadObject]:
    """All of them, by name. What stands is remembered from now on; what this machine's cache has of what is bad is saved.
    Raises `StorageError`."""
    below = replace(project, store=uncached(project.store))
    damaged = [
        *snapshots.committed(below).damaged,
        *check_objects.of_project(below),
        *rollups.damage(below),
        *record_tables.damage(below),
        *head_chunks.damage(below),
        *ChunkIndex.load(below).damaged,
    ]
    bad = [*_damaged(project, damaged), *_gone(project, memory), *_grants(below, memory)]
    return sorted({one.name: one for one in reversed(bad)}.values())


def _damaged(project: Project, problems: Iterable[Problem]) -> Iterable[BadObject]:
    for one in problems:
        name = one.path.decode()
        folder = layout.folder_of(name, project.id)
        if folder is not None:
            yield BadObject(name, folder, gone=False, message=one.message)


def _grants(project: Project, memory: ClientMemory) -> Iterable[BadObject]:
    """Grants, revocations and epochs. What nobody has signed who may is no damage that a repair could mend."""
    if project.capability.grant is None:
        return
    for one in grants.read(project, memory).problems:
        if one.what in BAD:
            yield BadObject(one.path.decode(), "grants", gone=one.what == "missing-grant", message=one.message)


def _gone(project: Project, memory: ClientMemory) -> Iterable[BadObject]:
    """What was here. Snapshots that were forgotten and whose note is gone are told by the note, as long as no other note says
    so."""
    missing = missing_objects.look(project, memory)
    for one in missing:
        if one.what == "snapshot":
            yield BadObject(layout.snapshot_name(project.id, one.id), "snapshots", gone=True, message=one.message)
        elif one.what == "hold":
            yield BadObject(layout.hold_name(project.id, one.id), "holds", gone=True, message=one.message)
    if any(one.what == "note" for one in missing):
        for note in memory.missing(project.id, forget_notes.read_all(project).ids, kind="notes"):
            message = f"the note {note} of forgotten snapshots was here and is gone"
            yield BadObject(layout.forgotten_name(project.id, note), "forgotten", gone=True, message=message)


def keep_replaced(project: Project, memory: ClientMemory, name: str) -> bool:
    """Keep what stands under a name of a project, if it still cannot be used; returns whether that is so: bad memory looks like
    bad storage. False also where nothing stands there. Raises `StorageError`, `TargetError` where this machine cannot keep
    it."""
    store = uncached(project.store)
    try:
        data = store.get(name)
        if object_proof.proves(project, name, data):
            return False
    except ObjectNotFound:
        return False
    memory.save_replaced(name, data)
    if not memory.has_replaced(name, data):
        raise TargetError(
            f"what stands in the store as {name} cannot be kept in {memory.folder}, so it was not replaced",
            hint="free some room there, or correct the permissions of that folder; then run the repair again",
        )
    return True

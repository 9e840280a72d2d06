"""Whether bytes are what may stand under a name of a project, going by the bytes and the project's keys alone: wherever a copy
comes from, nobody need be believed.

    packs             their SHA-256 is their name
    index, roll-ups   their keyed BLAKE3 is their name; so is that of tables of records and of head chunks
    records           of snapshots, moved packs and evictions, notes, holds: by their tag, which binds them to name and project
    grants            by their tag and their signature; whether they are to be believed is for the chain of grants to say
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from vault.errors import Damaged, ObjectNotFound
from vault.format import (
    claim,
    envelope,
    forget_note,
    grant,
    head_chunks,
    hold,
    index,
    layout,
    mark,
    record_table,
    rollup,
    snapshot_record,
    strict_json,
)
from vault.format.chunks import ID_SIZE
from vault.format.layout import TIERS
from vault.repository.project import Project
from vault.storage.contract import Store

_RECORDS: Mapping[str, Callable[[dict[str, Any], str], object]] = MappingProxyType(
    {
        "snapshots": snapshot_record.decode_stored,
        "forgotten": forget_note.ForgetNote.from_json,
        "holds": hold.read,
        "marks": mark.Mark.from_json,
        "claims": lambda value, _leaf: claim.Claim.from_json(value),
        "grants": grant.read,
    }
)
"""How what lies in a folder is read, once its tag is found right."""


def decoded(project: Project, name: str, data: bytes) -> Any:  # noqa: ANN401 (a value of whatever kind the folder holds)
    """The value that bytes hold which may stand under this name; None for a pack. Raises `Damaged` where they may not."""
    folder, leaf = layout.folder_of(name, project.id), name.rpartition("/")[2]
    if folder is None:
        raise Damaged(f"{name} is no object of project {project.name!r}")
    what = f"the object {name}"
    if folder in TIERS.values():
        if hashlib.sha256(data).digest() != layout.pack_sha256(name):
            raise Damaged(f"{what} does not have the SHA-256 that its name says")
        return None
    plain = project.open_catalogue(data)
    if folder in _RECORDS:
        return _RECORDS[folder](envelope.decode(plain, project.capability.tag_key, name, project.id, what), leaf)
    object_id = strict_json.from_hex(leaf, ID_SIZE, what)
    if folder == "index":
        return index.decode(plain, project.capability.index_key, object_id)
    if folder == "heads":
        return head_chunks.decode(plain, project.capability.head_chunks_key, object_id, project.capability.chunk_id_key)
    if folder == "records":
        return record_table.decode(plain, project.capability.record_table_key, object_id)
    return rollup.decode(plain, project.capability.rollup_key, object_id)


def proves(project: Project, name: str, data: bytes) -> bool:
    """Whether these bytes may stand under this name."""
    try:
        decoded(project, name, data)
    except Damaged:
        return False
    return True


def stands_whole(project: Project, store: Store, name: str) -> bool:
    """Whether a store has an object that proves itself. Raises `StorageError`."""
    try:
        return proves(project, name, store.get(name))
    except ObjectNotFound:
        return False

"""Head chunks in the store: read in place of packs of the catalogue that are not on this machine, and written by prunes.

They are derived from packs: nothing is lost with an object that is missing or damaged, which `check` names and a prune takes
away. What is not in there, as it came after the last prune, is read from packs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vault.errors import Damaged, ObjectNotFound, StorageDenied
from vault.format import head_chunks, layout, strict_json
from vault.format.chunks import ID_SIZE
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.progress import Stop
from vault.repository import snapshots
from vault.repository.project import Project

if TYPE_CHECKING:
    from vault.repository.catalog_chunks import MetaReader

WORTH_ANEW = 8
"""An object is written anew where more than so many-th of its chunks are missing in it, or are of no newest snapshot."""

WORTH_PACKS = 2
"""Packs of the catalogue from which on one object is asked for instead."""

WORTH_BYTES = 4 * 1024 * 1024
"""Bytes of such packs, likewise."""

Chunks = dict[bytes, bytes]


def load(project: Project) -> tuple[dict[str, Chunks], list[Problem]]:
    """The chunks of each object by its name, and the objects that cannot be used. Raises `StorageError`."""
    found: dict[str, Chunks] = {}
    damaged: list[Problem] = []
    for name in sorted(info.name for info in project.store.list(project.folder("heads"))):
        try:
            found[name] = _read(project, name)
        except ObjectNotFound:
            continue  # another one took its place; packs have all of it
        except Damaged as error:
            message = f"an object of head chunks cannot be used, and `prune` takes it away: {error}"
            damaged.append(Problem(name.encode(), "damaged-head-chunks", message))
    return found, damaged


def known(project: Project) -> Chunks:
    """All chunks that are in objects which can be used. Raises `StorageError`."""
    return {chunk: content for chunks in load(project)[0].values() for chunk, content in chunks.items()}


def damage(project: Project) -> list[Problem]:
    """The objects that cannot be used."""
    return load(project)[1]


def refresh(project: Project, reader: MetaReader, records: Sequence[Record], stop: Stop) -> bool:
    """Write an object of the chunks of the newest of these snapshots, and delete those before it; returns whether that was
    worth it. Raises `StorageError`, `Damaged` where what was written does not read back."""
    there, damaged = load(project)
    stop()
    wanted = _newest(reader, records) if len(records) >= snapshots.WORTH_TABLES else {}
    best = max(there, key=lambda name: len(there[name].keys() & wanted.keys()), default=None)
    fresh = best is not None and len(there[best].keys() ^ wanted.keys()) * WORTH_ANEW <= len(wanted)
    if wanted and not fresh:
        best = _write(project, wanted)
    for name in [*(name for name in there if name != best or not wanted), *(one.path.decode() for one in damaged)]:
        with suppress(StorageDenied):
            project.store.delete(name)
    return bool(wanted) and not fresh


def _newest(reader: MetaReader, records: Sequence[Record]) -> Chunks:
    """The chunks of the newest manifests and lists of packs, of as many sources as there is room for. What cannot be read is
    passed over. Where a few small packs have all of it, nothing is written."""
    found: Chunks = {}
    left = head_chunks.LARGEST_CONTENT
    for one in sorted(snapshots.at(records, None), key=lambda one: one.manifest.length):
        if one.manifest.length + one.packs.length > left // 2:  # with the lists of a tree
            break
        with suppress(Damaged):
            for root in (one.manifest, one.packs):
                found |= reader.contents_of(root, one.id)
            left = head_chunks.LARGEST_CONTENT - sum(map(len, found.values()))
    return found if reader.are_scattered(found) else {}


def _read(project: Project, name: str) -> Chunks:
    def decode(plain: bytearray) -> Chunks:
        capability = project.capability
        return head_chunks.decode(plain, capability.head_chunks_key, object_id, capability.chunk_id_key)

    object_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
    return project.read_sealed(name, decode)


def _write(project: Project, chunks: Mapping[bytes, bytes]) -> str:
    plain = head_chunks.encode(chunks, project.services.randomness.token(head_chunks.NONCE_SIZE))
    key = project.capability.head_chunks_key
    object_id = head_chunks.name(plain, key)
    if head_chunks.decode(plain, key, object_id, project.capability.chunk_id_key) != chunks:
        raise Damaged("an object of head chunks could not be read again; nothing was replaced by it")
    name = layout.head_chunks_name(project.id, object_id)
    sealed = project.seal_catalogue(plain)
    project.store.put(name, sealed)
    if not project.stands_as(name, sealed):
        raise Damaged(f"{name} does not hold what was written; nothing was replaced by it")
    return name

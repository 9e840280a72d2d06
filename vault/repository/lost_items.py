"""Vanished items whose content is lost: backups carry them on, and name them in every run, until a person gives them up.

Giving up is a note. The next manifest is without these items, as far as their content is still lost by then and no hold is on
them; older snapshots go on naming them until they are forgotten.

Contents that are lost for good may be given up themselves, by the BLAKE3 of the whole content: whatever snapshot has one under
whatever path lacks it equally, and a check does not call that damage any more. Manifests stay as they are, so a content that
comes back is whole again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from blake3 import blake3
from msgspec.structs import replace

from vault.errors import Damaged
from vault.format import layout, strict_json
from vault.format.forget_note import ForgetNote, GivenUpContent, GivenUpItem
from vault.format.layout import CONTENT_TIER
from vault.problems import printable
from vault.repository import forget_notes, snapshots, stored_packs
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.gc.forget import parts, refuse_unfit
from vault.repository.orphan_packs import with_orphans
from vault.repository.project import Project
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record

COLUMNS = ("path", "source", "vanished_at")
"""Of a manifest: what tells one vanished item from another."""


def look(project: Project, damaged: frozenset[bytes]) -> list[GivenUpItem]:
    """The vanished items of the newest snapshots whose content cannot be had, and that nobody has given up. damaged: packs that
    are known to be. None where an index segment is missing and this machine may not read packs. Raises `StorageError`."""
    below = replace(project, store=uncached(project.store))
    index = with_orphans(below, ChunkIndex.load(below), CONTENT_TIER)
    if project.capability.content_identity is None and stored_packs.list_packs(below, CONTENT_TIER).keys() - index.packs():
        return []
    stored = stored_packs.list_all_packs(below)
    mismatched = index.mismatched(stored)
    gone = stored_packs.missing(below, mismatched - stored.keys()) | (mismatched & stored.keys())
    sound = index.split(gone | damaged)[0]
    known = {one.item for note in forget_notes.read_notes(below)[0] for one in note.items}
    committed = snapshots.committed(below)
    reader = MetaReader(below)
    sources = sorted({one.source for one in committed.records})
    newest = [one for source in sources for one in snapshots.heads(committed.records, source)]
    return [one for record in newest for one in _lost(reader, record, sound) if one.item not in known]


def accept(project: Project, items: Sequence[GivenUpItem], *, reason: str, who: str) -> None:
    """A person gives these up. Raises `UsageError` for a reason that is no reason."""
    refuse_unfit(reason)
    services = project.services
    for part in parts(items):
        note_id, now = layout.new_id(services.randomness.token(16)), services.clock.now()
        note = ForgetNote(note_id, (), reason, services.host, now, who, items=part)
        project.put_record(layout.forgotten_name(project.id, note_id), note.as_json())


def given_up(project: Project, table: pa.Table) -> pa.Array:
    """Which rows of a manifest a person has given up, a boolean each."""
    import pyarrow as pa

    known = {one.item for note in forget_notes.read_notes(project)[0] for one in note.items}
    rows = zip(*(table[name].to_pylist() for name in COLUMNS), strict=True) if known else ()
    found = [gone is not None and _item(path, source, gone) in known for path, source, gone in rows]
    return pa.array(found or [False] * table.num_rows, pa.bool_())


def _lost(reader: MetaReader, record: Record, sound: ChunkIndex) -> Iterator[GivenUpItem]:
    import pyarrow.compute as pc

    try:
        table = snapshots.read_manifest(reader, record, columns=[*COLUMNS, "chunks"])
    except Damaged:  # that is told, and given up, as a snapshot
        return
    flat = table["chunks"].combine_chunks()
    ids = flat.flatten().field("id")
    had = pc.is_in(ids, value_set=sound.table["chunk"].combine_chunks())
    lost = pc.unique(pc.list_parent_indices(flat).filter(pc.and_not(pc.is_valid(ids), had)))
    for row in table.select(COLUMNS).take(lost).to_pylist():
        if row["vanished_at"] is not None:
            item = _item(row["path"], row["source"], row["vanished_at"])
            yield GivenUpItem(item, row["source"], printable(row["path"]), row["vanished_at"])


def _item(path: bytes, source: str, vanished_at: datetime) -> bytes:
    return blake3(b"\0".join([path, source.encode(), strict_json.write_moment(vanished_at).encode()])).digest(length=16)


def contents_given_up(project: Project) -> frozenset[bytes]:
    """The BLAKE3 of each content that was given up. Raises `StorageError`."""
    return frozenset(one.blake3 for note in forget_notes.read_notes(project)[0] for one in note.contents)


def give_up_contents(project: Project, contents: Sequence[GivenUpContent], *, reason: str, who: str) -> None:
    """A person gives these up. Raises `UsageError` for a reason that is no reason, `StorageError`."""
    refuse_unfit(reason)
    services = project.services
    for part in parts(contents):
        note_id, now = layout.new_id(services.randomness.token(16)), services.clock.now()
        note = ForgetNote(note_id, (), reason, services.host, now, who, contents=part)
        project.put_record(layout.forgotten_name(project.id, note_id), note.as_json())

"""What ends a batch, once its packs are in the second store: the index, what has moved, what was forgotten before, and then the
records, parents first. With each record the second store has one snapshot more, whole.

Before the first record, and after the last, is looked whether the claim stands: a prune that took it away may have deleted, or
yet delete, what was copied. Then the records are taken back, and the next run goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from vault.copying import moved_packs
from vault.copying.pair import CopyPair
from vault.copying.plan import Batch, forgotten_before
from vault.copying.read_both import FirstStore, SecondStore, with_unnamed
from vault.copying.small_objects import read_surely
from vault.errors import Damaged, ObjectNotFound, StorageError
from vault.format import envelope, layout
from vault.format.snapshot_record import Record, StoredRecord, decode_stored
from vault.problems import Problem
from vault.progress import Stop
from vault.repository import listed_range, record_gathering, rollups, stored_packs
from vault.repository.chunk_index import is_among
from vault.repository.claims import evicted_error
from vault.repository.gc import marks
from vault.repository.gc.forget import put_notes
from vault.repository.orphan_packs import rows_from_packs
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.store_trust import WriteLost
from vault.storage.caching import uncached
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

NOT_COPIED = "forgotten in the first store before it was copied here"


class FirstStoreChanged(Exception):
    """Something that was listed in the first store is gone by now: a prune is at work there."""


def rows_by_pack(project: Project, first: FirstStore, packs: Collection[bytes]) -> dict[bytes, pa.Table]:
    """The index rows of packs, as the first store has them; where no segment names one, out of its own table of contents, as
    far as this machine may read it."""
    rows = first.index.table.filter(is_among(first.index.table["pack"], packs)).sort_by("pack").combine_chunks()
    counts = rows.group_by("pack").aggregate([("chunk", "count")])  # in no order that anybody promises
    found: dict[bytes, pa.Table] = {}
    start = 0
    for pack, count in sorted(zip(counts["pack"].to_pylist(), counts["chunk_count"].to_pylist(), strict=True)):
        found[pack] = rows.slice(start, count)
        start += count
    sizes = first.sizes if all(pack in first.sizes for pack in packs) else with_unnamed(project, first.sizes)
    unnamed = [(*sizes[pack], pack) for pack in packs if pack not in found and pack in sizes]
    for table in rows_from_packs(project, [(tier, pack, size) for tier, size, pack in unnamed]):
        found[table["pack"][0].as_py()] = table
    return found


def commit(pair: CopyPair, session: Session, first: FirstStore, second: SecondStore, batch: Batch, stop: Stop) -> list[str]:
    """Write all that makes the batch's snapshots part of the second store; gives the names of their records. Raises
    `FirstStoreChanged`, `Busy` where the claim was taken away, `WriteLost`, `StorageError`."""
    if batch.unnamed:
        session.index.add(list(rows_by_pack(pair.first, first, batch.unnamed).values()))
    session.index.write_all()
    _require_packs(pair, session, batch)
    if batch.moved:
        moved_packs.write(pair.second, batch.moved)
    if batch.back:
        moved_packs.take_back(pair.second, second.moves, batch.back)
    put_notes(pair.second, forgotten_before(first, second, batch.records), NOT_COPIED)
    written: list[str] = []
    tables = _write_late(pair, second, batch)
    try:
        for one in batch.records:
            stop()
            name = layout.snapshot_name(pair.first.id, one.id)
            try:
                data = stored_record(pair.first, one.id).data
            except Damaged as error:
                batch.problems.append(Problem(one.id.encode(), "damaged-record", f"snapshot {one.id} is not copied: {error}"))
                continue
            pair.put(name, data)
            written.append(name)
        _verify(pair, session, written, tables)
    except FirstStoreChanged:
        _verify(pair, session, written, tables)
        raise
    return written


def _write_late(pair: CopyPair, second: SecondStore, batch: Batch) -> list[str]:
    """Put the records that tables of the second store may say do not exist into one that says they do, before they do; gives
    its name."""
    newest = listed_range.reference({*second.usable, *second.notes.by_id})
    found: list[Record] = []
    for one in batch.records:
        if listed_range.is_late(one.id, newest):
            with suppress(Damaged):
                value = stored_record(pair.first, one.id).value
                found += [value] if isinstance(value, Record) else []
    return record_gathering.write_late(pair.second, found)


class StoredBytes(NamedTuple):
    """What is stored under a snapshot's name, and what it says."""

    data: bytes
    value: StoredRecord


def stored_record(project: Project, snapshot: str) -> StoredBytes:
    """A record as it is stored, once it is clear that it can be read. Raises `FirstStoreChanged` where it is gone,
    `Damaged`."""
    name = layout.snapshot_name(project.id, snapshot)
    what = f"the record of snapshot {snapshot}"
    for store in (project.store, uncached(project.store)):
        try:
            data = store.get(name)
        except ObjectNotFound:
            raise FirstStoreChanged from None
        with suppress(Damaged):
            plain = project.open_catalogue(data)
            value = envelope.decode(plain, project.capability.tag_key, name, project.id, what)
            return StoredBytes(data, decode_stored(value, snapshot))
    raise Damaged(f"{what} cannot be read")


def copy_rollups(pair: CopyPair, known: frozenset[str]) -> int:
    """Copy the roll-ups of whose snapshots the second store knows each; gives how many. known: ids of those that stand there or
    were forgotten there."""
    there = {info.name for info in pair.target.list(pair.first.folder("rollups"))}
    done = 0
    for name, records in rollups.by_name(pair.first).items():
        if name not in there and known.issuperset(one.id for one in records):
            with suppress(ObjectNotFound, Damaged):  # thinned meanwhile, or no use
                pair.put(name, read_surely(pair.first.store, name))
                done += 1
    return done


def _require_packs(pair: CopyPair, session: Session, batch: Batch) -> None:
    """Raises `Busy` where the claim was taken away, `WriteLost` where a pack is not there though the store has answered."""
    if not session.claim_exists():
        raise evicted_error(session.id)
    below = replace(pair.second, store=pair.target)
    gone = stored_packs.missing(below, frozenset(batch.packs) - batch.lost)
    if gone:
        which = counted(len(gone), "pack that was copied is", "packs that were copied are")
        raise WriteLost(f"{which} not in the copy at {pair.target.describe()}, such as {min(gone).hex()}")


def _verify(pair: CopyPair, session: Session, written: Sequence[str], tables: Sequence[str]) -> None:
    """Raises `Busy` where a prune has taken the claim away meanwhile: then these records, and the tables with some of them, are
    taken back. Raises `WriteLost` where one is not there."""
    if not written:
        return
    evicted = session.id in marks.read(pair.second).evicted() or not session.claim_exists()
    if evicted:
        for name in (*tables, *reversed(written)):
            with suppress(StorageError):
                pair.target.delete(name)
        raise evicted_error(session.id)
    session.index.restore_lost()
    there = {info.name for info in pair.target.list(pair.first.folder("snapshots"))}
    lost = [name for name in written if name not in there and not stored_packs.exists(pair.second, name)]
    if lost:
        raise WriteLost(f"{lost[0]} was copied, the store has answered, and it is not there")

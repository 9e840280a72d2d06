"""What was committed, and when: the snapshots of a project.

LIST says which snapshots exist, but for those that a note says were forgotten. A snapshot names its parents, so that the
newest of a source is the one that no other supersedes, whatever a clock said; only between several such ones does time
decide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, TransientStorageError
from vault.format import layout, manifest, record_table
from vault.format.chunks import ID_SIZE
from vault.format.claim import Claim, Eviction
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, StoredRecord, decode_stored
from vault.problems import Problem
from vault.repository import forget_notes, record_tables, rollup_records, rollups
from vault.repository.forget_notes import ForgetNotes
from vault.repository.lazy_records import COLUMNS, LazyMoves, LazyRecords, Outline, as_columns, outline_of
from vault.repository.project import Project
from vault.repository.record_tables import RecordTables
from vault.storage.caching import is_kept
from vault.threads import parallel_map

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.repository.catalog_chunks import MetaReader

READERS = 8
"""Records that are fetched at once: each waits for a round trip."""

ASKED, PAUSE = 3, 1.0
"""How often a record is requested that the store lists and does not find; seconds in between."""

WORTH_TABLES = 64
"""Snapshots, from which on tables of records are asked for: that costs a listing."""

WORTH_ROLLUPS = 256
"""Snapshots that are in no table. A thousand records out of the cache take 0.6 s, out of roll-ups 0.05 s; from S3 a request
each."""

FEW = 32
"""Records that are decoded out of a table without looking for what this machine kept of earlier ones."""

WORTH_KEEPING = 256
"""Records that were decoded out of tables and not found in what this machine keeps."""

OUT_OF_TABLES = "records"
"""Beside roll-ups, in what is kept on this machine: the records that were decoded out of tables."""

WORTH_PICKING = 16 * 1024 * 1024
"""Bytes of a manifest; of larger ones only the columns that are asked for are read."""


class ListedButMissing(TransientStorageError):
    """A record that the store lists, and does not find."""


def stored_ids(project: Project) -> list[str]:
    """The ids of all stored records, of whatever kind, by time."""
    names = (info.name.rpartition("/")[2] for info in project.store.list(project.folder("snapshots")))
    return sorted(name for name in names if layout.is_snapshot_id(name))


def ids(project: Project) -> list[str]:
    """The ids of all records but those of forgotten snapshots, by time; evicted ones are among them."""
    stored, gone = stored_ids(project), forget_notes.read_all(project).by_id
    return [snapshot for snapshot in stored if snapshot not in gone]


def read(project: Project, snapshot: str) -> Record | None:
    """One record, or None where its claim was evicted or it is gone. Raises `Damaged`."""
    found = read_any(project, snapshot)
    return found if isinstance(found, Record) else None


def read_any(project: Project, snapshot: str) -> Record | MovedPacks | Eviction | None:
    """What is stored under a snapshot's name; None where nothing is. Raises `Damaged`, `ListedButMissing`."""
    name = layout.snapshot_name(project.id, snapshot)
    try:
        value = project.read_record(name, f"the record of snapshot {snapshot}")
    except ObjectNotFound as error:
        if snapshot in stored_ids(project):  # without it, an older snapshot would silently pass for the newest
            raise ListedButMissing(f"the store lists snapshot {snapshot} but does not return it") from error
        return None
    return decode_stored(value, snapshot)


class Committed(NamedTuple):
    """The snapshots of a project.

    - `records`: by `taken_at`
    - `damaged`: records that cannot be used
    - `moves`: the records of moved packs, which prunes have committed
    - `given_up`: vanished items that notes say were given up
    """

    records: Sequence[Record]
    damaged: tuple[Problem, ...]
    moves: Sequence[MovedPacks]
    given_up: frozenset[bytes] = frozenset()

    @property
    def moved(self) -> dict[bytes, frozenset[bytes]]:
        """For each moved pack, the packs that hold its content now. Two prunes may have moved one pack at once: then either may
        hold what is needed of it. A pack without targets has not moved."""
        joined: dict[bytes, frozenset[bytes]] = {}
        for one in self.moves:
            for old, new in one.packs.items():
                if new:
                    joined[old] = joined.get(old, frozenset()) | set(new)
        return joined


def committed(project: Project, *, rolled: bool = False) -> Committed:
    """Every committed snapshot that was not forgotten. Damaged records do not stop that: the caller reports them.

    rolled: read many snapshots out of tables and roll-ups, which have no problems of runs, and each once it is asked for. Not
    for callers that delete. Raises `StorageError`.
    """
    gone = forget_notes.read_all(project)
    return remaining(project, stored_ids(project), gone, rolled=rolled)


def remaining(
    project: Project,
    listed: Iterable[str],
    gone: ForgetNotes,
    *,
    rolled: bool = False,
    tables: RecordTables | None = None,
) -> Committed:
    """Those of the listed snapshots that no note says were forgotten; otherwise as `committed`. tables: where they were read
    before."""
    wanted = [snapshot for snapshot in listed if snapshot not in gone.by_id]
    if rolled and len(wanted) >= WORTH_TABLES:
        import pyarrow as pa

        tables = record_tables.load(project) if tables is None else tables
        return out_of_tables(project, pa.array(wanted, pa.string()), gone, tables)
    found = read_records(project, wanted)
    records = [replace(one, parents=gone.parents_of(one.parents)) for one in found.records]
    return found._replace(records=records, damaged=(*found.damaged, *gone.damaged), given_up=gone.items)


def out_of_tables(project: Project, wanted: pa.Array, gone: ForgetNotes, tables: RecordTables) -> Committed:
    """The records of wanted snapshots (ids, none of them forgotten) out of tables, those in none out of roll-ups where they are
    many, and the rest from the store. Raises `StorageError`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = tables.columns
    rest = wanted.filter(pc.invert(pc.is_in(wanted, value_set=rows["id"].combine_chunks()))).to_pylist()
    known = _in_rollups(project, rest) if len(rest) >= WORTH_ROLLUPS else {}
    found = read_records(project, [snapshot for snapshot in rest if snapshot not in known])
    rows = rows.filter(pc.is_in(rows["id"], value_set=wanted))
    are_snapshots = record_table.are_snapshots(rows)
    read = known | {one.id: one for one in found.records}
    columns = [rows.filter(are_snapshots).select(COLUMNS), as_columns([outline_of(one) for one in read.values()])]
    moved = sorted(rows["id"].filter(pc.invert(are_snapshots)).to_pylist())
    records = LazyRecords(
        pa.concat_tables([columns[0].cast(columns[1].schema), columns[1]]),
        gone,
        lambda ids: _records_of(project, tables, read, ids),
    )
    moves = LazyMoves(found.moves, len(moved), lambda: _read_out_of(project, tables, moved).values())
    return Committed(records, (*found.damaged, *gone.damaged), moves, gone.items)


def _records_of(
    project: Project, tables: RecordTables, read: Mapping[str, Record], ids: Collection[str]
) -> Mapping[str, Record]:
    """The records of these snapshots: those that were read before, or are kept on this machine, else out of tables. Raises
    `Damaged` where one cannot be read."""
    found = {one: read[one] for one in ids if one in read}
    missing = [one for one in ids if one not in found]
    kept = rollup_records.load(project) if len(missing) > FEW else {}
    there = frozenset(missing)
    found |= {one.id: one for records in kept.values() for one in records if one.id in there}
    missing = [one for one in missing if one not in found]
    decoded = _read_out_of(project, tables, missing)
    found |= {one.id: one for one in decoded.values() if isinstance(one, Record)}
    if len(missing) > WORTH_KEEPING:
        more = (one for one in decoded.values() if isinstance(one, Record))
        rollup_records.save(project, {**kept, OUT_OF_TABLES: (*kept.get(OUT_OF_TABLES, ()), *more)})
    return found


def _read_out_of(project: Project, tables: RecordTables, ids: Collection[str]) -> dict[str, StoredRecord]:
    """What is stored under these names, out of tables; what cannot be read there, from the store. Raises `Damaged`."""
    found = tables.read(ids)
    for one in ids:
        if one not in found:
            stored = read_any(project, one)
            if stored is not None:
                found[one] = stored
    return found


def _in_rollups(project: Project, wanted: Collection[str]) -> dict[str, Record]:
    """The records of wanted snapshots that are in roll-ups."""
    there = frozenset(wanted)
    return {one.id: one for records in rollups.rolled_up(project) for one in records if one.id in there}


def read_records(project: Project, wanted: Sequence[str]) -> Committed:
    """The committed snapshots of these ids, forgotten ones included; damaged records as for `committed`."""

    def at_hand(snapshot: str) -> bool:
        return is_kept(project.store, layout.snapshot_name(project.id, snapshot))

    found = parallel_map(
        wanted, lambda snapshot: _record_or_problem(project, snapshot), most=READERS, name="records", at_hand=at_hand
    )
    records = sorted((one for one in found if isinstance(one, Record)), key=lambda one: (one.taken_at, one.id))
    moves = tuple(one for one in found if isinstance(one, MovedPacks))
    return Committed(records, tuple(one for one in found if isinstance(one, Problem)), moves)


def read_all(project: Project) -> Sequence[Record]:
    """Every committed snapshot. Raises `Damaged` where one cannot be used."""
    found = committed(project)
    if found.damaged:
        raise Damaged(found.damaged[0].message)
    return found.records


def _record_or_problem(project: Project, snapshot: str) -> Record | MovedPacks | Eviction | Problem | None:
    name = layout.snapshot_name(project.id, snapshot).encode()
    for left in reversed(range(ASKED)):
        try:
            return read_any(project, snapshot)
        except Damaged as error:
            return Problem(name, "damaged-record", f"a snapshot cannot be used: {error}")
        except ListedButMissing as error:  # for ever, perhaps: that must not keep the others from being used
            if not left:
                return Problem(name, "lost-record", f"a snapshot cannot be used: {error}")
            project.services.clock.sleep(PAUSE)
    return None


def heads(records: Iterable[Record], source: str) -> list[Record]:
    """The snapshots of a source that no other supersedes, the newest last; usually one, two after two runs at once."""
    if isinstance(records, LazyRecords):
        return records.heads(source)
    own = [one for one in records if one.source == source]
    superseded = {parent for one in own for parent in one.parents}
    return sorted((one for one in own if one.id not in superseded), key=lambda one: (one.taken_at, one.id))


def outlines(records: Iterable[Record]) -> Sequence[Outline]:
    """What tells these snapshots apart; of records that are read when they are asked for, without reading them."""
    return records.outlines if isinstance(records, LazyRecords) else [outline_of(one) for one in records]


def at(records: Sequence[Record], moment: datetime | None) -> list[Record]:
    """The project at a moment (None: now): the newest snapshot of each of its sources up to then, by source."""
    if isinstance(records, LazyRecords):
        return records.at(moment)
    sources = sorted({one.source for one in records})
    past = [one for one in records if moment is None or one.taken_at <= moment]
    newest = [heads(past, source)[-1:] for source in sources]
    return [one for found in newest for one in found]


def read_manifest(
    reader: MetaReader, one: Record, *, columns: list[str] | None = None, kept: dict[str, bytearray] | None = None
) -> pa.Table:
    """The table of a snapshot's items, or the named columns of it. kept: bytes of manifests by snapshot, for whoever asks more
    than once; those that are not worth picking columns out of are added. Raises `Damaged`."""
    what, small = f"the manifest of snapshot {one.id}", one.manifest.length < WORTH_PICKING
    if columns is not None and not small:
        return manifest.decode(reader.open(one.manifest, what), columns=columns)
    data = kept.get(one.id) if kept is not None else None
    if data is None:
        data = reader.read(one.manifest, what)
        if kept is not None and small:
            kept[one.id] = data
    return manifest.decode(data, columns=columns)


def newest_readable(reader: MetaReader, records: Iterable[Record], one: Record, distrusted: Collection[str]) -> Record | None:
    """Of the snapshots of its source that came before `one`, the nearest whose manifest can be read, if any can. distrusted:
    ids of those that cannot. Raises `StorageError`."""
    waiting = [other for other in earlier(records, one) if other.id not in distrusted]
    at_once = 1  # the nearest one mostly can; where thousands cannot, each waits for a round trip
    with ThreadPoolExecutor(READERS, thread_name_prefix="manifests") as pool:
        while waiting:
            few, waiting = waiting[:at_once], waiting[at_once:]
            for other, readable in zip(few, pool.map(lambda other: _is_readable(reader, other), few), strict=True):
                if readable:
                    return other
            largest = max((other.manifest.length for other in waiting[:READERS]), default=0)
            at_once = 1 if largest > WORTH_PICKING else min(at_once * 2, READERS)
    return None


def earlier(records: Iterable[Record], one: Record) -> list[Record]:
    """The snapshots of its source that came before `one`, the nearest first: those that it follows, by its parents and theirs,
    whatever a clock said, then others that are older by their times."""
    own = {other.id: other for other in records if other.source == one.source and other.id != one.id}
    found: dict[str, Record] = {}
    generation = [one]
    while generation:
        parents = {own[parent].id: own[parent] for child in generation for parent in child.parents if parent in own}
        generation = sorted((parent for parent in parents.values() if parent.id not in found), key=_by_time, reverse=True)
        found |= {parent.id: parent for parent in generation}
    older = [other for other in own.values() if other.id not in found and _by_time(other) < _by_time(one)]
    return [*found.values(), *sorted(older, key=_by_time, reverse=True)]


def _by_time(one: Record) -> tuple[datetime, str]:
    return one.taken_at, one.id


def _is_readable(reader: MetaReader, one: Record) -> bool:
    try:
        read_manifest(reader, one)
    except Damaged:
        return False
    return True


def unreadable(project: Project, one: Record, instead: Record | None, why: str = "") -> Problem:
    """The problem of a snapshot whose manifest cannot be read. instead: the snapshot that is used in its place · why: the
    error."""
    said = f"the manifest of snapshot {one.id} ({one.taken_at:%Y-%m-%d %H:%M:%S} UTC) cannot be read{why and f' ({why})'}; "
    if instead is None:
        said += "there is no older one that can: what the source no longer has is lost with it"
    else:
        said += f"snapshot {instead.id} ({instead.taken_at:%Y-%m-%d %H:%M:%S} UTC) stands in for it: items that came and went "
        said += "between the two may be lost"
    return Problem(layout.snapshot_name(project.id, one.id).encode(), "lost-manifest", said)


def needed_packs(reader: MetaReader, one: Record, moved: Mapping[bytes, frozenset[bytes]]) -> frozenset[bytes]:
    """The SHA-256 of every pack that a snapshot needs. moved: as in `Committed`. Raises `Damaged`."""
    return current_packs(listed_packs(reader, one), moved)


def listed_packs(reader: MetaReader, one: Record) -> frozenset[bytes]:
    """The SHA-256 of every pack that a snapshot's record names, moved or not. Raises `Damaged`."""
    flat = packs_as_bytes(reader, one)
    return frozenset(flat[start : start + ID_SIZE] for start in range(0, len(flat), ID_SIZE)) | set(one.own_packs)


def packs_as_bytes(reader: MetaReader, one: Record) -> bytes:
    """The packs that a record's list names, without those in the record itself: 32 bytes each. Raises `Damaged`."""
    what = f"the list of packs of snapshot {one.id}"
    try:
        flat = bytes.fromhex(reader.read(one.packs, what).decode("ascii"))  # it passes over the ends of lines
    except ValueError as error:
        raise Damaged(f"{what} is not readable") from error
    if len(flat) % ID_SIZE:
        raise Damaged(f"{what} is not readable")
    return flat


def current_packs(packs: frozenset[bytes], moved: Mapping[bytes, frozenset[bytes]]) -> frozenset[bytes]:
    """The packs that hold the content of `packs` now; it may have moved more than once. Packs that moved in a circle, by forged
    records, count as not moved."""
    found = follow_moves(packs, moved)
    return found - _moved_without_circle(found & moved.keys(), moved)


def _moved_without_circle(old: frozenset[bytes], moved: Mapping[bytes, frozenset[bytes]]) -> frozenset[bytes]:
    """Those of the moved packs whose content is, by every record, in packs that have not moved."""
    left = {pack: len(moved[pack] & old) for pack in old}
    sources: dict[bytes, list[bytes]] = {}
    for pack in old:
        for target in moved[pack] & old:
            sources.setdefault(target, []).append(pack)
    settled: set[bytes] = set()
    waiting = [pack for pack, count in left.items() if not count]
    while waiting:
        pack = waiting.pop()
        settled.add(pack)
        for source in sources.get(pack, ()):
            left[source] -= 1
            if not left[source]:
                waiting.append(source)
    return frozenset(settled)


def follow_moves(packs: frozenset[bytes], moved: Mapping[bytes, frozenset[bytes]]) -> frozenset[bytes]:
    """These packs, and all to which their content has moved since."""
    seen: set[bytes] = set()
    waiting = list(packs)
    while waiting:
        pack = waiting.pop()
        if pack not in seen:
            seen.add(pack)
            waiting += moved.get(pack, ())
    return frozenset(seen)


def claims(project: Project) -> list[Claim]:
    """The snapshots that are being written, or whose writer died; for showing, so damaged claims are passed over."""
    found = []
    for info in list(project.store.list(project.folder("claims"))):
        try:
            found.append(Claim.from_json(project.read_record(info.name, f"the claim {info.name}")))
        except (ObjectNotFound, Damaged):
            continue  # committed meanwhile, or nobody's
    return found

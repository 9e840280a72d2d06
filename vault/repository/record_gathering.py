"""Gathering records in tables: the newest ones soon, so that few have to be read one by one, and tables of a like size as one,
so that few stand.

A backup gathers now and then, a prune each time, and joins more. What is joined is written, read back from the store and found
right before what it replaces is deleted. Nothing relies on any of this: it may end anywhere, and two may do it at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from vault.errors import Damaged, StorageDenied, TransientStorageError
from vault.format import layout, record_table
from vault.format.chunks import ID_SIZE
from vault.format.claim import Eviction
from vault.format.moved_packs import MovedPacks
from vault.format.record_table import LARGEST_TEXT, MOMENT_SIZE, MOST_BESIDE, MOST_TABLES, Coverage, Row
from vault.format.snapshot_record import Record
from vault.progress import Stop
from vault.repository import claims, forget_notes, listed_range, record_tables, snapshots
from vault.repository.project import Project
from vault.repository.record_tables import StoredTable

FULL = LARGEST_TEXT // 2
"""Bytes of records that are not forgotten, from which on a table is not joined with others any more."""

Gathered = tuple[Row, bytes]


class Effort(NamedTuple):
    """fewest: records in no table that are worth one · factor: a table is joined with what is gathered where it has at most so
    many times as many rows: so a record is written again but a few times, and few tables of each size stand."""

    fewest: int
    factor: int


OF_BACKUPS = Effort(fewest=16, factor=8)
OF_PRUNES = Effort(fewest=2, factor=128)

WITHOUT_JOINING = Effort(fewest=128, factor=0)
"""Where nothing can be deleted: the tables that were joined would stay."""


class GatheringResult(NamedTuple):
    """records: how many are in the tables that were written · replaced: how many tables were joined."""

    records: int
    replaced: int


def gather(project: Project, effort: Effort, stop: Stop) -> GatheringResult:
    """Put records that are in no table into one. Raises `StorageError`, `Damaged` where what was written does not read back."""
    tables = record_tables.load(project)
    before = listed_range.coverage_limit(project, tables)  # it lists claims: after the tables, before the records
    listed, gone = snapshots.stored_ids(project), forget_notes.read_all(project).by_id
    standing = frozenset(one for one in listed if one not in gone)
    if len(standing.union(one for one in tables.ids if one not in gone)) < snapshots.WORTH_TABLES:
        return GatheringResult(0, _delete(project, [table.name for table in tables.tables] if effort.factor else []))
    loose = sorted(standing.difference(tables.ids, claims.list_ids(project)))  # a record beside its claim may yet be withdrawn
    hidden = _hidden(loose, tables.coverage)
    new = _read(project, loose if len(loose) >= effort.fewest else hidden)
    is_new = len(new) >= effort.fewest or bool(hidden and new)
    joined = _joined(tables.tables, gone, len(new) if is_new else 0, effort.factor)
    if not is_new and len(joined) < 2:
        return GatheringResult(0, 0)
    rows = {row.id: (row, text) for row, text in new}
    for table in joined:
        stop()
        rows |= _rows_of(table, gone)
    kept = [table for table in tables.tables if table not in joined]
    _write(project, sorted(rows.values()), _coverage(project, before, standing.difference(rows, _ids(kept)), kept), stop)
    return GatheringResult(len(rows), _delete(project, [table.name for table in joined]))


def write_late(project: Project, records: Iterable[Record]) -> list[str]:
    """Put records into a table of their own, under whose names another table may say that there is none; gives the tables'
    names. Raises `Damaged`, `StorageError`."""
    rows = [row for row in map(record_table.row_of, records) if row is not None]
    written = _write(project, sorted(rows), None, lambda: None)
    return [layout.record_table_name(project.id, one) for one in written]


def gather_for_backups(project: Project, stop: Stop) -> GatheringResult:
    """As `gather`, where this run may perhaps delete nothing. Raises `StorageError`, `Damaged`."""
    return gather(project, OF_BACKUPS if may_delete(project) else WITHOUT_JOINING, stop)


def may_delete(project: Project) -> bool:
    """Whether these credentials may: deleting what is not there is refused like any other deletion."""
    try:
        project.store.delete(layout.record_table_name(project.id, project.services.randomness.token(ID_SIZE)))
    except StorageDenied:
        return False
    return True


def delete_damaged(project: Project) -> int:
    """Delete the tables that cannot be used; returns how many. Raises `StorageError`."""
    return _delete(project, [one.path.decode() for one in record_tables.damage(project)])


def _read(project: Project, ids: Sequence[str]) -> list[Gathered]:
    """The rows of records of snapshots and moved packs. Not of an eviction: a late commit may take its place."""
    found = snapshots.read_records(project, ids)
    stored: Sequence[Record | MovedPacks] = [*found.records, *found.moves]
    return [row for row in map(record_table.row_of, stored) if row is not None]


def _joined(tables: Sequence[StoredTable], gone: Container[str], gathered: int, factor: int) -> list[StoredTable]:
    """The tables that are written anew with so many new rows, and those of which most is forgotten. gone: what notes name."""
    kept = {table.name: [row for row in table.rows if row.id not in gone] for table in tables}
    spent = [table for table in tables if len(kept[table.name]) * 2 < len(table.rows)] if factor else []
    gathered += sum(len(kept[table.name]) for table in spent)
    open_ones = [table for table in tables if table not in spent and sum(row.size for row in kept[table.name]) < FULL]
    joined = list(spent)
    for table in sorted(open_ones, key=lambda table: (len(kept[table.name]), table.name)):
        if len(kept[table.name]) > gathered * factor:
            break
        gathered += len(kept[table.name])
        joined.append(table)
    return joined


def _rows_of(table: StoredTable, gone: Container[str]) -> Mapping[str, Gathered]:
    """The rows of a table that were not forgotten: a record that was lost may be had from here alone. Of a table that cannot
    be read in full, none: its records are gathered anew."""
    wanted = [number for number, row in enumerate(table.rows) if row.id not in gone]
    try:
        return {
            table.rows[number].id: (table.rows[number], text)
            for number, text in record_table.texts(table.plain, wanted).items()
        }
    except Damaged:
        return {}


def _hidden(loose: Sequence[str], stated: Coverage | None) -> list[str]:
    """Those of the records in no table of which a table says that there are none: somebody committed them who did not know."""
    return [] if stated is None else [one for one in loose if one < stated.before and one not in stated.beside]


def _ids(tables: Iterable[StoredTable]) -> set[str]:
    return {row.id for table in tables for row in table.rows}


def _coverage(project: Project, before: str, loose: Iterable[str], kept: Sequence[StoredTable]) -> Coverage | None:
    """What a table covers beside others. before: at most · loose: what stands and will be in no table."""
    beside: list[str] = []
    for one in sorted(one for one in loose if one < before):
        if _is_eviction(project, one):
            continue
        if len(beside) == MOST_BESIDE:
            before = one[:MOMENT_SIZE]
            break
        beside.append(one)
    if not before or len(kept) > MOST_TABLES // 2:
        return None
    return Coverage(before, tuple(one for one in beside if one < before), tuple(table.id for table in kept))


def _is_eviction(project: Project, snapshot: str) -> bool:
    """Whether nothing was committed under this name; where a commit takes its place yet, its writer says so in a table."""
    try:
        return isinstance(snapshots.read_any(project, snapshot), Eviction)
    except (Damaged, TransientStorageError):
        return False


def _write(project: Project, rows: Sequence[Gathered], covers: Coverage | None, stop: Stop) -> list[bytes]:
    """Store tables, the last of which says what they cover together with others; gives their ids. Raises `Damaged`,
    `WriteLost`."""
    written: list[bytes] = []
    parts = record_table.parted(rows)
    for number, part in enumerate(parts, 1):
        stop()
        stated = covers if number == len(parts) else None
        whole = None if stated is None else stated._replace(tables=(*stated.tables, *written))
        written.append(_write_one(project, part, whole))
    return written


def _write_one(project: Project, rows: Sequence[Gathered], covers: Coverage | None) -> bytes:
    """Store a table, and read it back below every cache; gives its id. Raises `Damaged`, `WriteLost`."""
    plain = record_table.encode(rows, project.services.randomness.token(record_table.NONCE_SIZE), covers)
    key = project.capability.record_table_key
    table_id = record_table.name(plain, key)
    again = record_table.decode(plain, key, table_id)
    numbers = {row.id: number for number, row in enumerate(() if again is None else record_table.rows_of(again))}
    texts = record_table.texts(plain, range(len(numbers)))
    whole = {one: texts[number] for one, number in numbers.items()} == {row.id: text for row, text in rows}
    if not whole or record_table.coverage(plain) != covers:
        raise Damaged("a table of records could not be read again; nothing was replaced by it")
    sealed = project.seal_catalogue(plain)
    name = layout.record_table_name(project.id, table_id)
    project.store.put(name, sealed)
    if not project.stands_as(name, sealed):
        raise Damaged(f"{name} does not hold what was written; nothing was replaced by it")
    return table_id


def _delete(project: Project, names: Sequence[str]) -> int:
    deleted = 0
    for name in names:
        with suppress(StorageDenied):
            project.store.delete(name)
            deleted += 1
    return deleted

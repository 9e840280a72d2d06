"""Which items are meant: a project, a moment, and the parts of a query, as rows of manifests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from restore.selection import filters, suggestions
from restore.selection.query import ItemQuery
from vault.errors import Damaged, NothingFound, UsageError
from vault.format import manifest
from vault.problems import Problem
from vault.progress import release_memory
from vault.repository import listed_range, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import repaired_index
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record

__all__ = ["ItemQuery", "Selection", "folders_above", "select"]


class OutsidePeriod(Struct, frozen=True):
    """What only touches the periods that were asked for, and was left out. items: without folders."""

    items: int = 0
    bytes: int = 0


class Selection(Struct, frozen=True):
    """Items of a project at a moment. table: rows of manifests, sorted by path · above: rows of the folders that lead to
    them and are not meant themselves · records: the snapshots they are from · index: of the project · damage: records and
    index segments that could not be used, so that a newer state than this one may be lost · beyond: what --overlapping would
    add."""

    project: Project
    records: tuple[Record, ...]
    table: pa.Table
    above: pa.Table
    index: ChunkIndex
    damage: tuple[Problem, ...] = ()
    beyond: OutsidePeriod = OutsidePeriod()


def select(project: Project, query: ItemQuery) -> Selection:
    """The items that are meant. Raises `NothingFound` (there is no snapshot, or nothing matches), `UsageError`, `Damaged`."""
    import pyarrow as pa

    index = repaired_index(project, ChunkIndex.load(project))
    committed = listed_range.committed(project)
    reader = MetaReader(project, index, heads=len(committed.records) >= snapshots.WORTH_TABLES)
    tables, lost = _manifests(project, reader, _records(project, query, committed), committed.records)
    records = [record for record, _ in tables]
    index = reader.index
    damage = (*committed.damaged, *lost, *index.damaged)
    picked = [_picked(record, table, query) for record, table in tables]
    table = pa.concat_tables([one for one, _ in picked])
    if not table.num_rows and query.versions != 1 and not query.deleted:
        deleted = replace(query, deleted=True)
        picked = [_picked(record, table, deleted) for record, table in tables]
        table = pa.concat_tables([one for one, _ in picked])
    if not table.num_rows:
        raise suggestions.nothing(project, query, tables)
    whole = pa.concat_tables([one for _, one in tables])
    beyond = OutsidePeriod(sum(one.items for _, one in picked), sum(one.bytes for _, one in picked))
    del tables, picked
    above = folders_above(whole, table)
    del whole
    if len(records) > 1:  # one manifest is sorted already
        table, above = _by_path(table), _by_path(above)
    release_memory()
    return Selection(project, tuple(records), table, above, index, damage, beyond)


def _manifests(
    project: Project, reader: MetaReader, wanted: list[Record], records: Iterable[Record]
) -> tuple[list[tuple[Record, pa.Table]], list[Problem]]:
    """The manifests of the wanted snapshots; where one cannot be read, the newest older one of its source, and a problem that
    says so. Raises `Damaged` where there is none."""
    found, problems = [], []
    for one in wanted:
        try:
            found.append((one, _read_twice(project, reader, one)))
        except Damaged as error:
            older = snapshots.newest_readable(reader, records, one, ())
            if older is None:
                raise
            found.append((older, snapshots.read_manifest(reader, older)))
            problems.append(snapshots.unreadable(project, one, older, str(error)))
    return found, problems


def _read_twice(project: Project, reader: MetaReader, one: Record) -> pa.Table:
    """Its manifest; one damaged answer does not make it unreadable. Raises `Damaged`."""
    try:
        return snapshots.read_manifest(reader, one)
    except Damaged:
        return snapshots.read_manifest(MetaReader(project, reader.index), one)


def _records(project: Project, query: ItemQuery, committed: snapshots.Committed) -> list[Record]:
    records = [one for one in snapshots.at(committed.records, query.at) if query.source in (None, one.source)]
    if records:
        return records
    if committed.damaged:
        raise Damaged(committed.damaged[0].message)
    refuse_unknown_source(project, query.source, {one.source for one in snapshots.outlines(committed.records)})
    when = f" up to {query.at_words or format(query.at, '%Y-%m-%d %H:%M:%S %Z')}" if query.at else ""
    raise NothingFound(
        f"project {project.name!r} has no snapshot{when}",
        hint=f"see what there is: `strongroom list {project.name}`",
    )


def refuse_unknown_source(project: Project, source: str | None, known: Collection[str]) -> None:
    """Raises `UsageError` for a source that no snapshot is of, where there are snapshots."""
    if source is not None and known and source not in known:
        raise UsageError(
            f"project {project.name!r} has no snapshot of a source {source!r}", hint=f"there are: {', '.join(sorted(known))}"
        )


def _picked(record: Record, table: pa.Table, query: ItemQuery) -> tuple[pa.Table, OutsidePeriod]:
    """The rows of a manifest that are meant, and how many more touch the periods."""
    import pyarrow.compute as pc

    if not query.with_deleted and (
        query.deleted or table["vanished_at"].null_count < len(table)
    ):  # else all are meant, and a copy is spared
        table = table.filter(filters.deleted(table, query))
    mask = filters.named(table, query)
    if mask is not None:
        table = table.filter(mask)
    if not query.periods:
        return table, OutsidePeriod()
    periods = filters.periods_of(query, filters.zone_of(record.zone, query))
    touching = filters.overlapping(table, periods)
    if query.overlapping:
        return table.filter(touching), OutsidePeriod()
    inside = filters.within(table, periods)
    beyond = table["size"].filter(pc.and_(pc.and_not(touching, inside), pc.not_equal(table["type"], manifest.FOLDER)))
    return table.filter(inside), OutsidePeriod(len(beyond), pc.sum(beyond).as_py() or 0)


def folders_above(whole: pa.Table, picked: pa.Table) -> pa.Table:
    """The folders that lead to what was picked, for the sake of their modes and times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if picked.num_rows == whole.num_rows:
        return whole.slice(0, 0)
    above: set[bytes] = set()
    parents = pc.unique(pc.replace_substring_regex(picked["path"], "(?s)/[^/]*$", "")).to_pylist()
    for folder in parents:
        while folder and folder not in above:
            above.add(folder)
            folder = folder.rpartition(b"/")[0]
    wanted = pc.is_in(whole["path"], value_set=pa.array(sorted(above), pa.binary()))
    meant = pc.is_in(whole["path"], value_set=picked["path"].combine_chunks())
    return whole.filter(pc.and_(pc.and_not(wanted, meant), pc.equal(whole["type"], manifest.FOLDER)))


def _by_path(table: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table["path"]))

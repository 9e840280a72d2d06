"""From which name on records have to be listed: what comes before it, tables of records say by themselves.

Of seventeen thousand snapshots a listing is eighteen requests, one after another. A table may state that up to a moment it
holds, with tables that it names, every record that stands: a *coverage*. What is forgotten since, notes say. It holds because
nobody commits under a name that is covered, whatever clocks say:

    who writes a table     reads tables, then lists claims, then records. It covers nothing that is younger than the eighth of
                           the newest snapshots in the tables that it has read, less a day; nothing from the oldest claim on;
                           and nothing new beside the claim of a copy or a repair, which write records under older names
    who backs up           lists records and notes once its claim stands. Where its name is older than the eighth of the newest
                           by more than a day, it begins anew under a name that is not
    who copies or repairs  does the same, and writes records with such names into a table of their own first

So of the two, one sees the other: a claim that the first does not list is put after it has read its tables, and whoever put it
sees at least what is in these. The eighth, as a few snapshots of a clock that is years ahead must not make every name old.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from vault.format import layout, record_table
from vault.repository import claims, forget_notes, record_tables, snapshots
from vault.repository.project import Project
from vault.repository.record_tables import RecordTables
from vault.repository.snapshots import Committed
from vault.storage.contract import list_after

if TYPE_CHECKING:
    import pyarrow as pa

MARGIN = timedelta(days=1)
OUTLIERS = 8

ANCHORS = 24
"""Covered snapshots that are listed nevertheless: where a store leaves one out, all are listed."""

WORTH_IT = 1000
"""Names of a page of a listing, and covered snapshots: of fewer, all are listed."""

INTERNAL = "("
"""What the sources begin with that claims name which are not of a backup."""


def reference(ids: Iterable[str]) -> datetime | None:
    """The moment of the eighth of the newest ids; None of fewer. The more ids, the later it is."""
    newest = nlargest(OUTLIERS, ids)
    return layout.moment_of(newest[-1]) if len(newest) == OUTLIERS else None


def is_late(snapshot: str, seen: datetime | None) -> bool:
    """Whether a table may cover this name. seen: the `reference` of all that is listed and noted, read once a claim stands."""
    moment = layout.moment_of(snapshot)
    return seen is not None and (moment is None or moment < seen - MARGIN)


def coverage_limit(project: Project, tables: RecordTables) -> str:
    """Up to which moment a table may cover what is listed from now on, as names begin with it; empty: nothing. tables: as they
    were read before this is asked."""
    before = "" if tables.coverage is None else tables.coverage.before
    seen = reference(_snapshots_of(tables.columns).to_pylist())
    standing = claims.list_ids(project)
    sources = {one.id: one.source for one in snapshots.claims(project)} if standing else {}
    if seen is None or any(sources.get(one, INTERNAL).startswith(INTERNAL) for one in standing):
        return before
    latest = min(seen, project.services.clock.now().astimezone(UTC)) - MARGIN
    return max(before, min([f"{latest:%Y%m%dt%H%M%Sz}", *(one[:16] for one in standing)]))


class ListedRange(NamedTuple):
    """ids: of all records that stand, forgotten ones among them, by time · tables: where these were read for it."""

    ids: list[str]
    tables: RecordTables | None = None


def committed(project: Project) -> Committed:
    """As `snapshots.committed(rolled=True)`, for who reads: a snapshot that is gone though nobody forgot it may be among those
    that tables cover. Raises `StorageError`."""
    import pyarrow as pa

    gone = forget_notes.read_all(project)
    found = _range(project, gone.by_id)
    if found.covered is None or found.tables is None:
        return snapshots.remaining(project, _sorted(found.listed), gone, rolled=True, tables=found.tables)
    listed = pa.array(_sorted(found.listed.difference(gone.by_id)), pa.string())
    return snapshots.out_of_tables(project, pa.concat_arrays([found.covered, listed]).unique(), gone, found.tables)


def standing(project: Project, gone: Collection[str]) -> ListedRange:
    """The ids of all records, for who reads: of many, those that tables cover are not listed. gone: ids of which notes say that
    they were forgotten. Raises `StorageError`."""
    found = _range(project, gone)
    covered = () if found.covered is None else found.covered.to_pylist()
    return ListedRange(_sorted(found.listed.union(covered)), found.tables)


class _Range(NamedTuple):
    """listed: what the store has listed · covered: what tables cover beside; None where everything is listed · tables: where
    these were read."""

    listed: set[str]
    covered: pa.Array | None = None
    tables: RecordTables | None = None


def _range(project: Project, gone: Collection[str]) -> _Range:
    rows = (info.name.rpartition("/")[2] for info in project.store.list(project.folder("snapshots")))
    first = list(islice(rows, WORTH_IT))
    if len(first) < WORTH_IT:
        return _Range(set(first))
    tables = record_tables.load(project)
    covered, ours = _covered(tables, gone)
    listed = None if len(ours) < WORTH_IT else _after(project, ours)
    return _Range({*first, *rows}, tables=tables) if listed is None else _Range(listed, covered, tables)


def _covered(tables: RecordTables, gone: Collection[str]) -> tuple[pa.Array, list[str]]:
    """What the tables cover and nobody has forgotten; and the newest of these that are snapshots, by their ids: as many as are
    worth it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stated = tables.coverage
    if stated is None:
        return pa.array([], pa.string()), []
    rows = tables.columns
    rows = rows.filter(pc.less(rows["id"], stated.before))
    if gone:
        rows = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=pa.array(gone, pa.string()))))
    beside = pa.array([one for one in stated.beside if one not in gone], pa.string())
    ours = _snapshots_of(rows)
    newest = ours.take(pc.select_k_unstable(ours, WORTH_IT, [("", "descending")])) if len(ours) > WORTH_IT else ours
    return pa.concat_arrays([rows["id"].combine_chunks(), beside]), sorted(newest.to_pylist())


def _snapshots_of(rows: pa.Table) -> pa.ChunkedArray:
    return rows["id"].filter(record_table.are_snapshots(rows))


def _after(project: Project, ours: list[str]) -> set[str] | None:
    """What the store lists after the snapshots that are covered; None where that cannot be had, or the store leaves something
    out. ours: the newest of them, by their ids."""
    start, anchors = ours[-ANCHORS - 1], ours[-ANCHORS:]
    rows = list_after(project.store, project.folder("snapshots"), layout.snapshot_name(project.id, start))
    if rows is None:
        return None
    listed: set[str] = set()
    for info in rows:
        leaf = info.name.rpartition("/")[2]
        if leaf <= start:  # it passes over what it was asked for
            return None
        listed.add(leaf)
    return listed if listed.issuperset(anchors) else None


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if layout.is_snapshot_id(name))

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
from typing import NamedTuple

from vault.format import layout
from vault.repository import claims, forget_notes, record_tables, snapshots
from vault.repository.project import Project
from vault.repository.record_tables import RecordTables
from vault.repository.snapshots import Committed
from vault.storage.contract import list_after

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
    seen = reference(row.id for row in tables.rows() if row.is_snapshot)
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
    gone = forget_notes.read_all(project)
    found = standing(project, gone.by_id)
    return snapshots.remaining(project, found.ids, gone, rolled=True, tables=found.tables)


def standing(project: Project, gone: Collection[str]) -> ListedRange:
    """The ids of all records, for who reads: of many, those that tables cover are not listed. gone: ids of which notes say that
    they were forgotten. Raises `StorageError`."""
    rows = (info.name.rpartition("/")[2] for info in project.store.list(project.folder("snapshots")))
    first = list(islice(rows, WORTH_IT))
    if len(first) < WORTH_IT:
        return ListedRange(_sorted(first))
    tables = record_tables.load(project)
    covered = _covered(tables, gone)
    found = None if covered is None else _after(project, covered)
    return ListedRange(_sorted([*first, *rows] if found is None else found), tables)


def _covered(tables: RecordTables, gone: Collection[str]) -> list[str] | None:
    """What the tables cover and nobody has forgotten, the snapshots that are looked for in the listing last."""
    stated = tables.coverage
    if stated is None:
        return None
    rows = {row.id: row.is_snapshot for row in tables.rows() if row.id < stated.before and row.id not in gone}
    ours = sorted(one for one, is_snapshot in rows.items() if is_snapshot)
    if len(ours) < WORTH_IT:
        return None
    others = [one for one, is_snapshot in rows.items() if not is_snapshot]
    return [*others, *(one for one in stated.beside if one not in gone), *ours]


def _after(project: Project, covered: list[str]) -> set[str] | None:
    """What is covered, and what the store lists after it; None where that cannot be had, or the store leaves something out."""
    start, anchors = covered[-ANCHORS - 1], covered[-ANCHORS:]
    rows = list_after(project.store, project.folder("snapshots"), layout.snapshot_name(project.id, start))
    if rows is None:
        return None
    listed: set[str] = set()
    for info in rows:
        leaf = info.name.rpartition("/")[2]
        if leaf <= start:  # it passes over what it was asked for
            return None
        listed.add(leaf)
    return listed.union(covered) if listed.issuperset(anchors) else None


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if layout.is_snapshot_id(name))

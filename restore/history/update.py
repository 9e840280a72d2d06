"""The ledgers of a project, brought up to date with what the store has.

LIST says which snapshots there are. Those that the kept ledgers do not know are read, many of them out of roll-ups, and those
that were forgotten leave them. A snapshot that cannot be read is a problem and costs itself alone: the answer comes from the
others, and the next question tries it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from restore.history.cache import HistoryCache
from restore.history.ledger import Ledger, only
from restore.history.manifests import read_in_order
from vault.errors import Damaged
from vault.format.layout import META_TIER
from vault.format.rollup import EncodedRollup
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.progress import NoProgress, Progress, release_memory
from vault.repository import forget_notes, rollups, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import repaired_index
from vault.repository.project import Project
from vault.storage.caching import in_passing

MANY = 24
"""Manifests; more are not kept in the cache: the ledgers say what they say, and they would fill it."""


class History(Struct, frozen=True):
    """What is known of a project's items over all snapshots. ledgers: by source · problems: what could not be read."""

    project: Project
    ledgers: dict[str, Ledger]
    problems: tuple[Problem, ...]


class UpdateOptions(Struct, frozen=True):
    """How to go about the reading. stop: called often, raises to end it."""

    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=NoProgress)


class PendingRollup(NamedTuple):
    """A roll-up that is to be entered. records: those of its snapshots that are missing, by time."""

    name: str
    rollup: EncodedRollup
    records: tuple[Record, ...]


class PendingSnapshots(NamedTuple):
    """Snapshots that are to be entered, by time: those whose manifests are read, and those that come out of roll-ups."""

    records: list[Record]
    rolled: list[PendingRollup]


def update_history(project: Project, kept: HistoryCache, options: UpdateOptions) -> History:
    """Everything that the store has. Raises `StorageError`."""
    gone = forget_notes.read_all(project)
    listed = set(snapshots.stored_ids(project)) - gone.by_id.keys()
    ledgers = kept.load()
    known = {record.id for ledger in ledgers.values() for record in ledger.records}
    for ledger in ledgers.values():
        ledger.keep(listed)
    missing = listed - known
    rolled, unusable = _rolled_up(project, missing, ledgers) if len(missing) > MANY else ([], [])
    found = snapshots.read_records(project, sorted(missing - {record.id for one in rolled for record in one.records}))
    problems = [*gone.damaged, *unusable, *found.damaged]
    some = bool(found.records or rolled)
    try:
        if some:
            problems += read_into(project, ledgers, PendingSnapshots(list(found.records), rolled), options)
    finally:  # whatever was read before an interruption is not read again
        if some:
            release_memory()
        if some or known - listed:
            kept.save(ledgers)
    for ledger in ledgers.values() if gone.by_id else ():
        ledger.records = [replace(one, parents=gone.parents_of(one.parents)) for one in ledger.records]
    for source, ledger in ledgers.items():
        noted = [one for one in gone.by_id.values() if one.source == source]
        ledger.forgotten = sorted(one.taken_at for one in noted)
        ledger.noted = frozenset(one.id for one in noted)
    return History(project, {source: one for source, one in sorted(ledgers.items()) if one.records}, tuple(problems))


def out_of_order(found: History) -> Iterator[tuple[Record, Record]]:
    """Snapshots that follow others which bear a later time: each with the one that it follows. A clock was wrong."""
    for ledger in found.ledgers.values():
        by_id = {record.id: record for record in ledger.records}
        for record in ledger.records:
            parents = (by_id[parent] for parent in record.parents if parent in by_id)
            yield from ((record, parent) for parent in parents if parent.taken_at > record.taken_at)


def _rolled_up(
    project: Project, missing: Collection[str], ledgers: Mapping[str, Ledger]
) -> tuple[list[PendingRollup], list[Problem]]:
    """The roll-ups that have missing snapshots, by time; they follow upon each other and upon what is known."""
    found, damaged = rollups.read_all(project)
    meant = [
        PendingRollup(name, one, tuple(record for record in one.records if record.id in missing)) for name, one in found.items()
    ]
    some = [one for one in meant if one.records]
    ends = {source: _key(one.records[-1]) for source, one in ledgers.items() if one.records}
    usable = []
    for one in sorted(some, key=lambda one: _key(one.records[0])):
        first, last = one.records[0], one.records[-1]
        if first.source not in ends or ends[first.source] < _key(first):
            usable.append(one)
            ends[first.source] = _key(last)
    return usable, damaged


def read_into(
    project: Project, ledgers: dict[str, Ledger], missing: PendingSnapshots, options: UpdateOptions
) -> Iterator[Problem]:
    """Enter snapshots in the ledgers of their sources. The roll-ups are taken out of `missing`, each as it is entered."""
    records, rolled = missing
    count = len(records) + sum(len(one.records) for one in rolled)
    options.progress.phase("reading manifests", items=count)
    manifests = _Manifests(project, many=len(records) > MANY)
    rolled.sort(key=lambda one: one.records[0].source)  # what is of one source stays by time
    for source in sorted({one.source for one in (*records, *(one.records[0] for one in rolled))}):
        ledger, own = ledgers.setdefault(source, Ledger()), [one for one in records if one.source == source]
        while rolled and rolled[0].records[0].source == source:
            one = rolled.pop(0)
            before = [record for record in own if _key(record) < _key(one.records[0])]
            own = own[len(before) :]
            yield from _enter(manifests, before, ledger, options)
            options.stop()
            if (damaged := _extend(ledger, one)) is None:
                options.progress.advance(items=len(one.records))
            else:
                yield damaged
                own = sorted((*own, *one.records), key=_key)
            del one  # with its bytes, before memory is released
            release_memory()
        yield from _enter(manifests, own, ledger, options)


class _Manifests:
    """Reads manifests. What is known of their chunks is read once the first is asked for: after roll-ups, which take memory,
    too (of 1,000 snapshots of 20,000 items, 30 MB and 60)."""

    def __init__(self, project: Project, *, many: bool) -> None:
        self._project = project
        self._many = many
        self._reader: MetaReader | None = None

    def opened(self) -> Generator[Problem, None, MetaReader]:
        """The reader; gives what is wrong with the index."""
        if self._reader is None:
            index = repaired_index(self._project, ChunkIndex.load(self._project, tier=META_TIER))
            yield from index.damaged
            store = in_passing(self._project.store) if self._many else self._project.store
            self._reader = MetaReader(replace(self._project, store=store), index, many=self._many, parallel=not self._many)
            release_memory()
        return self._reader


def _extend(ledger: Ledger, one: PendingRollup) -> Problem | None:
    """Enter a roll-up, or tell why its snapshots must be read out of their manifests."""
    found = rollups.decoded(one.name, one.rollup)
    if isinstance(found, Problem):
        return found
    ledger.extend(only(found, {record.id for record in one.records}))
    return None


def _enter(manifests: _Manifests, records: list[Record], ledger: Ledger, options: UpdateOptions) -> Iterator[Problem]:
    """records: by time."""
    if not records:
        return
    reader = yield from manifests.opened()
    end = _key(ledger.records[-1]) if ledger.records else None
    early = [one for one in records if end is not None and _key(one) < end]
    yield from _insert(reader, early, ledger, options)
    runs = [list(run) for _, run in groupby(records[len(early) :], key=lambda one: one.manifest)]
    if runs and ledger.records and runs[0][0].manifest == ledger.records[-1].manifest:
        for record in runs.pop(0):
            ledger.repeat(record)
            options.progress.advance(items=1)
    read = read_in_order(reader, [run[0] for run in runs], options.stop)
    for run, (record, rows) in zip(runs, read, strict=True):
        if isinstance(rows, Damaged):
            yield from (_problem(one, rows) for one in run)
        else:
            ledger.append(record, rows)
            for one in run[1:]:
                ledger.repeat(one)
        options.progress.advance(items=len(run))


def _insert(reader: MetaReader, records: list[Record], ledger: Ledger, options: UpdateOptions) -> Iterator[Problem]:
    """Snapshots that were taken before others that are entered already: few, if any."""
    for record, rows in read_in_order(reader, records, options.stop):
        if isinstance(rows, Damaged):
            yield _problem(record, rows)
        else:
            ledger.insert(record, rows, sum(_key(one) < _key(record) for one in ledger.records))
        options.progress.advance(items=1)


def _key(record: Record) -> tuple[datetime, str]:
    return record.taken_at, record.id


def _problem(record: Record, error: Damaged) -> Problem:
    return Problem(record.id.encode(), "damaged-manifest", f"this snapshot is left out: {error}")

"""The ledgers of a project, brought up to date with what the store has.

LIST says which snapshots there are. Those that the kept ledgers do not know are read, and those that were forgotten leave
them. A snapshot that cannot be read is a problem and costs itself alone: the answer comes from the others, and the next
question tries it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from restore.history.kept import Kept
from restore.history.ledger import Ledger
from restore.history.manifests import read_in_order
from vault.errors import Damaged
from vault.format.layout import META_TIER
from vault.format.record import Record
from vault.problems import Problem
from vault.progress import Progress, Silence
from vault.repository import forgotten, snapshots
from vault.repository.adopt import healed
from vault.repository.chunk_index import ChunkIndex
from vault.repository.meta import MetaReader
from vault.repository.project import Project
from vault.storage.caching import in_passing

MANY = 24
"""Manifests; more are not kept in the cache: the ledgers say what they say, and they would fill it."""


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a project's items over all snapshots. ledgers: by source · problems: what could not be read."""

    project: Project
    ledgers: dict[str, Ledger]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Manner:
    """How to go about the reading. stop: called often, raises to end it."""

    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=Silence)


def gather(project: Project, kept: Kept, manner: Manner) -> History:
    """Everything that the store has. Raises `StorageError`."""
    gone = forgotten.read_all(project)
    listed = set(snapshots.stored_ids(project)) - gone.by_id.keys()
    ledgers = kept.load()
    known = {record.id for ledger in ledgers.values() for record in ledger.records}
    for ledger in ledgers.values():
        ledger.keep(listed)
    found = snapshots.read_those(project, sorted(listed - known))
    problems = [*gone.damaged, *found.damaged]
    try:
        if found.records:
            problems += _read(project, found.records, ledgers, manner)
    finally:  # whatever was read before an interruption is not read again
        if found.records or known - listed:
            kept.save(ledgers)
    for ledger in ledgers.values() if gone.by_id else ():
        ledger.records = [replace(one, parents=gone.parents_of(one.parents)) for one in ledger.records]
    return History(project, {source: one for source, one in sorted(ledgers.items()) if one.records}, tuple(problems))


def _read(project: Project, records: list[Record], ledgers: dict[str, Ledger], manner: Manner) -> Iterator[Problem]:
    """Enter the snapshots of `records` in the ledgers of their sources."""
    index = healed(project, ChunkIndex.load(project, tier=META_TIER))
    yield from index.damaged
    many = len(records) > MANY
    reader = MetaReader(replace(project, store=in_passing(project.store)) if many else project, index, many=many)
    manner.progress.phase("reading manifests", items=len(records))
    for source in sorted({one.source for one in records}):
        ledger = ledgers.setdefault(source, Ledger())
        yield from _enter(reader, [one for one in records if one.source == source], ledger, manner)


def _enter(reader: MetaReader, records: list[Record], ledger: Ledger, manner: Manner) -> Iterator[Problem]:
    """records: by time."""
    end = _key(ledger.records[-1]) if ledger.records else None
    early = [one for one in records if end is not None and _key(one) < end]
    yield from _insert(reader, early, ledger, manner)
    runs = [list(run) for _, run in groupby(records[len(early) :], key=lambda one: one.manifest)]
    if runs and ledger.records and runs[0][0].manifest == ledger.records[-1].manifest:
        for record in runs.pop(0):
            ledger.repeat(record)
            manner.progress.advance(items=1)
    read = read_in_order(reader, [run[0] for run in runs], manner.stop)
    for run, (record, rows) in zip(runs, read, strict=True):
        if isinstance(rows, Damaged):
            yield from (_problem(one, rows) for one in run)
        else:
            ledger.append(record, rows)
            for one in run[1:]:
                ledger.repeat(one)
        manner.progress.advance(items=len(run))


def _insert(reader: MetaReader, records: list[Record], ledger: Ledger, manner: Manner) -> Iterator[Problem]:
    """Snapshots that were taken before others that are entered already: few, if any."""
    for record, rows in read_in_order(reader, records, manner.stop):
        if isinstance(rows, Damaged):
            yield _problem(record, rows)
        else:
            ledger.insert(record, rows, sum(_key(one) < _key(record) for one in ledger.records))
        manner.progress.advance(items=1)


def _key(record: Record) -> tuple[datetime, str]:
    return record.taken_at, record.id


def _problem(record: Record, error: Damaged) -> Problem:
    return Problem(record.id.encode(), "damaged-manifest", f"this snapshot is left out: {error}")

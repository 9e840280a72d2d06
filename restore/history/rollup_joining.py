"""Roll-ups joined: those of some hundred snapshots come to be many, and each is a request for who asks about a whole history.

Eight or more of one size that follow upon each other become one of the next size, and fewer where they fill one, so that a
version is written again once for each size that it passes. What was forgotten meanwhile stays behind. It may be interrupted
anywhere, and two may do it at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from restore.history.ledger import Ledger, only
from restore.history.rollup import FEWEST
from restore.history.update import UpdateOptions
from vault.format import rollup
from vault.format.rollup import Rollup
from vault.format.snapshot_record import Record
from vault.repository import forget_notes, record_gathering, rollups
from vault.repository.project import Project

FAN_IN = 8
"""Roll-ups of one size that become one, and how much larger the next size is."""

LARGEST_JOIN = 24 * 1024 * 1024
"""Stored bytes of what is joined at once: so much is decoded in memory, some ten times as large."""

LARGEST_HEAD = 3 * 1024 * 1024
"""Bytes of the records in what is joined: they lie in the footer, of which no reader takes more than 4 MiB. Some 2,400."""

MOST_FORGOTTEN = 4
"""One part in so many of a roll-up's snapshots: where more are forgotten, it is written anew without them."""


class StoredRollup(NamedTuple):
    """One as a plan sees it. standing: how many of its snapshots are not forgotten · size: stored bytes."""

    name: str
    records: tuple[Record, ...]
    standing: int
    size: int

    @property
    def is_thinned(self) -> bool:
        """Whether it is worth being written anew."""
        return self.standing > 0 and (len(self.records) - self.standing) * MOST_FORGOTTEN > len(self.records)

    @property
    def size_class(self) -> int:
        """By the snapshots in it."""
        found, most = 0, FEWEST * FAN_IN
        while self.standing >= most:
            found, most = found + 1, most * FAN_IN
        return found


def join(project: Project, options: UpdateOptions) -> int:
    """Join what is worth it, where these credentials may delete; gives how many roll-ups were replaced. Raises `StorageError`,
    `Damaged` where what was written does not read back."""
    gone = forget_notes.read_all(project).by_id
    found = rollups.by_name(project)
    if not any(one.id in gone for records in found.values() for one in records) and len(found) < FAN_IN:
        return 0
    over = rollups.superseded(found)
    sizes = {info.name: info.size for info in project.store.list(project.folder("rollups"))}
    there = [
        StoredRollup(name, records, sum(one.id not in gone for one in records), sizes[name])
        for name, records in found.items()
        if name in sizes and name not in over
    ]
    planned = plan(there)
    if planned and not record_gathering.may_delete(project):
        return 0
    replaced = 0
    for some in planned:
        options.stop()
        replaced += _join(project, [one.name for one in some], gone, options)
    return replaced


def plan(there: Iterable[StoredRollup]) -> list[list[StoredRollup]]:
    """What becomes one, by time: neighbours of one size, and by itself each of which much is forgotten."""
    joins: list[list[StoredRollup]] = []
    for _, own in groupby(sorted(there, key=_by_source), key=lambda one: one.records[0].source):
        for run in _apart(list(own)):
            for _, alike in groupby(run, key=lambda one: one.size_class):
                joins += _that_fit(list(alike))
    taken = {one.name for some in joins for one in some}
    alone = [[one] for one in there if one.is_thinned and one.name not in taken and one.size <= LARGEST_JOIN]
    return [*joins, *alone]


def _apart(own: Sequence[StoredRollup]) -> list[list[StoredRollup]]:
    """Runs of roll-ups that do not overlap in time. own: by time."""
    runs = [[one] for one in own[:1]]
    for before, one in pairwise(own):
        if _key(before.records[-1]) < _key(one.records[0]):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _that_fit(alike: Sequence[StoredRollup]) -> list[list[StoredRollup]]:
    """Groups of at least `FAN_IN`, or as large as may be joined at once."""
    groups: list[list[StoredRollup]] = [[]]
    size = head = 0
    for one in alike if len(alike) > 1 else ():
        own = rollup.head_size(one.records)
        if groups[-1] and (size + one.size > LARGEST_JOIN or head + own > LARGEST_HEAD):
            groups.append([])
            size = head = 0
        groups[-1].append(one)
        size, head = size + one.size, head + own
    full = [some for some in groups[:-1] if len(some) > 1]
    return [*full, *(some for some in groups[-1:] if len(some) >= FAN_IN)]


def _join(project: Project, names: Sequence[str], gone: Mapping[str, object], options: UpdateOptions) -> int:
    """Nothing where one of them cannot be read, or is gone: somebody else has joined it."""
    found = rollups.read_some(project, names)
    if len(found) < len(names):
        return 0
    joined = joined_rollup([found[name] for name in names], gone.keys())
    return rollups.replace(project, names, joined, options.stop) if joined.records else 0


def joined_rollup(found: Sequence[Rollup], gone: Collection[str]) -> Rollup:
    """What some roll-ups say, by time, without what was forgotten."""
    ledger = Ledger()
    for one in found:
        left = only(one, {record.id for record in one.records if record.id not in gone})
        if left.records:
            ledger.extend(left)
    return ledger.rolled_up()


def _by_source(one: StoredRollup) -> tuple[str, object]:
    return one.records[0].source, _key(one.records[0])


def _key(record: Record) -> tuple[object, str]:
    return record.taken_at, record.id

"""Snapshots of a source rolled up, so that who asks about them later needs a few requests and not thousands.

A backup does this now and then, when many snapshots are in no roll-up yet: where backups are made, their manifests lie in the
cache. What is rolled up stays as it is; a roll-up is never edited, and covers a stretch of time of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby

from restore.history.ledger import Ledger
from restore.history.update import PendingSnapshots, UpdateOptions, read_into
from vault.format.snapshot_record import Record
from vault.repository import forget_notes, rollups, snapshots
from vault.repository.project import Project

FEWEST = 128
"""Snapshots in a roll-up: five days of hours."""

ITEMS_PER_SNAPSHOT = 512
"""A roll-up has every item once, before it has what changed: of so many more items, one snapshot more is waited for."""

LARGEST_MANIFEST = 8 * 1024 * 1024
"""Bytes. A source of more than about 100,000 items is not rolled up: of 300,000 items it would take a backup 530 MB."""


def roll_up(project: Project, source: str, options: UpdateOptions) -> int:
    """Write one roll-up of the oldest snapshots that wait for it, if there are enough; gives how many it holds. Raises
    `StorageError`."""
    gone, rolled = forget_notes.read_all(project), rollups.rolled_up(project)
    loose = set(snapshots.stored_ids(project)) - gone.by_id.keys() - {record.id for one in rolled for record in one}
    if len(loose) < FEWEST:
        return 0
    records = [one for one in snapshots.read_records(project, sorted(loose)).records if one.source == source]
    run = _waiting(records, [one for one in rolled if one[0].source == source])
    if not run or run[-1].manifest.length > LARGEST_MANIFEST:
        return 0
    ledgers = {source: Ledger()}
    for _ in read_into(project, ledgers, PendingSnapshots(run, []), options):
        pass  # a snapshot that cannot be read stays out, and whoever asks about it is told
    held = len(ledgers[source].records)
    return held if held and rollups.write(project, ledgers[source].rolled_up()) else 0


def _waiting(records: list[Record], rolled: list[tuple[Record, ...]]) -> list[Record]:
    """The first snapshots with no roll-up among them that are enough for one. records: by time."""
    spans = sorted((_key(one[0]), _key(one[-1])) for one in rolled)
    starts = [start for start, _ in spans]
    apart = [(bisect_right(starts, _key(one)), one) for one in records]
    free = [(place, one) for place, one in apart if place == 0 or spans[place - 1][1] < _key(one)]
    for _, run in groupby(free, key=lambda found: found[0]):
        stretch = [one for _, one in run]
        enough = max(FEWEST, stretch[-1].counts.items // ITEMS_PER_SNAPSHOT)
        if len(stretch) >= enough:
            return stretch[: enough * 2]
    return []


def _key(record: Record) -> tuple[object, str]:
    return record.taken_at, record.id

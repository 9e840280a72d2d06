"""What a project takes in the store, over time, as its snapshots tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from vault.format.snapshot_record import Counts

MOST_POINTS = 400


class MeasuredSnapshot(Protocol):
    """What of a snapshot's record is looked at."""

    @property
    def id(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def taken_at(self) -> datetime: ...

    @property
    def counts(self) -> Counts: ...


class StoragePoint(Struct, frozen=True):
    """How it was right after a snapshot. source_bytes: of the newest snapshots of all sources together · written_bytes: what
    the snapshots up to then have added to the store, those that were forgotten since left out."""

    at: datetime
    source_bytes: int
    written_bytes: int


def storage_history(records: Sequence[MeasuredSnapshot], most: int = MOST_POINTS) -> tuple[StoragePoint, ...]:
    """By time. records: of a project · most: points; of more, every so manieth and the newest."""
    newest: dict[str, int] = {}
    written = 0
    points: list[StoragePoint] = []
    for one in sorted(records, key=lambda record: (record.taken_at, record.id)):
        newest[one.source] = one.counts.bytes
        written += one.counts.stored_bytes
        points.append(StoragePoint(one.taken_at, sum(newest.values()), written))
    step = -(-len(points) // most) if points else 1
    return (*points[: len(points) - 1 : step], *points[-1:])

"""A history to ask questions of: snapshots whose manifests are made up, stored as a backup stores them.

A thousand scans of 20,000 files would take an hour and measure nothing that the questions touch; so the items are rows of a
table that changes from hour to hour, and everything from the manifest's bytes on is the vault's own code. Their content is
nowhere: nothing here reads it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from vault.format import layout, manifest
from vault.format.snapshot_record import Counts, Record
from vault.format.tree import Tree
from vault.repository.catalog_chunks import MetaWriter
from vault.repository.chunk_index import ChunkIndex
from vault.repository.index_segments import store_segment
from vault.repository.pack_reader import places
from vault.repository.pack_writer import PackWriter
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

HOUR = timedelta(hours=1)
SOURCE = "reports"
"""Name and kind of the source."""

FIRST_HOUR = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
_NOTHING = Counts(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

Items = dict[bytes, "Item"]


class Item(Struct, frozen=True):
    """A row of a manifest, as far as a history looks at it. mtime in seconds · content: what `blake3` has of it, None where
    it is no file."""

    size: int
    mtime: int
    content: bytes | None
    seen_at: datetime
    mode: int = 0o644
    type: str = manifest.FILE
    last_seen_at: datetime | None = None
    vanished_at: datetime | None = None


def content_of(mark: str) -> bytes:
    """Something that looks like a content's hash."""
    return hashlib.sha256(mark.encode()).digest()


def table_of(items: Items, source: str, kind: str, *, periods: bool = False) -> pa.Table:
    """A manifest of these items. periods: each is about the hour that its path names."""
    import pyarrow as pa

    paths = sorted(items)
    rows = [items[path] for path in paths]
    columns: dict[str, list[object]] = {
        "path": list(paths),
        "source": [source] * len(rows),
        "kind": [kind] * len(rows),
        "type": [row.type for row in rows],
        "size": [row.size for row in rows],
        "mtime": [row.mtime for row in rows],
        "mtime_nanos": [row.mtime * 7919 % 1_000_000_000 for row in rows],
        "ctime_ns": [row.mtime * 1_000_000_000 + row.size for row in rows],
        "inode": [zlib.crc32(path) for path in paths],
        "mode": [row.mode for row in rows],
        "uid": [1000] * len(rows),
        "gid": [1000] * len(rows),
        "owner": ["desk"] * len(rows),
        "group": ["desk"] * len(rows),
        "blake3": [row.content for row in rows],
        "seen_at": [row.seen_at for row in rows],
        "last_seen_at": [row.last_seen_at for row in rows],
        "vanished_at": [row.vanished_at for row in rows],
        "chunks": [[{"id": row.content, "length": row.size}] if row.content else [] for row in rows],
    }
    if periods:
        begins = [_hour_of(path) for path in paths]
        columns |= {
            "period_start": list(begins),
            "period_end": [begin + HOUR for begin in begins],
            "format": ["csv"] * len(rows),
        }
    empty: list[object] = [None] * len(rows)
    schema = manifest.schema()
    return pa.table([pa.array(columns.get(one.name, empty), one.type) for one in schema], schema=schema)


def _hour_of(path: bytes) -> datetime:
    """That `path_of` made a path of."""
    return datetime.strptime(path.decode(), "reports/%Y/%m/%d/calls-%H.csv").replace(tzinfo=UTC)


class _LearningWriter(MetaWriter):
    """Writes many manifests, and knows in which pack each chunk of the earlier ones has come to lie."""

    def learn(self, rows: pa.Table) -> None:
        """Index rows of packs that are stored."""
        self._stored |= {place.chunk: place.pack for place in places(rows)}

    def leant_on(self) -> set[bytes]:
        """The packs of chunks that were written since this was asked last."""
        packs, self.referenced = self.referenced, set()
        return packs


class SnapshotWriter:
    """Commits manifests one after another, without a session for each: nobody else writes meanwhile. See `writing`."""

    def __init__(self, project: Project, kind: str) -> None:
        self._project = project
        self._kind = kind
        self._rows: list[pa.Table] = []
        self._packs = PackWriter(project, self._rows.append)
        self._meta = _LearningWriter(project, ChunkIndex.load(project), self._packs)
        self._number = 0

    def commit(self, table: pa.Table | None, source: str, taken_at: datetime, last: Record | None) -> Record:
        """A snapshot. table: its manifest, or None for that of `last` again · last: the snapshot that it follows."""
        if table is not None:
            root, needed, own = self._store(table)
        elif last is not None:
            root, needed, own = last.manifest, last.packs, last.own_packs
        else:
            raise ValueError("a first snapshot has a manifest")
        self._number += 1
        services = self._project.services
        record = Record(
            id=layout.snapshot_id(taken_at, hashlib.sha256(f"{source} {self._number}".encode()).digest()[:8]),
            source=source,
            kind=self._kind,
            taken_at=taken_at,
            finished_at=taken_at,
            host=services.host,
            writer=services.writer,
            parents=(last.id,) if last else (),
            manifest=root,
            packs=needed,
            own_packs=own,
            counts=_NOTHING,
        )
        self._project.put_record(layout.snapshot_name(self._project.id, record.id), record.as_json())
        return record

    def close(self) -> None:
        """Let go of the threads."""
        self._packs.close()

    def _store(self, table: pa.Table) -> tuple[Tree, Tree, tuple[bytes, ...]]:
        root = self._meta.write(manifest.encode(table), finer=manifest.finer(table.num_rows))
        listed = "".join(f"{pack.hex()}\n" for pack in sorted(self._meta.leant_on()))
        needed = self._meta.write(listed.encode())
        self._meta.flush()
        self._packs.drain()
        own = self._meta.leant_on()
        if self._rows:
            store_segment(self._project, self._rows)
        for rows in self._rows:
            self._meta.learn(rows)
            own.update(rows["pack"].unique().to_pylist())
        self._rows.clear()
        return root, needed, tuple(sorted(own))


@contextmanager
def writing(project: Project, kind: str = "reports") -> Iterator[SnapshotWriter]:
    """A writer whose threads end with it."""
    writer = SnapshotWriter(project, kind)
    try:
        yield writer
    finally:
        writer.close()


class Shape(Struct, frozen=True):
    """What happens in an hour in which something happens. recent: neighbours among the newest items that are rewritten ·
    scattered: items anywhere that are · created, deleted, back: items · quiet: the share of hours without any change."""

    recent: int
    scattered: int
    created: int = 3
    deleted: int = 4
    back: int = 2
    quiet: float = 0.25


SHAPES = {"hourly reports": Shape(recent=380, scattered=20), "scattered": Shape(recent=0, scattered=400)}
"""Two per cent of 20,000 items an hour: as reports are written, and as nothing that deduplicates likes it."""


class Hours:
    """The items of a source from hour to hour."""

    def __init__(self, count: int, shape: Shape, seed: int) -> None:
        self._random = Random(seed)
        self._shape = shape
        self._now = FIRST_HOUR
        self._mark = 0
        self.items: Items = {path_of(number): self._fresh() for number in range(count)}

    def pass_(self) -> bool:
        """An hour; whether it changed anything."""
        self._now += HOUR
        random, shape, items = self._random, self._shape, self.items
        if random.random() < shape.quiet:
            return False
        there = [path for path, item in items.items() if item.vanished_at is None]
        gone = [path for path, item in items.items() if item.vanished_at is not None]
        start = random.randrange(max(1, len(there) - shape.recent * 4, len(there) * 9 // 10))
        changed = there[start : start + shape.recent] + random.sample(there, min(shape.scattered, len(there)))
        for path in changed:
            items[path] = self._fresh()
        for path in random.sample(there, min(shape.deleted, len(there))):
            items[path] = replace(items[path], last_seen_at=self._now - HOUR, vanished_at=self._now)
        for path in random.sample(gone, min(shape.back, len(gone))):
            items[path] = replace(items[path], seen_at=self._now, last_seen_at=None, vanished_at=None)
        for _ in range(shape.created):
            items[path_of(len(items))] = self._fresh()
        return True

    @property
    def now(self) -> datetime:
        """The present hour."""
        return self._now

    def _fresh(self) -> Item:
        self._mark += 1
        size = self._random.randrange(200, 60_000)
        return Item(size, int(self._now.timestamp()) - 60, content_of(f"content {self._mark}"), self._now)


def path_of(number: int) -> bytes:
    """Of the hourly report of that number: in folders by year, month and day."""
    hour = datetime(2024, 1, 1, tzinfo=UTC) + HOUR * number
    return f"reports/{hour:%Y/%m/%d}/calls-{hour:%H}.csv".encode()


def write_history(
    project: Project, hours: Hours, count: int, *, last: Record | None = None, periods: bool = False
) -> Iterator[Record]:
    """`count` hourly snapshots after `last`, each given out when it is committed. periods: see `table_of`."""
    with writing(project) as writer:
        for _ in range(count):
            changed = hours.pass_() or last is None
            table = table_of(hours.items, SOURCE, SOURCE, periods=periods) if changed else None
            last = writer.commit(table, SOURCE, hours.now, last)
            yield last

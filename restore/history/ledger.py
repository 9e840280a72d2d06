"""All versions of all items of one source: rows that stay equal from snapshot to snapshot are one row, with the first and the
last of these snapshots.

    append    the next snapshot: rows of the last one that it does not have are closed, the others stay open
    extend    the next ones, out of a roll-up
    insert    one that was taken before others that are here already (two hosts, a clock that was wrong)
    keep      only some snapshots: the others were forgotten

The same ledger comes out in whatever order its snapshots went in. Closed rows lie in memory as Parquet, 49,152 at a time: a
year of hours has a few million of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.history import versions
from restore.history.alignment import Match, match
from vault.format import parquet
from vault.format.rollup import Rollup
from vault.format.snapshot_record import Record

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 49_152
"""Rows of a piece: three groups. While it is made it takes 30 MB; four groups take 10 MB more, and the versions of one item a
tenth less time."""

GROUP_ROWS = 16_384
"""In a row group of a piece: versions of one item are read out of few of them."""

MOST_ROWS = PIECE_ROWS * 4
"""No piece that is read back has more."""

WHAT = "a piece of the history that is kept on this machine"

Mask = Callable[["pa.Table"], "pa.ChunkedArray"]
"""Which rows are meant (true or false for each), of a table that has at least the columns `PICKED`."""

PICKED = ("path", "kind", "type", "format", "period_start", "period_end")
"""What a mask may look at."""


class OnePath(Struct, frozen=True):
    """A mask that means the items of one path; what is closed need not be read whole for it."""

    path: bytes

    def __call__(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows are meant."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.equal(table["path"], pa.scalar(self.path, pa.binary()))


class Ledger:
    """See this module's text. records: the snapshots, by time · forgotten: when those were taken of which notes say that they
    were forgotten, by time · noted: their ids · closed: pieces, as `encode` makes them · open_rows: of the last
    snapshot's manifest."""

    def __init__(
        self, records: Collection[Record] = (), closed: Collection[bytes] = (), open_rows: pa.Table | None = None
    ) -> None:
        self.records = list(records)
        self.forgotten: list[datetime] = []
        self.noted: frozenset[str] = frozenset()
        self.closed = list(closed)
        self._open = versions.schema().empty_table() if open_rows is None else open_rows
        self._closing: list[pa.Table] = []
        self._closing_rows = 0

    @property
    def open_rows(self) -> pa.Table:
        """Of the last snapshot's manifest, by path."""
        import pyarrow as pa

        last = pa.repeat(pa.scalar(len(self.records) - 1, pa.int32()), len(self._open))
        return self._open.set_column(self._open.schema.get_field_index("last"), versions.schema().field("last"), last)

    def older_forgotten(self, number: int, when: datetime) -> bool:
        """Whether a snapshot was forgotten, or is gone, that was taken before a moment and after the last one here before the
        `number`th."""
        after = self.records[number - 1].taken_at if number else datetime.min.replace(tzinfo=UTC)
        if bisect_left(self.forgotten, when) > bisect_right(self.forgotten, after):
            return True
        parents = set(self.records[number].parents) - self.noted
        return bool(parents) and not any(one.id in parents for one in reversed(self.records[:number]))

    def repeat(self, record: Record) -> None:
        """The next snapshot has the manifest of the last one again."""
        self.records.append(record)

    def append(self, record: Record, rows: pa.Table) -> None:
        """The next snapshot. rows: as `versions.of_manifest` gives them."""
        before, number = self.open_rows, len(self.records)
        found = match(rows, before)
        self._close(before.filter(found.unmatched))
        self._open = _first_of(rows, before, found, number)
        self.records.append(record)

    def extend(self, rolled: Rollup) -> None:
        """The next snapshots, all taken after the last one here."""
        import pyarrow as pa
        import pyarrow.compute as pc

        before, number = self.open_rows, len(self.records)
        by = pa.scalar(number, pa.int32())
        rows = versions.placed(rolled.rows, pc.add(rolled.rows["first"], by), pc.add(rolled.rows["last"], by))
        at_first = pc.equal(rows["first"], by)
        begun = rows.filter(at_first).combine_chunks()
        found = match(begun, before)
        self._close(before.filter(found.unmatched))
        self.records += rolled.records
        later, end = pc.invert(at_first), len(self.records) - 1
        begun, is_open = _first_of(begun, before, found, number), pc.equal(rows["last"], end)
        open_begun = pc.equal(begun["last"], end)
        still_open = [begun.filter(open_begun), rows.filter(pc.and_(later, is_open))]
        self._open = pa.concat_tables(still_open).sort_by("path").combine_chunks()
        self._close(begun.filter(pc.invert(open_begun)))
        self._close(rows.filter(pc.and_not(later, is_open)))

    def insert(self, record: Record, rows: pa.Table, number: int) -> None:
        """A snapshot that is the `number`th by time. rows: as `versions.of_manifest` gives them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        everything = self.rows()
        first, last = everything["first"], everything["last"]
        one = pa.scalar(1, pa.int32())
        before = everything.filter(pc.less(first, number))
        before = versions.placed(
            before, before["first"], pc.min_element_wise(before["last"], pa.scalar(number - 1, pa.int32()))
        )
        after = everything.filter(pc.greater_equal(last, number))
        moved = pc.add(pc.max_element_wise(after["first"], pa.scalar(number, pa.int32())), one)
        after = versions.placed(after, moved, pc.add(after["last"], one))
        here = pa.repeat(pa.scalar(number, pa.int32()), len(rows))
        self.records.insert(number, record)
        self._replace(_folded(pa.concat_tables([before, versions.placed(rows, here, here), after])))

    def keep(self, snapshots: Collection[str]) -> None:
        """Only these snapshots: what was in none of them goes."""
        if all(record.id in snapshots for record in self.records):
            return
        left = only(self.rolled_up(), snapshots)
        self.records = list(left.records)
        self._replace(left.rows)

    def rolled_up(self) -> Rollup:
        """All of it, as one roll-up."""
        return Rollup(tuple(self.records), self.rows().sort_by([("path", "ascending"), ("first", "ascending")]))

    def rows(self, mask: Mask | None = None) -> pa.Table:
        """Every version that is meant."""
        import pyarrow as pa

        return pa.concat_tables([versions.schema().empty_table(), *self.pieces(mask)])

    def pieces(self, mask: Mask | None = None) -> Iterator[pa.Table]:
        """The versions that are meant, some at a time, in no order."""
        yield from self.closed_pieces(mask)
        yield self.open_rows if mask is None else self.open_rows.filter(mask(self.open_rows))

    def closed_pieces(self, mask: Mask | None = None) -> Iterator[pa.Table]:
        """The same without those of the last snapshot."""
        import pyarrow.compute as pc

        for piece in self.closed:
            if mask is None or isinstance(mask, OnePath):
                yield decode(piece, path=None if mask is None else mask.path)
                continue
            meant = mask(decode(piece, columns=list(PICKED)))
            if pc.any(meant).as_py():
                yield decode(piece).filter(meant)
        for table in self._closing:
            yield table if mask is None else table.filter(mask(table))

    def state(self, number: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of the rows of the `number`th snapshot's manifest, some rows at a time, in no order."""
        import pyarrow as pa
        import pyarrow.compute as pc

        at = pa.scalar(number, pa.int32())

        def there(table: pa.Table) -> pa.ChunkedArray:
            return pc.and_(pc.less_equal(table["first"], at), pc.greater_equal(table["last"], at))

        if number < len(self.records) - 1:
            for piece in self.closed:
                meant = there(decode(piece, columns=["first", "last"]))
                if pc.any(meant).as_py():
                    yield decode(piece, columns=list(columns)).select(columns).filter(meant)
            for table in self._closing:
                yield table.filter(there(table)).select(columns)
        yield self.open_rows.filter(there(self.open_rows)).select(columns)

    def settle(self) -> None:
        """Make pieces of the closed rows that are in none yet."""
        import pyarrow as pa

        if self._closing_rows:
            rows = pa.concat_tables(self._closing)
            self.closed += [encode(rows.slice(start, PIECE_ROWS)) for start in range(0, len(rows), PIECE_ROWS)]
            self._closing.clear()
            self._closing_rows = 0

    def _close(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._closing.append(rows)
            self._closing_rows += rows.num_rows
        if self._closing_rows >= PIECE_ROWS:
            self.settle()

    def _replace(self, everything: pa.Table) -> None:
        """These rows instead of all."""
        import pyarrow.compute as pc

        is_open = pc.equal(everything["last"], len(self.records) - 1)
        done = everything.filter(pc.invert(is_open))
        self.closed = [encode(done.slice(start, PIECE_ROWS)) for start in range(0, len(done), PIECE_ROWS)]
        self._closing.clear()
        self._closing_rows = 0
        self._open = everything.filter(is_open).sort_by("path")


def only(rolled: Rollup, snapshots: Collection[str]) -> Rollup:
    """Only these snapshots of a roll-up: what was in none of them goes, and what became equal is one version."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stays = [record.id in snapshots for record in rolled.records]
    if all(stays):
        return rolled
    numbers = pa.array(accumulate(stays, initial=0), pa.int32())  # of each number: how many below it stay
    first = numbers.take(rolled.rows["first"].combine_chunks())
    last = pc.subtract(numbers.take(pc.add(rolled.rows["last"], 1).combine_chunks()), pa.scalar(1, pa.int32()))
    rows = versions.placed(rolled.rows, first, last).filter(pc.less_equal(first, last))
    records = tuple(record for record, stay in zip(rolled.records, stays, strict=True) if stay)
    return Rollup(records, _folded(rows))


def encode(rows: pa.Table) -> bytes:
    """Versions as a piece of Parquet, which says of each row group between which paths it lies."""
    import pyarrow.compute as pc

    order = pc.sort_indices(rows["path"])
    groups = (rows.take(order.slice(start, GROUP_ROWS)) for start in range(0, max(1, len(rows)), GROUP_ROWS))
    written: list[bytes] = []
    options = {"compression": "zstd", "compression_level": 1, "write_statistics": ["path"]}
    parquet.write_into(written.append, rows, groups=groups, **options)
    return b"".join(written)


def decode(data: bytes, *, columns: list[str] | None = None, path: bytes | None = None) -> pa.Table:
    """Read back, all columns or those named, all rows or those of a path. Raises `Damaged`."""
    only = None if path is None else ("path", path)
    return parquet.read(data, versions.schema(), WHAT, most_rows=MOST_ROWS, columns=columns, only=only)


def _first_of(rows: pa.Table, before: pa.Table, found: Match, number: int) -> pa.Table:
    """Rows of snapshot `number`, as old as they have been the same. before: the rows of the last one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pc.if_else(found.same, before["first"].take(found.where), pa.scalar(number, pa.int32()))
    seen_at = pc.if_else(found.same, before["seen_at"].take(found.where), rows["seen_at"])
    for name, column in (("first", first), ("seen_at", seen_at)):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def _folded(rows: pa.Table) -> pa.Table:
    """Equal neighbours in time as one row: those of one path of which one ends where the other begins."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if rows.num_rows < 2:
        return rows
    rows = rows.sort_by([("path", "ascending"), ("first", "ascending")]).combine_chunks()
    one, two = rows.slice(0, len(rows) - 1), rows.slice(1)
    adjacent = pc.equal(pc.add(one["last"], pa.scalar(1, pa.int32())), two["first"])
    same = versions.equal(one, two, ("path", *versions.COMPARED))
    flags = pc.and_(adjacent.combine_chunks(), same)
    begins = pa.concat_arrays([pa.array([True]), pc.invert(flags)])
    ends = pa.concat_arrays([pc.invert(flags), pa.array([True])])
    return versions.placed(rows.filter(begins), rows["first"].filter(begins), rows["last"].filter(ends))

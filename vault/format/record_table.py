"""Record tables: the records of many snapshots as one Parquet table, so that who asks which snapshots there are, and for the
newest of them, needs one object and decodes what was asked for.

A row is a record. What tells snapshots apart is in columns of its own; the record itself is text, in row groups of which only
those are expanded that hold a wanted one. A table says nothing that the records do not say, but for what runs had to say of
problems; it may be missing, and is made anew.

A table's name is the keyed BLAKE3 of its plain bytes, as a roll-up's is. A nonce among these bytes makes every table another
one: what one client writes must never be what another is about to delete.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from vault.errors import Damaged
from vault.format import layout, parquet, strict_json
from vault.format.claim import Eviction
from vault.format.envelope import LARGEST
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, StoredRecord, decode_stored

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""A table of another one counts as not there."""

MOST_ROWS = 1 << 20
LARGEST_TEXT = 48 * 1024 * 1024
"""Bytes of the records in a table; so no table is larger than an object may be, however little they compress."""

LARGEST_ROW = 1024 * 1024
"""Bytes of a record; a longer one is in no table."""

ROWS_IN_GROUP = 1024
"""Of what is written here: to get at one record, so many are expanded."""

WHAT = "a table of records"

MOST_BESIDE = 16
MOST_TABLES = 1024
"""Records, and tables, that a coverage names: each of these records is a request for who reads."""

MOMENT_SIZE = 16
"""Characters of a moment as names begin with it."""
NONCE_SIZE = 16

_HEAD = b"strongroom.records"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_TELLING = ["id", "source", "taken_at", "parents", "size"]


class Row(NamedTuple):
    """What tells a snapshot apart. source: empty for the record of moved packs · taken_at: microseconds since 1970 in UTC ·
    parents: ids, with blanks between them · size: bytes of the record."""

    id: str
    source: str
    taken_at: int
    parents: str
    size: int

    @property
    def is_snapshot(self) -> bool:
        """Whether it is one, not a record of moved packs."""
        return self.source != "" or self.taken_at != 0


class Coverage(NamedTuple):
    """What a table says of all records whose names come before a moment: each that stands is in it, in another of these
    tables, or named here.

    - `before`: the moment, as names begin with it
    - `beside`: ids of records that are in no table
    - `tables`: ids of the other tables (32 bytes each)
    """

    before: str
    beside: tuple[str, ...] = ()
    tables: tuple[bytes, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the note of a table."""
        return {"before": self.before, "beside": list(self.beside), "tables": [one.hex() for one in self.tables]}


def moment(taken_at: int) -> datetime:
    """A row's time."""
    return _EPOCH + timedelta(microseconds=taken_at)


@cache
def schema() -> pa.Schema:
    """The columns of `Row`, and record: a record as JSON."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("taken_at", pa.int64(), nullable=False),
            pa.field("parents", pa.string(), nullable=False),
            pa.field("size", pa.int32(), nullable=False),
            pa.field("record", pa.binary(), nullable=False),
        ]
    )


def row_of(stored: Record | MovedPacks) -> tuple[Row, bytes] | None:
    """A row and its record; None where the record is too long for a table."""
    value = stored.as_json()
    text = strict_json.dump(value | {"problems": []} if isinstance(stored, Record) else value)
    return (_row(stored, len(text)), text) if len(text) <= LARGEST_ROW else None


def _row(stored: Record | MovedPacks, size: int) -> Row:
    if isinstance(stored, MovedPacks):
        return Row(stored.id, "", 0, "", size)
    return Row(stored.id, stored.source, (stored.taken_at - _EPOCH) // _MICROSECOND, " ".join(stored.parents), size)


def encode(rows: Sequence[tuple[Row, bytes]], nonce: bytes, covers: Coverage | None = None) -> bytes:
    """The plain bytes of a table. rows: in whatever order; at most `LARGEST_TEXT` bytes of records · nonce: `NONCE_SIZE`
    random bytes."""
    import pyarrow as pa

    ordered = sorted(rows, key=lambda one: (one[0].taken_at, one[0].id))
    columns = list(zip(*(row for row, _ in ordered), strict=True)) or [()] * len(_TELLING)
    table = pa.table([*columns, [text for _, text in ordered]], schema=schema())
    groups = [table.slice(start, ROWS_IN_GROUP) for start in range(0, len(ordered), ROWS_IN_GROUP)] or [table]
    stated = {} if covers is None else {"covers": covers.as_json()}
    notes = {_HEAD: strict_json.dump({"version": VERSION, "nonce": nonce.hex(), **stated})}
    options = {"compression": "zstd", "compression_level": 1, "use_dictionary": ["source"], "write_statistics": False}
    return bytes(parquet.write(table, groups=groups, notes=notes, **options))


def name(data: bytes | bytearray, key: bytes) -> bytes:
    """The id of a table from its plain bytes (32 bytes). key: the capability's record-table key."""
    return blake3(data, key=key).digest()


def decode(data: bytes | bytearray, key: bytes, table_id: bytes) -> pa.Table | None:
    """The rows without their records, as columns (see `rows_of`), checked to be written by a holder of the chunk-id key; None
    where the table is of another version. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name(data, key) != table_id:
        raise Damaged(f"{WHAT} was not written with this project's keys, or was swapped for another")
    head = strict_json.load(parquet.note(data, _HEAD, WHAT), WHAT, largest=LARGEST)
    if strict_json.count(head, "version", WHAT) != VERSION:
        return None
    table = parquet.read(data, schema(), WHAT, most_rows=MOST_ROWS, columns=_TELLING)
    sizes, moments = (pc.min_max(table[name]).as_py() if len(table) else {"min": 0, "max": 0} for name in ("size", "taken_at"))
    longest = pc.sum(table["size"].cast(pa.int64())).as_py() or 0
    if sizes["min"] < 0 or sizes["max"] > LARGEST_ROW or longest > LARGEST_TEXT:
        raise Damaged(f"{WHAT} says that it holds longer records than are ever written")
    if moments["min"] < _FIRST or moments["max"] > _LAST or pc.count_distinct(table["id"]).as_py() != len(table):
        raise Damaged(f"{WHAT} holds times that there are not, or a snapshot twice")
    return table


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of what `decode` has read, one by one."""
    return list(map(Row, *(table[column].to_pylist() for column in _TELLING)))


def are_snapshots(table: pa.Table) -> pa.ChunkedArray:
    """`Row.is_snapshot` for each row of what `decode` has read."""
    import pyarrow.compute as pc

    return pc.or_(pc.not_equal(table["source"], ""), pc.not_equal(table["taken_at"], 0))


def no_rows() -> pa.Table:
    """As of a table of none."""
    return schema().empty_table().select(_TELLING)


def coverage(data: bytes | bytearray) -> Coverage | None:
    """What a table that `decode` has read says that it covers; None where it says nothing. Raises `Damaged`."""
    head = strict_json.load(parquet.note(data, _HEAD, WHAT), WHAT, largest=LARGEST)
    stated = strict_json.optional(head, "covers", dict, WHAT)
    if stated is None:
        return None
    before = strict_json.field(stated, "before", str, WHAT)
    beside = strict_json.texts(stated, "beside", WHAT, most=MOST_BESIDE)
    tables = strict_json.texts(stated, "tables", WHAT, most=MOST_TABLES)
    if layout.moment_of(before) is None or len(before) != MOMENT_SIZE or not all(map(layout.is_snapshot_id, beside)):
        raise Damaged(f"{WHAT} covers a moment that there is not, or names what is no record")
    return Coverage(before, beside, tuple(strict_json.from_hex(one, 32, WHAT) for one in tables))


def texts(data: bytes | bytearray, rows: Collection[int]) -> dict[int, bytes]:
    """The records of the rows of these numbers, of a table that `decode` has read. Raises `Damaged`."""
    ends = list(accumulate(parquet.rows_of_groups(data, WHAT)))
    groups = sorted({bisect_right(ends, row) for row in rows})
    only = parquet.RowGroups(tuple(groups))
    found = parquet.read(data, schema(), WHAT, most_rows=MOST_ROWS, columns=["record"], only=only)["record"].to_pylist()
    places = chain.from_iterable(range(ends[group - 1] if group else 0, ends[group]) for group in groups)
    texts = dict(zip(places, found, strict=False))
    if not texts.keys() >= set(rows):
        raise Damaged(f"{WHAT} lacks records")
    return {row: texts[row] for row in rows}


def record(row: Row, text: bytes) -> StoredRecord:
    """A record out of its text. Raises `Damaged` where it is not the one of the row."""
    stored = decode_stored(strict_json.load(text, WHAT, largest=LARGEST_ROW), row.id)
    if isinstance(stored, Eviction) or _row(stored, len(text)) != row:
        raise Damaged(f"{WHAT} says otherwise of {row.id} than the record in it")
    return stored


def parted(rows: Iterable[tuple[Row, bytes]]) -> list[list[tuple[Row, bytes]]]:
    """Rows as so many tables as they need, none with more than `LARGEST_TEXT` bytes of records."""
    parts: list[list[tuple[Row, bytes]]] = []
    left = 0
    for row, text in rows:
        if not parts or left < len(text) or len(parts[-1]) >= MOST_ROWS:
            parts.append([])
            left = LARGEST_TEXT
        parts[-1].append((row, text))
        left -= len(text)
    return parts

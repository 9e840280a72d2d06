"""Manifests: the table of all items of a snapshot, one row an item, sorted by path, as Parquet.

It is written with Parquet's content-defined chunking and without compression, so that its bytes, cut into chunks, are mostly
those of the manifest before: an unchanged hour stores nothing of it again. The fewer rows, the finer the cuts (ADR 9).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from vault.errors import Unstorable
from vault.format import parquet
from vault.format.chunks import ID_SIZE

if TYPE_CHECKING:
    import pyarrow as pa

FILE, FOLDER, LINK = "file", "folder", "link"
"""Types of items: a file's content lies in chunks; a link is a symbolic link."""

TYPES = (FILE, FOLDER, LINK)
"""Devices and the like never stand in a manifest; one that says so was not made by us."""

PREFIX, INCONSISTENT = "prefix", "inconsistent"
"""What `consistency` may say; a reader takes any other word for the second."""

OPTIONAL = frozenset({"consistency", "profile"})
"""Columns that a file lacks where they would be null in every row."""

MOST_ROWS = 1 << 27
LARGEST_MANIFEST = 1 << 36

SKETCH_SIZE = 32
"""Bytes of a profile's sketch."""

MOST_COLUMNS = 64
"""Columns that a profile counts."""

_EXPECTED = parquet.ExpectedTable({"type": TYPES}, OPTIONAL)
_REPEATING = ["source", "kind", "type", "owner", "group", "period_origin", "format", "consistency", "mode", "uid", "gid"]


@cache
def schema() -> pa.Schema:
    """Columns of a manifest.

    path: KIND/relative/path as the file system's bytes · source: name of the source · kind · type: file, folder, link ·
    size: bytes of content, holes included · mtime, mtime_nanos: whole seconds since 1970 and the nanoseconds above them ·
    ctime_ns, inode: what the next run compares · link_group: equal for hard links of one file, else null ·
    mode: permission bits · uid, gid, owner, group · link_target · xattrs · blake3: of the whole content ·
    period_start, period_end, period_origin, format: what the item is about, where known ·
    seen_at: when this version was first seen · last_seen_at, vanished_at: null while the source has it ·
    chunks: the content in order; a null id is a hole of that length ·
    consistency: null where the content is of one moment; `PREFIX` where it is what a growing file had at first, of one moment
    too; `INCONSISTENT` where the file changed while it was read, so that the content may be of several moments ·
    profile: of a table that was looked into, how much stands in it; null for everything else. rows: null where the file does
    not open · columns, filled: for each column a hash of its name and how many of its cells are not empty · sketch: of its
    rows, so that two versions can be compared.
    """
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    xattr = pa.struct([pa.field("name", pa.binary(), nullable=False), pa.field("value", pa.binary(), nullable=False)])
    profile = pa.struct(
        [
            pa.field("rows", pa.int64()),
            pa.field("columns", pa.list_(pa.int32())),
            pa.field("filled", pa.list_(pa.int64())),
            pa.field("sketch", pa.binary(SKETCH_SIZE)),
        ]
    )
    chunk = pa.struct([pa.field("id", pa.binary(ID_SIZE)), pa.field("length", pa.int64(), nullable=False)])
    return pa.schema(
        [
            pa.field("path", pa.binary(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("type", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("mtime", pa.int64(), nullable=False),
            pa.field("mtime_nanos", pa.int32(), nullable=False),
            pa.field("ctime_ns", pa.int64(), nullable=False),
            pa.field("inode", pa.int64(), nullable=False),
            pa.field("link_group", pa.int64()),
            pa.field("mode", pa.int32(), nullable=False),
            pa.field("uid", pa.int64(), nullable=False),
            pa.field("gid", pa.int64(), nullable=False),
            pa.field("owner", pa.string()),
            pa.field("group", pa.string()),
            pa.field("link_target", pa.binary()),
            pa.field("xattrs", pa.list_(xattr)),
            pa.field("blake3", pa.binary(ID_SIZE)),
            pa.field("period_start", moment),
            pa.field("period_end", moment),
            pa.field("period_origin", pa.string()),
            pa.field("format", pa.string()),
            pa.field("seen_at", moment, nullable=False),
            pa.field("last_seen_at", moment),
            pa.field("vanished_at", moment),
            pa.field("chunks", pa.list_(chunk)),
            pa.field("consistency", pa.string()),
            pa.field("profile", profile),
        ]
    )


def without_empty(table: pa.Table) -> pa.Table:
    """The table without those of the columns `OPTIONAL` that say nothing."""
    empty = [name for name in OPTIONAL if name in table.column_names and table[name].null_count == table.num_rows]
    return table.drop_columns(empty)


def is_inconsistent(table: pa.Table) -> pa.ChunkedArray:
    """Which rows have content that may be of several moments."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.not_equal(table["consistency"], PREFIX), fill_value=False)


def is_prefix(table: pa.Table) -> pa.ChunkedArray:
    """Which rows have what a growing file had at first."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(table["consistency"], PREFIX), fill_value=False)


def finer(rows: int) -> int:
    """How many times finer than the descriptor says a manifest of so many rows is cut.

    Of 20,000 rows whose 49 change in an hour 80 KB are new at 4 KiB, and 714 KB at 64 KiB. A million rows would be 35,000
    chunks at 4 KiB: an unchanged backup took 314 s with them, and 10 s at 64 KiB."""
    return next((times for most, times in _FINER if rows <= most), 1)


_FINER = (1 << 15, 16), (1 << 17, 4)
"""Rows, and for manifests of at most so many how fine: about a thousand chunks at most, up to there."""

_SMALLEST_PAGE, _LARGEST_PAGE = 16 * 1024, 64 * 1024
"""Bytes, of manifests that are not cut finer."""


def encode(table: pa.Table) -> memoryview[int]:
    """The bytes of a manifest. table: of `schema()`, sorted by path, each path once. Raises `Unstorable` where no reader would
    take it."""
    refuse_long(table)
    return parquet.write(without_empty(table), **_options(table.num_rows))


def encode_into(take: Callable[[bytes], object], table: pa.Table) -> None:
    """The same bytes, given to `take` piece by piece: of a million rows they are 130 MB. Raises `Unstorable`, and what `take`
    does."""
    refuse_long(table)
    parquet.write_into(take, without_empty(table), **_options(table.num_rows))


def refuse_long(table: pa.Table) -> None:
    """Raises `Unstorable` for more rows than any reader takes."""
    if table.num_rows > MOST_ROWS:
        raise Unstorable(f"a snapshot of {table.num_rows} items is larger than any reader takes ({MOST_ROWS})")


def _options(rows: int) -> dict[str, Any]:
    times = finer(rows)
    cutting = {"min_chunk_size": _SMALLEST_PAGE // times, "max_chunk_size": _LARGEST_PAGE // times, "norm_level": 0}
    return {
        "compression": "none",
        "use_dictionary": _REPEATING,
        "write_statistics": False,
        "use_content_defined_chunking": cutting,
    }


def decode(data: parquet.Data, *, columns: list[str] | None = None) -> pa.Table:
    """Read back, all columns or those named. Raises `Damaged`."""
    return parquet.read(data, schema(), "a manifest", most_rows=MOST_ROWS, columns=columns, expected=_EXPECTED)

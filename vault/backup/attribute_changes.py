"""Items whose attributes changed and whose content did not, as their source says: a message that was marked as read.

The source tells by the version token, which is the same and strong, and by what stands in place of a moment beside it
(`vault.source.contract.ATTRIBUTE_TOKENS`). They get a new version with the content that the last manifest has of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.backup.read_results import HOLE, ContentFacts
from vault.format.manifest import FILE
from vault.format.tree import ChunkRef
from vault.source import scan_columns
from vault.source.contract import ATTRIBUTE_TOKENS, STRONG, ScanColumn

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["path", "type", "size", "ctime_ns", "inode", "vanished_at", "consistency"]
"""Of the last manifest, to find them."""

CONTENT = ["size", "format", "blake3", "chunks"]
"""Of the last manifest, for those that are found."""

SLICE = 4096


class AttributeChanges(Struct, frozen=True):
    """rows: of the scan · contents: `CONTENT` of the last manifest, for each of them; None where there are none."""

    rows: pa.Array
    contents: pa.Table | None = None

    def slices(self) -> Iterator[tuple[pa.Array, list[tuple[ContentFacts, list[ChunkRef]]]]]:
        """Some rows at a time, with their contents."""
        if self.contents is None:
            return
        for start in range(0, len(self.rows), SLICE):
            some = self.contents.slice(start, SLICE)
            values = zip(*(some[name].to_pylist() for name in CONTENT), strict=True)
            yield self.rows.slice(start, SLICE), [_content(*one) for one in values]


def find(scan: pa.Table, fresh: pa.Array, last: pa.Table, ignored: frozenset[ScanColumn]) -> tuple[pa.Array, pa.Array]:
    """Which of the rows that would be read have changed attributes alone, and their rows in the last manifest. fresh: rows of
    the scan · last: `COLUMNS` of the last manifest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(last):  # paths of a million files are not copied for nothing
        fresh = fresh.filter(_is_token(scan["ctime_ns"].take(fresh)).combine_chunks())
    if not len(last) or not len(fresh):
        return fresh.slice(0, 0), pa.array([], pa.int32())
    rows = scan.select(["path", "type", "size", "ctime_ns", "inode"]).take(fresh)
    where = pc.index_in(rows["path"].combine_chunks(), value_set=last["path"].combine_chunks())
    was = last.select(COLUMNS).take(where)
    same = [
        pc.equal(rows["type"], pa.scalar(scan_columns.FILE, pa.uint8())),
        _is_token(was["ctime_ns"]),
        pc.not_equal(was["ctime_ns"], rows["ctime_ns"]),
    ]
    same += [pc.equal(was["type"], FILE), pc.is_null(was["vanished_at"]), pc.is_null(was["consistency"])]
    same += [pc.equal(was[name], rows[name]) for name in ("inode", "size") if name not in ignored]
    found = pc.is_valid(where)
    for one in same:
        found = pc.and_(found, one.combine_chunks())
    found = pc.fill_null(found, fill_value=False)
    return fresh.filter(found), where.filter(found)


def _is_token(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which values of `ctime_ns` are no moments."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first, end = pa.scalar(STRONG, pa.int64()), pa.scalar(ATTRIBUTE_TOKENS, pa.int64())
    return pc.and_(pc.greater_equal(column, first), pc.less(column, end))


def without(fresh: pa.Array, found: AttributeChanges) -> pa.Array:
    """The rows that are left to read."""
    import pyarrow.compute as pc

    return fresh.filter(pc.invert(pc.is_in(fresh, value_set=found.rows))) if len(found.rows) else fresh


def _content(
    size: int, format_: str | None, digest: bytes, chunks: list[dict[str, Any]]
) -> tuple[ContentFacts, list[ChunkRef]]:
    return ContentFacts(digest, size, format_), [(one["id"] or HOLE, one["length"]) for one in chunks]

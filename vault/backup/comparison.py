"""What changed since the last manifest, found by columns.

A row of the scan is *unchanged* when the last manifest has an item of this path that the source still had then, of the same
type, size, mtime, ctime, inode, mode and owner, and when its ctime is clearly older than that scan: within the granularity of
a clock a file can change twice and look the same, so such a file is read again. So is one whose content was not of one moment.

Where a file system gives other inodes or ctimes with every mount, a source's settings leave them out of the comparison; without
the ctime, the mtime must be clearly older. Other sources than folders have version tokens in these two columns (see
`vault.source.contract`), and may leave out what they do not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.format.manifest import FILE, FOLDER, LINK
from vault.source import scan_columns
from vault.source.contract import ScanColumn

if TYPE_CHECKING:
    import pyarrow as pa

GRANULARITY_NS = 2_000_000_000
"""Two seconds: the coarsest clock of a file system in use (FAT's)."""

COMPARED = ["size", "mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid"]

COLUMNS = ["path", "type", *COMPARED, "vanished_at", "consistency"]
"""What the comparison needs of the last manifest."""

TYPES = {scan_columns.FILE: FILE, scan_columns.FOLDER: FOLDER, scan_columns.LINK: LINK}
"""From the scan's numbers to the manifest's words."""


class Comparison(Struct, frozen=True):
    """Row numbers, as int64 arrays.

    fresh: rows of the scan that are new or differ · kept, kept_from: unchanged rows of the scan, and their rows in the last
    manifest · gone: rows of the last manifest that the source had and has no longer · old: its vanished rows that did not
    come back · replaced: paths among `fresh` that the source had before (so they are changes, not additions) · young: those of
    `fresh` that look as they did, and are read since they are not clearly older.
    """

    fresh: pa.Array
    kept: pa.Array
    kept_from: pa.Array
    gone: pa.Array
    old: pa.Array
    replaced: int
    young: pa.Array

    @property
    def nothing_changed(self) -> bool:
        """Whether the new manifest would be the last one again."""
        return len(self.fresh) == 0 and len(self.gone) == 0


def compare(scan: pa.Table, last: pa.Table, last_scan: datetime, ignored: frozenset[ScanColumn] = frozenset()) -> Comparison:
    """scan: as `vault.source.scan` gives it · last: `COLUMNS` of the last manifest · last_scan: when its scan began ·
    ignored: columns that say nothing of a change."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = pc.is_null(last["vanished_at"]).combine_chunks()
    where, came_again = _positions(scan["path"], last["path"])
    same = pc.equal(_codes(last["type"]).take(where), scan["type"].combine_chunks())
    same = pc.and_(same, present.take(where))
    same = pc.and_(same, pc.is_null(last["consistency"]).combine_chunks().take(where))
    for name in (name for name in COMPARED if name not in ignored):
        same = pc.and_(same, pc.equal(scan[name].combine_chunks(), last[name].combine_chunks().take(where)))
    margin = int(last_scan.timestamp() * 1_000_000_000) - GRANULARITY_NS
    if "ctime_ns" in ignored:
        clearly_older = pc.less(scan["mtime"].combine_chunks(), pa.scalar(margin // 1_000_000_000, pa.int64()))
    else:
        clearly_older = pc.less(scan["ctime_ns"].combine_chunks(), pa.scalar(margin, pa.int64()))
    looks_so = pc.fill_null(same, fill_value=False)
    same = pc.and_(looks_so, clearly_older)
    had_before = pc.fill_null(present.take(where), fill_value=False)
    kept = pc.indices_nonzero(same)
    return Comparison(
        fresh=pc.indices_nonzero(pc.invert(same)),
        kept=kept,
        kept_from=where.take(kept),
        gone=pc.indices_nonzero(pc.and_not(present, came_again)),
        old=pc.indices_nonzero(pc.invert(pc.or_(present, came_again))),
        replaced=pc.sum(pc.and_not(had_before, same)).as_py() or 0,
        young=pc.indices_nonzero(pc.and_not(looks_so, same)),
    )


def _positions(paths: pa.ChunkedArray, among: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Where each path stands among the others, or null; and which of the others are among the paths."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(among):
        return pa.nulls(len(paths), pa.int32()), pa.array([], pa.bool_())
    if paths.equals(among):  # the usual hour: no hash table of a million names
        count = len(paths)
        return pa.arange(0, count).cast(pa.int32()), pa.repeat(pa.scalar(value=True), count)
    ours, theirs = paths.combine_chunks(), among.combine_chunks()
    return pc.index_in(ours, value_set=theirs), pc.is_in(theirs, value_set=ours)


def _codes(types: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pa.array([TYPES[code] for code in sorted(TYPES)])
    return pc.index_in(types, value_set=words).combine_chunks().cast(pa.uint8())

"""Which items have records that become pages, and which are given as they are: columns and a byte an item, as there may be
millions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

JSON_LINES = "jsonl"


def record_mask(items: pa.Table) -> pa.ChunkedArray:
    """Of each item, whether it has records: JSON Lines, but for those that are files of records themselves."""
    import pyarrow.compute as pc

    lines = pc.fill_null(pc.equal(items["format"], JSON_LINES), pc.ends_with(items["path"], b".jsonl"))
    lines = pc.and_not(lines, pc.match_substring_regex(items["path"], rb"(?s)/attachments/[^/]+/[^/]+$"))
    return pc.and_(lines, pc.equal(items["type"], manifest.FILE))


def record_rows(items: pa.Table) -> list[int]:
    """Rows of the items that have records."""
    import pyarrow.compute as pc

    rows: list[int] = pc.indices_nonzero(record_mask(items)).to_pylist()
    return rows


class ChosenItems:
    """Which of the other files are given as they are. all_: all of them; else those that are added."""

    def __init__(self, items: pa.Table, *, all_: bool) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        others = pc.and_not(pc.equal(items["type"], manifest.FILE), record_mask(items))
        flat = others.combine_chunks() if isinstance(others, pa.ChunkedArray) else others
        self._items = items
        self._others = flat
        self._added = bytearray(b"\1" * len(flat) if all_ else len(flat))
        self.any_others = bool(pc.any(flat).as_py())

    def add(self, rows: Iterable[int]) -> None:
        """Some more, by their rows."""
        for row in rows:
            self._added[row] = 1

    def table(self) -> pa.Table:
        """Their rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        added = pa.UInt8Array.from_buffers(pa.uint8(), len(self._added), [None, pa.py_buffer(bytes(self._added))])
        return self._items.filter(pc.and_(self._others, pc.equal(added, 1)))

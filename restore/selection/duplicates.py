"""Paths that several sources of a project have: in one folder only one of them can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from restore.selection.select import Selection
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa


def without_duplicate_folders(selection: Selection) -> Selection:
    """Folders of one path count as one, the first source's: only what lies in them can be in each other's way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = selection.table
    duplicates = _duplicates(selection)
    if not len(duplicates):
        return selection
    rows = pc.indices_nonzero(pc.and_(pc.is_in(table["path"], value_set=duplicates), pc.equal(table["type"], manifest.FOLDER)))
    seen: set[bytes] = set()
    spare = []
    for row, path in zip(rows.to_pylist(), table["path"].take(rows).to_pylist(), strict=True):
        if path in seen:
            spare.append(row)
        seen.add(path)
    everything = pa.array(range(len(table)), pa.int64())
    kept = table.filter(pc.invert(pc.is_in(everything, value_set=pa.array(spare, pa.int64()))))
    return replace(selection, table=kept)


def shared(selection: Selection) -> tuple[bytes, list[str]] | None:
    """The first path that several sources have, and which; None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    duplicates = _duplicates(selection)
    if not len(duplicates):
        return None
    path: bytes = duplicates[0].as_py()
    mine = selection.table.filter(pc.equal(selection.table["path"], pa.scalar(path, pa.binary())))
    return path, sorted(mine["source"].to_pylist())


def _duplicates(selection: Selection) -> pa.Array:
    """The paths that stand there more than once, in order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(selection.records) < 2:
        return pa.array([], pa.binary())
    counted = selection.table["path"].value_counts()
    return counted.filter(pc.greater(counted.field("counts"), 1)).field("values")

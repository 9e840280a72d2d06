"""A manifest as rows that are compared with those of the manifest before: what of an item makes another version of it.

Looked at are type, content, size, times, owner, mode, link target, extended attributes, what the item is about, and whether the
source still had it. Not looked at are the numbers that file systems give anew (inode, ctime), and the time of a folder,
which every change in it moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from blake3 import blake3

from vault.errors import Damaged
from vault.format import manifest, rollup
from vault.format.rollup import ATTRIBUTES_SIZE

if TYPE_CHECKING:
    import pyarrow as pa

CONTENT = ("type", "size", "blake3", "link_target")
"""Columns that tell whether the content is another one."""

ATTRIBUTES = ("mtime", "mtime_nanos", "mode", "uid", "gid", "extended")
SUBJECT = ("format", "period_start", "period_end")
"""What the item is about: a later version of this program may know it better, which is no event of the item."""

COMPARED = (*CONTENT, *ATTRIBUTES, *SUBJECT, "vanished_at", "consistency")


def schema() -> pa.Schema:
    """The columns of a version, as roll-ups have them. first, last: numbers of the snapshots, counted from 0 by time."""
    return rollup.schema()


@cache
def columns() -> list[str]:
    """Those of a manifest that are read."""
    return [*schema().names[:-3], "xattrs"]


def of_manifest(data: bytes | bytearray) -> pa.Table:
    """The rows of an encoded manifest, by path, as versions that stand nowhere yet. Raises `Damaged`."""
    import pyarrow as pa

    table = manifest.decode(data, columns=columns())
    refuse_disorder(table["path"])
    found = {name: table[name] for name in table.column_names}
    found |= _steady_folders(table)
    found["extended"] = _digests(found.pop("xattrs"))
    found["first"] = found["last"] = pa.repeat(pa.scalar(0, pa.int32()), len(table))
    return pa.table([found[name] for name in schema().names], schema=schema())


def refuse_disorder(paths: pa.ChunkedArray) -> None:
    """Raises `Damaged` unless each path stands once, in order: what is compared by path must have one row a path."""
    import pyarrow.compute as pc

    flat = paths.combine_chunks()
    if pc.all(pc.greater(flat[1:], flat[:-1])).as_py() is False:
        raise Damaged("a manifest is not in the order of its paths")


def _steady_folders(table: pa.Table) -> dict[str, pa.Array]:
    """The times of modification, nought for folders."""
    import pyarrow as pa
    import pyarrow.compute as pc

    folders = pc.equal(table["type"], manifest.FOLDER)
    if not pc.any(folders).as_py():
        return {}
    names = ("mtime", "mtime_nanos")
    return {name: pc.if_else(folders, pa.scalar(0, table[name].type), table[name]) for name in names}


def _digests(xattrs: pa.ChunkedArray) -> pa.Array:
    """Extended attributes as hashes: lists cannot be compared by columns, and nearly all items have none."""
    import pyarrow as pa

    kind = pa.binary(ATTRIBUTES_SIZE)
    if xattrs.null_count == len(xattrs):
        return pa.nulls(len(xattrs), kind)
    items = xattrs.to_pylist()
    return pa.array([digest_of((pair["name"], pair["value"]) for pair in one) if one else None for one in items], kind)


def digest_of(attributes: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Names and values of extended attributes as a hash."""
    found = blake3()
    for part in (part for pair in sorted(attributes) for part in pair):
        found.update(len(part).to_bytes(8, "little") + part)
    return found.digest(length=ATTRIBUTES_SIZE)


def equal(one: pa.Table, other: pa.Table, columns: tuple[str, ...] = COMPARED) -> pa.Array:
    """Row by row, whether `columns` are equal; null equals null. The tables have as many rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    same = None
    for name in columns:
        left, right = one[name], other[name]
        if left.equals(right):  # as most columns of neighbouring hours: told much faster than row by row
            continue
        found = _equal(left, right)
        same = found if same is None else pc.and_(same, found)
    if same is None:
        return pa.repeat(pa.scalar(value=True), len(one))
    return same.combine_chunks() if isinstance(same, pa.ChunkedArray) else same


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    found = pc.equal(left, right)
    if not left.null_count and not right.null_count:
        return found
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(pc.fill_null(found, fill_value=False), both_null)


def placed(rows: pa.Table, first: pa.ChunkedArray | pa.Array, last: pa.ChunkedArray | pa.Array) -> pa.Table:
    """The rows with other numbers of snapshots."""
    for name, column in (("first", first), ("last", last)):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows

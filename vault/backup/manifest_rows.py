"""Rows of a new manifest: those of what was read, merged with those of earlier manifests that stay."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.backup import unreadable_items
from vault.backup.comparison import Comparison
from vault.format import parquet
from vault.format.manifest import FOLDER, schema
from vault.source.attributes import OwnerNames
from vault.source.contract import ScanColumn

if TYPE_CHECKING:
    import pyarrow as pa


class SharedColumns(Struct, frozen=True):
    """What all items of a snapshot share. last_seen_at: the moment of the snapshot before · owners: names of users and groups;
    None for those of this machine."""

    source: str
    kind: str
    taken_at: datetime
    last_seen_at: datetime | None
    owners: OwnerNames | None = None


def merge_last(
    last: pa.Table, comparison: Comparison, new_rows: pa.Table, unvanished: Unvanished, shared: SharedColumns
) -> pa.Table:
    """The new manifest: the last one, and `new_rows` of what was read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not last.num_rows:
        return new_rows
    gone = last.take(comparison.gone)
    stays = unvanished.mask(gone["path"])
    new_rows, unread_paths = unreadable_items.prefer_sound_versions(new_rows, last, unvanished.failed)
    failed = pc.is_in(last["path"], value_set=pa.array(sorted(unread_paths), pa.binary()))
    parts = [
        new_rows,
        last.take(comparison.kept_from),
        last.take(comparison.old),
        last.filter(failed),
        gone.filter(stays),
        _vanished(gone.filter(pc.invert(stays)), shared),
    ]
    return sort_by_path(pa.concat_tables(parts))


def merge_other(table: pa.Table, other: pa.Table, unvanished: Unvanished, shared: SharedColumns) -> pa.Table:
    """A new manifest, and the items that only `other` has: the manifest of the second of two snapshots that the new one
    follows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    only = other.filter(pc.invert(pc.is_in(other["path"], value_set=table["path"].combine_chunks())))
    failed = pc.is_in(only["path"], value_set=pa.array(sorted(unvanished.failed), pa.binary()))
    stays = pc.or_(pc.is_valid(only["vanished_at"]), pc.or_(failed, unvanished.mask(only["path"])))
    return sort_by_path(pa.concat_tables([table, only.filter(stays), _vanished(only.filter(pc.invert(stays)), shared)]))


def with_versions_of(last: pa.Table, new_rows: pa.Table) -> tuple[pa.Table, int]:
    """`new_rows` of a source without times of its own, where what has the content of the last manifest stays the version that
    it was there, with the new version token; and how many of them that are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not last.num_rows:
        return new_rows, 0
    where = pc.index_in(new_rows["path"], value_set=last["path"].combine_chunks()).combine_chunks()
    was = last.take(where)
    folders = pc.equal(new_rows["type"], FOLDER)
    same_content = pc.or_(folders, pc.fill_null(pc.equal(new_rows["blake3"], was["blake3"]), fill_value=False))
    same = pc.and_(pc.equal(new_rows["type"], was["type"]), same_content)
    same = pc.and_(same, pc.and_(pc.is_null(was["vanished_at"]), pc.is_null(was["consistency"])))
    same = pc.fill_null(pc.and_(same, pc.is_null(new_rows["consistency"])), fill_value=False)
    kept, read = was.filter(same), new_rows.filter(same)
    for name in ("ctime_ns", "inode"):
        place = kept.schema.get_field_index(name)
        kept = kept.set_column(place, kept.schema.field(place), read[name])
    changed = new_rows.filter(pc.invert(same))
    return pa.concat_tables([changed, kept.cast(new_rows.schema)]), kept.num_rows


_OF_A_VERSION = (
    *("type", "size", "mtime", "mtime_nanos", "ctime_ns", "inode", "mode", "uid", "gid", "owner", "group"),
    *("link_target", "blake3", "consistency"),
)
"""What a version is known by, beside its attributes."""


def with_young_versions(
    last: pa.Table, new_rows: pa.Table, young: pa.Array, ignored: frozenset[ScanColumn]
) -> tuple[pa.Table, int]:
    """`new_rows`, where what was read again only since it was young stays the version that it was in the last manifest, if it
    is as it was then; and how many that are. young: paths of such items · ignored: columns that say nothing of a change."""
    import pyarrow as pa
    import pyarrow.compute as pc

    where = pc.index_in(new_rows["path"], value_set=last["path"].combine_chunks()).combine_chunks()
    was = last.take(where)
    same = pc.is_in(new_rows["path"], value_set=young)
    for name in (name for name in _OF_A_VERSION if name not in ignored):
        both_null = pc.and_(pc.is_null(new_rows[name]), pc.is_null(was[name]))
        same = pc.and_(same, pc.or_(pc.fill_null(pc.equal(new_rows[name], was[name]), fill_value=False), both_null))
    same = pc.and_(same, _equal_lists(new_rows["xattrs"], was["xattrs"]))
    kept = was.filter(same)
    place = kept.schema.get_field_index("chunks")  # those that were just stored or found
    kept = kept.set_column(place, kept.schema.field(place), new_rows["chunks"].filter(same))
    return pa.concat_tables([new_rows.filter(pc.invert(same)), kept.cast(new_rows.schema)]), kept.num_rows


def _equal_lists(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> pa.Array:
    """Arrow compares no lists; few files have any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if all(not (pc.max(pc.list_value_length(side)).as_py() or 0) for side in (ours, theirs)):
        return pa.repeat(pa.scalar(value=True), len(ours))
    pairs = zip(ours.to_pylist(), theirs.to_pylist(), strict=True)
    return pa.array([(one or []) == (other or []) for one, other in pairs], pa.bool_())


def present_bytes(table: pa.Table) -> int:
    """Bytes of content of what a source still has. table: of a manifest."""
    import pyarrow.compute as pc

    return pc.sum(table["size"].filter(pc.is_null(table["vanished_at"]))).as_py() or 0


def newly_vanished(table: pa.Table, taken_at: datetime) -> int:
    """How many items of a manifest vanished with its own snapshot."""
    import pyarrow as pa
    import pyarrow.compute as pc

    vanished = table["vanished_at"]
    return pc.sum(pc.equal(vanished, pa.scalar(taken_at, vanished.type))).as_py() or 0


def sort_by_path(table: pa.Table) -> pa.Table:
    """In the order of a manifest."""
    import pyarrow.compute as pc

    return table.take(pc.sort_indices(table["path"]))


class Unvanished(Struct, frozen=True):
    """What has not vanished though it was not read.

    - `failed`: paths that the scan has but that could not be read
    - `unseen`: paths that the scan could not look at; of folders, with everything below them
    """

    failed: frozenset[bytes]
    unseen: frozenset[bytes]

    def mask(self, paths: pa.ChunkedArray) -> pa.Array:
        """A boolean for each path: whether it is one of `unseen` or below one."""
        import pyarrow as pa

        if not self.unseen:
            return pa.repeat(pa.scalar(value=False), len(paths))
        return pa.array((self._below(path) for path in paths.to_pylist()), pa.bool_())

    def _below(self, path: bytes) -> bool:
        while path and path not in self.unseen:
            path = path.rpartition(b"/")[0]
        return bool(path)


def _vanished(gone: pa.Table, shared: SharedColumns) -> pa.Table:
    """The rows of items that the source no longer has, marked as vanished with this snapshot."""
    for name, moment in (("last_seen_at", shared.last_seen_at), ("vanished_at", shared.taken_at)):
        place = gone.schema.get_field_index(name)
        gone = gone.set_column(place, gone.schema.field(place), repeated(moment, gone.num_rows, gone.schema.field(place).type))
    return gone


def repeated(value: object, count: int, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    """A column of one value. kind: the type; None: that of the value, for a datetime that of a manifest's moments."""
    import pyarrow as pa

    if kind is None and isinstance(value, datetime):
        kind = schema().field("seen_at").type
    return parquet.repeated(pa.scalar(value, kind), count)

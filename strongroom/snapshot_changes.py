"""What a snapshot changed of an earlier one of its source: counts, the folders that changed most, what vanished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.project import Project

MOST_FOLDERS = 10
"""Folders that are named."""

MOST_PATHS = 20
"""Vanished items that are named."""


class FolderChanges(Struct, frozen=True):
    """What changed among the files that lie right in a folder. before: how many there were."""

    folder: bytes
    before: int
    created: int
    changed: int
    deleted: int

    @property
    def is_gone(self) -> bool:
        """Whether no file is left of those that were there."""
        return self.deleted == self.before and not self.created and self.before > 0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "folder": printable(self.folder),
            "files_before": self.before,
            "files_created": self.created,
            "files_changed": self.changed,
            "files_deleted": self.deleted,
        }


class SnapshotChanges(Struct, frozen=True):
    """From one snapshot of a source to a later one. counts: of items, by kind of change: created, changed, attributes changed,
    deleted · folders: those that changed most, the worst first · folders_total: how many changed · vanished: the first paths by
    name of what is not there any more."""

    before: Record
    after: Record
    counts: dict[str, int]
    folders: tuple[FolderChanges, ...]
    folders_total: int
    vanished: tuple[bytes, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "before": self.before.id,
            "after": self.after.id,
            "items_before": self.before.counts.items,
            "items_after": self.after.counts.items,
            "bytes_before": self.before.counts.bytes,
            "bytes_after": self.after.counts.bytes,
            "counts": {what.replace(" ", "_"): count for what, count in self.counts.items()},
            "folder_list": [one.as_json() for one in self.folders],
            "folders_total": self.folders_total,
            "vanished_paths": [printable(path) for path in self.vanished],
        }


def catalogue_reader(project: Project) -> MetaReader:
    """What reads the manifests of a project. Raises `StorageError`."""
    from vault.format.layout import META_TIER
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    return MetaReader(project, repaired_index(project, ChunkIndex.load(project, tier=META_TIER)))


def changes_between(reader: MetaReader, before: Record, after: Record) -> SnapshotChanges:
    """What the later one of two snapshots of a source has changed of the earlier one. Raises `Damaged`, `StorageError`."""
    from restore.history.diff import DELETED, Difference, Sides, compared

    old, new = _items(reader, before), _items(reader, after)
    found = Difference(compared(after.source, old, new), (Sides(after.source, before, after),))
    gone = found.table.filter(_equals(found.table["what"], DELETED))
    folders = _folders(old, found.table)
    return SnapshotChanges(
        before=before,
        after=after,
        counts=found.counts(),
        folders=folders[:MOST_FOLDERS],
        folders_total=len(folders),
        vanished=tuple(gone["path"].slice(0, MOST_PATHS).to_pylist()),
    )


def _items(reader: MetaReader, record: Record) -> pa.Table:
    """What the source had then, by path."""
    import pyarrow.compute as pc

    from restore.history import versions

    table = versions.of_manifest(reader.read(record.manifest, f"the manifest of snapshot {record.id}"))
    return table.filter(pc.is_null(table["vanished_at"]))


def _folders(old: pa.Table, changes: pa.Table) -> tuple[FolderChanges, ...]:
    """Of each folder in which files changed: those that lost most first."""
    from restore.history.diff import CHANGED, CREATED, DELETED
    from vault.format import manifest

    before = _by_folder(old.filter(_equals(old["type"], manifest.FILE)))
    is_file = (_equals(changes[f"{side}_type"], manifest.FILE) for side in ("before", "after"))
    files = changes.filter(_either(*is_file))
    created, changed, deleted = (_by_folder(files.filter(_equals(files["what"], what))) for what in (CREATED, CHANGED, DELETED))
    found = [
        FolderChanges(folder, before.get(folder, 0), created.get(folder, 0), changed.get(folder, 0), deleted.get(folder, 0))
        for folder in created.keys() | changed.keys() | deleted.keys()
    ]
    return tuple(sorted(found, key=lambda one: (-one.deleted, -one.changed, -one.created, one.folder)))


def _by_folder(table: pa.Table) -> dict[bytes, int]:
    """How many rows there are by the folder of their path."""
    import pyarrow.compute as pc

    if not table.num_rows:
        return {}
    folders = pc.replace_substring_regex(table["path"], r"(?s)/[^/]*$", "")
    counted = folders.value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _equals(column: pa.ChunkedArray, value: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.fill_null(pc.equal(column, value), fill_value=False)


def _either(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.or_(one, other)

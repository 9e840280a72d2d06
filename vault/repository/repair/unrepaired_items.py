"""What cannot be had anywhere, item by item, with the last good version of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field

from vault.errors import Damaged
from vault.format import manifest
from vault.problems import printable
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.repair.missing_chunks import rows_with
from vault.repository.repair.pack_damage import PackDamage, SnapshotGroup

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ["path", "source", "type", "blake3", "seen_at", "vanished_at", "chunks"]


class GoodVersion(NamedTuple):
    """The newest version of an item that can be restored. snapshot: the newest one that has it · seen_at: since when it is as
    it is there."""

    snapshot: str
    taken_at: datetime
    seen_at: datetime


class LostItem(Struct):
    """A version of an item whose content is lost.

    - `path`: as the manifest has it
    - `blake3`: of the whole content
    - `snapshots`: how many have this version · `oldest`, `newest`: the first and the last of them
    - `vanished`: whether the source no longer had it by then
    - `chunks`: the lost ones
    - `good`: its last good version, if there is one
    """

    path: bytes
    source: str
    blake3: bytes
    newest: str
    oldest: str
    snapshots: int = 0
    vanished: bool = False
    chunks: set[bytes] = field(default_factory=set)
    good: GoodVersion | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        good = None
        if self.good is not None:
            moments = {name: getattr(self.good, name).isoformat() for name in ("taken_at", "seen_at")}
            good = {"snapshot": self.good.snapshot, **moments}
        values = {name: getattr(self, name) for name in ("source", "snapshots", "newest", "oldest")}
        return {"path": printable(self.path), **values, "gone_from_source": self.vanished, "last_good_version": good}


def look(reader: MetaReader, damage: PackDamage, lost: Collection[bytes]) -> list[LostItem]:
    """The items whose content is partly in these chunks, by path. Raises `StorageError`."""
    found: dict[tuple[str, bytes, bytes], LostItem] = {}
    for group in damage.affected if lost else ():
        for row, chunks in _rows(reader, group, lost):
            key = row["source"], row["path"], row["blake3"]
            first, last = group.records[0].id, group.records[-1].id
            one = found.setdefault(key, LostItem(row["path"], row["source"], row["blake3"], last, first))
            one.snapshots += len(group.records)
            one.newest, one.vanished = last, row["vanished_at"] is not None
            one.chunks |= chunks
    items = sorted(found.values(), key=lambda one: (one.path, one.source, one.newest))
    _add_good_versions(reader, damage.groups, items, lost)
    return items


def without_given_up(items: Sequence[LostItem], given_up: Collection[bytes]) -> tuple[list[LostItem], frozenset[bytes]]:
    """The items that nobody has given up, and the chunks that only given-up ones need. given_up: BLAKE3 of contents."""
    left = [one for one in items if one.blake3 not in given_up]
    needed = frozenset[bytes]().union(*(one.chunks for one in left))
    return left, frozenset[bytes]().union(*(one.chunks for one in items)) - needed


def _rows(reader: MetaReader, group: SnapshotGroup, lost: Collection[bytes]) -> Iterator[tuple[dict[str, Any], set[bytes]]]:
    table = _manifest(reader, group)
    if table is None:
        return
    for row in rows_with(table, lost).to_pylist():
        yield row, {chunk["id"] for chunk in row["chunks"]} & set(lost)


def _manifest(reader: MetaReader, group: SnapshotGroup) -> pa.Table | None:
    try:
        return snapshots.read_manifest(reader, group.record, columns=COLUMNS)
    except Damaged:
        return None


def _add_good_versions(
    reader: MetaReader, groups: Sequence[SnapshotGroup], items: Sequence[LostItem], lost: Collection[bytes]
) -> None:
    """From the newest snapshot back, until each path was met in a version that is not lost."""
    import pyarrow.compute as pc

    waiting: dict[bytes, list[LostItem]] = {}
    for one in items:
        waiting.setdefault(one.path, []).append(one)
    for group in sorted(groups, key=lambda one: one.record.taken_at, reverse=True):
        table = _manifest(reader, group) if waiting else None
        if table is None:
            continue
        files = table.filter(pc.and_(_path_is_among(table, waiting), pc.equal(table["type"], manifest.FILE)))
        bad = rows_with(files, lost)
        for row in files.filter(pc.invert(pc.is_in(files["path"], value_set=bad["path"].combine_chunks()))).to_pylist():
            good = GoodVersion(group.record.id, group.record.taken_at, row["seen_at"])
            same = [one for one in waiting[row["path"]] if one.source == row["source"]]
            for one in same:
                one.good = good
            waiting[row["path"]] = [one for one in waiting[row["path"]] if one not in same]
        waiting = {path: some for path, some in waiting.items() if some}


def _path_is_among(table: pa.Table, paths: Collection[bytes]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(table["path"], value_set=pa.array(sorted(paths), pa.binary()))

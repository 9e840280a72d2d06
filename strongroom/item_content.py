"""The content of one item as it was at a moment, read from any place of it; that somebody looked is recorded.

with item_content(context, project, b"reports/2024-05.csv", SelectionOptions(at="2024-06-01", with_deleted=True)) as found:
    found.read(0, 65536)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from strongroom import command_log
from strongroom.items import Item, items_of
from strongroom.selection import SelectionOptions
from strongroom.view_log import Look
from vault.errors import NothingFound, UsageError
from vault.format import manifest
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.fsspec.file_contents import FileContents, FileMap
    from restore.selection.select import Selection
    from strongroom.context import Context
    from strongroom.view_log import ViewLog
    from vault.repository.project import Project

PIECE = 1024 * 1024
"""Bytes that are copied at once."""


class ItemContent(Struct, frozen=True):
    """An item, open. item: as its snapshot has it · source, snapshot: whose it is. Made by `item_content`."""

    item: Item
    source: str
    snapshot: str
    _contents: FileContents
    _map: FileMap
    _others: pa.Table

    @property
    def tag(self) -> str:
        """Two contents with the same tag are the same, byte by byte."""
        chunks = [one.chunk for one in self._map.places]
        return hashlib.sha256(repr((self._map.size, self._map.starts, chunks)).encode()).hexdigest()[:32]

    def read(self, start: int, length: int) -> bytes:
        """Bytes from `start` on; fewer where the item ends before. Raises `Damaged`, `StorageError`."""
        count = max(0, min(length, self.item.size - start))
        buffer = bytearray(count)
        self._contents.read_into(self._map, start, memoryview(buffer), ahead=count >= PIECE)
        return bytes(buffer)

    def below(self, folder: bytes, most: int) -> tuple[Item, ...]:
        """The first files of the same moment below a folder, such as the attachments of a ticket. most: how many."""
        import pyarrow.compute as pc

        rows = self._others.filter(pc.starts_with(self._others["path"], folder.rstrip(b"/") + b"/"))
        files = rows.filter(pc.equal(rows["type"], manifest.FILE))
        return tuple(items_of(files.slice(0, most)))

    def copy_to(self, out: BinaryIO, most: int) -> int:
        """Write its first bytes, at most so many; gives how many. Raises `Damaged`, `StorageError`, OSError."""
        end = min(most, self.item.size)
        for start in range(0, end, PIECE):
            out.write(self.read(start, min(PIECE, end - start)))
        return end


def find_item(context: Context, project: Project, path: bytes, options: SelectionOptions) -> tuple[Item, str]:
    """An item at a moment, and the snapshot that it is from, without its content. path: as stored. Raises as
    `item_content`."""
    selection, row = _selected(context, project, path, options)
    return next(items_of(row)), _record_of(selection, row)[0]


@contextmanager
def item_content(
    context: Context, project: Project, path: bytes, options: SelectionOptions, *, views: ViewLog | None = None
) -> Iterator[ItemContent]:
    """Open an item that is a file. path: as stored, with its kind in front; no pattern · options: the moment, and the source
    where several have the path · views: of a program that stays, where several looks of a person may be one entry. The look is
    an entry `view` of the log, or a part of one, before anything is read.

    Raises `NothingFound` where there is none, `UsageError` for a folder or a link, `KeyRefused` without a key that reads
    content, `Damaged` where a part of it is gone, `StorageError`.
    """
    from restore.fsspec.file_contents import FileContents

    selection, row = _selected(context, project, path, options)
    item = next(items_of(row))
    snapshot, source = _record_of(selection, row)
    what = {"path": printable(path), "snapshot": snapshot, "at": options.at, "source": source}
    with command_log.recorded(context, "view", [project], what) as entry:
        project.capability.reading()
        if item.type != manifest.FILE:
            raise UsageError(f"{printable(path)} is a {item.type}: it has no content", hint="choose a file")
        contents = FileContents(project, selection.index, row)
        found = ItemContent(item, source, snapshot, contents, contents.map_of(0), selection.table)
        look = Look(path, source, _version(row), snapshot, options.at, item.size)
        joined = views is not None and views.joins(context, project, look)
        if not joined:
            entry.begin()
            entry.count(files=1, bytes=item.size)
    if views is not None and not joined:
        views.recorded(project, look)
    yield found


def _selected(context: Context, project: Project, path: bytes, options: SelectionOptions) -> tuple[Selection, pa.Table]:
    """The row of an item. What the source has counts before what it no longer had, and newer snapshots before older ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from restore.selection.select import select

    selection = select(project, options.query(context, project))
    rows = selection.table.filter(pc.equal(selection.table["path"], pa.scalar(path, selection.table["path"].type)))
    if not rows.num_rows:
        raise NothingFound(f"there is no item {printable(path)} at this moment", hint="look at another moment")
    here = rows.filter(pc.is_null(rows["vanished_at"]))
    return selection, (here if here.num_rows else rows).slice(0, 1)


def _version(row: pa.Table) -> bytes:
    """What tells this content of an item from others."""
    known = row["blake3"][0].as_py()
    return bytes(known) if known is not None else f"{row['size'][0]} {row['mtime'][0]} {row['seen_at'][0]}".encode()


def _record_of(selection: Selection, row: pa.Table) -> tuple[str, str]:
    """The snapshot that a row is from, and its source."""
    source = row["source"][0].as_py()
    newest = max((one for one in selection.records if one.source == source), key=lambda one: one.taken_at)
    return newest.id, newest.source

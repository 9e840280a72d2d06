"""A ZIP archive: what every desktop opens. Modes, links, folders and times to the second; owners, extended attributes and the
rest of the times it cannot hold.

Names are UTF-8, flagged as such; one of other bytes is written with \\xNN for them, and `renamed` tells of it. The same items
make the same bytes: entries come in the order of their paths, and nothing of this machine or moment is in them.
"""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, BinaryIO
from zoneinfo import ZoneInfo

from restore.execution.ordered_reader import HeldContent
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.problems import Problem, printable

PIECE = 1024 * 1024
_TIME_FIELD, _HAS_MTIME = 0x5455, 1
_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
_FOLDER_FLAG = 0x10


NOT_COMPRESSED = 0
"""A level: contents are stored as they are, with length and checksum before them. One that is too large to be read twice is
copied in deflate's own form, which every reader of a stream takes with the checksum behind it."""

LARGEST_STORED = 1 << 30
"""Bytes."""


@contextmanager
def zip_sink(out: BinaryIO, zone: ZoneInfo, level: int | None = None) -> Iterator[ZipSink]:
    """A sink that writes to `out`, which stays open, and need not seek. zone: of the times that programs without time zones
    show · level: of compression, 0 to 9; None for zlib's own choice."""
    archive = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
    try:
        yield ZipSink(archive, zone, level)
        archive.close()
    finally:
        archive.fp = None  # after a failure no end must be written, not even by the collector


class ZipSink:
    """See this module's text. names: of entries, with the paths that they stand for · renamed: the names that are no UTF-8."""

    def __init__(self, archive: zipfile.ZipFile, zone: ZoneInfo, level: int | None = None) -> None:
        self._archive = archive
        self._zone = zone
        self._level = level
        self.names: dict[str, bytes] = {}
        self.renamed: list[bytes] = []

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder's own entry."""
        info = self._info(self._name(path) + "/", stat.S_IFDIR, entry)
        info.external_attr |= _FOLDER_FLAG
        self._store(info, [])
        return []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A link, as Unix tools write it."""
        info = self._info(self._name(path), stat.S_IFLNK, entry)
        self._store(info, [points_to])
        return []

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file and its content."""
        info = self._info(self._name(item.path), stat.S_IFREG, entry)
        info.file_size = item.size  # tells beforehand whether 64-bit lengths are needed
        if self._level is not None:
            info._compresslevel = self._level  # type: ignore[attr-defined] # noqa: SLF001 (public from Python 3.13 on)
        if self._level == NOT_COMPRESSED and item.content is not None and item.size <= LARGEST_STORED:
            self._store(info, _PiecesOf(item.content))
        elif item.content is not None:
            with self._archive.open(info, "w") as out:
                shutil.copyfileobj(item.content, out, PIECE)
        return []

    def _store(self, info: zipfile.ZipInfo, pieces: Iterable[bytes]) -> None:
        """Length and checksum, and then the content as it is: where `out` does not seek, `zipfile` would put both behind it,
        which not every reader of a stream takes."""
        info.compress_type = zipfile.ZIP_STORED
        info.CRC = info.file_size = 0
        for piece in pieces:
            info.CRC = zlib.crc32(piece, info.CRC)
            info.file_size += len(piece)
        info.compress_size = info.file_size
        out = self._archive.fp
        if out is None:
            raise ValueError("the archive is closed")
        info.header_offset = out.tell()
        out.write(info.FileHeader(zip64=False))
        for piece in pieces:
            out.write(piece)
        self._archive.infolist().append(info)
        self._archive.start_dir = out.tell()
        self._archive._didModify = True  # type: ignore[attr-defined] # noqa: SLF001 (that it has entries)

    def finish(self) -> list[Problem]:
        """Nothing is left to do: whoever opened the archive closes it."""
        return []

    def _name(self, path: bytes) -> str:
        """The name of an entry, none twice."""
        try:
            name = path.decode("utf-8")
        except UnicodeDecodeError:
            self.renamed.append(path)
            name = printable(path)
        while name in self.names:
            name += "_"
        self.names[name] = path
        return name

    def _info(self, name: str, kind: int, entry: OutputEntry) -> zipfile.ZipInfo:
        attributes = entry.attributes
        seconds = (attributes.mtime_ns or 0) // 1_000_000_000
        info = zipfile.ZipInfo(name, _wall(seconds, self._zone))
        info.create_system = 3  # Unix, which is what external_attr follows
        info.compress_type = zipfile.ZIP_DEFLATED
        mode = 0o777 if kind == stat.S_IFLNK else 0o644 if attributes.mode is None else attributes.mode
        info.external_attr = (kind | mode) << 16
        if -(2**31) <= seconds < 2**31:
            info.extra = struct.pack("<HHBl", _TIME_FIELD, 5, _HAS_MTIME, seconds)
        return info


class _PiecesOf:
    """Of a content, from its start, as often as they are asked for. One that is held is not copied."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self._content, HeldContent):
            yield from self._content.pieces()
            return
        self._content.seek(0)
        while piece := self._content.read(PIECE):
            yield piece


def _wall(seconds: int, zone: ZoneInfo) -> tuple[int, int, int, int, int, int]:
    try:
        at = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    except (OverflowError, OSError, ValueError):
        return _FIRST if seconds < 0 else _LAST
    return min(max((at.year, at.month, at.day, at.hour, at.minute, at.second), _FIRST), _LAST)

"""The files of a record among the items, and links to them.

Files of types that browsers only show or play get a link. One of another type, such as a page or an SVG picture, may hold a
program, which would run when it is opened: where it lies is said, and nothing can be clicked.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from restore.pages.safe_text import escaped
from vault.format import manifest
from vault.problems import printable
from vault.source.rest.attachments import FOLDER, safe_name
from vault.wording import size as size_text

if TYPE_CHECKING:
    import pyarrow as pa

LINKED = frozenset(
    (
        *("avif", "bmp", "gif", "heic", "jpeg", "jpg", "png", "tif", "tiff", "webp"),
        *("flac", "m4a", "mkv", "mov", "mp3", "mp4", "oga", "ogg", "opus", "wav", "webm", "wma"),
        *(
            "csv",
            "doc",
            "docx",
            "eml",
            "json",
            "log",
            "msg",
            "odp",
            "ods",
            "odt",
            "parquet",
            "pdf",
            "ppt",
            "pptx",
            "rtf",
            "tsv",
        ),
        *("txt", "xls", "xlsx", "7z", "gz", "rar", "tar", "zip"),
    )
)
"""Endings of names of files that no browser takes for a page."""

MOST = 2000
"""Files of a record that are named."""

SHORTEST_ID = 6
_ATTACHED = rf"(?s)/{FOLDER}/[^/]+/[^/]+$".encode()


class AttachedFile(Struct, frozen=True):
    """row: of the items · path: in the restore · size: bytes."""

    row: int
    path: bytes
    size: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return printable(self.path.rpartition(b"/")[2])


class AttachedFiles:
    """Which items are files of which records. items: rows of a manifest, sorted by path."""

    def __init__(self, items: pa.Table) -> None:
        import pyarrow.compute as pc

        is_file = pc.equal(items["type"], manifest.FILE)
        named = pc.match_substring_regex(items["path"], _ATTACHED)
        self._rows = pc.indices_nonzero(pc.and_(is_file, named))
        self._table = items.select(["path", "size"]).take(self._rows).combine_chunks()
        self._paths = self._table["path"]

    def of(self, item: bytes, key: str) -> list[AttachedFile]:
        """Those of the record with a key in an item of records: `KIND/tickets/attachments/KEY/…` of
        `KIND/tickets/2024-05.jsonl`."""
        if not len(self._rows):
            return []
        folder, _, leaf = item.rpartition(b"/")
        bases = (folder, folder + b"/" + leaf.rpartition(b".")[0])
        inner = f"/{FOLDER}/{safe_name(key)}/".encode()
        return [one for base in bases for one in self._below(base + inner)]

    def _below(self, prefix: bytes) -> list[AttachedFile]:
        found = []
        start = bisect_left(_Paths(self._paths), prefix)
        for place in range(start, min(start + MOST, len(self._rows))):
            path = self._paths[place].as_py()
            if not path.startswith(prefix):
                break
            found.append(AttachedFile(self._rows[place].as_py(), path, self._table["size"][place].as_py()))
        return found


class _Paths:
    """A column as a sequence of bytes."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, place: int) -> bytes:
        found: bytes = self._column[place].as_py()
        return found


def named_after(items: pa.Table, record: str) -> list[int]:
    """Rows of files whose names have an id, with nothing beside it that would make it another one: recordings of a call. Short
    ids are in too many names, and files of other records are these records' own."""
    import pyarrow.compute as pc

    if len(record) < SHORTEST_ID:
        return []
    inner = re.escape(record).encode("utf-8", "surrogateescape")
    pattern = rb"(?s)(^|[^0-9A-Za-z])" + inner + rb"([^0-9A-Za-z][^/]*)?$"
    named = pc.and_(pc.match_substring_regex(items["path"], pattern), pc.equal(items["type"], manifest.FILE))
    own = pc.match_substring_regex(items["path"], _ATTACHED)
    rows: list[int] = pc.indices_nonzero(pc.and_not(named, own)).to_pylist()
    return rows


def relative_link(page: bytes, target: bytes) -> str:
    """The address of a file from a page; it begins with a dot, so that no part of it is taken for a scheme or a host."""
    way = posixpath.relpath(target, posixpath.dirname(page) or b".")
    return quote(way if way.startswith(b"../") else b"./" + way, safe="/")


def file_entry(page: bytes, file: AttachedFile) -> str:
    """A file as a part of a page."""
    shown = f'<span dir="auto">{escaped(file.name)}</span>'
    about = f'<span class="about"> {escaped(size_text(file.size))}</span>'
    ending = file.path.rpartition(b".")[2].decode("utf-8", "replace").casefold() if b"." in file.path else ""
    if ending in LINKED:
        return f'<a href="{escaped(relative_link(page, file.path))}" rel="noreferrer">{shown}</a>{about}'
    where = escaped(printable(file.path))
    return f'{shown}{about}<br><span class="about">not linked, as it may hold a program; it lies at {where}</span>'

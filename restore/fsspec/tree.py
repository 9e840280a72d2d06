"""The items of a moment as folders: found by bisection of the manifest's sorted paths, without an index beside it.

A subtree is one run of rows. A listing goes from child to child and leaps over what lies below each folder, so it costs what
it shows, not what the project holds.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from classify import period_grammar
from classify.period import Period
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

_BELOW, _AFTER = b"/", b"0"
"""What follows a folder's name in the paths below it, and the byte after that one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = {manifest.FILE: "file", manifest.FOLDER: "directory", manifest.LINK: "link"}
_SHOWN = ["path", "type", "size", "mtime", "mtime_nanos", "mode", "kind", "format", "period_start", "period_end", "link_target"]


class TreeEntry(NamedTuple):
    """Something in a folder. row: of the table; None for a folder that has no row of its own."""

    path: bytes
    row: int | None


class FolderTree:
    """Folders over a manifest's rows. table: sorted by path · zone: in which periods are told."""

    def __init__(self, table: pa.Table, zone: ZoneInfo) -> None:
        self.table = table
        self._zone = zone
        self._paths = _Paths(table["path"].combine_chunks())

    def row(self, path: bytes) -> int | None:
        """The row of an item."""
        at = bisect_left(self._paths, path)
        return at if at < len(self._paths) and self._paths[at] == path else None

    def span(self, folder: bytes) -> range:
        """The rows below a folder; the empty path is the root."""
        if not folder:
            return range(len(self._paths))
        return range(bisect_left(self._paths, folder + _BELOW), bisect_left(self._paths, folder + _AFTER))

    def is_folder(self, path: bytes) -> bool:
        """Whether it is one: by its own row, or because something lies below it."""
        row = self.row(path)
        return bool(self.span(path)) if row is None else self.table["type"][row].as_py() == manifest.FOLDER

    def children(self, folder: bytes) -> Iterator[TreeEntry]:
        """What lies in a folder, in the order of the paths."""
        inside = self.span(folder)
        start = len(folder) + 1 if folder else 0
        seen: set[bytes] = set()
        at, before = inside.start, b""
        while at < inside.stop:
            path = self._paths[at]
            name, deeper, _ = path[start:].partition(_BELOW)
            child = path[: start + len(name)]
            if deeper:
                if child not in seen:
                    yield TreeEntry(child, None)
                at = bisect_left(self._paths, child + _AFTER, at, inside.stop)
                continue
            if child != before:  # two sources may have one path: the first of them is shown
                yield TreeEntry(child, at)
            seen.add(child)
            before = child
            at += 1

    def infos(self, children: list[TreeEntry]) -> list[dict[str, Any]]:
        """What fsspec calls the info of each."""
        rows = [child.row for child in children if child.row is not None]
        facts = iter(self.table.select(_SHOWN).take(rows).to_pylist() if rows else [])
        return [self._info(next(facts)) if child.row is not None else _folder(child.path) for child in children]

    def _info(self, one: dict[str, Any]) -> dict[str, Any]:
        start, end = one["period_start"], one["period_end"]
        info = {
            "name": os.fsdecode(one["path"]),
            "size": one["size"],
            "type": _TYPES[one["type"]],
            "mtime": moment(one["mtime"], one["mtime_nanos"]),
            "mode": one["mode"],
            "kind": one["kind"],
            "format": one["format"],
            "period": period_grammar.written(Period.between(start, end), self._zone) if start and end else None,
            "period_start": start,
            "period_end": end,
        }
        if one["link_target"] is not None:
            info["destination"] = os.fsdecode(one["link_target"])
        return info


def _folder(path: bytes) -> dict[str, Any]:
    return {"name": os.fsdecode(path), "size": 0, "type": "directory"}


def moment(seconds: int, nanos: int) -> datetime:
    """A file's time; one that no calendar here can show is told as 1970."""
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        return _EPOCH


class _Paths:
    """A column of paths that `bisect` can look into."""

    def __init__(self, column: pa.Array) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, at: int) -> bytes:
        path: bytes = self._column[at].as_py()
        return path

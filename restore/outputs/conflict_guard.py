"""What becomes of what stands in the way of things that are made: their names and bytes are known only once they are there.

What is given as it is has been planned for; this is for converted tables. An earlier run's work is told by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from blake3 import blake3
from msgspec import Struct

from restore.execution.row_view import Rows
from restore.local_fs import Attributes, FreeNames, TargetItem, unsafe_reason
from restore.outputs.conversion import Conversion
from restore.outputs.convert_items import decoded, encoded
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry, OutputSink
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.conflicts import Conflict, policies_for
from restore.planning.conflicts import KeptItem as LeftStanding
from restore.planning.destination import Destination
from restore.tables.output_names import OutputNames
from vault.errors import TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

PIECE = 4 * 1024 * 1024


class KeptCounts(Struct):
    """Things that stay as they stand. already_there: an earlier run's work · files, links, bytes: of all of them."""

    skipped: int = 0
    newer: int = 0
    already_there: int = 0
    files: int = 0
    links: int = 0
    bytes: int = 0


class ConflictGuard:
    """A sink before another one. place: what stands there · left: what was left as it stands, and the sink never saw."""

    def __init__(self, sink: OutputSink, place: Destination, existing: ConflictPolicy, today: date) -> None:
        self._sink = sink
        self._place = place
        self._existing = existing
        self._names = FreeNames(today, (), lambda name: bool(place.existing([name])))
        self.left = KeptCounts()

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """Passed on."""
        return self._sink.folder(path, entry)

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Passed on, unless something stands there."""
        if next(self._place.compare([TargetItem(path, manifest.LINK, Attributes(), points_to=points_to)])).same:
            self.left.already_there += 1
            self.left.links += 1
            return []
        resolution = self._resolution(path, entry, None)
        if not isinstance(resolution, tuple):
            self.left.links += not resolution
            return resolution
        return self._sink.link(resolution[0], points_to, entry, replace=resolution[1])

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Passed on, unless something stands there."""
        if item.content is None or replace:
            return self._sink.file(item, entry, replace=replace)
        reason = unsafe_reason(item.path)
        if reason is not None:
            return [Problem(item.path, "unwritable", reason)]
        digest = blake3()
        while piece := item.content.read(PIECE):
            digest.update(piece)
        item.content.seek(0)
        entry = entry._replace(digest=digest.digest())
        resolution = self._resolution(item.path, entry, item.size)
        if not isinstance(resolution, tuple):
            self.left.files += not resolution
            self.left.bytes += 0 if resolution else item.size
            return resolution
        return self._sink.file(item._replace(path=resolution[0]), entry, replace=resolution[1])

    def finish(self) -> list[Problem]:
        """Passed on."""
        return self._sink.finish()

    def _resolution(self, path: bytes, entry: OutputEntry, size: int | None) -> tuple[bytes, bool] | list[Problem]:
        """Where it shall go, and whether in something's place; else the problems of its being left out."""
        standing = self._place.existing([path]).get(path)
        mtime_ns = entry.attributes.mtime_ns or 0
        setting = self._existing in (ConflictPolicy.REPLACE, ConflictPolicy.NEWER)
        if standing == "file" and size is not None:
            found = next(self._place.compare([TargetItem(path, manifest.FILE, entry.attributes, size, entry.digest)]))
            if found.same and not (found.differing and setting):
                self.left.already_there += 1
                return []
        free = self._names.take(path)
        if standing is None and (free or self._existing is not ConflictPolicy.KEEP_BOTH):
            return path, False
        solvable = standing in ("file", "link")
        match self._existing:
            case ConflictPolicy.SKIP:
                self.left.skipped += 1
                return []
            case ConflictPolicy.KEEP_BOTH if standing != "blocked":
                return self._names.beside(path), False
            case ConflictPolicy.NEWER if solvable and self._place.modified([path]).get(path, 0) > mtime_ns:
                self.left.newer += 1
                return [one for one in (LeftStanding(path, "newer").problem(),) if one is not None]
            case ConflictPolicy.REPLACE | ConflictPolicy.NEWER if solvable:
                return path, True
            case _:
                return [Problem(path, "exists", f"a {standing} of this name is there already; it was left alone")]


def refuse_foreseen(items: pa.Table, conversion: Conversion, place: Destination) -> None:
    """Raises `TargetError` where something that is not of an earlier run stands at the names that the items will have."""
    standing = in_the_way(items, conversion, place)
    if standing:
        path = min(standing)
        conflicts = [Conflict(name, what, what in ("file", "link"), what != "blocked") for name, what in standing.items()]
        raise TargetError(
            f"{counted(len(standing), 'item is', 'items are')} in the way, such as {printable(path)} ({standing[path]})",
            hint=f"nothing was written; choose --existing {policies_for(conflicts)}, or another target",
        )


def in_the_way(items: pa.Table, conversion: Conversion, place: Destination) -> dict[bytes, str]:
    """What is not of an earlier run and stands at the names that the items will have.

    Not all are known beforehand: workbooks that become several files are met later, one by one.
    """
    foreseen = dict(_foreseen(items, conversion))
    standing = place.existing(sorted(foreseen))
    modified = place.modified(sorted(standing))
    return {path: what for path, what in standing.items() if modified.get(path) != foreseen[path]}


def _foreseen(items: pa.Table, conversion: Conversion) -> Iterator[tuple[bytes, int]]:
    """Names and times of what will be given."""
    names, rows = OutputNames(), Rows(items)
    described = zip(items["path"].to_pylist(), items["format"].to_pylist(), items["type"].to_pylist(), strict=True)
    for row, (path, format_name, type_) in enumerate(described):
        if type_ == manifest.FILE:
            source = conversion.source_of(format_name)
            output = path if source is None else encoded(names.give(decoded(path), conversion.target or source, [""])[0])
            yield output, rows.mtime_ns(row)

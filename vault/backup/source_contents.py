"""Contents of chunks out of what this machine has: the live sources, and the bases of workbooks in its cache.

A live file need not be the one that was backed up: each part of it that an item is said to consist of is compared with the
chunk's keyed name, so that of a file that has grown since all but its end is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from vault.backup.delta_bases import BaseFile
from vault.backup.options import Source
from vault.errors import Damaged, SourceError
from vault.format import frames
from vault.format.chunks import LARGEST_CHUNK, chunk_id
from vault.problems import Problem
from vault.repository.project import Project
from vault.repository.repair.chunk_sources import FindPlaces, ItemPlace
from vault.source.contract import ItemStream, SourceReader

MOST_PLACES = 100_000
"""Chunks that are looked for at once: their places are sorted by file, so that each file is opened once."""


class LiveSource(Struct, frozen=True):
    """A source as it is now. project: whose chunks are meant."""

    project: Project
    source: Source

    @property
    def origin(self) -> str:
        """See `ContentSource`."""
        return f"the source {self.source.name}"

    def find(self, wanted: frozenset[bytes], find_places: FindPlaces) -> Iterator[tuple[bytes, bytes]]:
        """See `ContentSource`."""
        chunks = sorted(wanted)
        for start in range(0, len(chunks), MOST_PLACES):
            some = frozenset(chunks[start : start + MOST_PLACES])
            mine = {one for one in find_places(some) if one.source == self.source.name and self._is_below(one.path)}
            places = sorted(mine, key=lambda one: (one.path, one.offset))
            try:
                with closing(self.source.origin), self.source.origin.reader() as reader:
                    if reader.reopens:  # a command is not run for that, nor a table read whole
                        yield from self._read(reader, places)
            except SourceError:
                return  # it is not mounted, or gone: nothing is found in it

    def _is_below(self, path: bytes) -> bool:
        """Whether a manifest's path is one that a scan of this source can have found."""
        parts = path.split(b"/")
        return (
            len(parts) > 1
            and parts[0] == self.source.kind.encode()
            and not {b"", b".", b".."} & set(parts)
            and b"\0" not in path
        )

    def _read(self, reader: SourceReader, places: Sequence[ItemPlace]) -> Iterator[tuple[bytes, bytes]]:
        key, found = self.project.capability.chunk_id_key, set[bytes]()
        for path, some in groupby(places, key=lambda one: one.path):
            wanted = [one for one in some if one.chunk not in found]
            file = reader.open_large(path) if wanted else None
            if file is None or isinstance(file, Problem):
                continue
            try:
                for one in wanted:
                    content = _part(file, one)
                    if content is not None and chunk_id(key, content) == one.chunk:
                        found.add(one.chunk)
                        yield one.chunk, content
            finally:
                file.close()


def _part(file: ItemStream, place: ItemPlace) -> bytes | None:
    """A part of a file; None where the file is shorter, or cannot be read."""
    if not 0 < place.length <= LARGEST_CHUNK or place.offset + place.length > file.status.st_size:
        return None
    buffer = bytearray(place.length)
    try:
        return bytes(buffer) if file.readinto(buffer, place.offset) == place.length else None
    except OSError:
        return None


class KeptBases(Struct, frozen=True):
    """The bases of workbooks' deltas that this machine's cache keeps. folder: of the repository's cache · sources: their
    names."""

    project: Project
    sources: tuple[str, ...]
    folder: Path

    @property
    def origin(self) -> str:
        """See `ContentSource`."""
        return "this machine's cache"

    def find(self, wanted: frozenset[bytes], find_places: FindPlaces) -> Iterator[tuple[bytes, bytes]]:
        """See `ContentSource`."""
        found = set[bytes]()
        for source in self.sources:
            for chunk, base in BaseFile(self.project, source, self.folder).load().items():
                if chunk not in wanted or chunk in found:
                    continue
                try:
                    content = frames.Expander().expand(base.frame, base.size)
                except Damaged:
                    continue
                found.add(chunk)
                yield chunk, content

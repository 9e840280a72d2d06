"""Bytes of files: which chunks a range touches, read through the cache that all files of a project share."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.execution.row_view import taken
from restore.fsspec.chunk_cache import Chunks
from restore.planning.chunk_locations import locate
from vault.errors import Damaged
from vault.format.layout import CONTENT_TIER
from vault.problems import Problem
from vault.repository.chunk_index import ChunkIndex
from vault.repository.orphan_packs import with_orphans
from vault.repository.pack_reader import ChunkPlace, PackReader
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

PORTION = 16 * 1024 * 1024
"""Content that is asked for at once."""

AHEAD = 3
"""Chunks that come along when a file is read from front to back."""

MAPS_KEPT = 100_000
"""Chunks whose places are at hand, over all files: about 40 MB."""

_COLUMNS = ["position", "length", "chunk", "pack", "pack_size", "offset", "stored", "plain", "dictionary"]


class FileMap(Struct, frozen=True):
    """Where a file's content lies. size: bytes · starts, places: of its chunks in order; what lies between them is a hole ·
    lost: how many chunks no index segment knows."""

    size: int
    starts: list[int]
    places: list[ChunkPlace]
    lost: int

    def touched(self, start: int, end: int) -> range:
        """The numbers of the chunks that hold bytes from `start` to `end`."""
        first = max(0, bisect_right(self.starts, start) - 1)
        return range(first, bisect_right(self.starts, end - 1))

    def end(self, number: int) -> int:
        """Where a chunk ends in the file."""
        return self.starts[number] + self.places[number].plain


class FileContents:
    """The files of a project at a moment. Safe to use from several threads. items: rows of manifests."""

    def __init__(self, project: Project, index: ChunkIndex, items: pa.Table) -> None:
        self._project = project
        self._index = index
        self._items = items
        self._reader = PackReader(project, index)
        self._chunks = Chunks(self._reader)
        self._lock = threading.Lock()
        self._search_lock = threading.Lock()
        self._searched = False
        self.damage: tuple[Problem, ...] = ()
        """That index segments are missing, as was found while files were read."""
        self._maps: OrderedDict[int, FileMap] = OrderedDict()
        self._known = 0

    def map_of(self, row: int) -> FileMap:
        """Where a file's content lies. Raises `Damaged` where a part of it is in no index segment, and in no pack that none
        names."""
        with self._lock:
            found = self._maps.get(row)
        if found is None:
            found = self._load([row])[row]
        if found.lost:
            raise Damaged("a part of its content is gone from the repository")
        return found

    def expect(self, rows: Sequence[int]) -> None:
        """These files will soon be read from front to back: neighbours in a pack are fetched together."""
        maps = self._load(rows) if rows else {}
        self._chunks.expect(place for one in maps.values() for place in one.places)

    def read_into(self, one: FileMap, start: int, buffer: memoryview, *, ahead: bool = False) -> None:
        """Fill the buffer with the bytes of a file from `start` on, which must all be there. ahead: more of it will be read.

        Raises `StrongroomError` for the first chunk that cannot be had.
        """
        end = start + len(buffer)
        filled = start
        numbers = one.touched(start, end) if buffer else range(0)
        while numbers:
            portion, plain = 0, 0
            while portion < len(numbers) and (portion == 0 or plain < PORTION):
                plain += one.places[numbers[portion]].plain
                portion += 1
            now, numbers = numbers[:portion], numbers[portion:]
            coming = one.places[now.stop : now.stop + AHEAD] if ahead else ()
            for number, content in zip(now, self._chunks.read(one.places[now.start : now.stop], coming), strict=True):
                begin = max(one.starts[number], start)
                stop = min(one.end(number), end)
                if begin >= stop:
                    continue
                buffer[filled - start : begin - start] = bytes(begin - filled)
                offset = one.starts[number]
                buffer[begin - start : stop - start] = memoryview(content)[begin - offset : stop - offset]
                filled = stop
        buffer[filled - start :] = bytes(end - filled)

    def _load(self, rows: Sequence[int]) -> dict[int, FileMap]:
        """The maps of some files, found in the index at once."""
        import pyarrow.compute as pc

        items = taken(self._items.select(["size", "chunks", "period_start"]), rows)
        references = self._locate(items).sort_by([("row", "ascending"), ("position", "ascending")])
        lost = references.filter(pc.is_null(references["pack"]))["row"].to_pylist()
        references = references.filter(pc.is_valid(references["pack"]))
        numbers = references["row"].to_pylist()
        cells = list(zip(*(references[name].to_pylist() for name in _COLUMNS), strict=True))
        starts: list[list[int]] = [[] for _ in rows]
        places: list[list[ChunkPlace]] = [[] for _ in rows]
        for number, (position, _, chunk, pack, pack_size, offset, stored, plain, dictionary) in zip(
            numbers, cells, strict=True
        ):
            starts[number].append(position)
            places[number].append(ChunkPlace(chunk, pack, CONTENT_TIER, pack_size, offset, stored, plain, dictionary))
        maps = {
            row: FileMap(size, starts[number], places[number], lost.count(number))
            for number, (row, size) in enumerate(zip(rows, items["size"].to_pylist(), strict=True))
        }
        self._keep(maps)
        return maps

    def _locate(self, items: pa.Table) -> pa.Table:
        """As `locate`; where a chunk is in no segment, once also in the packs that none names, and then in those of copies that
        stand behind the store."""
        references = locate(items, self._index)
        if not references["pack"].null_count:
            return references
        with self._search_lock:
            if not self._searched:
                self._searched = True
                index = with_orphans(self._project, self._index, CONTENT_TIER)
                self.damage = index.damaged[len(self._index.damaged) :]
                if locate(items, index)["pack"].null_count:
                    others = self._reader.index_of_others(CONTENT_TIER)
                    index = index if others is None else index.with_rows([others.table])
                self._index = self._reader.index = index
        return locate(items, self._index)

    def _keep(self, maps: dict[int, FileMap]) -> None:
        with self._lock:
            for row, one in maps.items():
                if row not in self._maps:
                    self._maps[row] = one
                    self._known += len(one.places) + 1
            while self._known > MAPS_KEPT and len(self._maps) > 1:
                self._known -= len(self._maps.popitem(last=False)[1].places) + 1

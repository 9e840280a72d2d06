"""Chunks for a restore: fetched, opened and verified ahead of the writing, each once, in the order in which they lie.

    references by (pack, offset) -> portions (one request each, bounded in bytes) -> workers -> results, in order

A chunk that several files share is fetched once and given out with all the places where it belongs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from vault.errors import StorageAway, StorageError, StrongroomError, TransientStorageError
from vault.format.layout import CONTENT_TIER
from vault.repository.pack_reader import GAP, ChunkPlace, PackReader

if TYPE_CHECKING:
    import pyarrow as pa

WORKERS = 2
AHEAD = 3
"""Portions that are fetched or wait to be written."""

PORTION_STORED = 16 * 1024 * 1024
PORTION_PLAIN = 24 * 1024 * 1024
"""Bytes after which a portion ends; with `AHEAD` of them they bound the memory of a restore."""

PORTION_CHUNKS = 2048
"""A portion of tiny chunks ends here: as Python objects they take ten times the room of their bytes."""

SLICE = 2048
"""References that are Python objects at once."""

_COLUMNS = ["chunk", "pack", "pack_size", "offset", "stored", "plain", "dictionary", "row", "position"]


class ChunkUse(Struct, frozen=True):
    """A chunk, and where it goes: (row of the plan's items, position in that file in bytes)."""

    place: ChunkPlace
    targets: list[tuple[int, int]]


Fetched = tuple[ChunkUse, bytes | StrongroomError]
Result = TypeVar("Result")


def fetch(
    references: pa.Table, reader: PackReader, stop: Callable[[], None], work: Callable[[list[Fetched]], Result]
) -> Iterator[Result]:
    """What `work` makes of the contents of the chunks that `references` (of `restore.planning.chunk_locations.locate`) names,
    portion by portion; for a damaged chunk it gets the error. `work` runs in the threads that fetch, `WORKERS` at once at most.

    Raises what `work` raises, and `StorageError` only where it would meet every pack: the store is out of reach, or refuses.
    """
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="fetch")
    waiting: deque[Future[Result]] = deque()
    try:
        for portion in portions(references):
            stop()
            waiting.append(pool.submit(lambda uses: work(read_portion(reader, uses)), portion))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            stop()
            yield waiting.popleft().result()
    finally:
        # not waited for: a request that hangs must not keep an interrupted run from finishing the files that it has
        pool.shutdown(wait=False, cancel_futures=True)


def read_portion(reader: PackReader, portion: list[ChunkUse]) -> list[Fetched]:
    """One pack's chunks. A pack that is gone or unreadable costs the items that need it, not the run, and not those chunks that
    lie in another pack as well. Where the whole store is out of reach, that is raised: no item is damaged by it."""
    contents: list[bytes | StrongroomError]
    try:
        contents = [content for _, content in reader.chunks([use.place for use in portion])]
    except (StorageAway, TransientStorageError):
        raise
    except StorageError as error:
        contents = [error] * len(portion)
    unread = [use.place for use, content in zip(portion, contents, strict=True) if isinstance(content, StrongroomError)]
    again = reader.elsewhere(unread) if unread else {}
    return [(use, again.get(use.place.chunk, content)) for use, content in zip(portion, contents, strict=True)]


def portions(references: pa.Table) -> Iterator[list[ChunkUse]]:
    """Uses in the order of the packs, cut where the pack ends, a gap is wide, or enough bytes are together."""
    portion: list[ChunkUse] = []
    stored = plain = 0
    for use in _uses(references):
        place, last = use.place, portion[-1].place if portion else None
        apart = last is not None and (last.pack != place.pack or place.offset - last.offset - last.stored > GAP)
        full = len(portion) >= PORTION_CHUNKS
        if portion and (apart or full or stored + place.stored > PORTION_STORED or plain + place.plain > PORTION_PLAIN):
            yield portion
            portion, stored, plain = [], 0, 0
        portion.append(use)
        stored += place.stored
        plain += place.plain
    if portion:
        yield portion


def _uses(references: pa.Table) -> Iterator[ChunkUse]:
    """One for each distinct chunk."""
    order = in_reading_order(references)
    current: ChunkUse | None = None
    for start in range(0, len(order), SLICE):
        part = references.take(order.slice(start, SLICE))
        for chunk, pack, pack_size, offset, stored, plain, dictionary, row, position in zip(
            *(part[name].to_pylist() for name in _COLUMNS), strict=True
        ):
            if current is not None and current.place.chunk == chunk:
                current.targets.append((row, position))
                continue
            if current is not None:
                yield current
            place = ChunkPlace(chunk, pack, CONTENT_TIER, pack_size, offset, stored, plain, dictionary)
            current = ChunkUse(place, [(row, position)])
    if current is not None:
        yield current


def in_reading_order(references: pa.Table) -> pa.Array:
    """Row numbers: packs with something of the newest periods first, then in the order in which the items first need them;
    chunks as they lie in the pack."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ranks = pc.index_in(references["pack"], value_set=_packs_in_order(references))
    keys = pa.table({"rank": ranks, "offset": references["offset"]})
    return pc.sort_indices(keys, sort_keys=[("rank", "ascending"), ("offset", "ascending")])


def _packs_in_order(references: pa.Table) -> pa.Array:
    import pyarrow.compute as pc

    if "period" not in references.column_names:
        return pc.unique(references["pack"])
    grouped = references.select(["pack", "period"]).group_by("pack", use_threads=False).aggregate([("period", "max")])
    order = pc.sort_indices(grouped, sort_keys=[("period_max", "descending")])  # stable, nulls last
    return grouped["pack"].take(order).combine_chunks()

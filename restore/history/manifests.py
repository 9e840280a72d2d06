"""The manifests of many snapshots, one after another, as rows of versions.

    lists of chunks     ahead, by several threads: each waits for a round trip
    chunks              those that the manifest before has not; ahead, by several threads
    bytes               put together, in order
    rows                decoded ahead, by several threads

Consecutive manifests share most of their chunks, so that a thousand of them are read for the price of some dozens. In memory
are the chunks of the last manifest, and those that are new in the few that are read ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from restore.history import versions
from vault.errors import Damaged
from vault.format import tree
from vault.format.record import Record
from vault.format.tree import ChunkRef
from vault.repository.meta import MetaReader

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
LISTS_AHEAD = 24
"""Manifests whose lists of chunks are read ahead."""

CHUNKS_AHEAD = 4
"""Manifests whose new chunks are read ahead: they bound the memory."""

ROWS_AHEAD = 2
"""Manifests whose rows are decoded ahead; likewise."""

Refs = list[ChunkRef]
Contents = dict[bytes, bytes]
T = TypeVar("T")


def read_in_order(
    reader: MetaReader, records: Iterable[Record], stop: Callable[[], None]
) -> Iterator[tuple[Record, pa.Table | Damaged]]:
    """The rows of each record's manifest (see `versions`), in the order in which they are given; for one that cannot be read,
    the error.

    stop: called for each, raises to end the reading. Raises `StorageError` where the store is out of reach.
    """
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="manifests")
    try:
        listed = _ahead(_lists(pool, reader, records), LISTS_AHEAD)
        fetched = _ahead(_news(pool, reader, listed), CHUNKS_AHEAD)
        for record, rows in _ahead(_rows(pool, reader, fetched), ROWS_AHEAD):
            stop()
            try:
                yield record, rows.result() if isinstance(rows, Future) else rows
            except Damaged as error:
                yield record, error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _rows(
    pool: ThreadPoolExecutor, reader: MetaReader, fetched: Iterable[tuple[Record, Future[Refs], Future[Contents]]]
) -> Iterator[tuple[Record, Future[pa.Table] | Damaged]]:
    """With the bytes of each put together, out of chunks of the one before and those that are new."""
    last: Contents = {}
    for record, refs, news in fetched:
        try:
            last = _contents(reader, record, refs.result(), last | news.result())
        except Damaged as error:
            yield record, error
        else:
            yield record, pool.submit(versions.of_manifest, b"".join(last[chunk] for chunk, _ in refs.result()))


def _ahead(jobs: Iterable[T], count: int) -> Iterator[T]:
    """The jobs, each begun `count` jobs before it is given out."""
    waiting: deque[T] = deque()
    for job in jobs:
        waiting.append(job)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _lists(pool: ThreadPoolExecutor, reader: MetaReader, records: Iterable[Record]) -> Iterator[tuple[Record, Future[Refs]]]:
    for record in records:
        yield record, pool.submit(_list, reader, record)


def _news(
    pool: ThreadPoolExecutor, reader: MetaReader, listed: Iterable[tuple[Record, Future[Refs]]]
) -> Iterator[tuple[Record, Future[Refs], Future[Contents]]]:
    """With the chunks of each that the one before has not."""
    known: set[bytes] = set()
    for record, refs in listed:
        try:
            found = refs.result()
        except Damaged:
            found = []  # told when its turn comes
        new = [ref for ref in dict.fromkeys(found) if ref[0] not in known]
        known = {chunk for chunk, _ in found} or known
        yield record, refs, pool.submit(_fetch, reader, record, new)


def _list(reader: MetaReader, record: Record) -> Refs:
    what = _name(record)
    return tree.leaves(record.manifest, lambda refs: reader.fetch(refs, what), what)


def _fetch(reader: MetaReader, record: Record, refs: Refs) -> Contents:
    if not refs:
        return {}
    return dict(zip((chunk for chunk, _ in refs), reader.fetch(refs, _name(record)), strict=True))


def _contents(reader: MetaReader, record: Record, refs: Refs, known: Contents) -> Contents:
    """The chunks of a manifest; those that a damaged one before it should have brought are fetched for it again."""
    missing = [ref for ref in dict.fromkeys(refs) if ref[0] not in known]
    found = known | _fetch(reader, record, missing)
    return {chunk: found[chunk] for chunk, _ in refs}


def _name(record: Record) -> str:
    return f"the manifest of snapshot {record.id}"

"""The manifests of many snapshots, one after another, as rows of versions.

    lists of chunks     ahead, by several threads: each waits for a round trip; with the footer, which says what lies where
    chunks              those with columns that are compared, if the manifest before has them not; ahead, by several threads
    bytes               put together, in order
    rows                decoded ahead, by several threads

Consecutive manifests share most of their chunks, so that a thousand of them are read for the price of some dozens. In memory
are the chunks of the last manifest, and those that are new in the few that are read ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from restore.history import versions
from vault.errors import Damaged
from vault.format import parquet_footer, tree
from vault.format.snapshot_record import Record
from vault.format.tree import ChunkRef
from vault.progress import release_memory
from vault.repository.catalog_chunks import MetaReader

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
LISTS_AHEAD = 6
"""Manifests whose lists of chunks are read ahead."""

CHUNKS_AHEAD = 4
"""Manifests whose new chunks are read ahead: they bound the memory."""

TIDIED_EVERY = 8
"""Manifests after which what is free goes back to the kernel. A thousand, of 1.5 MB each: 430 MB without."""

ROWS_AHEAD = 1
"""Manifests whose rows are decoded ahead; likewise."""

LARGE = 4 * 1024 * 1024
"""Bytes of a manifest, from which on one is read ahead, none decoded: of 22 MB each 530 MB instead of 760, and no slower."""

Refs = list[ChunkRef]
Contents = dict[bytes, bytes]
T = TypeVar("T")


class Listed(NamedTuple):
    """The chunks of a manifest. wanted: those that hold what is read of it · tail: its last ones, which were read already."""

    refs: Refs
    wanted: Refs
    tail: Contents


def read_in_order(
    reader: MetaReader, records: Iterable[Record], stop: Callable[[], None]
) -> Iterator[tuple[Record, pa.Table | Damaged]]:
    """The rows of each record's manifest (see `versions`), in the order in which they are given; for one that cannot be read,
    the error.

    stop: called for each, raises to end the reading. Raises `StorageError` where the store is out of reach.
    """
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="manifests")
    try:
        records = list(records)
        large = any(record.manifest.length > LARGE for record in records)
        listed = _ahead(_lists(pool, reader, records), 1 if large else LISTS_AHEAD)
        fetched = _ahead(_news(pool, reader, listed), 1 if large else CHUNKS_AHEAD)
        for number, (record, rows) in enumerate(_ahead(_rows(pool, reader, fetched), 0 if large else ROWS_AHEAD)):
            stop()
            if number % TIDIED_EVERY == 0:
                release_memory()
            try:
                yield record, rows.result() if isinstance(rows, Future) else rows
            except Damaged as error:
                yield record, error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _rows(
    pool: ThreadPoolExecutor, reader: MetaReader, fetched: Iterable[tuple[Record, Future[Listed], Future[Contents]]]
) -> Iterator[tuple[Record, Future[pa.Table] | Damaged]]:
    """With the bytes of each put together, out of chunks of the one before and those that are new."""
    last: Contents = {}
    for record, listed, news in fetched:
        try:
            last = _contents(reader, record, listed.result(), last | news.result())
        except Damaged as error:
            yield record, error
        else:
            yield record, pool.submit(_decoded, listed.result().refs, last)


def _decoded(refs: Refs, contents: Contents) -> pa.Table:
    """The rows of a manifest. What is not read of it is nought."""
    return versions.of_manifest(b"".join(contents.get(chunk) or bytes(length) for chunk, length in refs))


def _ahead(jobs: Iterable[T], count: int) -> Iterator[T]:
    """The jobs, each begun `count` jobs before it is given out."""
    waiting: deque[T] = deque()
    for job in jobs:
        waiting.append(job)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


def _lists(pool: ThreadPoolExecutor, reader: MetaReader, records: Iterable[Record]) -> Iterator[tuple[Record, Future[Listed]]]:
    for record in records:
        yield record, pool.submit(_list, reader, record)


def _news(
    pool: ThreadPoolExecutor, reader: MetaReader, lists: Iterable[tuple[Record, Future[Listed]]]
) -> Iterator[tuple[Record, Future[Listed], Future[Contents]]]:
    """With the chunks of each that the one before has not."""
    known: set[bytes] = set()
    for record, listed in lists:
        try:
            found = listed.result()
        except Damaged:
            found = Listed([], [], {})  # told when its turn comes
        new = [ref for ref in dict.fromkeys(found.wanted) if ref[0] not in known and ref[0] not in found.tail]
        known = {chunk for chunk, _ in found.wanted} or known
        yield record, listed, pool.submit(_fetch, reader, record, new)


def _list(reader: MetaReader, record: Record) -> Listed:
    what = _name(record)
    refs = tree.leaves(record.manifest, lambda refs: reader.fetch(refs, what), what)
    tail, footer = _tail(reader, record, refs)
    spans = sorted([*parquet_footer.spans(footer, versions.columns(), what), (record.manifest.length - len(footer), 1 << 62)])
    wanted, end = [], 0
    for ref in refs:
        start, end = end, end + ref[1]
        if any(first < end and start < after for first, after in spans):
            wanted.append(ref)
    return Listed(refs, wanted, tail)


def _tail(reader: MetaReader, record: Record, refs: Refs) -> tuple[Contents, bytes]:
    """The last chunks of a manifest, as many as its footer lies in, and the footer."""
    what, tail, size = _name(record), b"", parquet_footer.TAIL_SIZE
    contents: Contents = {}
    for ref in reversed(refs):
        contents |= _fetch(reader, record, [ref])
        tail = contents[ref[0]] + tail
        if len(tail) >= parquet_footer.TAIL_SIZE:
            size = parquet_footer.footer_size(tail, what)
        if len(tail) >= size:
            return contents, tail[-size:]
    raise Damaged(f"{what} is shorter than its footer")


def _fetch(reader: MetaReader, record: Record, refs: Refs) -> Contents:
    if not refs:
        return {}
    return dict(zip((chunk for chunk, _ in refs), reader.fetch(refs, _name(record)), strict=True))


def _contents(reader: MetaReader, record: Record, listed: Listed, known: Contents) -> Contents:
    """The chunks of a manifest that are wanted; those that a damaged one before it should have brought are fetched again."""
    found = known | listed.tail
    missing = [ref for ref in dict.fromkeys(listed.wanted) if ref[0] not in found]
    found |= _fetch(reader, record, missing)
    return {chunk: found[chunk] for chunk, _ in listed.wanted}


def _name(record: Record) -> str:
    return f"the manifest of snapshot {record.id}"

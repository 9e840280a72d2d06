"""Packs on their way out: seal, read back, store, remember the index rows.

    builder -> table of contents -> age file -> opened, expanded and re-hashed again -> SHA-256 is the name -> PUT

Reading back is not an option that can be turned off: bad memory and our own bugs are part of the threat model, and a pack
that does not open is found now, while the source still has its content. Several packs are on their way at once, so that
sealing and uploading one overlaps with compressing the next; their number bounds the memory that they take.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from vault import age
from vault.errors import Damaged
from vault.format.chunks import chunk_id
from vault.format.frames import Dictionary, Expander
from vault.format.layout import META_TIER, pack_name
from vault.format.pack import PackBuilder
from vault.repository.index_segments import rows_of_pack
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

IN_FLIGHT = 2
"""Packs that are being sealed or uploaded at once; each takes up to twice its size in memory."""

OPENED_AT_ONCE = 1024 * 1024
"""Bytes of a pack that are read back together."""


class PackWriter:
    """Stores packs in the background. stored: called (from a worker thread) with the index rows of each stored pack."""

    def __init__(self, project: Project, stored: Callable[[pa.Table], None], *, in_flight: int = IN_FLIGHT) -> None:
        self._project = project
        self._stored = stored
        self._room = threading.BoundedSemaphore(in_flight)
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="pack")
        self._running: list[Future[int]] = []
        self.stored_bytes = 0
        self.packs = 0

    def submit(self, builder: PackBuilder, tier: int, dictionary: Dictionary | None = None) -> None:
        """Store a pack as soon as there is room for one more. Raises the error of an earlier pack that failed."""
        self._room.acquire()
        try:
            self._collect(wait=False)
            self._running.append(self._pool.submit(self._store, builder, tier, dictionary))
        except BaseException:
            self._room.release()
            raise

    def drain(self) -> None:
        """Wait until all packs are stored. Raises the error of one that failed."""
        self._collect(wait=True)

    def close(self) -> None:
        """Let the packs that are on their way arrive, whatever becomes of the run; errors were raised before or are moot."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _collect(self, *, wait: bool) -> None:
        for future in [future for future in self._running if wait or future.done()]:
            self._running.remove(future)
            self.stored_bytes += future.result()
            self.packs += 1

    def _store(self, builder: PackBuilder, tier: int, dictionary: Dictionary | None) -> int:
        try:
            contents = builder.finish()
            sealed = self._seal(builder, tier)
            verify(sealed, contents, self._project.capability.chunk_id_key, dictionary)
            sha256 = hashlib.sha256(sealed.data).digest()
            self._project.store.put(pack_name(self._project.id, tier, sha256), sealed.data, sha256=sha256)
            self._stored(rows_of_pack(contents, sha256, len(sealed.data), tier))
            return len(sealed.data)
        finally:
            self._room.release()

    def _seal(self, builder: PackBuilder, tier: int) -> age.Sealed:
        capability = self._project.capability
        recipient = capability.catalogue.recipient if tier == META_TIER else capability.content_recipient
        sealed = age.seal(builder.plain, [recipient], self._project.services.randomness)
        builder.plain = bytearray()  # its bytes now live in the sealed copy, and are checked from there
        return sealed


def verify(sealed: age.Sealed, contents: pa.Table, key: bytes, dictionary: Dictionary | None) -> None:
    """Open a pack that was just made and compare every chunk with its name. Raises `Damaged`; then nothing was stored."""
    reader, expander = sealed.reader(), Expander(dictionary)
    stored = memoryview(sealed.data)
    columns = (contents[name].to_pylist() for name in ("chunk", "offset", "stored", "plain"))
    for group in _groups(zip(*columns, strict=True)):
        start = group[0][1]
        length = group[-1][1] + group[-1][2] - start
        place, size = reader.sealed_span(start, length)
        plain = reader.open_span(stored[place : place + size], start, length)
        for chunk, offset, frame_size, plain_size in group:
            frame = plain[offset - start : offset - start + frame_size]
            if chunk_id(key, expander.expand(frame, plain_size)) != chunk:
                raise Damaged(
                    f"chunk {chunk.hex()} changed while it was being encrypted; the pack was not stored",
                    hint="this machine's memory or processor may be failing: test them before you rely on it",
                )


Row = tuple[bytes, int, int, int]
"""A chunk's id, offset, stored length and plain length."""


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Neighbours of about a megabyte together: opened into memory that stays in the processor's cache."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if row[1] + row[2] - group[0][1] >= OPENED_AT_ONCE:
            yield group
            group = []
    if group:
        yield group

"""Packs on their way out: seal, read back, store, remember the index rows.

    builder -> table of contents -> age file -> opened again and compared -> SHA-256 is the name -> PUT

Several packs are on their way at once, so that sealing and uploading one overlaps with compressing the next; their number
bounds the memory that they take. See `pack_sealing` for what is done to each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from vault.age.sealing import FileStart
from vault.format.frames import Dictionary
from vault.format.layout import CONTENT_TIER, META_TIER, pack_name
from vault.format.pack import PackBuilder, PackMemory
from vault.repository.index_segments import rows_of_pack
from vault.repository.pack_sealing import OwnSealer, SealedPack, Sealer, UnsealedPack, no_dictionary
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

IN_FLIGHT = 3
"""Packs that are being sealed or uploaded at once; each takes its size in memory."""

SEALED_AT_ONCE = 2
"""Of these, packs that are being sealed: more would only compete with those who compress."""


class _Running(NamedTuple):
    """A pack on its way. sealed: set once nothing more is to be done than to store it."""

    stored: Future[int]
    sealed: threading.Event


class PackWriter:
    """Stores packs in the background. stored: called (from a worker thread) with the index rows of each stored pack."""

    def __init__(self, project: Project, stored: Callable[[pa.Table], None], *, in_flight: int = IN_FLIGHT) -> None:
        self._project = project
        self._stored = stored
        self._room = threading.BoundedSemaphore(in_flight)
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="pack")
        self._sealing = threading.BoundedSemaphore(SEALED_AT_ONCE)
        self._running: list[_Running] = []
        self._own_sealer = OwnSealer(project.descriptor.limits.pack, in_flight + 1)
        self._sealer: Sealer = self._own_sealer
        self.stored_bytes = 0
        self.packs = 0

    def seal_with(self, sealer: Sealer) -> None:
        """Have packs of content sealed by another one, until `finish_sealing`."""
        self._sealer = sealer

    def finish_sealing(self) -> None:
        """Wait until all packs are sealed, not until they are stored, and let the sealer go. Raises nothing."""
        if self._sealer is self._own_sealer:
            return
        for one in self._running:
            one.sealed.wait()
        self._sealer.close()
        self._sealer = self._own_sealer

    def lend(self) -> PackMemory | None:
        """Memory for a pack of content that will have about as many bytes as one may have; None where there is no more."""
        return self._sealer.lend()

    def submit(self, builder: PackBuilder, tier: int, dictionary_of: Callable[[bytes], Dictionary] = no_dictionary) -> None:
        """Store a pack as soon as there is room for one more. dictionary_of: the dictionary that a chunk holds. Raises the
        error of an earlier pack that failed."""
        self._room.acquire()
        try:
            self._collect(wait=False)
            sealed, start = threading.Event(), self._start(tier)
            self._running.append(_Running(self._pool.submit(self._store, builder, tier, dictionary_of, start, sealed), sealed))
        except BaseException:
            self._room.release()
            raise

    def drain(self) -> None:
        """Wait until all packs are stored. Raises the error of one that failed."""
        self._collect(wait=True)

    def close(self) -> None:
        """Let the packs that are on their way arrive, whatever becomes of the run; errors were raised before or are moot."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sealer.close()

    def _collect(self, *, wait: bool) -> None:
        for one in [one for one in self._running if wait or one.stored.done()]:
            self._running.remove(one)
            self.stored_bytes += one.stored.result()
            self.packs += 1

    def _start(self, tier: int) -> FileStart:
        """Taken in the order of the packs, so that the same randomness makes the same packs."""
        capability = self._project.capability
        recipient = capability.catalogue.recipient if tier == META_TIER else capability.content_recipient
        return FileStart.new([recipient], self._project.services.randomness)

    def _store(
        self,
        builder: PackBuilder,
        tier: int,
        dictionary_of: Callable[[bytes], Dictionary],
        start: FileStart,
        sealed: threading.Event,
    ) -> int:
        try:
            try:
                with self._sealing:
                    contents, (data, sha256, release) = self._seal(builder, tier, dictionary_of, start)
            finally:
                sealed.set()
            try:
                size = len(data)
                self._project.store.put(pack_name(self._project.id, tier, sha256), data, sha256=sha256)
            finally:
                release()
            self._stored(rows_of_pack(contents, sha256, size, tier))
            return size
        finally:
            self._room.release()

    def _seal(
        self, builder: PackBuilder, tier: int, dictionary_of: Callable[[bytes], Dictionary], start: FileStart
    ) -> tuple[pa.Table, SealedPack]:
        """A pack's table of contents, and the whole of it."""
        contents = builder.finish()
        pack = UnsealedPack.of(builder, start, dictionary_of)
        sealer = self._sealer if tier == CONTENT_TIER else self._own_sealer
        return contents, sealer.seal(pack, self._project.capability.chunk_id_key)

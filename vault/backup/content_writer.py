"""Writing content into packs: it is cut, hashed, compared with what is known, and compressed.

    worker threads    (small files: read) -> cut -> id -> known? -> compress        batches, in parallel
    one thread        takes their results in order, fills pack builders, gives full ones to the pack writer

Every library used gives the GIL away for the length of a call, so batches are large and few. The number of batches on their
way is bounded, and with it the memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from vault.backup.dictionaries import TrainedDictionary
from vault.format.chunks import chunk_id, cut
from vault.format.frames import Compressor
from vault.format.layout import CONTENT_TIER
from vault.format.pack import PackBuilder
from vault.format.tree import ChunkRef
from vault.repository.session import Session
from vault.repository.sorted_index import KnownChunks

WORKERS = 2
"""Threads that cut and compress; the packs' own threads seal and upload beside them."""

MAX_BATCHES = 4
"""Batches that are read but not yet in a pack builder, of about 8 MiB each."""

MAX_CHUNKS_IN_PACK = 65_536
"""Chunks; a table of contents of tiny ones must not outgrow what they hold."""

Buffer = bytes | bytearray | memoryview


@dataclass(slots=True)
class Frames:
    """New chunks out of one batch, by the name of the dictionary group ("" for none)."""

    chunks: list[tuple[str, bytes, bytes, int]] = field(default_factory=list)
    """Group, chunk id, frame, plain length."""


class ChunkWorker:
    """One worker thread's tools: none of them may be shared."""

    def __init__(self, session: Session, claim_chunk: Callable[[bytes], bool], trained: dict[str, TrainedDictionary]) -> None:
        descriptor = session.project.descriptor
        self._key = session.project.capability.chunk_id_key
        self._claim_chunk = claim_chunk
        self._cutter = descriptor.content.cutter()
        self._smallest = descriptor.content.smallest
        self._compressors = {name: Compressor(one.dictionary) for name, one in trained.items()}
        self._plain = Compressor()

    def keep(self, content: Buffer, group: str, frames: Frames) -> list[ChunkRef]:
        """Cut a whole content; its new chunks are added to `frames`."""
        view = memoryview(content)
        if len(view) <= self._smallest:
            return [self.keep_chunk(view, group, frames)] if len(view) else []
        return [self.keep_chunk(piece, "", frames) for piece in cut(self._cutter, view)]

    def keep_chunk(self, plain: memoryview, group: str, frames: Frames) -> ChunkRef:
        """One chunk."""
        chunk = chunk_id(self._key, plain)
        if self._claim_chunk(chunk):
            compressor = self._compressors.get(group, self._plain)
            known_group = group if group in self._compressors else ""
            frames.chunks.append((known_group, chunk, compressor.frame(plain), len(plain)))
        return chunk, len(plain)


class ContentWriter:
    """Runs batches through the workers and their chunks into packs."""

    def __init__(
        self, session: Session, known: KnownChunks, trained: dict[str, TrainedDictionary], *, workers: int = WORKERS
    ) -> None:
        self._session = session
        self._known = known
        self._trained = trained
        self._own = threading.local()
        self._claims = threading.Lock()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="content")
        self._queue: deque[tuple[Future[Frames], Callable[[], None]]] = deque()
        self._builders: dict[str, PackBuilder] = {}
        self._large_cutter = session.project.descriptor.content.cutter()

    def submit(self, work: Callable[[ChunkWorker, Frames], None], done: Callable[[], None]) -> None:
        """Run `work` in a worker; when its chunks lie in builders, and in the order of submission, `done` is called."""
        while len(self._queue) >= MAX_BATCHES:
            self._take()
        self._queue.append((self._pool.submit(self._run, work), done))

    def cut(self, content: memoryview) -> list[memoryview]:
        """Cut a piece of a large file, in the calling thread."""
        return list(cut(self._large_cutter, content))

    def finish(self) -> None:
        """Take every result and give the last builders to the pack writer."""
        while self._queue:
            self._take()
        for group in list(self._builders):
            self._close_pack(group)

    def close(self) -> None:
        """Let the workers end, whatever became of the run."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def cutter(self) -> ChunkWorker:
        """The calling thread's own."""
        mine: ChunkWorker | None = getattr(self._own, "cutter", None)
        if mine is None:
            mine = self._own.cutter = ChunkWorker(self._session, self._claim_chunk, self._trained)
        return mine

    def _run(self, work: Callable[[ChunkWorker, Frames], None]) -> Frames:
        frames = Frames()
        work(self.cutter(), frames)
        return frames

    def _claim_chunk(self, chunk: bytes) -> bool:
        """Whether this chunk is new and the caller is the first to meet it."""
        with self._claims:
            if chunk in self._known:
                return False
            self._known.add((chunk,))
            return True

    def _take(self) -> None:
        future, done = self._queue.popleft()
        for group, chunk, frame, plain_size in future.result().chunks:
            self._builder(group, len(frame)).add(chunk, frame, plain_size)
        done()

    def _builder(self, group: str, more: int) -> PackBuilder:
        limit = self._session.project.descriptor.limits.pack
        builder = self._builders.get(group)
        if builder and builder.size and (builder.size + more > limit or len(builder.chunks) >= MAX_CHUNKS_IN_PACK):
            self._close_pack(group)
            builder = None
        if builder is None:
            trained = self._trained.get(group)
            builder = self._builders[group] = PackBuilder(trained.chunk if trained else None)
        return builder

    def _close_pack(self, group: str) -> None:
        builder = self._builders.pop(group)
        trained = self._trained.get(group)
        self._session.packs.submit(builder, CONTENT_TIER, trained.dictionary if trained else None)


def store_dictionaries(session: Session, known: KnownChunks, trained: Sequence[TrainedDictionary]) -> None:
    """Put new dictionaries into a pack of their own and index it, before anything that needs them is stored."""
    compressor = Compressor()
    for one in trained:
        if one.chunk not in known:
            builder = PackBuilder()
            builder.add(one.chunk, compressor.frame(one.data), len(one.data))
            session.packs.submit(builder, CONTENT_TIER)
            known.add((one.chunk,))
    session.close_index()

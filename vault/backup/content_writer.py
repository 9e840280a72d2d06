"""Writing content into packs: it is cut, hashed, compared with what is known, and compressed.

    workers       batches of small files, in processes where there are many: read -> cut -> id -> stored before? -> compress
                  pieces of large files, in threads: id -> known? -> compress
    one thread    takes their results in order, drops what an earlier batch has brought, fills pack builders, gives full ones to
                  the pack writer

What lies in which pack follows from the order of the batches alone: packs are the same however many workers there are. Every
library used gives the GIL away for the length of a call, so batches are large and few. The number of batches on their way is
bounded, and with it the memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from msgspec import Struct, field

from vault.backup.delta_bases import DeltaBases
from vault.backup.dictionaries import TrainedDictionary
from vault.backup.small_files import BatchColumns, Delta, DeltaBase, FrameRun, InflatedIn, SmallFileReader
from vault.backup.worker_processes import BatchAnswer, WorkerProcesses
from vault.format.chunks import chunk_id, cut
from vault.format.descriptor import INFLATED
from vault.format.frames import Compression, Compressor
from vault.format.layout import CONTENT_TIER
from vault.format.pack import PackBuilder
from vault.format.tree import ChunkRef
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.sorted_index import KnownChunks
from vault.source.contract import SourceReader

WORKERS = 2
"""Threads that cut and compress; the packs' own threads seal and upload beside them."""

MAX_BATCHES = 4
"""Batches that are read but not yet in a pack builder, of about 8 MiB each."""

MAX_CHUNKS_IN_PACK = 65_536
"""Chunks; a table of contents of tiny ones must not outgrow what they hold."""

Buffer = bytes | bytearray | memoryview


MIXED = "/mixed"
"""In place of a group's name: a pack of deltas, of frames with dictionaries that few files of a run share, and of these."""

MOST_BASES_IN_PACK = 48 * 1024 * 1024
"""Bytes of the frames of bases that a pack of deltas refers to: they are at hand until it is sealed and verified."""


class Frame(NamedTuple):
    """A compressed chunk. group: see `BatchColumns.groups` · plain_size: bytes of its content."""

    group: str | InflatedIn | Delta
    chunk: bytes
    data: Buffer
    plain_size: int


def _each(run: FrameRun) -> Iterator[Frame]:
    at = 0
    for chunk, size, plain_size in zip(run.chunks, run.sizes, run.plain_sizes, strict=True):
        yield Frame(run.group, chunk, run.frames[at : at + size], plain_size)
        at += size


class Frames(Struct):
    """New chunks out of pieces of a large file. number: of the batch, in the order in which their results are taken."""

    number: int = 0
    chunks: list[Frame] = field(default_factory=list)


class ChunkWorker:
    """One worker thread's tools: none of them may be shared. claim: whether a chunk is to be compressed in a batch."""

    def __init__(self, session: Session, claim: Callable[[bytes, int], bool], compression: Compression) -> None:
        self._key = session.project.capability.chunk_id_key
        self._claim = claim
        self._compressor = Compressor(compression=compression)

    def keep_chunk(self, plain: memoryview, frames: Frames) -> ChunkRef:
        """One chunk."""
        chunk = chunk_id(self._key, plain)
        if self._claim(chunk, frames.number):
            frames.chunks.append(Frame("", chunk, self._compressor.frame(plain), len(plain)))
        return chunk, len(plain)


class _Batch(NamedTuple):
    """On its way. take: waits for it, and puts its chunks into builders · future: in a thread; None where a process does it."""

    take: Callable[[], None]
    future: Future[Any] | None


class ContentWriter:
    """Runs batches through the workers and their chunks into packs."""

    def __init__(
        self,
        session: Session,
        known: KnownChunks,
        trained: dict[str, TrainedDictionary],
        reader: SourceReader,
        bases: DeltaBases,
        processes: WorkerProcesses | None = None,
        compression: Compression = Compression.FAST,
    ) -> None:
        """bases: of deltas · processes: read batches of small files; None: threads do."""
        self._session = session
        self._known = known
        self._trained = trained
        self._reader = reader
        self._processes = processes
        self._bases = bases
        self._compression = compression
        self._pack_bases: dict[bytes, DeltaBase] = {}
        """Of the pack of deltas that is being filled."""
        self._pack_bases_size = 0
        self._shared = {one.chunk: one.dictionary for one in trained.values() if not one.has_packs}
        """Dictionaries of small groups."""
        self._own = threading.local()
        self._claims = threading.Lock()
        self._claimed: dict[bytes, int] = {}
        """Chunks of large files that are being compressed, and in the first of which batches."""
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="content")
        self._queue: deque[_Batch] = deque()
        self._submitted = 0
        self._builders: dict[str, PackBuilder] = {}
        self._compressor = Compressor(compression=compression)
        self._large_cutter = session.project.descriptor.content.cutter()

    def submit(self, work: Callable[[ChunkWorker, Frames], None], done: Callable[[], None]) -> None:
        """Run `work` in a worker; when its chunks lie in builders, and in the order of submission, `done` is called."""
        self._make_room()
        frames = Frames(self._submitted)
        future = self._pool.submit(lambda: work(self._chunk_worker(), frames))

        def take() -> None:
            future.result()
            for frame in frames.chunks:
                self._add(frame, {})
            done()

        self._append(take, future)

    def may_be_delta(self, path: bytes) -> bool:
        """Whether a file takes longer than others: it may be stored as a difference to an earlier version."""
        return self._bases.has(path)

    def submit_small(self, paths: Sequence[bytes], done: Callable[[BatchColumns], None]) -> None:
        """Read a batch of small files in a worker; when its chunks lie in builders, and in the order of submission, `done` is
        called with the result."""
        self._make_room()
        bases = self._bases.of(paths)
        if self._processes is not None:
            self._append(partial(self._take_elsewhere, self._processes, self._processes.read(paths, bases), bases, done))
            return
        future: Future[BatchColumns] = self._pool.submit(lambda: self._small_file_reader().read(paths, bases))

        def take() -> None:
            batch = future.result()
            self._take(batch, bases)
            done(batch)

        self._append(take, future)

    def _take_elsewhere(
        self,
        processes: WorkerProcesses,
        answer: BatchAnswer,
        bases: Mapping[bytes, DeltaBase],
        done: Callable[[BatchColumns], None],
    ) -> None:
        batch = processes.wait(answer)
        self._take(batch, bases)
        processes.release(answer)
        done(batch._replace(frames=b""))

    def _take(self, batch: BatchColumns, bases: Mapping[bytes, DeltaBase]) -> None:
        """A batch's frames into builders. bases: that it was read with."""
        known = {one.chunk: one for one in (*bases.values(), *batch.bases)} if bases else {}
        for base in batch.bases:
            self._bases.add(base)
            self._add(Frame("", base.chunk, base.frame, base.size), {})
        for run in batch.runs():
            if not self._add_run(run):
                for frame in _each(run):
                    self._add(frame, known)

    def _add_run(self, run: FrameRun) -> bool:
        """All frames of a run at once, into the builder of their group; False where each must be looked at by itself."""
        if not isinstance(run.group, str):
            return False
        builder, limit = self._builders.get(run.group), self._session.project.descriptor.limits.pack
        if (
            (builder is None and not self._has_packs(run.group))
            or (0 if builder is None else builder.size) + len(run.frames) > limit
            or (0 if builder is None else len(builder.chunks)) + len(run.chunks) > MAX_CHUNKS_IN_PACK
        ):
            return False
        with self._claims:
            if any(chunk in self._claimed or chunk in self._known for chunk in run.chunks):
                return False
            self._known.add(run.chunks)
        builder = builder or self._builder(run.group, len(run.frames))
        builder.add_many(run.chunks, run.frames, run.sizes, run.plain_sizes, run.proven)
        return True

    def _has_packs(self, group: str) -> bool:
        """Whether the frames of a group lie in packs of their own."""
        trained = self._trained.get(group)
        return trained is None or trained.has_packs

    @property
    def is_busy(self) -> bool:
        """Whether as many batches are on their way as there may be."""
        return len(self._queue) >= MAX_BATCHES

    def cut(self, content: memoryview) -> list[memoryview]:
        """Cut a piece of a large file, in the calling thread."""
        return list(cut(self._large_cutter, content))

    def finish(self) -> None:
        """Take every result and give the last builders to the pack writer."""
        while self._queue:
            self._queue.popleft().take()
        for group in list(self._builders):
            self._close_pack(group)

    def close(self) -> None:
        """Let the workers end, whatever became of the run."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make_room(self) -> None:
        while len(self._queue) >= MAX_BATCHES:
            self._queue.popleft().take()

    def _append(self, take: Callable[[], None], future: Future[Any] | None = None) -> None:
        """Also take what is done already: packs that are full sooner are sealed while others are read."""
        self._submitted += 1
        self._queue.append(_Batch(take, future))
        while self._queue and (first := self._queue[0].future) is not None and first.done():
            self._queue.popleft().take()

    def _chunk_worker(self) -> ChunkWorker:
        mine: ChunkWorker | None = getattr(self._own, "chunks", None)
        if mine is None:
            mine = self._own.chunks = ChunkWorker(self._session, self._claim, self._compression)
        return mine

    def _small_file_reader(self) -> SmallFileReader:
        mine: SmallFileReader | None = getattr(self._own, "small_files", None)
        if mine is None:
            project = self._session.project
            dictionaries = {name: one.dictionary for name, one in self._trained.items()}
            mine = self._own.small_files = SmallFileReader(
                self._reader,
                project.capability.chunk_id_key,
                project.descriptor.content,
                dictionaries,
                self._known.is_stored,
                self._compression,
                inflates=inflates(self._compression, project),
            )
        return mine

    def _claim(self, chunk: bytes, number: int) -> bool:
        """Whether a batch must compress a chunk: no batch before it does. One after it may have begun; its frame is dropped."""
        with self._claims:
            if chunk in self._known or self._claimed.get(chunk, number + 1) <= number:
                return False
            self._claimed[chunk] = number
            return True

    def _add(self, frame: Frame, bases: Mapping[bytes, DeltaBase]) -> None:
        """Into the builder of its group, unless an earlier batch has brought the same chunk. bases: of deltas, by chunk."""
        with self._claims:
            self._claimed.pop(frame.chunk, None)
            if frame.chunk in self._known:
                return
            self._known.add((frame.chunk,))
        if isinstance(frame.group, str):
            self._add_to_group(frame.group, frame)
            return
        base, form = frame.group
        if isinstance(base, str):
            self._add_to_group(base, frame).forms[frame.chunk] = form
            return
        builder = self._builder(MIXED, len(frame.data))
        builder.add(*frame[1:], dictionary=base)
        builder.forms[frame.chunk] = form
        if base not in self._pack_bases:
            self._pack_bases[base] = bases[base]
            self._pack_bases_size += len(bases[base].frame)

    def _add_to_group(self, group: str, frame: Frame) -> PackBuilder:
        """With the first that needs it, a small group's dictionary. Should that be lost with its pack, whoever looks what is
        stored passes over the frames that need it."""
        if self._has_packs(group):
            builder = self._builder(group, len(frame.data))
            builder.add(*frame[1:])
            return builder
        trained = self._trained[group]
        if trained.chunk not in self._known:
            self._known.add((trained.chunk,))
            stored = self._compressor.frame(trained.data)
            self._builder(MIXED, len(stored)).add(trained.chunk, stored, len(trained.data))
        builder = self._builder(MIXED, len(frame.data))
        builder.add(*frame[1:], dictionary=trained.chunk)
        return builder

    def _builder(self, group: str, more: int) -> PackBuilder:
        limit = self._session.project.descriptor.limits.pack
        builder = self._builders.get(group)
        full = builder and builder.size and (builder.size + more > limit or len(builder.chunks) >= MAX_CHUNKS_IN_PACK)
        if full or (group == MIXED and self._pack_bases_size > MOST_BASES_IN_PACK):
            self._close_pack(group)
            builder = None
        if builder is None:
            trained = self._trained.get(group)
            dictionary = trained.chunk if trained else None
            builder = self._builders[group] = PackBuilder(dictionary, self._session.packs.lend())
        return builder

    def _close_pack(self, group: str) -> None:
        builder = self._builders.pop(group)
        if group == MIXED:
            bases, self._pack_bases, self._pack_bases_size = self._pack_bases, {}, 0
            self._session.packs.submit(
                builder, CONTENT_TIER, lambda chunk: self._shared.get(chunk) or bases[chunk].dictionary()
            )
            return
        trained = self._trained.get(group)
        dictionaries = {trained.chunk: trained.dictionary} if trained else {}
        self._session.packs.submit(builder, CONTENT_TIER, dictionaries.__getitem__)


def inflates(compression: Compression, project: Project) -> bool:
    """Whether inflated forms are stored of files that have none as a base."""
    return compression is Compression.SMALL and INFLATED in project.descriptor.features


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

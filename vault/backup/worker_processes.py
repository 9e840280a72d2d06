"""Worker processes from the side of the backup: started, asked, waited for, ended.

Python's lock lets one thread at a time go through small files; processes have one each. They are started where a run has enough
small files to pay for it, and where the system has what they need: two processors, shared memory without a name (`memfd`), room
for two processes more. Elsewhere the same work is done in threads, with the same result.

The main thread asks for batches and takes their results in order; threads of the pack writer ask for packs to be sealed; one
thread for each worker reads its replies. A worker that ends by itself, or is killed, is an error for all that wait for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from io import FileIO
from mmap import mmap
from pathlib import Path
from select import select
from typing import NamedTuple

from msgspec import Struct, field

import vault
from vault.backup import worker_messages
from vault.backup.dictionaries import TrainedDictionary
from vault.backup.small_files import BatchColumns, DeltaBase
from vault.backup.worker_messages import BATCH_SLOT, READ, READY, SEAL, Message, SealRequest, WorkerTools
from vault.errors import Damaged, StrongroomError
from vault.format.frames import Compression
from vault.format.pack import PackMemory
from vault.repository.pack_sealing import OwnSealer, SealedPack, UnsealedPack, pack_memory_size
from vault.repository.pack_writer import IN_FLIGHT
from vault.repository.project import Project
from vault.repository.sorted_index import KnownChunks
from vault.source.reader import Reader

FEWEST_FILES = 2000
FEWEST_BYTES = 96 * 1024 * 1024
"""Small files of a run, and bytes of them, from which on workers pay: two take 0.16 s of processor time to start, and spare 0.1
ms a file."""

MOST_WORKERS = 4
"""Each takes 40 to 70 MB; the main thread keeps no more of them busy."""

MOST_FILLED = 6
"""Packs that are filled in shared memory at once, one a group of files; further ones are sealed in this process. Memory that
nothing is written to costs nothing."""

SEALED_AS_A_BATCH = 8 * 1024 * 1024
"""Bytes of a pack whose sealing takes as long as reading a batch: while one worker seals a whole one, others read."""

START_UP = 20.0
"""Seconds that a worker may take to start."""

_PROGRAM = (
    "import gc, sys; gc.set_threshold(50_000); numbers = list(map(int, sys.argv[1:6])); sys.path[:] = sys.argv[6:]; "
    "from vault.backup.worker_process import serve; serve(*numbers)"
)
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
}
"""As `cli.runtime` sets this process's own: what is freed is used again instead of being given back and zeroed anew."""


def count(files: int, size: int) -> int:
    """How many workers a run should have; 0 where threads do as well. files, size: small files, and bytes of them."""
    if (files < FEWEST_FILES and size < FEWEST_BYTES) or not hasattr(os, "memfd_create"):
        return 0
    processors = len(os.sched_getaffinity(0))
    return min(processors, MOST_WORKERS) if processors > 1 else 0


class BatchAnswer(NamedTuple):
    """A batch that was asked for. slot: where it will lie in shared memory."""

    slot: int
    reply: Future[Message]


class _Process(Struct):
    """One worker. waiting: for its replies, in the order in which it was asked, with what each weighs · load: of all of them ·
    lost: what ended it."""

    process: subprocess.Popen[bytes]
    requests: int
    replies: int
    waiting: deque[tuple[Future[Message], int]] = field(default_factory=deque)
    load: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    lost: StrongroomError | None = None
    reader: threading.Thread | None = None

    def ask(self, message: Message, weight: int = 1) -> Future[Message]:
        """Send a request; its reply comes in the future. weight: as of so many batches."""
        answer: Future[Message] = Future()
        with self.lock:
            if self.lost is not None:
                answer.set_exception(self.lost)
                return answer
            self.waiting.append((answer, weight))
            self.load += weight
            with suppress(OSError):  # it is gone: whoever reads its replies finds that out, and says so
                worker_messages.send(self.requests, message)
        return answer

    def listen(self) -> None:
        """Take replies until there are no more."""
        while True:
            try:
                reply = worker_messages.receive(self.replies)
            except (OSError, ValueError, EOFError, TypeError):
                reply = None
            if reply is None:
                break
            with self.lock:
                answer, weight = self.waiting.popleft()
                self.load -= weight
            answer.set_result(reply)
        lost = _lost(self.process.wait())
        with self.lock:
            self.lost = lost
            waiting, self.waiting = self.waiting, deque()
        for answer, _ in waiting:
            answer.set_exception(lost)


class WorkerProcesses:
    """Workers that are running. A `vault.repository.pack_sealing.Sealer`, too."""

    def __init__(self, project: Project, reader: Reader, known: KnownChunks, workers: int, batches: int) -> None:
        """batches: that may be asked for and not released at once. Raises OSError, MemoryError where the system has no room."""
        limit = project.descriptor.limits.pack
        self._pack_slot = pack_memory_size(limit)
        self._room = threading.Lock()
        self._batch_slots = [place * BATCH_SLOT for place in range(batches)]
        first = batches * BATCH_SLOT
        self._pack_slots = [first + place * self._pack_slot for place in range(IN_FLIGHT + MOST_FILLED)]
        self._size = first + len(self._pack_slots) * self._pack_slot
        self._project = project
        self._prefix = reader.prefix
        self._known = known
        self._own_sealer = OwnSealer()
        self._dictionaries: set[bytes | None] = {None}
        self._workers: list[_Process] = []
        self._file = FileIO(os.memfd_create("strongroom batches and packs"), "r+")
        try:
            self._file.truncate(self._size)
            self._memory = memoryview(mmap(self._file.fileno(), self._size))
            with FileIO(os.memfd_create("strongroom stored chunks"), "r+") as stored:
                _write(stored.fileno(), known.stored_ids)
                for _ in range(workers):
                    self._workers.append(_start(reader.descriptor, self._file.fileno(), stored.fileno()))
        except BaseException:
            self.close()
            raise

    def equip(self, trained: dict[str, TrainedDictionary], compression: Compression, *, inflates: bool) -> bool:
        """Give them their tools; returns whether all of them work. Where a program has its interpreter built in, none may start
        by itself. compression, inflates: as for `SmallFileReader`."""
        descriptor = self._project.descriptor.content
        self._dictionaries |= {one.chunk for one in trained.values()}
        tools = WorkerTools(
            self._prefix,
            self._project.capability.chunk_id_key,
            (descriptor.smallest, descriptor.average, descriptor.largest, descriptor.normalisation),
            {name: one.data for name, one in trained.items()},
            {one.chunk: name for name, one in trained.items()},
            compression.value,
            inflates,
            self._size,
            len(self._known.stored_ids),
        )
        try:
            for one in self._workers:
                worker_messages.send(one.requests, tuple(tools))
            for one in self._workers:
                if not select([one.replies], [], [], START_UP)[0] or worker_messages.receive(one.replies) != (READY,):
                    return False
                one.reader = threading.Thread(target=one.listen, name="worker", daemon=True)
                one.reader.start()
        except (OSError, ValueError, EOFError, TypeError, RuntimeError):  # RuntimeError: no thread is to be had
            return False
        return True

    def read(self, paths: Sequence[bytes], bases: Mapping[bytes, DeltaBase]) -> BatchAnswer:
        """Have a batch of small files read, as `SmallFileReader.read` does; `wait` gives the result."""
        with self._room:
            slot = self._batch_slots.pop()
        passed = {path: tuple(base) for path, base in bases.items()}
        return BatchAnswer(slot, self._least_busy().ask((READ, slot, list(paths), passed)))

    def wait(self, answer: BatchAnswer) -> BatchColumns:
        """Wait for a batch. Its frames are good until `release`. Raises `StrongroomError`, `MemoryError`."""
        at = answer.slot
        return worker_messages.unpack_batch(_result(answer.reply), self._memory[at : at + BATCH_SLOT])

    def release(self, answer: BatchAnswer) -> None:
        """The memory of a batch may be used again."""
        with self._room:
            self._batch_slots.append(answer.slot)

    def lend(self) -> PackMemory | None:
        """See `vault.repository.pack_sealing.Sealer`."""
        with self._room:
            if not self._pack_slots:
                return None
            at = self._pack_slots.pop()

        def release() -> None:
            with self._room:
                self._pack_slots.append(at)

        return PackMemory(self._memory[at : at + self._pack_slot], release, at, self._file)

    def seal(self, pack: UnsealedPack, key: bytes) -> SealedPack:
        """See `vault.repository.pack_sealing.Sealer`."""
        memory, different = pack.memory, set(pack.dictionaries)
        if not isinstance(memory, PackMemory) or memory.place < 0:
            return self._own_sealer.seal(pack, key)
        if len(different) > 1 or not different <= self._dictionaries:  # the workers do not have the bases of deltas
            return self._own_sealer.seal(pack, key)
        request = SealRequest(
            memory.place,
            pack.size,
            pack.start.front,
            pack.start.file_key,
            b"".join(pack.chunks),
            array("q", pack.stored_sizes).tobytes(),
            array("q", pack.plain_sizes).tobytes(),
            next(iter(different)),
            dict(pack.forms),
            pack.proofs,
        )
        try:
            sealed, sha256 = _result(self._least_busy().ask((SEAL, *request), 1 + pack.size // SEALED_AS_A_BATCH))
        except BaseException:
            pack.release()
            raise
        return SealedPack(memory.view[:sealed], sha256, pack.release)

    def close(self) -> None:
        """End them. Whoever still waits for one gets an error."""
        for one in self._workers:
            with suppress(ProcessLookupError):
                one.process.kill()
        for one in self._workers:
            one.process.wait()
            if one.reader is not None:
                one.reader.join()
            for descriptor in (one.requests, one.replies):
                os.close(descriptor)
        self._workers = []
        self._file.close()

    def _least_busy(self) -> _Process:
        return min(self._workers, key=lambda one: one.load)


def _start(root: int, memory: int, stored: int) -> _Process:
    """A worker without its tools. What it may know of the environment is nothing: credentials of stores are there."""
    their_requests, requests = os.pipe()
    replies, their_replies = os.pipe()
    theirs = (their_requests, their_replies, root, memory, stored)
    paths = [str(Path(vault.__file__).parents[1]), *sys.path]
    try:
        process = subprocess.Popen(  # noqa: S603 (this very program)
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, theirs), *paths],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ALLOCATOR,
            pass_fds=theirs,
        )
    except BaseException:
        os.close(requests)
        os.close(replies)
        raise
    finally:
        os.close(their_requests)
        os.close(their_replies)
    return _Process(process, requests, replies)


def _write(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _result(reply: Future[Message]) -> Message:
    kind, *said = reply.result()
    if kind == worker_messages.DAMAGED:
        raise Damaged(said[0], hint=said[1])
    if kind == worker_messages.NO_MEMORY:
        raise MemoryError
    if kind == worker_messages.FAULT:
        raise RuntimeError(f"in a worker process:\n{said[0]}")
    result: Message = said[0]
    return result


def _lost(code: int) -> StrongroomError:
    """The error for a worker that ended. code: as `subprocess` gives it."""
    how = f"was killed (signal {-code})" if code < 0 else f"ended by itself (exit {code})"
    return StrongroomError(
        f"a worker process of this backup {how}; nothing was committed",
        hint="what was stored is kept: run the same command again; if the system ended it for lack of memory, as its log then "
        "says, give it more, or run less at once",
    )

"""One worker process of a backup: it reads small files and seals packs, until nobody asks any more.

It is a program of its own, not a fork: by the time at which a backup knows that workers pay, its process has threads (Arrow's,
the one that shows progress), whose locks a forked child would find locked for ever; and whoever uses Strongroom as a library
has others. Starting takes 0.08 s of processor time, beside the rest of the backup. It imports neither Arrow nor a store nor
settings, knows no repository, no storage credentials and no key but that of chunk ids and, one by one, the keys of the packs
that it seals; they come through a pipe that nobody else holds.

It ends when the pipe does, whatever became of the process at the other end. Signals are that one's business: Ctrl-C reaches
both, and who goes first must not look like a fault.
"""

from __future__ import annotations

import gc
import hashlib
import mmap
import os
import signal
from array import array
from typing import NoReturn

from vault.age.sealing import FileStart
from vault.backup import worker_messages
from vault.backup.small_files import DeltaBase, SmallFileReader
from vault.backup.worker_messages import BATCH_SLOT, Message, SealRequest, WorkerTools
from vault.errors import Damaged
from vault.format import frames
from vault.format.chunks import ID_SIZE, ChunkerParams
from vault.repository.flat_ids import FlatIds
from vault.repository.pack_sealing import PackRows, seal_in_place, verify
from vault.source.reader import Reader

COLLECT_EVERY = 50_000


def serve(requests: int, replies: int, root: int, memory: int, stored: int) -> NoReturn:
    """Answer requests until there are no more. All are descriptors: pipes, the source's folder, shared memory, that of the ids
    of stored chunks."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    try:
        tools = worker_messages.receive(requests)
        if tools is not None:
            worker = Worker(WorkerTools(*tools), Reader(root, tools[0]), memory, stored)
            worker_messages.send(replies, (worker_messages.READY,))
            while (request := worker_messages.receive(requests)) is not None:
                worker_messages.send(replies, worker.answer(request))
    except OSError:
        pass  # the other end is gone
    except MemoryError:
        os._exit(NO_ROOM)
    os._exit(0)


NO_ROOM = 77
"""How a worker ends that has not even the memory to say so."""


class Worker:
    """Tools, and what is done with them."""

    def __init__(self, tools: WorkerTools, reader: Reader, memory: int, stored: int) -> None:
        self._memory = memoryview(mmap.mmap(memory, tools.memory_size))
        ids = mmap.mmap(stored, tools.stored_size, prot=mmap.PROT_READ) if tools.stored_size else b""
        self._key = tools.key
        dictionaries = {group: frames.dictionary(data) for group, data in tools.dictionaries.items()}
        smallest, average, largest, normalisation = tools.chunker
        chunker = ChunkerParams(smallest, average, largest, normalisation)  # type: ignore[arg-type]  # checked by the descriptor
        known = FlatIds(memoryview(ids)[: tools.stored_size // ID_SIZE * ID_SIZE])
        self._small_files = SmallFileReader(
            reader,
            tools.key,
            chunker,
            dictionaries,
            lambda chunk: known.find(chunk) is not None,
            frames.Compression(tools.compression),
            inflates=tools.inflates,
        )
        by_chunk = {chunk: dictionaries[group] for chunk, group in tools.dictionary_groups.items()}
        self._expanders = frames.Expanders(by_chunk.__getitem__)

    def answer(self, request: Message) -> Message:
        """The reply to a request. Raises nothing but what nobody could tell."""
        kind, *rest = request
        try:
            result = self._read(*rest) if kind == worker_messages.READ else self._seal(SealRequest(*rest))
        except Damaged as error:
            return worker_messages.DAMAGED, str(error), error.hint
        except MemoryError:
            return (worker_messages.NO_MEMORY,)
        except Exception:  # noqa: BLE001 (the other end raises it)
            import traceback

            return worker_messages.FAULT, traceback.format_exc()
        return worker_messages.DONE, result

    def _read(self, at: int, paths: list[bytes], bases: dict[bytes, tuple[bytes, int, bytes]]) -> Message:
        batch = self._small_files.read(paths, {path: DeltaBase(*base) for path, base in bases.items()})
        return worker_messages.pack_batch(batch, self._memory[at : at + BATCH_SLOT])

    def _seal(self, request: SealRequest) -> tuple[int, bytes]:
        """Seal a pack in its place; gives its bytes and its SHA-256."""
        start = FileStart(request.front, request.file_key)
        slot = self._memory[request.at :]
        size = seal_in_place(start, slot, request.plain_size)
        data = slot[:size]
        chunks = [request.chunks[at : at + ID_SIZE] for at in range(0, len(request.chunks), ID_SIZE)]
        stored, plain = array("q", request.stored_sizes), array("q", request.plain_sizes)
        rows = PackRows(chunks, stored, plain, [request.dictionary] * len(chunks), request.forms, request.proofs)
        verify(start.reader(data), data, rows, self._key, self._expanders)
        return size, hashlib.sha256(data).digest()

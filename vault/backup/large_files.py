"""Reading a large file as a stream of pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from classify.format import HEAD, sniff
from vault.backup.content_writer import ChunkWorker, Frames
from vault.backup.read_results import HOLE, ContentFacts
from vault.format.tree import ChunkRef
from vault.source.contract import TO_THE_END, Extent, ItemStream

if TYPE_CHECKING:
    from vault.backup.file_reading import FileReading

PIECE = 8 * 1024 * 1024
"""Bytes of a large file that are read and cut at once."""


class LargeFileStream:
    """One reading of a large file: extents are cut piece by piece, holes become references without a chunk.

    `short`: whether the file ended before the size that it had when it was opened
    """

    def __init__(self, reading: FileReading, file: ItemStream, path: bytes) -> None:
        self._reading = reading
        self._file = file
        self._path = path
        self._head = b""
        self._refs: list[ChunkRef] = []
        self._digest = blake3()
        self._at = 0
        self.short = False

    def run(self) -> tuple[list[ChunkRef], ContentFacts]:
        """The references, complete once the workers are done, and the content, with holes as zeros."""
        for extent in self._file.extents():
            self._hole(extent.offset - self._at)
            self._extent(extent)
            if self.short:
                break
        else:
            self._hole(self._file.status.st_size - self._at)
        size = self._at
        return self._refs, ContentFacts(self._digest.digest(), size, sniff(self._head, size=size, name=self._path))

    def _hole(self, length: int) -> None:
        if length > 0:
            zeros = bytes(min(length, PIECE))
            for start in range(0, length, PIECE):
                self._reading.stop()
                self._digest.update(zeros[: min(PIECE, length - start)])
                self._reading.advance(of_file=self._at + start)
            self._at += length
            self._append([(HOLE, length)])

    def _extent(self, extent: Extent) -> None:
        """Read, cut, and give whole chunks to the workers; what lies behind the last cut is cut again with what follows."""
        rest = b""
        end = extent.offset + extent.length
        while self._at < end:
            self._reading.stop()
            buffer = bytearray(len(rest) + min(PIECE, end - self._at))
            buffer[: len(rest)] = rest
            view = memoryview(buffer)
            count = self._file.readinto(view[len(rest) :], self._at)
            if count == 0:
                self.short = extent.length != TO_THE_END
                break
            view = view[: len(rest) + count]
            self._digest.update(view[len(rest) :])
            if self._at < HEAD and self._at == len(self._head):
                self._head += bytes(view[len(rest) :][: HEAD - self._at])
            self._at += count
            pieces = self._reading.writer.cut(view)
            final = self._at >= end
            whole = pieces if final else pieces[:-1]
            rest = b"" if final else bytes(pieces[-1])
            self._submit(whole)
            self._reading.advance(size=count, of_file=self._at)
        if rest:
            self._submit([memoryview(rest)])

    def _submit(self, pieces: list[memoryview]) -> None:
        refs: list[ChunkRef] = []

        def work(cutter: ChunkWorker, frames: Frames) -> None:
            refs.extend(cutter.keep_chunk(piece, frames) for piece in pieces)

        self._reading.writer.submit(work, lambda: self._refs.extend(refs))

    def _append(self, refs: list[ChunkRef]) -> None:
        """Add references in order, after the pieces that are still with the workers."""
        self._reading.writer.submit(lambda _cutter, _frames: None, lambda: self._refs.extend(refs))

"""A folder that is scanned by a forked process, while the command imports the rest of itself and opens the repository.

The tree of 20,000 files takes 0.07 s to look at, as long as Arrow and the modules of a backup take to be imported: beside each
other they cost a quarter of an unchanged backup less. The process gives rows away as `scan_columns` packs them, 65,536 at once,
so that neither side holds more of them than it would alone, and Arrow is not imported there.

A scan counts from its beginning, which the snapshot states (`Scan.began`). One that was not asked for soon is not used: the
source is scanned anew, as it is where the process was lost or met an error.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from datetime import datetime

from msgspec import msgpack

from vault.backup.forked_task import ForkedStream, Send, is_possible
from vault.clock import Clock
from vault.progress import Stop
from vault.source.contract import Scan
from vault.source.folder import FolderSource
from vault.source.scan import Walked, table_of, walk
from vault.source.scan_columns import Columns

STALE_AFTER = 10.0
"""Seconds from the beginning of a scan until it is asked for, after which it is made anew. Opening a store takes less than one,
unless it does not answer."""

SIGN_EVERY = 1.0
"""Seconds after which the process says that it is still at work."""

_HEAD = struct.Struct("<BQ")
_ROWS, _PATHS, _ENDS, _REST, _SIGN = range(5)


class ScanAhead:
    """Begins with the object. Raises OSError where the system gives no process."""

    def __init__(self, source: FolderSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._began: datetime = clock.now()
        self._since = clock.monotonic()
        self._stream: ForkedStream | None = ForkedStream(lambda send: _scan(source, clock, send))

    def take(self, stop: Stop) -> Scan | None:
        """The scan, once; None where it is too old by now, or its process was lost: then the source is to be scanned. stop:
        called often; what it raises comes out."""
        if self._stream is None or self._clock.monotonic() - self._since > STALE_AFTER:
            self.close()
            return None
        stream, self._stream = self._stream, None
        columns, walked = Columns(), None
        for kind, data in _messages(stream.pieces(stop)):
            if kind == _ROWS:
                columns.rows += data
                columns.flush()
            elif kind == _PATHS:
                columns.paths = data
            elif kind == _ENDS:
                columns.ends = array("i", bytes(data))
            elif kind == _REST:
                walked = msgpack.decode(data, type=Walked)
        if walked is None:
            return None
        found = self._source.described(table_of(columns, walked))
        found.began = self._began
        return found

    def close(self) -> None:
        """Nobody wants the scan any more."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def begin(source: FolderSource, clock: Clock) -> ScanAhead | None:
    """A scan that goes on beside this process; None where that is not possible."""
    try:
        return ScanAhead(source, clock) if is_possible() else None
    except OSError:
        return None


class _Sent(Columns):
    """Rows that are given away as soon as there is a block of them."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    def flush(self) -> None:
        """See `Columns`."""
        self.refuse_too_long()
        _give(self._send, _ROWS, self.rows)
        self.rows.clear()


def _scan(source: FolderSource, clock: Clock, send: Send) -> None:
    """In the process. What it raises ends it, and the scan that follows says so."""
    columns, last = _Sent(send), clock.monotonic()

    def sign() -> None:
        nonlocal last
        if clock.monotonic() - last > SIGN_EVERY:
            last = clock.monotonic()
            _give(send, _SIGN, b"")

    walked = walk(source.path, source.prefix, source.rules, columns, stop=sign, bounds=source.bounds)
    columns.flush()
    _give(send, _PATHS, columns.paths)
    _give(send, _ENDS, columns.ends.tobytes())
    _give(send, _REST, msgpack.encode(walked))


def _give(send: Send, kind: int, data: bytes | bytearray) -> None:
    send(_HEAD.pack(kind, len(data)))
    send(data)


def _messages(pieces: Iterator[bytes]) -> Iterator[tuple[int, bytearray]]:
    """What was given, put together again; what is not whole at the end is left out."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(held)
            if len(held) < _HEAD.size + length:
                break
            yield kind, held[_HEAD.size : _HEAD.size + length]
            del held[: _HEAD.size + length]

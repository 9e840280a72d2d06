"""A pipe between a thread that writes and a browser that reads: bounded, so that whoever reads slowly slows the writer down and
costs no memory; and ended from either side. It can be diverted: the writer then sends to the browser itself."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from vault.errors import Interrupted

HELD = 4 << 20
"""Bytes that wait for the reader at most."""

PIECE = 1 << 20
"""Bytes that are worth waking the reader for, or a call to the kernel: each time costs two threads their turn."""

Send = Callable[[Sequence[bytes], float], None]
"""Sends pieces to a browser that takes something of them at least every so many seconds; else it raises `Interrupted`."""


class Pipe:
    """See this module's text. It cannot be sought in. stall: seconds after which a reader that takes nothing is given up ·
    stop: called with each write; what it raises comes out."""

    def __init__(self, stall: float, held: int = HELD, stop: Callable[[], None] = lambda: None) -> None:
        self._stall = stall
        self._stop = stop
        self._held = held
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._gone = self._lost = False
        self._send: Send | None = None
        self._done: Callable[[], None] = lambda: None

    # -- the writer's side ------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Waits while the reader is behind. Raises `Interrupted` where it is gone, or has taken nothing for too long."""
        self._stop()
        piece = bytes(data)
        with self._changed:
            while self._send is None and self._size >= self._held and not self._gone:
                if not self._changed.wait(self._stall):
                    self._gone = True
            if self._gone:
                raise Interrupted("whoever was downloading is gone")
            self._pieces.append(piece)
            self._size += len(piece)
            full = self._size >= PIECE
            if full and self._send is None:
                self._changed.notify_all()
        if full:
            self._pour()
        return len(piece)

    def flush(self) -> None:
        """Where it is diverted, until everything is sent. Raises `Interrupted` where the reader has left some of it."""
        self._pour()
        if self._lost:
            raise Interrupted("whoever was downloading is gone")

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes. error: why, where it is not whole; the reader gets it."""
        try:
            if error is None:
                self.flush()
        except Interrupted as met:
            error = met
        with self._changed:
            self._ended, self._error = True, error
            done = self._done
            self._changed.notify_all()
        done()

    def _pour(self) -> None:
        """Send what waits, where it is diverted."""
        with self._changed:
            if self._send is None or self._gone:
                return
            send, pieces = self._send, [*self._pieces]
            self._pieces.clear()
            self._size = 0
        try:
            send(pieces, self._stall)
        except Interrupted:
            self._lost = True
            self.leave()
            raise

    # -- the reader's side ------------------------------------------------------------------------------------------------

    def begun(self) -> None:
        """Wait for the first bytes, or the end. Raises what the writer met before it wrote any."""
        with self._changed:
            self._wait_for_some(lambda: bool(self._pieces))
            if self._error is not None and not self._pieces:
                raise self._error

    def read(self) -> bytes | None:
        """What has come; None at the end. Raises what the writer met: what was read is not whole then."""
        with self._changed:
            self._wait_for_some(lambda: self._size >= PIECE and self._send is None)
            if not self._pieces:
                if self._error is not None:
                    raise self._error
                if not self._ended:
                    raise Interrupted("whoever was downloading is gone")
                return None
            taken: list[bytes] = []
            size = 0
            while self._pieces and size < PIECE:
                taken.append(self._pieces.popleft())
                size += len(taken[-1])
            self._size -= size
            self._changed.notify_all()
            return taken[0] if len(taken) == 1 else b"".join(taken)

    def divert(self, send: Send, done: Callable[[], None]) -> bool:
        """Have the writer send what waits here, and all that it writes from now on; `read` then tells how it ended. False where
        it has ended already: the rest is to be read. done: called in the writer's thread at the end."""
        with self._changed:
            if self._ended or self._gone:
                return False
            self._send, self._done = send, done
            self._changed.notify_all()
            return True

    def leave(self) -> None:
        """The reader takes nothing more: the writer's next write raises."""
        with self._changed:
            self._gone, self._lost = True, self._lost or bool(self._pieces)
            self._pieces.clear()
            self._changed.notify_all()

    def _wait_for_some(self, enough: Callable[[], bool]) -> None:
        while not (enough() or self._ended or self._gone):
            self._changed.wait(self._stall)

"""A pipe between a thread that writes and a browser that reads: bounded, so that whoever reads slowly slows the writer down and
costs no memory; and ended from either side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from vault.errors import Interrupted

HELD = 4 << 20
"""Bytes that wait for the reader at most."""

PIECE = 1 << 20
"""Bytes that are worth waking the reader for: each time costs two threads their turn."""


class Pipe:
    """See this module's text. It cannot be sought in. stall: seconds after which a reader that takes nothing is given up."""

    def __init__(self, stall: float, held: int = HELD) -> None:
        self._stall = stall
        self._held = held
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: BaseException | None = None
        self._gone = False

    # -- the writer's side ------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Waits while the reader is behind. Raises `Interrupted` where it is gone, or has taken nothing for too long."""
        piece = bytes(data)
        with self._changed:
            while self._size >= self._held and not self._gone:
                if not self._changed.wait(self._stall):
                    self._gone = True
            if self._gone:
                raise Interrupted("whoever was downloading is gone")
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size >= PIECE:
                self._changed.notify_all()
        return len(piece)

    def flush(self) -> None:
        """Nothing: what was written is on its way."""

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes. error: why, where it is not whole; the reader gets it."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

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
            self._wait_for_some(lambda: self._size >= PIECE)
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

    def leave(self) -> None:
        """The reader takes nothing more: the writer's next write raises."""
        with self._changed:
            self._gone = True
            self._pieces.clear()
            self._changed.notify_all()

    def _wait_for_some(self, enough: Callable[[], bool]) -> None:
        while not (enough() or self._ended or self._gone):
            self._changed.wait(self._stall)

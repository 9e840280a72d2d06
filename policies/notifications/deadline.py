"""The longest that telling somebody may take in all: a server that sends a byte now and then would keep a channel for days,
since each byte begins the timeout of a socket anew."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

LONGEST = 120.0
"""Seconds from the beginning to the end, whatever the server does."""


class Deadline:
    """Once the time is over, each connection that it knows is shut down, and whoever reads or writes there gets an error."""

    def __init__(self, seconds: float | None = None) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._over = False
        self._timer = threading.Timer(LONGEST if seconds is None else seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()

    def watch(self, connected: socket.socket) -> None:
        """A connection that is to end with it. It is known by a handle of its own, which outlives the change to TLS. Raises
        `TimeoutError` where the time is over already."""
        with self._lock:
            if self._over:
                raise TimeoutError("it took too long")
            self._sockets.append(connected.dup())

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

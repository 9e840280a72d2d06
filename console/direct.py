"""Content that goes to a browser past the event loop: the thread that makes it writes to the connection itself.

    protocol (`console.server`)   offers its connection in the request's scope
    `StreamedFile`                takes it once the header is sent, and watches whether the browser stays
    thread of the download        sends, and waits where the browser is slow

asyncio copies what a connection does not take at once, and wakes up for each part that it takes. The event loop still reads
from the connection, closes it, and sends what ends the answer.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import h11

from console.tls import TlsTransport
from vault.errors import Interrupted

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    import asyncio

EXTENSION = "strongroom.direct"
"""Among the extensions of a request's scope (ASGI)."""

MOST_BUFFERS = 512
"""That one call takes: the kernel's own bound is 1024. More of them are so small that copying them is cheaper."""

LEAST_TAKEN = 256 << 10
"""Bytes: whoever takes as many while nobody may send more is slow, and not gone."""

GONE = "whoever was downloading is gone"


class DirectConnection:
    """A connection to a browser, for the body of one answer. chunked: of a length that nobody knows before, and in HTTP's
    chunks therefore · tls: what encrypts, where it is not plain HTTP."""

    def __init__(self, connection: socket.socket, *, chunked: bool, tls: TlsTransport | None = None) -> None:
        self._socket = connection
        self._chunked = chunked
        self._tls = tls
        self._encrypted = None if tls is None else tls.begin_direct()
        self._lock = threading.Lock()
        self._closed = False
        self.sent = 0
        """Bytes of the body."""

    def send(self, pieces: Sequence[bytes], stall: float) -> None:
        """Until all is sent. Raises `Interrupted` where the browser is gone, or takes nothing for so many seconds."""
        size = sum(map(len, pieces))
        if not size:
            return
        if len(pieces) > MOST_BUFFERS:
            pieces = [b"".join(pieces)]
        buffers = [b"%x\r\n" % size, *pieces, b"\r\n"] if self._chunked else pieces
        self._push(buffers if self._encrypted is None else [self._encrypted(buffers)], stall)
        self.sent += size

    def shut_down(self) -> None:
        """End a `send` that another thread is at, and the connection with it; nothing where it was closed before."""
        with self._lock, suppress(OSError):
            if not self._closed:
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing more is sent here; the event loop's own hold on the connection stays."""
        with self._lock:
            if self._tls is not None and not self._closed:
                self._tls.end_direct()
            self._closed = True
            self._socket.close()

    def _push(self, buffers: Sequence[bytes], stall: float) -> None:
        left: list[bytes | memoryview] = [one for one in buffers if one]
        while left:
            try:
                count = self._socket.sendmsg(left)
            except BlockingIOError:
                self._wait(stall)
                continue
            except OSError as error:
                raise Interrupted(GONE) from error
            done = 0
            while done < len(left) and count >= len(left[done]):
                count -= len(left[done])
                done += 1
            del left[:done]
            if count:
                left[0] = memoryview(left[0])[count:]

    def _wait(self, stall: float) -> None:
        """Until there is room: a third of the kernel's buffer, which has some megabytes where a proxy of this machine reads."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        before = self._waiting()
        while not poll.poll(stall * 1000):
            now = self._waiting()
            if before - now < LEAST_TAKEN:
                raise Interrupted(GONE)
            before = now

    def _waiting(self) -> int:
        """Bytes that the kernel holds for the browser."""
        return int.from_bytes(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


class DirectOffer:
    """A connection of the server that can be taken for the body of the answer that is being given on it."""

    def __init__(self, transport: asyncio.Transport, connection: h11.Connection) -> None:
        self._transport = transport
        self._connection = connection

    def take(self, *, chunked: bool) -> DirectConnection | None:
        """Once the header is sent. None where it must go through the event loop: that has not sent all that waits for it, or
        encrypts in a way that belongs to it alone."""
        transport = self._transport
        found: socket.socket | None = transport.get_extra_info("socket")
        tls = transport if isinstance(transport, TlsTransport) else None
        is_encrypted = tls is None and transport.get_extra_info("sslcontext") is not None
        if is_encrypted or found is None or transport.is_closing() or transport.get_write_buffer_size():
            return None
        own = socket.socket(found.family, found.type, found.proto, fileno=os.dup(found.fileno()))  # not counted as another one
        own.settimeout(0)
        return DirectConnection(own, chunked=chunked, tls=tls)

    def count(self, size: int) -> None:
        """So many bytes of a body of known length were sent: the protocol must know before it may end the answer."""
        self._connection.send_with_data_passthrough(h11.Data(data=cast("Any", _Sent(size))))


class _Sent:
    """Stands for bytes that are on their way: all that the protocol asks of them is how many."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def offer(scope: MutableMapping[str, Any], transport: asyncio.Transport, connection: h11.Connection) -> None:
    """Say in a request's scope that its connection can be taken: on Linux, for what HTTP/1.1 answers to GET."""
    if sys.platform == "linux" and scope.get("method") == "GET" and scope.get("http_version") == "1.1":
        scope.setdefault("extensions", {})[EXTENSION] = DirectOffer(transport, connection)


def offered(scope: MutableMapping[str, Any]) -> DirectOffer | None:
    """What `offer` said."""
    found = (scope.get("extensions") or {}).get(EXTENSION)
    return found if isinstance(found, DirectOffer) else None

"""TLS between a socket and the protocol that speaks HTTP, so that the thread of a download can encrypt what it sends itself.

    raw transport (asyncio)  <->  `TlsTransport`  <->  protocol (`console.server`)
                                        ^
                     thread of a download (`console.direct`)

asyncio's own layer belongs to the event loop alone, which then encrypts and copies every byte of a gigabyte. Here one lock
guards the state of a connection. While a thread sends, all that is to be sent goes out by it, so that records keep their order.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

HANDSHAKE_WITHIN = 15.0
"""Seconds."""
PIECE = 64 << 10
"""Bytes that are decrypted at a time: four records."""
RECORD = 16 << 10
"""Bytes: the longest record. Pieces that are smaller are put together before they are encrypted."""


class TlsTransport(asyncio.Protocol, asyncio.Transport):
    """A connection of a server: towards the socket a protocol, towards `inner` a transport, which that gets once hands are
    shaken."""

    def __init__(self, inner: asyncio.Protocol, context: ssl.SSLContext) -> None:
        super().__init__()
        self._inner = inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._lock = threading.Lock()
        self._raw: asyncio.Transport | None = None
        self._handshake: asyncio.TimerHandle | None = None
        self._is_open = self._is_closing = self._is_direct = False

    # -- towards the socket -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`, as for all of these."""
        self._raw = cast("asyncio.Transport", transport)
        self._handshake = asyncio.get_running_loop().call_later(HANDSHAKE_WITHIN, self.abort)

    def data_received(self, data: bytes) -> None:
        """Part of a handshake, or of what the client sends."""
        with self._lock:
            self._incoming.write(data)
        try:
            if not self._is_open and not self._shaken():
                return
            while not self._is_closing and (plain := self._decrypted()):
                self._inner.data_received(plain)
        except ssl.SSLError:  # it does not speak TLS, or breaks it
            self._flush()  # the alert for the other end
            self.abort()

    def eof_received(self) -> bool:
        """The client sends nothing more: without TLS's own word for that it may have been cut off, and nothing is answered."""
        if self._is_open:
            self._inner.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._is_closing = True
        if self._handshake is not None:
            self._handshake.cancel()
        if self._is_open:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._inner.resume_writing()

    # -- towards the protocol ---------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (asyncio's)
        """See `asyncio.Transport`, as for all of these."""
        if name in ("sslcontext", "ssl_object"):
            return self._tls.context if name == "sslcontext" else self._tls
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closing() and data:
            with self._lock:
                self._tls.write(data)
            self._flush()

    def writelines(self, list_of_data: Any) -> None:  # noqa: ANN401 (asyncio's)
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """What was written is sent. Whatever a thread is still at is ended by whoever gave it the connection."""
        if self.is_closing():
            return
        self._is_closing = True
        with self._lock:
            if not self._is_direct:
                with suppress(ssl.SSLError):  # the other end's word is not waited for
                    self._tls.unwrap()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    # -- towards a thread -------------------------------------------------------------------------------------------------

    def begin_direct(self) -> Callable[[Sequence[bytes]], bytes]:
        """From now on a thread sends: it gets what encrypts for it, in the order in which it is called. The socket must have
        taken all that was written before."""
        with self._lock:
            self._is_direct = True
        return self._encrypted

    def end_direct(self) -> None:
        """The thread has sent all that it had encrypted."""
        with self._lock:
            self._is_direct = False

    def _encrypted(self, pieces: Sequence[bytes]) -> bytes:
        if sum(map(len, pieces)) < len(pieces) * RECORD:
            pieces = [b"".join(pieces)]
        with self._lock:
            for piece in pieces:
                if piece:
                    self._tls.write(piece)
            return self._outgoing.read()

    @property
    def _transport(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self._raw)  # nothing is asked of it before it is there

    def _shaken(self) -> bool:
        """Whether it has come to an end now. Raises `ssl.SSLError`."""
        try:
            with self._lock:
                self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        self._flush()
        if self._handshake is not None:
            self._handshake.cancel()
        self._is_open = True
        self._inner.connection_made(self)
        return True

    def _decrypted(self) -> bytes:
        """What can be read by now; nothing where there is no whole record. Raises `ssl.SSLError`."""
        try:
            with self._lock:
                found = self._tls.read(PIECE)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            found = b""
        if not found:  # the other end says that it sends nothing more
            self.close()
        return found

    def _flush(self) -> None:
        """Send what was encrypted, but where a thread does that."""
        with self._lock:
            waiting = b"" if self._is_direct else self._outgoing.read()
        if waiting:
            self._transport.write(waiting)

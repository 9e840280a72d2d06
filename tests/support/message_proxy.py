"""A TCP proxy before a server that cuts every connection, or goes silent, at a given message.

with MessageProxy(server.port) as proxy:
    proxy.cut_at(17)            the 17th message from now on is not passed on, and all connections are cut
    proxy.cut_at(17, of=b"d")   likewise the 17th that begins with these bytes
    proxy.silence_at(17)        it is not passed on, nor anything after it; the connection stays open
    proxy.delays = 0.01         seconds that every message waits
    proxy.seen                  messages that were passed on since

Messages are those of PostgreSQL's protocol from the server to its client; a protocol of another form is a subclass with
another `rest_of`. A message may be cut in its middle (`inside`).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

HEAD = 5
"""Bytes with which a message begins: its type, and its length with that of itself."""

_AT_ONCE = 65536
NEVER = 1 << 60


class MessageProxy:
    """See this module's text."""

    def __init__(self, port: int) -> None:
        self.delays = 0.0
        self.seen = 0
        self.inside = 0
        """So many bytes of the message at which it is cut are passed on."""
        self._target = port
        self._at, self._silent = NEVER, False
        self._of, self._counted = b"", 0
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.reached = threading.Event()
        """It has cut, or gone silent."""
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def cut_at(self, message: int, *, inside: int = 0, of: bytes = b"") -> None:
        """From now on; 1 is the next message. of: what a message begins with that counts."""
        self._set(message, silent=False, inside=inside, of=of)

    def silence_at(self, message: int) -> None:
        """Likewise."""
        self._set(message, silent=True, inside=0)

    def mend(self) -> None:
        """Nothing is cut any more; what was open is closed."""
        self._set(NEVER, silent=False, inside=0)
        self._close_all()

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._shut(self._listening)  # which wakes whoever accepts
        self._listening.close()
        self._accepting.join(30)
        self._close_all()  # those among them that came in the meantime

    def rest_of(self, head: bytes) -> int:
        """Bytes of a message that follow its head of `HEAD` bytes."""
        return int.from_bytes(head[1:5], "big") - 4

    def _set(self, message: int, *, silent: bool, inside: int, of: bytes = b"") -> None:
        with self._lock:
            self.seen, self._at, self._silent, self.inside = 0, message, silent, inside
            self._of, self._counted = of, 0
            self.reached.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass_messages, args=(server, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_AT_ONCE):
                target.sendall(data)
        self._shut(target)

    def _pass_messages(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            for message in self._messages(source):
                if self.delays:
                    time.sleep(self.delays)
                with self._lock:
                    self.seen += 1
                    self._counted += message.startswith(self._of)
                    passes, silent, inside = self._counted < self._at, self._silent, self.inside
                if passes:
                    target.sendall(message)
                    continue
                if not silent:
                    target.sendall(message[:inside])
                    self._close_all()
                self.reached.set()
                if not silent:
                    return
        self._shut(target)

    def _messages(self, source: socket.socket) -> Iterator[bytes]:
        """Whole messages."""
        with source.makefile("rb") as stream:
            while len(head := stream.read(HEAD)) == HEAD:
                yield head + stream.read(self.rest_of(head))

    def _shut(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    def _close_all(self) -> None:
        with self._lock:
            there, self._open = self._open, []
        for one in there:
            self._shut(one)
            one.close()

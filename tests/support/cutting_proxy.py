"""A TCP proxy that cuts connections: each after so many bytes of the server's answers.

with CuttingProxy(("127.0.0.1", port), cut_after_bytes=1000, cuts=1) as proxy:
    connect(proxy.port)          this connection breaks off after 1,000 bytes; those that come later do not
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

EVERY = 1_000_000
_AT_ONCE = 65536


class CuttingProxy:
    """See this module's text. cut_after_bytes: of what the server says, on one connection; None cuts none · cuts: how many
    connections are cut."""

    def __init__(self, upstream: tuple[str, int], cut_after_bytes: int | None = None, cuts: int = EVERY) -> None:
        self.cut_after_bytes = cut_after_bytes
        self.cuts_left = cuts
        self.was_cut = 0
        self.passed = 0
        self._upstream = upstream
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="cutting proxy", daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Every connection ends."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join()
        for one in self._open:
            _end(one)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream, 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open += [client, server]
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other, counted in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._pass, args=(one, other, counted), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _pass(self, one: socket.socket, other: socket.socket, counted: bool) -> None:  # noqa: FBT001 (a thread's argument)
        left = self.cut_after_bytes if counted else None
        try:
            while data := one.recv(_AT_ONCE):
                if left is not None and len(data) >= left and self._may_cut():
                    other.sendall(data[:left])
                    return
                left = None if left is None else left - len(data)
                other.sendall(data)
                if counted:
                    self.passed += len(data)
        except OSError:
            return
        finally:
            _end(one)
            _end(other)

    def _may_cut(self) -> bool:
        with self._lock:
            if self.cuts_left <= 0:
                return False
            self.cuts_left -= 1
            self.was_cut += 1
            return True


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()

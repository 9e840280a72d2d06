"""A proxy in front of an S3 server that lets the requests of one kind wait, for catching a command in the middle.

with slow_proxy(endpoint) as proxy:
    proxy.hold("PUT", "/packs/", free=2)     the third pack and those after it wait
    proxy.held.wait(30)                      until one does
    proxy.release()                          from now on everything passes
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.chaos_proxy import ChaosProxy

LONGEST = 60.0
"""Seconds that a request waits at most."""


class SlowProxy(ChaosProxy):
    """See this module's text."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(upstream)
        self.held = threading.Event()
        self._released = threading.Event()
        self._kind = ("", "")
        self._free = 0

    def hold(self, verb: str, part: str, *, free: int = 0) -> None:
        """From now on requests of `verb` for a path with `part` in it wait, after the first `free` of them."""
        self.held.clear()
        self._released.clear()
        self._kind, self._free = (verb, part), free

    def release(self) -> None:
        """What waits goes on, and nothing waits any more."""
        self._kind = ("", "")
        self._released.set()

    def serve(self, client: socket.socket) -> None:
        if self._is_to_wait(client):
            self.held.set()
            self._released.wait(LONGEST)
        with suppress(OSError):  # whoever asked may be gone by now
            super().serve(client)

    def _is_to_wait(self, client: socket.socket) -> bool:
        verb, part = self._kind
        first = client.recv(4096, socket.MSG_PEEK).split(b"\r\n", 1)[0].decode("latin-1")
        if not verb or not first.startswith(f"{verb} ") or part not in first:
            return False
        self._free -= 1
        return self._free < 0


@contextmanager
def slow_proxy(endpoint: str) -> Iterator[SlowProxy]:
    """A running proxy before the server at `endpoint` (plain HTTP)."""
    parts = urlsplit(endpoint)
    proxy = SlowProxy((parts.hostname or "", parts.port or 80))
    thread = threading.Thread(target=proxy.server.serve_forever, name="slow", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.release()
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join(timeout=10)

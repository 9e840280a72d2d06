"""A proxy in front of an S3 server that spoils one answer after another, as planned.

    with chaos_proxy(endpoint) as proxy:
        proxy.plan(None, Cut(100))        # the first request passes, the second one's answer is cut
        store = S3Store(…, S3Options(endpoint=proxy.url))

One request a connection: a small parser is enough, and each request meets its own fate.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from msgspec import Struct


class Answer(Struct, frozen=True):
    """Answer without asking the server."""

    status: int
    code: str = "SlowDown"


class Cut(Struct, frozen=True):
    """Pass the answer on, but hang up after this many bytes of its body."""

    after: int


class Drop(Struct, frozen=True):
    """Let the server do its work, then hang up without a word."""


class Flip(Struct, frozen=True):
    """Flip the lowest bit of this byte of the answer's body, or of the request's."""

    byte: int
    of: str = "answer"


Fate = Answer | Cut | Drop | Flip | None


class ChaosProxy:
    """Listens on `url`; `seen` has the first line of each request."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._fates: list[Fate] = []
        self._lock = threading.Lock()
        self.seen: list[str] = []
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                proxy.serve(self.request)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def plan(self, *fates: Fate) -> None:
        """What shall become of the next requests, one after another; later ones pass."""
        with self._lock:
            self._fates = list(fates)
            self.seen.clear()

    @property
    def all_happened(self) -> bool:
        return not self._fates

    def serve(self, client: socket.socket) -> None:
        head, body = _message(client)
        if not head:
            return
        with self._lock:
            fate = self._fates.pop(0) if self._fates else None
            self.seen.append(head.split(b"\r\n", 1)[0].decode("latin-1"))
        if isinstance(fate, Answer):
            client.sendall(_refusal(fate, head))
            return
        if isinstance(fate, Flip) and fate.of == "request":
            body = _flipped(body, fate.byte)
        answer_head, answer_body = self._ask(head, body)
        match fate:
            case Drop():
                return
            case Cut(after):
                answer_body = answer_body[:after]
            case Flip(byte, "answer"):
                answer_body = _flipped(answer_body, byte)
        client.sendall(answer_head + answer_body)

    def _ask(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        with socket.create_connection(self._upstream, timeout=30) as server:
            server.sendall(head + body)
            return _message(server, is_head=head.startswith(b"HEAD "))


@contextmanager
def chaos_proxy(endpoint: str) -> Iterator[ChaosProxy]:
    """A running proxy before the server at `endpoint` (plain HTTP)."""
    parts = urlsplit(endpoint)
    proxy = ChaosProxy((parts.hostname or "", parts.port or 80))
    thread = threading.Thread(target=proxy.server.serve_forever, name="chaos", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        proxy.server.server_close()
        thread.join(timeout=10)


def _message(peer: socket.socket, *, is_head: bool = False) -> tuple[bytes, bytes]:
    """The head of a message, made the last of its connection, and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return b"", b""
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    if re.search(rb"(?im)^expect:", head):
        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = re.sub(rb"(?im)^expect:[^\r\n]*", b"", head)
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    missing = 0 if length is None or is_head else int(length.group(1)) - len(body)
    pieces = [body]
    while missing > 0:
        piece = peer.recv(min(missing, 1 << 20))
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return _closing(head), b"".join(pieces)


def _closing(head: bytes) -> bytes:
    """A head (without its empty line) as the last one of its connection, ready to be sent."""
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _flipped(body: bytes, byte: int) -> bytes:
    return body[:byte] + bytes([body[byte] ^ 1]) + body[byte + 1 :]


def _refusal(fate: Answer, head: bytes) -> bytes:
    text = f"<?xml version='1.0'?><Error><Code>{fate.code}</Code><Message>as planned</Message></Error>".encode()
    body = b"" if head.startswith(b"HEAD ") else text
    return (
        f"HTTP/1.1 {fate.status} Planned\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body

"""Places that letters and pings can be sent to: a mail server and a web server of our own, on loopback."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_WAIT = 10.0


@dataclass
class MailSink:
    """port: where it listens · letters: as they came · refuses: commands, and recipients, that are answered with 550 ·
    farewell: what is said to QUIT."""

    port: int = 0
    letters: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()
    farewell: bytes = b"221 bye\r\n"


@contextmanager
def mail_sink(*refuses: str) -> Iterator[MailSink]:
    """A mail server that takes everything but what it refuses; it offers neither TLS nor a login."""
    sink = MailSink(refuses=frozenset(refuses))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper().decode()
                if word in sink.refuses or any(f"<{one}>" in line.decode() for one in sink.refuses):
                    self.wfile.write(b"550 no\r\n")
                elif word == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    sink.letters.append(self._letter())
                    self.wfile.write(b"250 taken\r\n")
                elif word == "QUIT":
                    self.wfile.write(sink.farewell)
                    return
                else:
                    if word == "RCPT":
                        sink.recipients.append(line.decode().strip())
                    self.wfile.write(b"250 well\r\n")

        def _letter(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            return b"".join(lines)

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        sink.port = port
        yield sink


@dataclass
class WebSink:
    """posts: path and body of each · answers: status codes for the next ones, then 200."""

    port: int = 0
    posts: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def web_sink() -> Iterator[WebSink]:
    """A web server that takes every POST."""
    sink = WebSink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.posts.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            code = sink.answers.pop(0) if sink.answers else 200
            self.send_response(code)
            if code == 302:
                self.send_header("Location", sink.url("/elsewhere"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the signature is the library's)
            """Quiet."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        sink.port = port
        yield sink


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_WAIT)

"""moto's S3 in this process, with its requests one at a time.

moto looks whether a key is free and then writes it, in two steps: of two writers with `If-None-Match: *` both win now
and then. One lock round every request makes it as atomic as S3 is.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class OneAtATime:
    """A WSGI application that holds a lock from the first to the last byte of an answer."""

    def __init__(self, inner: WsgiApp) -> None:
        self._inner = inner
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        # the body is read before the lock is taken: a client that is cut off must not stop the others
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() != "chunked":
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length) if length else b"")
        with self._lock:
            return [b"".join(self._inner(environ, start))]


@contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a running server; it forgets everything at the end."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, OneAtATime(DomainDispatcherApplication(create_backend_app)), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # socketserver's; a client's idle connection must not hold the end up
    thread = threading.Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)

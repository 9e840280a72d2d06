"""An S3 server inside this process: moto's, on a port of the loopback interface, with nothing in it that outlives it.

moto looks whether a key is free and then writes it, in two steps: of two writers with `If-None-Match: *` both would win now and
then. One lock round every request makes it as atomic as S3 is.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from vault.errors import UsageError

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

ENVIRONMENT: dict[str, str | None] = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": None,
    "AWS_PROFILE": None,
    "AWS_DEFAULT_PROFILE": None,
    "AWS_REGION": None,
    "AWS_DEFAULT_REGION": None,
    "AWS_ENDPOINT_URL": None,
    "AWS_ENDPOINT_URL_S3": None,
    "AWS_CA_BUNDLE": None,
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
"""Variables with which the SDK reaches this server and nothing else; None for those that have to go."""


class _OneAtATime:
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
def s3_server() -> Iterator[str]:
    """The URL of a running server; it forgets everything at the end. Raises `UsageError` where moto is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
            from werkzeug.serving import make_server
    except ImportError as error:
        raise UsageError(
            f"the S3 server of tests needs moto ({error})", hint="pip install 'strongroom[testing]', or take a folder"
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _OneAtATime(DomainDispatcherApplication(create_backend_app)), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # socketserver's; a client's idle connection must not hold the end up
    thread = threading.Thread(target=server.serve_forever, name="s3-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)

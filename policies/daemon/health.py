"""An address on loopback for monitors: /metrics for Prometheus, /health for whoever asks "are you well?".

    200    the daemon beats, each of its tasks works, it has reached the store, and every promise is kept
    503    it has not moved for a minute, a task of its own fails, its log cannot be written, or a promise is broken; the body
           says which

It tells clients' names to whoever asks, so it listens on this machine alone.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct

from vault.clock import Clock
from vault.errors import Busy, SettingsError

STUCK_AFTER = 60.0
_PATIENCE = 5.0


class HealthSnapshot(Struct, frozen=True):
    """What is answered, made at one beat. beat: on the monotonic clock · failing: what of the daemon's own work fails ·
    reached: whether the store was, since the daemon began."""

    beat: float
    metrics: str
    alerts: tuple[dict[str, str], ...]
    failing: tuple[dict[str, str], ...] = ()
    reached: bool = True


class Health:
    """A server on a thread of its own. Raises `SettingsError` where the address is not of this machine alone, `Busy` where it
    is taken."""

    def __init__(self, address: str, clock: Clock) -> None:
        host, port = _loopback(address)
        self._clock = clock
        self._snapshot = HealthSnapshot(clock.monotonic(), "", ())
        health = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_GET(self) -> None:
                health.answer(self)

            def do_HEAD(self) -> None:
                health.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the signature is the library's)
                """Nobody needs to read of every question."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        try:
            self._server = Server((host, port), Handler)
        except OSError as error:
            raise Busy(
                f"{address} cannot be listened on: {error.strerror}", hint="choose another address under [daemon] metrics"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def show(
        self,
        metrics: str,
        alerts: Sequence[dict[str, str]],
        failing: Sequence[dict[str, str]] = (),
        *,
        reached: bool = True,
    ) -> None:
        """From now on this is answered."""
        self._snapshot = HealthSnapshot(self._clock.monotonic(), metrics, tuple(alerts), tuple(failing), reached)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_PATIENCE)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One question, on its own thread."""
        snapshot, path = self._snapshot, request.path.partition("?")[0]
        if path == "/metrics":
            _send(request, 200, "text/plain; version=0.0.4; charset=utf-8", snapshot.metrics)
        elif path == "/health":
            silent = self._clock.monotonic() - snapshot.beat
            well = silent < STUCK_AFTER and snapshot.reached and not snapshot.alerts and not snapshot.failing
            value: dict[str, Any] = {
                "well": well,
                "seconds_since_beat": round(silent, 1),
                "store_reached": snapshot.reached,
                "alerts": list(snapshot.alerts),
                "broken": list(snapshot.alerts),  # the name of an earlier version, for one version more
                "failing": list(snapshot.failing),
            }
            _send(request, 200 if well else 503, "application/json", json.dumps(value, ensure_ascii=False))
        else:
            _send(request, 404, "text/plain; charset=utf-8", "ask for /metrics or /health\n")


def _send(request: BaseHTTPRequestHandler, code: int, kind: str, text: str) -> None:
    body = text.encode()
    request.send_response(code)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def _loopback(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
        number = int(port)
    except ValueError as error:
        raise SettingsError(f"{address!r} is not an address with a port", hint="write '127.0.0.1:9898'") from error
    if not local:
        raise SettingsError(f"{address!r} can be reached from other machines", hint="write '127.0.0.1:9898'")
    return ("127.0.0.1" if host == "localhost" else host), number

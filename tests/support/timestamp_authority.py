"""A time-stamp authority (RFC 3161) on loopback, made with openssl: its own root, a certificate for stamping, a server.

def test_it(timestamp_authority: TimestampAuthority) -> None:
    timestamp_authority.url, timestamp_authority.certificates
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

CONFIG = """
[tsa]
default_tsa = stamping
[stamping]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class TimestampAuthority(Struct, frozen=True):
    """url: of the server · certificates: its root, as PEM · queries: what it was asked."""

    url: str
    certificates: Path
    queries: list[bytes]

    def verifies(self, data: Path, response: Path) -> bool:
        """Whether `openssl ts -verify` finds that the response stamps the data."""
        command: list[str | Path] = ["openssl", "ts", "-verify", "-data", data, "-in", response, "-CAfile", self.certificates]
        return subprocess.run(command, capture_output=True).returncode == 0


def _openssl(*words: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def _make(folder: Path) -> None:
    key = ("-newkey", "rsa:2048", "-nodes")
    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    _openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        folder / "ca.key",
        "-out",
        folder / "ca.pem",
        "-subj",
        "/CN=Test root",
        "-days",
        "36500",
        *ca,
    )
    _openssl("req", *key, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr", "-subj", "/CN=Test stamping")
    (folder / "extensions").write_text("extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n")
    signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "36500")
    _openssl("x509", "-req", "-in", folder / "tsa.csr", *signed, "-extfile", folder / "extensions", "-out", folder / "tsa.pem")
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))


@pytest.fixture(scope="session")
def timestamp_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimestampAuthority]:
    """One for the whole run."""
    folder = tmp_path_factory.mktemp("authority")
    _make(folder)
    queries: list[bytes] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                queries.append(query)
                (folder / "query").write_bytes(query)
                answer = _openssl("ts", "-reply", "-config", folder / "tsa.cnf", "-queryfile", folder / "query")
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield TimestampAuthority(f"http://127.0.0.1:{server.server_port}/tsr", folder / "ca.pem", queries)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""An FTP server over a folder, with or without TLS: pyftpdlib's, which runs in this process; and vsftpd, where it is installed.

with served(folder) as port: …          everybody may do everything as `USER` with `PASSWORD`
"""

from __future__ import annotations

import datetime
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from tests.support.sftp_server import answers, free_port, wait
from vault.source.remote.ftp_connections import FtpAddress

USER, PASSWORD = "me", "the password of the tests"
VSFTPD = Path("/usr/sbin/vsftpd")


class FtpServer(Struct, frozen=True):
    """A running server. certificate: a file with its own, empty without TLS."""

    port: int
    certificate: str = ""

    def address(self, below: bytes = b"", **more: Any) -> FtpAddress:
        """Of a folder below that of the server."""
        options = {"user": USER, "password": PASSWORD, "certificates": self.certificate} | more
        return FtpAddress("127.0.0.1", options.pop("port", self.port), below or b"/", bool(self.certificate), **options)


@contextmanager
def served(folder: Path, certificate: Path | None = None, handler: Any = None, limit: int = 0) -> Iterator[FtpServer]:
    """pyftpdlib's server. certificate: a file of `certificate_in`, for TLS · handler: answers, in the place of its own · limit:
    connections that it takes, 0 for all."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    users = DummyAuthorizer()
    users.add_user(USER, PASSWORD, str(folder), perm="elradfmwMT")
    bases: tuple[Any, ...] = (TLS_FTPHandler if certificate else FTPHandler,)
    own: Any = type("Handler", ((handler, *bases) if handler else bases), {})
    own.authorizer, own.use_gmt_times, own.banner, own.tcp_no_delay = users, True, "ready", True
    own.auth_failed_timeout = 0
    if certificate:
        own.certfile, own.tls_control_required, own.tls_data_required = str(certificate), True, True
    server = ThreadedFTPServer(("127.0.0.1", 0), own)
    server.max_cons_per_ip = limit
    server.poll_timeout = 0.05  # seconds after which the thread of a connection sees that it is to end
    ended = threading.Event()
    thread = threading.Thread(target=_serve, args=(server, ended), daemon=True)
    thread.start()
    try:
        yield FtpServer(server.address[1], str(certificate or ""))
    finally:
        ended.set()
        thread.join()  # before what it looks at is closed
        server.close_all()


def _serve(server: Any, ended: threading.Event) -> None:
    server.serve_forever(timeout=0.0, blocking=False)  # takes back that another one has ended
    while not ended.is_set():
        server.ioloop.loop(0.05, blocking=False)


@contextmanager
def vsftpd(folder: Path, configs: Path) -> Iterator[FtpServer]:
    """vsftpd's, which knows no MLSD; everybody may read."""
    port, config = free_port(), configs / "vsftpd.conf"
    config.write_text(
        f"listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nrun_as_launching_user=YES\n"
        f"anonymous_enable=YES\nanon_root={folder}\nno_anon_password=YES\nsecure_chroot_dir={configs}\nseccomp_sandbox=NO\n"
    )
    config.chmod(0o600)
    process = subprocess.Popen([VSFTPD, config])
    try:
        wait(lambda: answers(port))
        yield FtpServer(port)
    finally:
        process.terminate()
        process.wait(20)


def certificate_in(folder: Path, host: str = "127.0.0.1") -> Path:
    """A file with a key and a certificate for a host, which signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"certificate-{host}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


__all__ = ["PASSWORD", "USER", "VSFTPD", "FtpServer", "certificate_in", "served", "vsftpd"]

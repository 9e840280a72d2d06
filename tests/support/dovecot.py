"""A Dovecot of the tests' own, where the system has one: on a free port of this machine, with its mail below a folder.

Its users need no account: each name is one, all have the password `PASSWORD`. The Debian package is `dovecot-imapd`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.coverage_notes import not_covered

PASSWORD = "geheim-of-the-tests"
PROGRAM = Path("/usr/sbin/dovecot")
_NOBODY = 65534
_PATIENCE = 30.0

_SETTINGS = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login
default_login_user = {login_user}
default_internal_user = {internal_user}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = {layout}:{folder}/mail/%u
mail_max_userip_connections = {connections}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {secure}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class DovecotServer(NamedTuple):
    """A running server. certificate: that it shows, for the host `localhost`."""

    plain: int
    secure: int
    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    def mail_of(self, user: str) -> Path:
        """Where the server keeps the mail of a user."""
        return self.folder / "mail" / user


def is_there() -> bool:
    """Whether the system has a Dovecot; else it is said that what needs it was not covered."""
    if PROGRAM.exists():
        return True
    not_covered("mail on a real Dovecot: there is none here (apt install dovecot-imapd)")
    return False


@contextmanager
def dovecot(*, separator: str = "/", layout: str = "maildir", connections: int = 20) -> Iterator[DovecotServer]:
    """A running server. layout: how it stores mail, as Dovecot names it."""
    if not is_there():
        pytest.skip("there is no Dovecot here")
    folder = Path(tempfile.mkdtemp(prefix="strongroom-dovecot-"))
    try:
        folder.chmod(0o755)
        (folder / "mail").mkdir()
        root = os.geteuid() == 0
        if root:
            os.chown(folder / "mail", _NOBODY, _NOBODY)
        make_certificate(folder)
        plain, secure = _free_ports()
        own = os.environ.get("USER", "nobody")
        users = ("dovenull", "dovecot", "dovecot") if root else (own, own, own)
        text = _SETTINGS.format(
            folder=folder, login_user=users[0], internal_user=users[1], group=users[2], layout=layout, password=PASSWORD,
            uid=_NOBODY if root else os.getuid(), gid=_NOBODY if root else os.getgid(), separator=separator, plain=plain,
            secure=secure, connections=connections,
        )  # fmt: skip
        (folder / "dovecot.conf").write_text(text)
        process = subprocess.Popen(
            [str(PROGRAM), "-F", "-c", str(folder / "dovecot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(plain, process, folder / "log")
            yield DovecotServer(plain, secure, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.settimeout(5)
                if connection.recv(100).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"Dovecot did not start: {log.read_text()[-2000:] if log.exists() else 'it wrote no log'}")


def make_certificate(folder: Path, name: str = "localhost") -> None:
    """`certificate.pem`, of an authority of its own, and `key.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))

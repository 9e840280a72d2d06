"""TLS with the certificate as its files are now: one that was renewed is taken up by the next connection.

The files are looked at with each handshake. While a program renews them, certificate and key may not fit for a moment: what
cannot be used is said once, and the former ones hold.
"""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

from vault.errors import SettingsError

_log = logging.getLogger("strongroom.console")

Seen = tuple[tuple[int, int, int], ...]


class LiveCertificate:
    """See this module's text. certificate, key: PEM files. Raises `SettingsError` where they cannot be used from the start."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._lock = threading.Lock()
        self._seen = _seen(self._files)
        self._newest = self._loaded()
        self.context = self._loaded()
        self.context.sni_callback = self._handshake

    def _handshake(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called by OpenSSL for each connection, whether or not it names a host."""
        connection.context = self._as_now()

    def _as_now(self) -> ssl.SSLContext:
        seen = _seen(self._files)
        with self._lock:
            if seen is not None and seen != self._seen:
                self._seen = seen
                try:
                    self._newest = self._loaded()
                    _log.info("the certificate %s is another one; it is used from now on", self._files[0])
                except SettingsError as error:
                    _log.warning("the former certificate holds: %s", error)
            return self._newest

    def _loaded(self) -> ssl.SSLContext:
        """TLS 1.2 or newer. Raises `SettingsError`."""
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key, password=lambda: "")  # without, OpenSSL would ask the terminal
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the certificate {certificate} with the key {key} cannot be used: {error}",
                hint="both are PEM, and the key has no passphrase",
            ) from error
        return context


def _seen(files: tuple[Path, Path]) -> Seen | None:
    """What tells other files from these; None while one of them is not there."""
    try:
        found = [file.stat() for file in files]
    except OSError:
        return None
    return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

"""Connections to an FTP server, with or without TLS: a few, each for one command or transfer at a time, used again while they
are whole.

Transfers are passive. A server that takes no further connection is not asked for one again; what is to be done waits for one
that is free.
"""

from __future__ import annotations

import ftplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.problems import printable
from vault.source.remote.files import TIMEOUT, ConnectionCut

CONNECT_TRIES = 3
_FACTS = ("type", "size", "modify", "unix.mode", "unix.uid", "unix.gid")
_TOO_MANY = ("421", "430", "530 too many", "530 sorry, the maximum")


class FtpAddress(HidesFields, frozen=True):
    """How a server is reached.

    - `base`: the folder; relative to where the user begins if it does not begin with a slash
    - `secure`: TLS, asked for with AUTH, for commands and transfers · `certificates`: a file of authorities that are trusted;
      empty for the system's
    - `per_second`: requests at most; 0 for no limit · `max_parallel`: connections · `timeout`: seconds without an answer
    """

    host: str
    port: int
    base: bytes
    secure: bool = False
    user: str = "anonymous"
    password: str | None = None
    certificates: str = ""
    per_second: float = 0.0
    max_parallel: int = 4
    timeout: float = TIMEOUT

    @property
    def text(self) -> str:
        """For people."""
        base = self.base if self.base.startswith(b"/") else b"/~/" + self.base
        return f"{'ftps' if self.secure else 'ftp'}://{self.host}:{self.port}{printable(base)}"


class PlainFtp(ftplib.FTP):
    """Takes no line for whole whose end was cut off."""

    def getline(self) -> str:
        """See `ftplib.FTP`."""
        return _whole_line(self)


class TlsFtp(ftplib.FTP_TLS):
    """The same; goes on with the session of the commands for transfers: servers that are careful insist on it."""

    def getline(self) -> str:
        """See `ftplib.FTP`."""
        return _whole_line(self)

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        """See `ftplib.FTP`."""
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 (it is wrapped below)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


def _whole_line(connection: ftplib.FTP) -> str:
    line = connection.file.readline(connection.maxline + 1) if connection.file is not None else ""
    if not line.endswith("\n"):
        raise EOFError
    return line.rstrip("\r\n")


class FtpConnections:
    """See this module's text. features: what the server says that it can, in capital letters, once it was asked."""

    def __init__(self, address: FtpAddress, clock: Clock) -> None:
        self.address = address
        self.features: frozenset[str] = frozenset()
        self._clock = clock
        self._free = threading.Condition()
        self._idle: list[ftplib.FTP] = []
        self._used: set[object] = set()
        self._limit = address.max_parallel
        self._was_connected = False

    @contextmanager
    def one(self) -> Iterator[ftplib.FTP]:
        """A connection for the time of one command. It is not used again where the command did not come to its end. Raises
        `ConnectionCut`, `SourceError`."""
        connection, whole = self._taken(), False
        try:
            yield connection
            whole = True
        except (ftplib.error_perm, ftplib.error_temp) as error:
            whole = not str(error).startswith("421")
            raise
        finally:
            self._give_back(connection, whole=whole)

    def close(self) -> None:
        """All of them; those that are in use end."""
        with self._free:
            idle, self._idle = self._idle, []
            used = [one for one in self._used if isinstance(one, ftplib.FTP)]
        for connection in idle:
            connection.close()
        for connection in used:
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _taken(self) -> ftplib.FTP:
        while True:
            with self._free:
                if self._idle:
                    connection = self._idle.pop()
                    self._used.add(connection)
                    return connection
                if len(self._used) >= self._limit:
                    self._free.wait(1.0)
                    continue
                place = object()
                self._used.add(place)  # its place, while it is made
            try:
                connection = self._connected()
            except _TooMany:
                with self._free:
                    self._used.discard(place)
                    self._limit = max(1, len(self._used))
                    if not self._used:
                        raise ConnectionCut(f"{self.address.text} takes no more connections", hint="try again later") from None
                continue
            except BaseException:
                with self._free:
                    self._used.discard(place)
                    self._free.notify()
                raise
            with self._free:
                self._used.discard(place)
                self._used.add(connection)
            return connection

    def _give_back(self, connection: ftplib.FTP, *, whole: bool) -> None:
        with self._free:
            self._used.discard(connection)
            if whole:
                self._idle.append(connection)
            self._free.notify()
        if not whole:
            connection.close()

    def _connected(self) -> ftplib.FTP:
        """Tried again where the server never answered before; where it did, that is for whoever asks."""
        for attempt in range(1, CONNECT_TRIES + 1):
            try:
                connection = self._logged_in()
            except (EOFError, OSError) as error:
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise _not_trusted(self.address, error) from error
                words = getattr(error, "strerror", None) or type(error).__name__
                message, hint = f"{self.address.text} cannot be reached: {words}", "is the address right? Try again later"
                if self._was_connected:
                    raise ConnectionCut(message, hint=hint) from error
                if attempt == CONNECT_TRIES:
                    raise SourceError(message, hint=hint) from error
                self._clock.sleep(attempt)
            else:
                self._was_connected = True
                return connection
        raise ConnectionCut(f"{self.address.text} cannot be reached")

    def _logged_in(self) -> ftplib.FTP:
        """A connection that is ready for use. Raises OSError, EOFError, `SourceError`, `_TooMany`."""
        address = self.address
        # names are the server's bytes: latin-1 has a sign for each
        if address.secure:
            context = ssl.create_default_context(cafile=address.certificates or None)
            connection: ftplib.FTP = TlsFtp(context=context, timeout=address.timeout, encoding="latin-1")
        else:
            connection = PlainFtp(timeout=address.timeout, encoding="latin-1")
        try:
            connection.connect(address.host, address.port)
            if isinstance(connection, ftplib.FTP_TLS):
                self._secured(connection)
            connection.login(address.user, address.password or "")
            if isinstance(connection, ftplib.FTP_TLS):
                connection.prot_p()
            self._settle(connection)
        except ftplib.Error as error:
            connection.close()
            raise self._refused(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _secured(self, connection: ftplib.FTP_TLS) -> None:
        try:
            connection.auth()
        except ftplib.error_perm as error:
            hint = "write ftp:// only where everybody on the way may read the password and the files"
            raise SourceError(f"{self.address.text} offers no TLS", hint=hint) from error

    def _settle(self, connection: ftplib.FTP) -> None:
        """Bytes as they are, names in UTF-8 where the server has a choice."""
        try:
            lines = connection.sendcmd("FEAT").splitlines()[1:-1]
        except ftplib.error_perm:
            lines = []
        self.features = frozenset(line.split()[0].upper() for line in lines if line.strip())
        for line in lines:
            offered = line.strip().lower().partition("mlst ")[2].replace("*", "").split(";")
            if wanted := [fact for fact in _FACTS if fact in offered]:
                with suppress(ftplib.error_perm, ftplib.error_temp):
                    connection.sendcmd(f"OPTS MLST {';'.join(wanted)};")
        if "UTF8" in self.features:
            with suppress(ftplib.error_perm, ftplib.error_temp):
                connection.sendcmd("OPTS UTF8 ON")
        connection.voidcmd("TYPE I")

    def _refused(self, error: ftplib.Error) -> Exception:
        words = str(error).lower()
        if words.startswith(_TOO_MANY):
            return _TooMany()
        if words.startswith("530"):
            hint = "check the options user and password_file"
            return SourceError(f"{self.address.text} refuses the user or the password", hint=hint)
        said = printable(str(error)[:200].encode("latin-1", "replace"))
        return SourceError(f"{self.address.text} does not let us in: {said}", hint="is it the address of an FTP server?")


class _TooMany(Exception):
    """The server takes no further connection."""


def _not_trusted(address: FtpAddress, error: ssl.SSLCertVerificationError) -> SourceError:
    hint = "name the authority's certificates with the option certificates"
    return SourceError(f"{address.text} has a certificate that is not trusted: {error.verify_message}", hint=hint)

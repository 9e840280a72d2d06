"""A session with a MariaDB or MySQL server, over PyMySQL: it looks at `stop` while it waits, and gives rows as bytes.

This module needs the library; others import it where they connect.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor
from pymysql.protocol import MysqlPacket

from vault.errors import SourceError
from vault.progress import Stop, never
from vault.source.sql.mariadb_connection import CONNECT_WITHIN, KILL_WITHIN, LOOK_EVERY, WRITE_WITHIN, MariadbAddress
from vault.source.sql.mariadb_packets import LARGEST_PART, ends_result, is_error, row_of

_READ_AHEAD = 256 * 1024
_CLEAR_PASSWORDS = ("mysql_clear_password", "dialog")
_KILLED = {1053, 1152, 1158, 1159, 1160, 1161, 1927}
"""Errors of a server after which the session is gone."""

INTERRUPTED = 1317

FEW_ROWS, FEW_BYTES = 4096, 1024 * 1024
"""Of a result that is given up, so many are read rather than that the server is told to stop."""


class RefusedClearPassword:
    """Answers a server that asks for the password in clear text: not without TLS."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def authenticate(self, packet: object) -> object:
        """See PyMySQL's `auth_plugin_map`."""
        del packet
        is_local = getattr(self._connection._sock, "family", None) == socket.AF_UNIX  # noqa: SLF001
        if not self._connection._secure and not is_local:  # noqa: SLF001 (the library has no other word for it)
            raise pymysql.err.OperationalError(2059, "the server asks for the password in clear text, without TLS")
        self._connection.write_packet(self._connection.password + b"\0")
        answer = self._connection._read_packet()  # noqa: SLF001
        answer.check_error()
        found: object = answer
        return found


class PatientReader:
    """What a socket gives, read ahead. It waits in short steps, between which it looks at `stop`; what that raises is raised.
    patience: how many steps without a byte are too many."""

    def __init__(self, connected: socket.socket, patience: int) -> None:
        self._socket = connected
        self._patience = patience
        self._buffer = b""
        self._at = 0
        self.stop: Stop = never

    def read(self, count: int) -> bytes:
        """So many bytes; fewer where the connection ends. Raises OSError."""
        end = self._at + count
        if end <= len(self._buffer):
            found = self._buffer[self._at : end]
            self._at = end
            return found
        pieces = [self._buffer[self._at :]]
        size = len(pieces[0])
        self._buffer, self._at = b"", 0
        while size < count:
            piece = self._receive()
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
        whole = b"".join(pieces)
        self._buffer, self._at = whole[count:], 0
        return whole[:count]

    def packet(self, number: int) -> tuple[bytes, int]:
        """The next packet of the protocol, whole, and the number of the one after it. number: that it has to have. Raises
        OSError."""
        parts: list[bytes] = []
        while True:
            head = self.read(4)
            size = int.from_bytes(head[:3], "little")
            part = self.read(size)
            if len(head) < 4 or len(part) < size:
                raise ConnectionError("the connection was cut")
            if head[3] != number:
                raise ConnectionError("the server's packets are out of order")
            number = (number + 1) & 0xFF
            if size < LARGEST_PART and not parts:
                return part, number
            parts.append(part)
            if size < LARGEST_PART:
                return b"".join(parts), number

    def close(self) -> None:
        """The socket is closed by whoever opened it."""

    def _receive(self) -> bytes:
        for _ in range(self._patience):
            self.stop()
            try:
                return self._socket.recv(_READ_AHEAD)
            except TimeoutError:
                continue
        raise TimeoutError(f"the server said nothing for {self._patience * LOOK_EVERY:.0f} seconds")


class Session:
    """One connection. Queries are without parameters: names and values are in them as SQL."""

    def __init__(self, address: MariadbAddress, within: float = CONNECT_WITHIN) -> None:
        """within: seconds until the connection stands. Raises `pymysql.Error`, and `SourceError` where certificates cannot be
        read."""
        self._address = address
        wrapped = _tls(address) if address.socket is None else None
        self._connection = Connection(
            host=address.host,
            port=address.port,
            user=address.user,
            password=(address.password or "").encode(),
            database=address.database or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=within,
            read_timeout=within,
            write_timeout=WRITE_WITHIN,
            local_infile=False,
            program_name="strongroom",
            auth_plugin_map=dict.fromkeys(_CLEAR_PASSWORDS, RefusedClearPassword),
            ssl=wrapped,
            ssl_disabled=address.tls == "off" or address.socket is not None or None,
            defer_connect=True,
        )
        self._connection.connect(_unix_socket(address.socket) if address.socket is not None else None)
        connected = self._connection._sock  # noqa: SLF001
        _keep_alive(connected)
        self._reader = PatientReader(connected, max(1, round(address.timeout / LOOK_EVERY)))
        self._connection._rfile = self._reader  # noqa: SLF001
        self._connection._read_timeout = LOOK_EVERY  # noqa: SLF001
        self.version = str(self._connection.server_version)
        self.id = int(self.rows("select connection_id()")[0][0])
        self._unfinished: SSCursor | None = None

    @property
    def is_mariadb(self) -> bool:
        """Else it is MySQL."""
        return "mariadb" in self.version.lower()

    @property
    def numbers(self) -> tuple[int, int]:
        """The server's version: its first two numbers."""
        text = self.version.removeprefix("5.5.5-") if self.is_mariadb else self.version
        parts = [int(part) if part.isdigit() else 0 for part in text.split("-")[0].split(".")[:2]]
        major, minor = [*parts, 0, 0][:2]
        return major, minor

    @property
    def open(self) -> bool:
        """Whether the connection stands."""
        return bool(self._connection.open)

    def watch(self, stop: Stop) -> None:
        """stop: looked at while the server is waited for."""
        self._reader.stop = stop

    def run(self, query: str | bytes) -> int:
        """A statement without a result; gives how many rows it touched."""
        return int(self._connection.query(query))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A short result, as Python's values: numbers, dates, texts."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def begin_stream(self, query: str) -> None:
        """Ask for many rows; `next_rows` gives them."""
        connection = self._connection
        decoders, connection.use_unicode, connection.decoders = connection.decoders, False, {}
        try:
            cursor = SSCursor(connection)
            cursor.execute(query)
        finally:
            connection.use_unicode, connection.decoders = True, decoders
        self._unfinished = cursor

    def next_rows(self, count: int, size: int) -> list[tuple[bytes | None, ...]]:
        """The next rows, `count` of them, or fewer once they have `size` bytes; empty at the end."""
        if self._unfinished is None:
            return []
        try:
            return self._read_rows(self._unfinished, count, size)
        except BaseException:
            self._forget_stream()
            raise

    def _read_rows(self, cursor: SSCursor, count: int, size: int) -> list[tuple[bytes | None, ...]]:
        width, reader, connection = len(cursor.description), self._reader, self._connection
        rows: list[tuple[bytes | None, ...]] = []
        filled, number = 0, connection._next_seq_id  # noqa: SLF001 (the library's own count of packets)
        try:
            while len(rows) < count and filled < size:
                payload, number = reader.packet(number)
                if ends_result(payload):
                    self._forget_stream()
                    break
                if is_error(payload):
                    MysqlPacket(payload, "utf-8").raise_for_error()
                rows.append(row_of(payload, width))
                filled += len(payload)
        except pymysql.err.Error:
            raise
        except (OSError, ValueError) as error:
            connection._force_close()  # noqa: SLF001
            raise pymysql.err.OperationalError(2013, f"the connection was lost while rows were read: {error}") from error
        except BaseException:  # what `stop` raises, in the middle of a packet
            connection._force_close()  # noqa: SLF001
            raise
        finally:
            connection._next_seq_id = number  # noqa: SLF001
        return rows

    def _forget_stream(self) -> None:
        """Nobody reads the rest: neither do the destructors of the library's objects."""
        self._unfinished = None
        result = getattr(self._connection, "_result", None)
        if result is not None:
            result.unbuffered_active = False

    def end_stream(self) -> None:
        """Give up the rest of the rows: the server is told to stop, by a connection of its own."""
        if self._unfinished is None or not self.open:
            return
        self.next_rows(FEW_ROWS, FEW_BYTES)
        cursor, self._unfinished = self._unfinished, None
        if cursor is None:
            return
        self.kill_query()
        for step in (cursor.close, lambda: self.run("do 0")):  # a query that is through by then leaves it to the next one
            try:
                step()
            except pymysql.err.MySQLError as error:
                if code_of(error) != INTERRUPTED:
                    raise

    def kill_query(self) -> None:
        """End what this session's server is at. Nothing happens where that cannot be."""
        self._kill("query")

    def kill_connection(self) -> None:
        """End this session on the server, with its transaction. Nothing happens where that cannot be."""
        self._kill("connection")

    def _kill(self, what: str) -> None:
        with suppress(pymysql.err.Error, OSError, SourceError):
            other = Session(self._address, KILL_WITHIN)
            try:
                other.run(f"kill {what} {self.id}")
            finally:
                other.close()

    def close(self) -> None:
        """End the session, and what the server is still at."""
        if self.open and self._unfinished is not None:
            self.kill_query()
        self._forget_stream()
        with suppress(pymysql.err.Error):
            self._connection.close()


def _tls(address: MariadbAddress) -> ssl.SSLContext | None:
    """None where PyMySQL decides: TLS where the server offers it."""
    if address.tls not in ("required", "verify"):
        return None
    try:
        context = ssl.create_default_context(cafile=address.certificates)
    except OSError as error:
        raise SourceError(f"the certificates {address.certificates} cannot be read: {error}") from error
    if address.tls == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unix_socket(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(CONNECT_WITHIN)
        made.connect(path)
    except OSError as error:
        made.close()
        raise pymysql.err.OperationalError(2002, f"the socket {path} cannot be connected to: {error.strerror}") from error
    return made


def _keep_alive(connected: socket.socket) -> None:
    """A peer that is gone is noticed within some minutes."""
    if connected.family == socket.AF_UNIX:
        return
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 8)):
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def code_of(error: pymysql.err.Error) -> int:
    """The number of an error; 0 where it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def is_lost(error: pymysql.err.Error) -> bool:
    """Whether the session is gone with it; else it is about one statement."""
    code = code_of(error)
    return not code or 2000 <= code < 3000 or code in _KILLED


def reason_of(error: pymysql.err.Error) -> str:
    """What went wrong, in a line; the library's messages do not repeat a password."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def source_errors(address: MariadbAddress) -> Iterator[None]:
    """Errors of the server and the connection as `SourceError`."""
    try:
        yield
    except pymysql.err.Error as error:
        hint = "check the address, the user, its password and its rights"
        raise SourceError(f"the database {address.text} cannot be read: {reason_of(error)}", hint=hint) from error

"""Connections to one host: a request and its answer, with bounds. No retries, no credentials, no redirections.

`http.client` is used as it is: a request costs a tenth of a millisecond, where larger libraries take one to two.
"""

from __future__ import annotations

import http.client
import select
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from vault.errors import SourceError

TIMEOUT = 60.0
"""Seconds without a byte."""

PIECE = 256 * 1024
IDENTITY = {"Accept-Encoding": "identity"}


class CutShort(OSError):
    """An answer that ended before it should."""


class NotSent(OSError):
    """No connection could be made: the server has not heard of the request."""


class TooMuch(SourceError):
    """An answer of more bytes than there is room for."""


class Origin(Struct, frozen=True):
    """Where credentials may go: one scheme, host and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str | SplitResult) -> Self:
        """Raises ValueError where it is no address of HTTP."""
        parts = urlsplit(url) if isinstance(url, str) else url
        scheme = parts.scheme.lower()
        if scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no address")
        return cls(scheme, parts.hostname.lower(), parts.port or (443 if scheme == "https" else 80))

    @property
    def text(self) -> str:
        """For people."""
        usual = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{self.host}" if usual else f"{self.scheme}://{self.host}:{self.port}"


class Request(NamedTuple):
    """target: path and query, encoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class Sent(NamedTuple):
    """A request that has an answer, of which the body is yet to be read. is_used: whether the connection had one before."""

    answer: http.client.HTTPResponse
    connection: http.client.HTTPConnection

    @property
    def status(self) -> int:
        return self.answer.status

    def header(self, name: str) -> str:
        """Empty where there is none."""
        return self.answer.getheader(name) or ""

    def end(self) -> None:
        """Nothing more is wanted of it."""
        self.answer.close()
        self.connection.close()


class Connections:
    """Used by several threads; connections that are whole are used again."""

    def __init__(self, origin: Origin, certificates: str = "") -> None:
        """certificates: a file of authorities that are trusted; empty for the system's."""
        self.origin = origin
        self._certificates = certificates
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def send(self, request: Request) -> Sent:
        """One try, or two where a connection was closed while it waited. Raises OSError, http.client.HTTPException, and
        `SourceError` for a certificate that is not trusted."""
        while True:
            with self._lock:
                used = self._idle.pop() if self._idle else None
            connection = used or self._connection()
            try:
                connection.request(request.method, request.target, body=request.body or None, headers=dict(request.headers))
                return Sent(connection.getresponse(), connection)
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise self._untrusted(error) from error
            except (OSError, http.client.HTTPException):
                connection.close()
                if used is None:
                    raise

    def send_once(self, request: Request) -> Sent:
        """One try, of what must not happen twice. Raises `NotSent`, `SourceError` for a certificate that is not trusted; with
        OSError and http.client.HTTPException nobody knows whether the server did it."""
        connection = self._open_one()
        try:
            if connection is None:
                connection = self._connection()
                connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise self._untrusted(error) from error
        except OSError as error:
            raise NotSent(error.errno or 0, error.strerror or type(error).__name__) from error
        try:
            connection.request(request.method, request.target, body=request.body, headers=dict(request.headers))
            return Sent(connection.getresponse(), connection)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def whole(self, sent: Sent, largest: int) -> bytes:
        """The body, expanded where it was compressed. Raises `CutShort`, and `TooMuch` above a number of bytes."""
        expander = zlib.decompressobj(31) if sent.header("Content-Encoding").lower() == "gzip" else None
        found = bytearray()
        for piece in self.pieces(sent):
            if expander is None:
                found += piece
            else:
                try:
                    found += expander.decompress(piece, largest + 1 - len(found))
                except zlib.error as error:
                    sent.end()
                    raise CutShort(0, "the answer is not what it was compressed from") from error
            if len(found) > largest or (expander is not None and expander.unconsumed_tail):
                sent.end()
                raise TooMuch(f"{self.origin.text} answers more than {largest >> 20} MiB", hint="ask for smaller pages")
        if expander is not None and not expander.eof:
            raise CutShort(0, "the server broke off in the middle of an answer")
        return bytes(found)

    def pieces(self, sent: Sent) -> Iterator[bytes]:
        """The body as it comes. Raises `CutShort`."""
        answer, is_whole = sent.answer, False
        try:
            while piece := answer.read(PIECE):
                yield piece
            is_whole = not answer.length
        except (OSError, http.client.HTTPException) as error:
            raise CutShort(0, "the server broke off in the middle of an answer") from error
        finally:
            if is_whole:
                with self._lock:
                    self._idle.append(sent.connection)
            else:
                sent.end()
        if not is_whole:
            raise CutShort(0, "the server broke off in the middle of an answer")

    def close(self) -> None:
        """Close the connections that wait; they are made again where they are needed."""
        with self._lock:
            waiting, self._idle = self._idle, []
        for connection in waiting:
            connection.close()

    def _open_one(self) -> http.client.HTTPConnection | None:
        """One that waits and was not closed by the server meanwhile; None where there is none."""
        while True:
            with self._lock:
                waiting = self._idle.pop() if self._idle else None
            if waiting is None or waiting.sock is None:
                return None
            if not select.select([waiting.sock], [], [], 0)[0]:
                return waiting
            waiting.close()  # what can be read before a request is its end

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> SourceError:
        hint = "name the authority's certificates with the option certificates"
        text = f"{self.origin.text} has a certificate that is not trusted: {error.verify_message}"
        return SourceError(text, hint=hint)

    def _connection(self) -> http.client.HTTPConnection:
        origin = self.origin
        if origin.scheme == "https":
            context = ssl.create_default_context(cafile=self._certificates or None)
            return http.client.HTTPSConnection(origin.host, origin.port, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(origin.host, origin.port, timeout=TIMEOUT)

"""Requests to a WebDAV server, politely: so many a second at most, waiting as long as it asks for, with patience where it is
away.

Redirections are not followed: credentials go to the host that the settings name. No message has a password, or what was
answered.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Generator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from msgspec import Struct

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields

TIMEOUT = 60.0
"""Seconds without a byte."""

PATIENCE = 300.0
"""Seconds that a server which is away, or busy, is waited for."""

LONGEST_PAUSE = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read whole."""

PIECE = 1024 * 1024
_BUSY = {423, 429, 502, 503, 504}
_REFUSED = {401: "the user or the password is wrong", 403: "the user may not do that"}


class DavAddress(HidesFields, frozen=True):
    """How a server is reached. base: the path of the collection, decoded, with a slash at both ends · certificates: a file of
    certificate authorities that are trusted; empty for the system's · per_second: requests at most; 0 for no limit."""

    scheme: str
    host: str
    port: int
    base: str
    user: str | None = None
    password: str | None = None
    certificates: str = ""
    per_second: float = 0.0

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.scheme}://{self.host}:{self.port}{self.base}"


class Answer(Struct, frozen=True):
    """status: of HTTP · headers: by names in small letters · body: whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class CutShort(OSError):
    """An answer that ended before it should."""


class DavClient:
    """One server. Used by several threads, each with a connection of its own."""

    def __init__(self, address: DavAddress, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._own = threading.local()
        self._lock = threading.Lock()
        self._connections: list[http.client.HTTPConnection] = []
        self._next_at = 0.0
        self._authorization = _authorization(address)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """One request and its whole answer. path: below the base, decoded. Raises `SourceError` where the server is away,
        refuses us, sends us elsewhere, or answers more than there is room for."""
        answer = self._sent(method, path, body, headers or {})
        try:
            data = answer.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise SourceError(f"{self.address.text} broke off an answer", hint="try again") from error
        if len(data) > LARGEST_ANSWER:
            self._drop()
            raise SourceError(f"{self.address.text} answers more than {LARGEST_ANSWER >> 20} MiB", hint="is the address right?")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def stream(self, path: str) -> tuple[Answer, Generator[bytes, None, None]]:
        """The status and the headers of a GET, and its body piece by piece, which must be read or closed. Raises `SourceError`
        as `ask` does; the pieces raise `CutShort` where the body is shorter than announced."""
        answer = self._sent("GET", path, b"", {"Accept-Encoding": "identity"})
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, b""), self._pieces(answer)

    def close(self) -> None:
        """Close the connections; they are made again where they are needed."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._own = threading.local()

    def _pieces(self, answer: http.client.HTTPResponse) -> Generator[bytes, None, None]:
        whole = False
        try:
            while piece := answer.read(PIECE):
                yield piece
            whole = not answer.length
            if not whole:
                raise CutShort(0, "the server broke off in the middle of it")
        except (OSError, http.client.HTTPException) as error:
            raise CutShort(0, "the server broke off in the middle of it") from error
        finally:
            if not whole:
                self._drop()

    def _sent(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """The answer to a request, once the server has one."""
        target = quote(self.address.base + path, safe="/~!$&'()*+,;=:@")
        begun, pause, reason = self._clock.monotonic(), 0.5, "it does not answer"
        while True:
            self._wait_for_turn()
            wait = pause
            try:
                answer = self._once(method, target, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise _not_trusted(self.address, error) from error
                reason = type(error).__name__
            else:
                if answer.status not in _BUSY:
                    self._refuse(answer)
                    return answer
                reason = f"it answers {answer.status}"
                wait = max(pause, _retry_after(answer.getheader("Retry-After"), self._clock))
                self._drop()
            if self._clock.monotonic() - begun + wait > PATIENCE:
                hint = "is the address right? Try again later"
                raise SourceError(f"{self.address.text} cannot be reached: {reason}", hint=hint)
            self._clock.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        connection = self._connection()
        own = {"User-Agent": "strongroom", **self._authorization, **headers}
        connection.request(method, target, body=body if body or method != "GET" else None, headers=own)
        return connection.getresponse()

    def _refuse(self, answer: http.client.HTTPResponse) -> None:
        """Raises `SourceError` for what no further request would change."""
        status = answer.status
        if status in _REFUSED:
            self._drop()
            hint = "check the options user and password_file, and the user's rights"
            raise SourceError(f"{self.address.text} answers {status}: {_REFUSED[status]}", hint=hint)
        if 300 <= status < 400:
            where = urlsplit(answer.getheader("Location") or "")
            self._drop()
            hint = "write the address that it names, if that is the right one"
            raise SourceError(f"{self.address.text} sends us to {where.hostname or 'another place'}", hint=hint)

    def _wait_for_turn(self) -> None:
        if not self.address.per_second:
            return
        with self._lock:
            now = self._clock.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + 1 / self.address.per_second
        if at > now:
            self._clock.sleep(at - now)

    def _connection(self) -> http.client.HTTPConnection:
        mine: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if mine is None:
            address = self.address
            if address.scheme == "https":
                context = ssl.create_default_context(cafile=address.certificates or None)
                mine = http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT, context=context)
            else:
                mine = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT)
            self._own.connection = mine
            with self._lock:
                self._connections.append(mine)
        return mine

    def _drop(self) -> None:
        """The connection is in no state to be used again."""
        mine: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if mine is not None:
            mine.close()
            self._own.connection = None
            with self._lock:
                self._connections.remove(mine)


def _not_trusted(address: DavAddress, error: ssl.SSLCertVerificationError) -> SourceError:
    hint = "name the authority's certificates with the option certificates"
    return SourceError(f"{address.text} has a certificate that is not trusted: {error.verify_message}", hint=hint)


def _authorization(address: DavAddress) -> dict[str, str]:
    if address.user is None:
        return {}
    pair = f"{address.user}:{address.password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _retry_after(text: str | None, clock: Clock) -> float:
    """Seconds that a server asks us to wait."""
    if not text:
        return 0.0
    if text.strip().isdigit():
        return float(text.strip())
    try:
        return max(0.0, (parsedate_to_datetime(text) - clock.now()).total_seconds())
    except (TypeError, ValueError):
        return 0.0

"""Requests to a WebDAV server, politely: so many a second at most, waiting as long as it asks for, with patience where it is
away.

Redirections are not followed: credentials go to the host that the settings name. No message has a password, or what was
answered.
"""

from __future__ import annotations

import base64
import http.client
import io
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from msgspec import Struct

from vault.clock import Clock
from vault.errors import SourceDenied, SourceError
from vault.hidden_fields import HidesFields
from vault.rate_limits import RequestPace, http_moment, seconds_to_wait

TIMEOUT = 60.0
"""Seconds without a byte."""

PATIENCE = 300.0
"""Seconds that a server which is away, or busy, is waited for."""

LONGEST_PAUSE = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read whole."""

PIECE = 1024 * 1024
Body: TypeAlias = bytes | IO[bytes]

_BUSY = {423, 429, 502, 503, 504}
_UNKNOWN_USER = 401


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
    body: bytes = b""


class CutShort(OSError):
    """An answer that ended before it should."""


class _Sent(NamedTuple):
    """A request that has an answer, of which the body is yet to be read."""

    answer: http.client.HTTPResponse
    connection: http.client.HTTPConnection


class DavClient:
    """One server. Used by several threads; connections that are whole are used again.

    clock_difference: seconds that the server's clock was ahead of ours at the last answer; None where it did not say ·
    pace: keeps the requests apart, and knows what the server said of limits · asks_plainly: the server understands no questions
    for more than what a file is
    """

    def __init__(self, address: DavAddress, clock: Clock) -> None:
        self.address = address
        self.clock_difference: float | None = None
        self.asks_plainly = False
        self.pace = RequestPace(clock, address.per_second)
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._authorization = _authorization(address)

    def ask(self, method: str, path: str, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """One request and its whole answer. path: below the base, decoded · body: a file is sent from its start. Raises
        `SourceError` where the server is away, refuses us, sends us elsewhere, or answers more than there is room for."""
        answer, connection = self._sent(method, path, body, headers or {})
        try:
            data = answer.read(LARGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            _end(answer, connection)
            raise SourceError(f"{self.address.text} broke off an answer", hint="try again") from error
        if len(data) > LARGEST_ANSWER:
            _end(answer, connection)
            raise SourceError(f"{self.address.text} answers more than {LARGEST_ANSWER >> 20} MiB", hint="is the address right?")
        self._give_back(connection)
        return Answer(answer.status, _headers(answer), data)

    def stream(self, path: str) -> DavBody:
        """A GET whose body is read piece by piece; the caller closes it. Raises `SourceError` as `ask` does."""
        answer, connection = self._sent("GET", path, b"", {"Accept-Encoding": "identity"})
        return DavBody(answer, connection, self._give_back)

    def close(self) -> None:
        """Close the connections that wait; they are made again where they are needed."""
        with self._lock:
            waiting, self._idle = self._idle, []
        for connection in waiting:
            connection.close()

    def _sent(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> _Sent:
        """The answer to a request, once the server has one."""
        target = quote(self.address.base + path, safe="/~!$&'()*+,;=:@")
        begun, pause, reason = self._clock.monotonic(), 0.5, "it does not answer"
        while True:
            self.pace.wait_for_turn()
            wait, (connection, is_used) = pause, self._connection()
            try:
                answer = self._once(connection, method, target, body, headers)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise _not_trusted(self.address, error) from error
                if is_used:  # the server may have closed it while it waited
                    continue
                reason = type(error).__name__
            else:
                self._look_at(answer)
                if answer.status not in _BUSY:
                    self._refuse(answer, connection)
                    return _Sent(answer, connection)
                reason = f"it answers {answer.status}"
                now = http_moment(answer.getheader("Date")) or self._clock.now()
                wait = max(pause, seconds_to_wait(answer.getheader("Retry-After"), now))
                _end(answer, connection)
            if self._clock.monotonic() - begun + wait > PATIENCE:
                hint = "is the address right? Try again later"
                raise SourceError(f"{self.address.text} cannot be reached: {reason}", hint=hint)
            self._clock.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(
        self, connection: http.client.HTTPConnection, method: str, target: str, body: Body, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        own = {"User-Agent": "strongroom", **self._authorization, **headers}
        if not isinstance(body, bytes):
            size = body.seek(0, io.SEEK_END)
            body.seek(0)
            own["Content-Length"] = str(size)
        connection.request(method, target, body=body if body or method != "GET" else None, headers=own)
        return connection.getresponse()

    def _refuse(self, answer: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        """Raises `SourceError` for what no further request would change."""
        status = answer.status
        if status == _UNKNOWN_USER:
            _end(answer, connection)
            hint = "check the options user and password_file"
            raise SourceDenied(f"{self.address.text} answers {status}: the user or the password is wrong", hint=hint)
        if 300 <= status < 400:
            where = urlsplit(answer.getheader("Location") or "")
            _end(answer, connection)
            hint = "write the address that it names, if that is the right one"
            raise SourceError(f"{self.address.text} sends us to {where.hostname or 'another place'}", hint=hint)

    def _look_at(self, answer: http.client.HTTPResponse) -> None:
        """What an answer says beside its content."""
        self.pace.heard(answer.status, dict(answer.getheaders()))
        moment = http_moment(answer.getheader("Date"))
        if moment is not None:
            self.clock_difference = (moment - self._clock.now()).total_seconds()

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        address = self.address
        if address.scheme == "https":
            context = ssl.create_default_context(cafile=address.certificates or None)
            return http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT, context=context), False
        return http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT), False

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        """The answer was read to its end: the connection may be used again."""
        with self._lock:
            self._idle.append(connection)


class DavBody:
    """The body of an answer, piece by piece. Iterating raises `CutShort` where it is shorter than announced."""

    def __init__(
        self,
        answer: http.client.HTTPResponse,
        connection: http.client.HTTPConnection,
        give_back: Callable[[http.client.HTTPConnection], None],
    ) -> None:
        self.status = answer.status
        self.headers = _headers(answer)
        self._answer = answer
        self._connection: http.client.HTTPConnection | None = connection
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._answer.read(PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise CutShort(0, "the server broke off in the middle of it") from error
        if self._answer.length:
            raise CutShort(0, "the server broke off in the middle of it")
        if self._connection is not None:
            self._give_back(self._connection)
            self._connection = None

    def close(self) -> None:
        """Where it was not read to its end, the connection is closed."""
        if self._connection is not None:
            _end(self._answer, self._connection)
            self._connection = None


def _end(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
    """Nothing more is wanted of an answer."""
    answer.close()
    connection.close()


def _headers(answer: http.client.HTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


def _not_trusted(address: DavAddress, error: ssl.SSLCertVerificationError) -> SourceError:
    hint = "name the authority's certificates with the option certificates"
    return SourceError(f"{address.text} has a certificate that is not trusted: {error.verify_message}", hint=hint)


def _authorization(address: DavAddress) -> dict[str, str]:
    if address.user is None:
        return {}
    pair = f"{address.user}:{address.password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

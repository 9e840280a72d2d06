"""Requests to a REST interface, politely and with suspicion: at the pace that its description allows, waiting as long as it
asks for, with patience where it is away; answers bounded before they are parsed.

Credentials go to one scheme, host and port. No message has a secret, a query, or what was answered.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
from msgspec import Struct

from vault.clock import Clock
from vault.errors import SourceDenied, SourceError
from vault.problems import printable
from vault.progress import Stop
from vault.rate_limits import RETRY_AFTER, http_moment, seconds_to_wait
from vault.source.rest import exact_json
from vault.source.rest.connections import IDENTITY, Connections, CutShort, Origin, Request, Sent, TooMuch
from vault.source.rest.credentials import Authorization, Credentials
from vault.source.rest.description import Description
from vault.source.rest.description_faults import duration
from vault.source.rest.patience import BurstPace

PATIENCE = 300.0
"""Seconds that a server which is away is waited for."""

LONGEST_PAUSE = 60.0
TRIES_OF_ERRORS = 3
"""An internal error of a server may be of the moment."""

MOST_REDIRECTS = 5
LONGEST_REASON = 4096
"""Bytes that are read of what a server says of an error."""
LARGEST_ERROR = 64 * 1024
"""Bytes of an answer in the place of a file that is looked into for an error."""


Value = TypeVar("Value")


class Nonsense(SourceError):
    """An answer that cannot be what it should be. One resource is concerned. status: of HTTP, where that was bad; else 0."""

    status = 0


class Forbidden(SourceDenied):
    """The credentials do not allow it. One resource is concerned."""


class NotThere(SourceError):
    """Nothing is at this path. One resource is concerned."""


class Away(SourceError):
    """A server that did not answer, or was busy, for as long as it was waited for."""


class Question(Struct, frozen=True):
    """What is asked. path: below the base, encoded; or, from its first slash on, on the server · query: encoded · body: of a
    POST, as JSON."""

    path: str
    query: str = ""
    body: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """For people: no query, which may bear a secret, or a person's name."""
        return printable(self.path.encode("utf-8", "replace"))[:200]


class Reply(Struct, frozen=True):
    """value: parsed · headers: by names in small letters · server_time: seconds since 1970, by the server's clock, or ours
    where it does not say."""

    value: Any
    headers: Mapping[str, str]
    server_time: float


def parameters(values: Mapping[str, Any]) -> str:
    """A query, encoded."""
    plain = {name: _flag(value) for name, value in values.items()}
    return urlencode(plain, doseq=True, quote_via=quote)


class RestClient:
    """One interface. Used by several threads.

    - `clock_difference`: seconds that the server's clock was ahead of ours at the last answer; None where it did not say
    - `pace`: of requests, with what the server said of its limits
    """

    def __init__(
        self, description: Description, base: str, credentials: Credentials, clock: Clock, *, certificates: str = ""
    ) -> None:
        """base: with a slash at its end. Raises `SourceError` where a secret is missing."""
        self.description = description
        self.origin = Origin.of(base)
        self.clock_difference: float | None = None
        self.pace = BurstPace(clock, description.limits.requests_per_second, description.limits.burst)
        self._clock = clock
        self.certificates = certificates
        self._authorization = Authorization(description.auth, credentials, base, clock, certificates, self.pace.sleep)
        self._base = urlsplit(base).path or "/"
        self._connections = Connections(self.origin, certificates)
        self._longest = duration(description.limits.longest_wait).total_seconds()
        self._largest = description.limits.largest_answer << 20

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.origin.text}{self._base}"

    def use_stop(self, stop: Stop) -> None:
        """stop: called while the client waits; what it raises ends the request."""
        self.pace.stop = stop

    def ask(self, question: Question, *, impatient: bool = False) -> Reply:
        """One request and its answer as JSON. impatient: a server that is away or busy is not waited for. Raises `SourceError`
        where the server is away or refuses us, and for one resource `Nonsense`, `Forbidden`, `NotThere`."""
        body = b"" if question.body is None else msgspec.json.encode(question.body)

        def read(sent: Sent) -> tuple[Reply, float | None]:
            data = self._connections.whole(sent, self._largest)
            return self._reply(question, sent, data)

        return self._until_answered(question, body, read, impatient=impatient)

    def fetch(
        self, question: Question, read: Callable[[Sent], tuple[Value, float | None]], hosts: list[str], *, impatient: bool
    ) -> Value:
        """What `read` makes of an answer that need not be JSON, and may be a redirection. read: gives also for how long the
        server is busy; None where it is not. Raises as `ask` does."""
        return self._until_answered(question, b"", read, accept="*/*", hosts=hosts, impatient=impatient)

    def pieces(self, sent: Sent) -> Iterator[bytes]:
        """The body of an answer. Raises `CutShort`."""
        return self._connections.pieces(sent)

    def whole(self, sent: Sent, largest: int) -> bytes:
        """The same at once. Raises `CutShort`, and `TooMuch` above a number of bytes."""
        return self._connections.whole(sent, largest)

    def address(self, url: str, question: Question | None = None) -> str:
        """A whole URL. question: that it was given in answer to."""
        return urljoin(f"{self.origin.text}{self._base if question is None else self._target(question)}", url)

    def send_once(self, method: str, question: Question, body: bytes, content_type: str) -> Sent:
        """One request that changes something, at its turn; its answer is yet to be read. question: without a body. Raises what
        `Connections.send_once` raises."""
        self.pace.stop()
        self.pace.wait_for_turn()
        request = self._request(method, question, body, content_type, "application/json")
        sent = self._connections.send_once(request._replace(headers=dict(request.headers) | IDENTITY))
        self._look_at(sent)
        return sent

    def parsed(self, question: Question, sent: Sent) -> tuple[Any, float | None]:
        """The body of an answer as JSON, None where it has none; and the seconds for which the server is busy, None where it is
        not. Raises `Nonsense`, `CutShort`."""
        data = self._connections.whole(sent, self._largest)
        if not data.strip():
            return None, None
        reply, wait = self._reply(question, sent, data)
        return reply.value, wait

    def is_busy(self, sent: Sent) -> bool:
        """Whether a status means that the server wants to be asked later."""
        return self._is_busy(sent)

    def asked_wait(self, sent: Sent) -> float | None:
        """For how long it asks us to wait; None where it does not say. The answer is ended."""
        return self._asked_wait(sent)

    @property
    def longest_wait(self) -> float:
        """Seconds that a server may ask for."""
        return self._longest

    def renew(self) -> bool:
        """The credentials were refused; whether others can be had."""
        if self._authorization.is_renewable:
            self._authorization.renew()
        return self._authorization.is_renewable

    def start_of(self, sent: Sent) -> bytes:
        """The beginning of a body, for what it says of an error; the answer is ended."""
        try:
            return sent.answer.read(LONGEST_REASON)
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            sent.end()

    def own_path(self, url: str) -> Question:
        """A URL that the server has given, as a question to the same server. Raises `Nonsense` where it is of another one."""
        try:
            parts = urlsplit(urljoin(f"{self.origin.text}{self._base}", url))
            origin = Origin.of(parts)
        except ValueError:
            raise Nonsense(f"{self.text} gives a next page that is no address") from None
        if origin.host != self.origin.host:
            raise Nonsense(f"{self.text} sends us to {origin.host} for the next page", hint="credentials go to one host alone")
        return Question(parts.path or "/", parts.query)

    def hide(self, text: str) -> str:
        """A text of the server without secrets."""
        return self._authorization.hide(text)

    def without_secrets(self, line: bytes) -> bytes:
        """A record without secrets that the server repeats in it."""
        return self._authorization.without_secrets(line)

    def close(self) -> None:
        """Close the connections; they are made again where they are needed."""
        self._authorization.close()
        self._connections.close()

    def _until_answered(
        self,
        question: Question,
        body: bytes,
        read: Callable[[Sent], tuple[Value, float | None]],
        *,
        accept: str = "application/json",
        hosts: list[str] | None = None,
        impatient: bool = False,
    ) -> Value:
        """What `read` makes of the first answer that is one. read: gives also for how long the server is busy; None where it is
        not."""
        begun, pause, errors, renewed = self._clock.monotonic(), 0.5, 0, False
        redirects = 0
        while True:
            self.pace.stop()
            self.pace.wait_for_turn()
            wait: float | None = None
            try:
                sent = self._send(question, body, accept)
                if sent.status == 401 and self._authorization.is_renewable and not renewed:
                    sent.end()
                    renewed = True
                    self._authorization.renew()
                    continue
                if self._is_busy(sent):
                    reason = f"it answers {sent.status}"
                    wait = self._asked_wait(sent)
                elif sent.status >= 500 and (errors := errors + 1) < TRIES_OF_ERRORS:
                    reason = f"it answers {sent.status}"
                    sent.end()
                elif 300 <= sent.status < 400 and hosts is None:
                    redirects += 1
                    question = self._redirected(question, sent, redirects)
                    continue
                else:
                    self._refuse(question, sent)
                    value, wait = read(sent)
                    if wait is None:
                        return value
                    reason = "it is busy"
            except (CutShort, OSError, http.client.HTTPException) as error:
                reason = str(error.strerror) if isinstance(error, CutShort) else type(error).__name__
            longest = PATIENCE if wait is None else max(self._longest, PATIENCE)
            wait = max(pause, wait or 0.0)
            if impatient or self._clock.monotonic() - begun + wait > longest:
                raise Away(f"{self.text} cannot be read: {reason}", hint="is the address right? Try again later")
            self.pace.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _send(self, question: Question, body: bytes, accept: str) -> Sent:
        method = "POST" if question.body is not None else "GET"
        sent = self._connections.send(self._request(method, question, body, "application/json" if body else "", accept))
        self._look_at(sent)
        return sent

    def _request(self, method: str, question: Question, body: bytes, content_type: str, accept: str) -> Request:
        headers = {"User-Agent": "strongroom", "Accept": accept, "Accept-Encoding": "gzip"}
        if accept == "*/*":
            headers |= IDENTITY
        if content_type:
            headers["Content-Type"] = content_type
        headers |= self.description.headers | self._authorization.headers()
        query = "&".join(part for part in (question.query, parameters(self._authorization.parameters())) if part)
        path = self._target(question)
        return Request(method, f"{path}?{query}" if query else path, headers, body)

    def _target(self, question: Question) -> str:
        if question.path.startswith("/"):
            return question.path
        return f"{self._base}{self._authorization.path()}{question.path}"

    def _reply(self, question: Question, sent: Sent, data: bytes) -> tuple[Reply, float | None]:
        try:
            value = exact_json.parse(data)
        except exact_json.NotJson as error:
            kind = kind_of(sent) or "no type"
            text = f"{self.text} answers something else than JSON to {question.text} ({kind}): {error}"
            raise Nonsense(text, hint="is the address right, and is nothing in between that asks for a login?") from error
        wait = self.busy_error(question, value)
        if wait is not None:
            return Reply(None, {}, 0.0), wait
        self._mind_operating(value)
        headers = {name.lower(): text for name, text in sent.answer.getheaders()}
        return Reply(value, headers, self._clock.now().timestamp() + (self.clock_difference or 0.0)), None

    def busy_error(self, question: Question, value: object) -> float | None:
        """For how long an answer says that the server is busy; None where it is one. Raises `Nonsense` for other errors."""
        code = exact_json.at(value, self.description.errors.at) if self.description.errors.at else None
        if code in (None, False, "", []):
            return None
        if isinstance(code, str) and code in self.description.limits.busy_errors:
            return self._until_reset(value) or 0.0
        if isinstance(code, str) and code in self.description.errors.not_there:
            raise NotThere(f"{self.text} answers {self.hide(code)} to {question.text}", hint="is the path right?")
        shown = printable(str(code).encode("utf-8", "replace"))[:80] if isinstance(code, str) else "an error"
        raise Nonsense(f"{self.text} answers {self.hide(shown)} to {question.text}", hint="is the description right?")

    def _mind_operating(self, value: object) -> None:
        """Wait for the reset where the time that the server works for us is almost used up."""
        operating = self.description.limits.operating
        if operating is None:
            return
        try:
            used = float(exact_json.at(value, operating.used) or 0)
        except (TypeError, ValueError):
            return
        if used >= operating.most:
            self.pace.sleep(self._until_reset(value) or 0.0)

    def _until_reset(self, value: object) -> float | None:
        """Seconds until the server counts anew."""
        operating = self.description.limits.operating
        try:
            at = float(exact_json.at(value, operating.reset_at) or 0) if operating is not None else 0.0
        except (TypeError, ValueError):
            return None
        now = self._clock.now().timestamp() + (self.clock_difference or 0.0)
        return min(max(0.0, at - now), self._longest) if at else None

    def _is_busy(self, sent: Sent) -> bool:
        return sent.status in self.description.limits.busy

    def _asked_wait(self, sent: Sent) -> float | None:
        """How long the server asks us to wait; None where it does not say."""
        text = sent.header(RETRY_AFTER)
        wait = seconds_to_wait(text, http_moment(sent.header("Date")) or self._clock.now()) if text else None
        if self.description.limits.operating is not None and wait is None:
            try:
                return self._until_reset(exact_json.parse(self._connections.whole(sent, 1 << 20)))
            except exact_json.NotJson:
                return None
        sent.end()
        return wait

    def _refuse(self, question: Question, sent: Sent) -> None:
        """Raises `SourceError` for what no further request would change."""
        status = sent.status
        if 200 <= status < 300 or 300 <= status < 400:
            return
        if status == 400 and self.description.errors.not_there:
            self.busy_error(question, self._error_of(sent))
        sent.end()
        if status == 401:
            hint = "is the secret right, and has it not run out? See the options user and password_file"
            raise SourceDenied(f"{self.text} answers {status}: the credentials are refused", hint=hint)
        if status in (403, 404, 410):
            kind = Forbidden if status == 403 else NotThere
            what = "these credentials may not read" if status == 403 else "there is no"
            raise kind(f"{self.text} answers {status}: {what} {question.text}", hint="is the path right, and the right given?")
        error = Nonsense(f"{self.text} answers {status} to {question.text}", hint="is the description right?")
        error.status = status
        raise error

    def _error_of(self, sent: Sent) -> object:
        """What stands in an answer that is an error; None where it is nothing that can be read."""
        try:
            return exact_json.parse(self._connections.whole(sent, LARGEST_ERROR))
        except (exact_json.NotJson, TooMuch):
            return None

    def _redirected(self, question: Question, sent: Sent, count: int) -> Question:
        where = sent.header("Location")
        sent.end()
        try:
            parts = urlsplit(urljoin(f"{self.origin.text}{self._target(question)}", where))
            origin = Origin.of(parts)
        except ValueError:
            raise Nonsense(f"{self.text} sends us to another place that is no address") from None
        if origin != self.origin:
            hint = "write the address that it names, if that is the right one: credentials go to one host alone"
            raise SourceError(f"{self.text} sends us to {origin.text}", hint=hint)
        if count > MOST_REDIRECTS or question.body is not None:
            raise Nonsense(f"{self.text} sends us round in circles for {question.text}")
        return Question(parts.path or "/", parts.query)

    def _look_at(self, sent: Sent) -> None:
        moment = http_moment(sent.header("Date"))
        if moment is not None:
            self.clock_difference = (moment - self._clock.now()).total_seconds()
        self.pace.heard(sent.status, dict(sent.answer.getheaders()))


def kind_of(sent: Sent) -> str:
    """The content type of an answer, in small letters."""
    return sent.header("Content-Type").partition(";")[0].strip().lower()[:60]


def _flag(value: object) -> object:
    """Flags as interfaces write them."""
    if isinstance(value, list):
        return [_flag(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value

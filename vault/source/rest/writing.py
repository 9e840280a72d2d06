"""Requests that change something, each sent once: what became of it is known, or said not to be.

Whoever asks again after an answer that was lost makes a thing twice. So a try ends with an answer, or with one of three errors:
`Later` (the server has not done it), `Unsure` (nobody knows; look first, then try again), `Refused` (it never will).
"""

from __future__ import annotations

import http.client
from typing import Any

from msgspec import Struct

from vault.clock import Clock
from vault.errors import SourceDenied
from vault.problems import printable
from vault.source.rest import exact_json
from vault.source.rest.client import Nonsense, Question, RestClient
from vault.source.rest.connections import CutShort, NotSent, Sent

TOO_MANY_REQUESTS = 429
LONGEST_TEXT = 300
"""Characters of a server's own words that are shown."""


class WriteError(Exception):
    """A try that has no good answer. reason: for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(WriteError):
    """The server does not take it, and will not. is_denied: the credentials do not allow it."""

    def __init__(self, reason: str, *, is_denied: bool = False) -> None:
        super().__init__(reason)
        self.is_denied = is_denied


class Later(WriteError):
    """It was not done. wait: seconds that the server asks for; 0 where it does not say."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Unsure(Later):
    """Nobody knows whether it was done. is_error: the server speaks of an error of its own, which may be that of this request
    alone."""

    def __init__(self, reason: str, wait: float = 0.0, *, is_error: bool = False) -> None:
        super().__init__(reason, wait)
        self.is_error = is_error


class WriteRequest(Struct, frozen=True):
    """path: below the base, encoded · query: encoded · body, content_type: as they are sent."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    content_type: str = "application/json"


def send(client: RestClient, request: WriteRequest) -> Any:  # noqa: ANN401 (as parsed)
    """One try; the answer, parsed; None where it is empty. Raises `WriteError`, `SourceDenied` where the credentials are not
    taken at all, `SourceError` for a certificate that is not trusted."""
    question = Question(request.path, request.query)
    for _ in range(2):
        try:
            sent = client.send_once(request.method, question, request.body, request.content_type)
        except NotSent as error:
            raise Later(f"it cannot be reached: {error.strerror}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unsure(f"the connection was cut before it answered ({type(error).__name__})") from error
        if sent.status == 401:
            sent.end()
            if client.renew():
                continue
        return _answer(client, question, sent)
    return _answer(client, question, sent)


def _answer(client: RestClient, question: Question, sent: Sent) -> Any:  # noqa: ANN401
    status = sent.status
    if status == 401:
        sent.end()
        hint = "is the secret right, and has it not run out? Run it again then: nothing is created twice"
        raise SourceDenied(f"{client.text} answers 401: the credentials are refused", hint=hint)
    if status == TOO_MANY_REQUESTS:
        raise Later(f"it answers {status}", client.asked_wait(sent) or 0.0)
    if client.is_busy(sent) or status >= 500 or status == 408:
        is_error = status >= 500 and not client.is_busy(sent)
        raise Unsure(f"it answers {status}", client.asked_wait(sent) or 0.0, is_error=is_error)
    if not 200 <= status < 300:
        words = _words(client, client.start_of(sent))
        raise Refused(f"it answers {status}{f': {words}' if words else ''}", is_denied=status == 403)
    try:
        value, wait = client.parsed(question, sent)
    except Nonsense as error:
        if client.description.errors.at and "something else than JSON" not in str(error):
            raise Refused(str(error)) from error
        raise Unsure("its answer is not JSON") from error
    except CutShort as error:
        raise Unsure(str(error.strerror)) from error
    if wait is not None:
        raise Later("it is busy", wait)
    return value


def _words(client: RestClient, data: bytes) -> str:
    """What a server says of an error, without secrets: JSON on one line; nothing of a page for people."""
    try:
        shown = exact_json.dump(exact_json.parse(data))
    except exact_json.NotJson:
        if data.lstrip()[:1] == b"<":
            return ""
        shown = data
    return client.hide(printable(shown))[:LONGEST_TEXT]


class Patience(Struct):
    """How long one request is tried. begun: by the monotonic clock · pause: seconds until the next try."""

    clock: Clock
    most: float
    begun: float = 0.0
    pause: float = 0.5

    def next_wait(self, asked: float, longest: float) -> float | None:
        """Seconds until the next try; None where patience has ended. asked: by the server · longest: that it may ask for."""
        wait = max(self.pause, asked)
        self.pause = min(self.pause * 2, 60.0)
        most = max(self.most, longest) if asked else self.most
        return None if self.clock.monotonic() - self.begun + wait > most else wait

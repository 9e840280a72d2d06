"""A host's requests to the console: over HTTPS with its token, bounded in time and size, and no redirection is followed.

What comes back is JSON of the form of `console.hosts.messages`, or an error: a page with 200, a body without end, and another
program at that address are all the same here.
"""

from __future__ import annotations

import http.client
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from console.errors import BadAnswer, ConsoleAway, LeaseLost, TokenRefused
from console.hosts.messages import (
    LARGEST_WORK,
    AskAnswer,
    AskBody,
    FinishAnswer,
    FinishBody,
    ReportAnswer,
    ReportBody,
)
from vault.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from vault.clock import Clock

TIMEOUT = 20.0
"""Seconds in which a connection takes or gives something."""
WHOLE = 60.0
"""Seconds for a whole exchange: an answer that drips in is given up."""
PIECE = 64 << 10
LARGEST_ANSWER = LARGEST_WORK + (1 << 20)
LARGEST_ERROR = 64 << 10
LONGEST_TOKEN = 200
BASE = "/api/v1/host"

Answer = TypeVar("Answer")


class _Error(Struct, frozen=True):
    message: str = ""
    hint: str = ""


class _Refusal(Struct, frozen=True):
    error: _Error


class ConsoleClient:
    """url: of the console, checked by the settings · token: gives it, for each request: the file may be another one by then ·
    ca_file: certificates to verify it by. Raises `SettingsError` where that cannot be read."""

    def __init__(self, url: str, token: Callable[[], str], clock: Clock, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        self.address = url
        """Of the console, for people and the log."""
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._token = token
        self._clock = clock
        self._tls = _context(ca_file) if self._secure else None

    def take(self, body: AskBody) -> AskAnswer:
        """Ask for work. Raises `ConsoleAway`, `BadAnswer`, `TokenRefused`."""
        return self._ask("/work", body, AskAnswer)

    def report(self, body: ReportBody) -> ReportAnswer:
        """Say how far it is. Raises as `take`, `LeaseLost`."""
        return self._ask("/progress", body, ReportAnswer)

    def finish(self, body: FinishBody) -> FinishAnswer:
        """Say what came of it. Raises as `report`."""
        return self._ask("/outcome", body, FinishAnswer)

    def _ask(self, path: str, body: Struct, answer: type[Answer]) -> Answer:
        status, kind, content = self._exchange(path, msgspec.json.encode(body))
        if status != 200:
            raise self._refused(status, content)
        if kind != "application/json":
            raise BadAnswer(f"{self._host} answers with {kind[:100] or 'something'} in place of JSON", hint=NO_CONSOLE)
        try:
            return msgspec.json.decode(content, type=answer)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadAnswer(f"{self._host} answers what no console answers: {str(error)[:300]}", hint=NO_CONSOLE) from error

    def _refused(self, status: int, content: bytes) -> Exception:
        try:
            said = msgspec.json.decode(content, type=_Refusal).error
        except (msgspec.DecodeError, RecursionError):
            said = _Error()
        words = "".join(letter for letter in said.message[:300] if letter.isprintable())
        if status in (401, 403):
            return TokenRefused(
                f"the console refuses the token of this host{': ' if words else ''}{words}",
                hint="its time may be over; an administrator of the console makes a new one",
            )
        if status == 409:
            return LeaseLost(words or "somebody else is at this task")
        if status >= 500 or status == 429:
            return ConsoleAway(f"the console answers {status}{': ' if words else ''}{words}", hint="see the console's log")
        return BadAnswer(f"the console answers {status}{': ' if words else ''}{words}", hint=NO_CONSOLE)

    def _exchange(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, type and body of an answer."""
        until = self._clock.monotonic() + WHOLE
        connection = self._connection()
        headers = {"authorization": f"Bearer {self._token()}", "content-type": "application/json", "user-agent": "strongroom"}
        try:
            connection.request("POST", BASE + path, body, headers)
            answer = connection.getresponse()
            largest = LARGEST_ANSWER if answer.status == 200 else LARGEST_ERROR
            kind = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
            return answer.status, kind, self._read(answer, largest, until)
        except ssl.SSLCertVerificationError as error:
            raise ConsoleAway(
                f"the certificate of {self._host} is not good: {error.verify_message}", hint="name the right one with ca_file"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConsoleAway(
                f"the console at {self._host} cannot be reached: {_reason(error)}", hint="it is asked again later"
            ) from error
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse, largest: int, until: float) -> bytes:
        """Raises `BadAnswer` for more than so many bytes, `ConsoleAway` where they come too slowly."""
        read = bytearray()
        while piece := answer.read1(PIECE):
            read += piece
            if len(read) > largest:
                raise BadAnswer(f"{self._host} answers more than {largest} bytes", hint=NO_CONSOLE)
            if self._clock.monotonic() > until:
                raise ConsoleAway(f"{self._host} answers too slowly", hint="it is asked again later")
        if answer.length:
            raise ConsoleAway(f"the answer of {self._host} was cut short", hint="it is asked again later")
        return bytes(read)

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)


NO_CONSOLE = "see that the address is that of the console itself, and that both have the same version"


def token_in(file: Path) -> str:
    """The first line of a file. Raises `UsageError` where it is none."""
    try:
        with file.open("rb") as opened:
            line = opened.readline(LONGEST_TOKEN + 2).strip()
    except OSError as error:
        raise UsageError(
            f"the token cannot be read from {file}: {error.strerror}", hint="its first line is the token"
        ) from error
    text = line.decode("ascii", "replace")
    if not text.isascii() or not text.isprintable() or not text or len(text) > LONGEST_TOKEN or " " in text:
        raise UsageError(f"there is no token in {file}", hint="its first line is what the console showed: strongroom_host_…")
    return text


def exposed(file: Path) -> str:
    """That others on this machine can read a file with a secret; "" where they cannot, or that is not known."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return ""
    if not mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
        return ""
    return f"{file} holds the token of this host, and others on this machine can use it (mode {mode:03o}): `chmod 600 {file}`"


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the certificates in {ca_file} cannot be used: {error}", hint="they are PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return getattr(error, "strerror", None) or type(error).__name__

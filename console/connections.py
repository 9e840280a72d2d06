"""How much of the console one address may hold, so that whoever opens a thousand connections takes nobody else's room.

Connections are counted where they are accepted: before TLS, and before anything is read. One too many gets a reason and is
closed; with HTTPS, where telling costs what it should save, it is closed. Connections of the proxy in front are those of many
people: behind it the requests that are worked on are counted, by the address that it names.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from console.accounts import proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from strongroom.settings.console import ConsoleSettings
    from vault.clock import Clock

REASON_FOR = 2.0
"""Seconds that whoever is refused has to read why: a connection that is closed with something unread takes the answer along."""
MOST_WITH_REASON = 32
"""That are told at a time; others are closed at once."""
SAID_EVERY = 60.0
"""Seconds between two lines of the log about refused connections."""
AGAIN_IN = 10
"""Seconds after which whoever is refused may try again."""
TOO_MANY = "there are too many connections from your address at this moment; try again in some seconds\n"
FULL = "this console has too many connections at this moment; try again in some seconds\n"

_log = logging.getLogger("strongroom.console")


class Doors:
    """Who is inside, by address; for one event loop. settings: as they are now."""

    def __init__(self, settings: Callable[[], ConsoleSettings], clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._inside: Counter[str] = Counter()
        self._unsaid = 0
        self._said: float | None = None

    def enter(self, address: str) -> str:
        """A connection from there. Gives why it is refused; "" where it is not, and then `leave` is called once."""
        settings = self._settings()
        who = proxy.counted_as(address)
        most, own = settings.connections, settings.connections_by_address
        if self._inside.total() >= most:
            return self._refused(FULL, f"a connection from {who} is refused, as {most} are open (connections)")
        if self._inside[who] >= own and not proxy.is_proxy(settings.proxy, address):
            return self._refused(TOO_MANY, f"a connection from {who} is refused, which has {own} (connections_by_address)")
        self._inside[who] += 1
        return ""

    def leave(self, address: str) -> None:
        """One of those is over."""
        _take_one(self._inside, proxy.counted_as(address))

    @property
    def inside(self) -> int:
        """How many there are."""
        return self._inside.total()

    def _refused(self, why: str, line: str) -> str:
        """Said once a minute, with how many there were before: whoever floods the console does not flood its log."""
        now = self._clock.monotonic()
        if self._said is not None and now - self._said < SAID_EVERY:
            self._unsaid += 1
            return why
        more = f"; {self._unsaid} more before it were" if self._unsaid else ""
        _log.warning("%s%s", line, more)
        self._said, self._unsaid = now, 0
        return why


class LimitedListener(socket.socket):
    """A socket that listens, and hands over those connections alone that there is room for. plain: whether HTTP is spoken, so
    that others can be told why."""

    def __init__(self, listening: socket.socket, doors: Doors, *, plain: bool) -> None:
        super().__init__(fileno=listening.detach())
        self._doors = doors
        self._plain = plain
        self._answered: set[socket.socket] = set()

    def close(self) -> None:
        """Those that are being told end with it."""
        while self._answered:
            self._answered.pop().close()
        super().close()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next one. Raises `ConnectionAbortedError` where it was refused: the event loop asks again."""
        made, address = super().accept()
        why = self._doors.enter(address[0])
        if not why:
            return _Connection(made, self._doors, address[0]), address
        self._refuse(made, why)
        raise ConnectionAbortedError

    def _refuse(self, made: socket.socket, why: str) -> None:
        if not self._plain or len(self._answered) >= MOST_WITH_REASON:
            made.close()
            return
        made.settimeout(0)
        try:
            made.send(_answer(why))
            made.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone already
            made.close()
            return
        self._answered.add(made)
        asyncio.get_running_loop().call_later(REASON_FOR, self._end, made)

    def _end(self, made: socket.socket) -> None:
        self._answered.discard(made)
        made.close()


class _Connection(socket.socket):
    """One that was let in. It leaves when it is closed, by whomever."""

    def __init__(self, made: socket.socket, doors: Doors, address: str) -> None:
        super().__init__(made.family, made.type, made.proto, fileno=made.detach())
        self._doors: Doors | None = doors
        self._address = address

    def close(self) -> None:
        """See the class."""
        super().close()
        doors, self._doors = self._doors, None
        if doors is not None:
            doors.leave(self._address)

    def __del__(self) -> None:
        self.close()


class RequestsByAddress:
    """Middleware: of one address behind the proxy only so many requests are worked on. refused: the answer to one more."""

    def __init__(
        self, app: ASGIApp, *, settings: Callable[[], ConsoleSettings], refused: Callable[[Request], Response]
    ) -> None:
        self._app = app
        self._settings = settings
        self._answer = refused
        self._inside: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        who = self._counted(scope) if scope["type"] == "http" else ""
        if not who:
            await self._app(scope, receive, send)
            return
        if self._inside[who] >= self._settings().connections_by_address:
            answer = self._answer(Request(scope))
            answer.headers["retry-after"] = str(AGAIN_IN)
            await answer(scope, receive, send)
            return
        self._inside[who] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            _take_one(self._inside, who)

    def _counted(self, scope: Scope) -> str:
        """Whom a request counts for; "" where it does not come through the proxy, or that does not say from whom."""
        settings, request = self._settings(), Request(scope)
        if not proxy.is_from_proxy(settings.proxy, request):
            return ""
        address = proxy.address(settings.proxy, request)
        return "" if proxy.is_proxy(settings.proxy, address) else proxy.counted_as(address)


def _take_one(inside: Counter[str], who: str) -> None:
    inside[who] -= 1
    if not inside[who]:
        del inside[who]


def _answer(why: str) -> bytes:
    head = f"HTTP/1.1 503 Service Unavailable\r\nretry-after: {AGAIN_IN}\r\nconnection: close\r\n"
    return f"{head}content-type: text/plain; charset=utf-8\r\ncontent-length: {len(why)}\r\n\r\n{why}".encode("ascii")

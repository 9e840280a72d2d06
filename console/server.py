"""The console as a server: its parts put together from the settings, and HTTP with bounds on what strangers may cost.

A connection that sends no whole header within some seconds, or reads nothing for a while, is closed. There is no log of
requests: paths may name items. Proxies' headers are read by `console.accounts.proxy` alone.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

import strongroom
from console import direct, incidents
from console.accounts import accounts
from console.accounts.authenticator import RequestAuthenticator
from console.app import application, templates
from console.certificates import LiveCertificate
from console.connections import Doors, LimitedListener
from console.known_items import KnownItems
from console.live_settings import LiveSettings
from console.post import ChannelPost
from console.recording import AccountRecorder
from console.repositories import RepositoryPool
from console.state import alone
from console.texts import Texts, chosen
from console.tls import TlsTransport
from console.visit import Console
from strongroom import local_state
from strongroom.settings.console import listens
from strongroom.view_log import ViewLog
from vault.errors import SettingsError, StrongroomError

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.settings import Settings
    from vault.clock import Clock
    from vault.randomness import Randomness

STATE = "console.sqlite"
HEADER_WITHIN = 15.0
READ_WITHIN = 120.0
"""Seconds in which a client takes something of what waits for it."""
LARGEST_HEADER = 64 << 10
GRACE = 4
"""Seconds that requests have to end once the console is stopped: one of a client that takes nothing never ends."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Listening(Struct, frozen=True):
    """Where and how. address: of the socket · url: what people type · tls: certificate and key, None for plain HTTP."""

    address: tuple[str, int]
    url: str
    tls: tuple[Path, Path] | None

    @property
    def secure(self) -> bool:
        """Whether people reach it by HTTPS, here or at a proxy."""
        return self.url.startswith("https:")

    @property
    def hosts(self) -> frozenset[str]:
        """The names by which it may be asked: another one is a trick with names of the network."""
        own = urlsplit(self.url).hostname
        return LOOPBACK if own in LOOPBACK or own is None else frozenset({own})


def listening(settings: Settings, listen: str | None) -> Listening:
    """listen: in the place of the settings'. Raises `SettingsError`, `UsageError`."""
    table = settings.document.console
    host, port = listens(listen or table.listen)
    tls = None if table.certificate_file is None or table.key_file is None else (table.certificate_file, table.key_file)
    if host not in LOOPBACK and tls is None:
        raise SettingsError(
            f"{host} can be reached by others, and there is no certificate for HTTPS",
            hint="name certificate_file and key_file in [console], or listen on 127.0.0.1 and put a proxy in front",
        )
    if host not in LOOPBACK and table.url is None:
        raise SettingsError("what people type is not known", hint="write url = 'https://console.example.org' into [console]")
    shown = f"[{host}]" if ":" in host else host
    return Listening((host, port), table.url or f"{'http' if tls is None else 'https'}://{shown}:{port}", tls)


def state_file(settings: Settings) -> Path:
    """Where the console of these settings keeps its memory."""
    return local_state.folder(settings) / STATE


@contextmanager
def opened(file: Path, identity: Sequence[Path], where: Listening, clock: Clock, randomness: Randomness) -> Iterator[Console]:
    """The console of a settings file. identity: in place of the settings' own. Raises `SettingsError`, `StateError`, `Busy`
    where another process is the console of this state."""
    live = LiveSettings(file)
    with ExitStack() as stack:
        state = stack.enter_context(alone(state_file(live.whole)))
        people = accounts.opened(state, lambda: live.console, clock, randomness)
        authenticator = RequestAuthenticator(people, randomness, clock, secure=where.secure)

        def texts_of(person: str) -> Texts:
            language = people.preferences.language(person) if person else ""
            return Texts(chosen(language, "", live.console.language), ZoneInfo(live.console.zone))

        post = ChannelPost(lambda: live.whole.document.notify, clock, where.url, texts_of)
        stack.callback(post.close)
        pool = RepositoryPool(lambda: strongroom.open_repository(file, identity=identity), clock, live.version)
        recorder = AccountRecorder(people.log, pool.lent, state.file)
        recorder.start()
        stack.callback(recorder.stop)
        yield Console(
            pool,
            state,
            people,
            authenticator,
            templates(),
            clock,
            randomness,
            live.rules,
            where.secure,
            where.hosts,
            known=KnownItems(clock, version=live.version),
            views=ViewLog(clock),
            post=post,
            people=authenticator.person_named,
        )


def serve(console: Console, where: Listening, ready: Callable[[str, str], None]) -> None:
    """Until SIGTERM or Ctrl-C. ready: hears what people type, and address and port, once it can be asked. Raises
    `StrongroomError` where it cannot listen, `SettingsError` for a certificate that cannot be used."""
    doors = Doors(console.accounts.settings, console.clock)
    with _socket(where) as bound, LimitedListener(bound, doors, plain=where.tls is None) as listener:
        app = application(console)
        config = uvicorn.Config(
            app,
            http=_Bounded if where.tls is None else _encrypted(LiveCertificate(*where.tls)),
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=LARGEST_HEADER,
        )
        config.load()
        host, port = listener.getsockname()[:2]
        ready(where.url.removesuffix(":0") + (f":{port}" if where.url.endswith(":0") else ""), f"{host}:{port}")
        with incidents.logged(console.randomness):
            _Server(config).run([listener])
        failure = getattr(app.state, "failure", None)
        if failure is not None:
            raise _named(failure, console.randomness) from None


def _named(failure: Exception, randomness: Randomness) -> StrongroomError:
    """What kept the console from beginning, or from ending in order."""
    if isinstance(failure, StrongroomError):
        return failure
    number = incidents.noted(failure, "the console could not begin, or end in order", randomness)
    return StrongroomError(
        "the console met an error that nobody expected", hint=f"its log has under {number} where this happened"
    )


class _Server(uvicorn.Server):
    """Ends orderly on both signals, and lets them be afterwards: to be told to end is no failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See the class."""
        before = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


class _Bounded(H11Protocol):
    """Closes connections of those who are too slow; offers them to those who have much to send."""

    _header: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 (uvicorn's)
        super().__init__(*given, **named)
        inner = self.app

        async def offering(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI's)
            direct.offer(scope, self.transport, self.conn)
            await inner(scope, receive, send)

        self.app = offering

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 (asyncio's)
        """A client has come: its first header is due."""
        super().connection_made(transport)
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Part of a header, or of a body."""
        super().data_received(data)
        if self._is_busy():
            self._cancel()
        elif self._header is None and not self.transport.is_closing():
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._cancel()
        self._resume()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._resume()
        self._stalled = self.loop.call_later(READ_WITHIN, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._resume()
        super().resume_writing()

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_header(self) -> None:
        self._header = self.loop.call_later(HEADER_WITHIN, self._give_up)

    def _give_up(self) -> None:
        self._header = None
        if not self._is_busy():
            self.transport.close()

    def _cancel(self) -> None:
        if self._header is not None:
            self._header.cancel()
            self._header = None

    def _resume(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


@contextmanager
def _socket(where: Listening) -> Iterator[socket.socket]:
    host, port = where.address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.create_server((host, port), family=found[0], backlog=256)
    except OSError as error:
        raise StrongroomError(
            f"cannot listen at {host}:{port}: {error.strerror or error}",
            hint="another console may run there already; name another place with --listen HOST:PORT",
        ) from error
    with made:
        yield made


def _encrypted(certificate: LiveCertificate) -> Any:  # noqa: ANN401 (uvicorn asks for a class, and calls it)
    """What makes the protocol of a connection."""
    return lambda **named: TlsTransport(_Bounded(**named), certificate.context)

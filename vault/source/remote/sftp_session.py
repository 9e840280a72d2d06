"""A connection to an SFTP server in a thread of its own, in which an event loop runs: `run` hands it a coroutine and waits.

The server's key is checked against files of known hosts, and never taken on trust. One connection carries many requests at the
same time. It is made where it is needed, and made again after it was cut; a server that stops answering counts as cut.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, NamedTuple, TypeVar

import asyncssh

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.problems import printable
from vault.source.remote.files import TIMEOUT, ConnectionCut

CONNECT_TRIES = 3
_KEEPALIVE = 15.0
_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
"""First, and after them what asyncssh has by itself: its ChaCha20 takes three times as long for small messages."""

T = TypeVar("T")


class SftpAddress(HidesFields, frozen=True):
    """How a server is reached.

    - `base`: the folder; relative to the user's own where it does not begin with a slash
    - `key_file`, `passphrase`: of a private key; where neither it nor a password nor an agent is said, the user's own keys
    - `agent`: socket of an SSH agent; empty for none
    - `known_hosts`: files of keys of hosts; empty for the user's own
    - `per_second`: requests at most; 0 for no limit · `max_parallel`: requests at the same time
    - `timeout`: seconds without an answer
    """

    host: str
    port: int
    base: bytes
    user: str = ""
    password: str | None = None
    key_file: str = ""
    passphrase: str | None = None
    agent: str = ""
    known_hosts: tuple[str, ...] = ()
    per_second: float = 0.0
    max_parallel: int = 16
    timeout: float = TIMEOUT

    @property
    def text(self) -> str:
        """For people."""
        base = self.base if self.base.startswith(b"/") else b"/~/" + self.base.removeprefix(b".").removeprefix(b"/")
        return f"sftp://{self.host}:{self.port}{printable(base)}"


class Begun(NamedTuple, Generic[T]):
    """A request that is on its way, and what it was made with."""

    future: Future[T]
    client: asyncssh.SFTPClient


class SftpSession:
    """See this module's text. Used by several threads."""

    def __init__(self, address: SftpAddress, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._was_connected = False

    def run(self, do: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine gives. Raises what it raises, `ConnectionCut`, `SourceError`."""
        return self.result(self.begin(do))

    def begin(
        self, do: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]], client: asyncssh.SFTPClient | None = None
    ) -> Begun[T]:
        """The same, of which the caller waits for `result` later. client: of an open file, whose connection is not made again.
        Raises `ConnectionCut`, `SourceError`."""
        with self._lock:
            client = client or self._connected()
            loop = self._running_loop()
        return Begun(asyncio.run_coroutine_threadsafe(do(client), loop), client)

    def result(self, begun: Begun[T]) -> T:
        """What came out; errors of the connection are said as such."""
        try:
            return begun.future.result()
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, ConnectionError) as error:
            self._give_up(begun.client)
            raise ConnectionCut(f"the connection to {self.address.text} was cut", hint="try again") from error
        except (TimeoutError, CancelledError, asyncio.CancelledError) as error:
            self._give_up(begun.client)
            raise ConnectionCut(f"{self.address.text} does not answer any more", hint="try again later") from error

    def _give_up(self, client: asyncssh.SFTPClient) -> None:
        """The next request makes another connection, unless that was done already."""
        with self._lock:
            if self._client is client:
                self._disconnect()

    def close(self) -> None:
        """Close the connection and end the thread."""
        with self._lock:
            self._disconnect()
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_ended(), loop).result(TIMEOUT)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True)
            self._thread.start()
        return self._loop

    def _connected(self) -> asyncssh.SFTPClient:
        """The client; the lock is held."""
        if self._client is not None and self._connection is not None and not self._connection.is_closed():
            return self._client
        self._disconnect()
        loop = self._running_loop()
        for attempt in range(1, CONNECT_TRIES + 1):
            try:
                made = asyncio.run_coroutine_threadsafe(self._connect(), loop).result()
            except (OSError, ConnectionCut) as error:
                message, hint = (
                    f"{self.address.text} cannot be reached: {_words(error)}",
                    "is the address right? Try again later",
                )
                if self._was_connected:
                    raise ConnectionCut(message, hint=hint) from error
                if attempt == CONNECT_TRIES:
                    raise SourceError(message, hint=hint) from error
                self._clock.sleep(attempt)
                continue
            self._connection, self._client = made
            self._was_connected = True
            return self._client
        raise ConnectionCut(f"{self.address.text} cannot be reached")

    async def _connect(self) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
        address = self.address
        connection: asyncssh.SSHClientConnection | None = None
        try:
            async with asyncio.timeout(address.timeout):
                connection = await asyncssh.connect(address.host, address.port, config=None, **_options(address))
                client = await connection.start_sftp_client(path_encoding=None)
        except BaseException as error:
            was_cut = connection is not None and connection.is_closed()
            if connection is not None:
                connection.abort()
            if was_cut:
                raise ConnectionCut("the connection was cut") from error
            if isinstance(error, OSError) or not isinstance(error, Exception):
                raise
            raise _translated(error, address) from error
        return connection, client

    def _disconnect(self) -> None:
        """The lock is held."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(connection.abort)


async def _ended() -> None:
    """Let what was cancelled or aborted come to its end."""
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)


def _options(address: SftpAddress) -> dict[str, Any]:
    named = bool(address.key_file or address.agent or address.password is not None)
    options: dict[str, Any] = {
        "known_hosts": list(address.known_hosts) or (),
        "agent_path": address.agent or None,
        "client_keys": [address.key_file] if address.key_file else None if named and not address.agent else (),
        "gss_host": None,
        "compression_algs": None,
        "encryption_algs": _CIPHERS,
        "connect_timeout": address.timeout,
        "login_timeout": address.timeout,
        "keepalive_interval": _KEEPALIVE,
    }
    if address.user:
        options["username"] = address.user
    if address.password is not None:
        options["password"] = address.password
    if address.passphrase is not None:
        options["passphrase"] = address.passphrase
    return options


def _translated(error: Exception, address: SftpAddress) -> SourceError:
    """What ended the making of a connection, without anything secret."""
    where = address.text
    match error:
        case asyncssh.HostKeyNotVerifiable():
            hint = (
                f"compare the key that `ssh-keyscan -p {address.port} {address.host}` prints with the server's own, and add it "
                "to ~/.ssh/known_hosts, or to the file that the option known_hosts names"
            )
            return SourceError(f"the key of {where} is not that of a known host", hint=hint)
        case asyncssh.PermissionDenied():
            hint = "check the options user, key_file and password_file"
            return SourceError(f"{where} refuses the user, the key or the password", hint=hint)
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            hint = "check the options key_file, passphrase_file and known_hosts"
            return SourceError(f"a key for {where} cannot be read", hint=hint)
        case asyncssh.ConnectionLost() | asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
            return ConnectionCut("the connection was cut")
        case asyncssh.ChannelOpenError() | asyncssh.SFTPError():
            return SourceError(f"{where} offers no SFTP to this user", hint="is the subsystem sftp switched on there?")
        case _:
            words = printable(str(error)[:200].encode("utf-8", "replace"))
            return SourceError(f"{where} does not speak SSH with us: {words}", hint="is it the address of an SFTP server?")


def _words(error: OSError | ConnectionCut) -> str:
    return str(error) if isinstance(error, ConnectionCut) else error.strerror or type(error).__name__


async def within(seconds: float, waited: Awaitable[T]) -> T:
    """What an awaitable gives. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        return await waited

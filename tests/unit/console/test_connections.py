"""What one address may hold of the console, over real sockets of this machine: its addresses are many, 127.0.0.1 to .9."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from console.accounts.proxy import counted_as
from console.connections import SAID_EVERY, Doors, LimitedListener, RequestsByAddress
from strongroom.settings.console import ConsoleSettings, ProxySettings
from tests.support.clock import StillClock
from tests.support.server_certificates import authority

GREETING = b"hello\n"


class Served:
    """A server that greets whoever comes, and lets nobody go."""

    def __init__(self, doors: Doors, ssl_context: ssl.SSLContext | None) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        self.listener = LimitedListener(listening, doors, plain=ssl_context is None)
        self.port = self.listener.getsockname()[1]
        self.doors = doors
        self._clients: list[asyncio.StreamWriter] = []
        self._context = ssl_context

    async def begin(self) -> asyncio.Server:
        """See the class."""
        return await asyncio.start_server(self._greet, sock=self.listener, ssl=self._context)

    async def end(self) -> None:
        """Everybody goes."""
        for one in self._clients:
            one.transport.abort()
        while self.doors.inside:
            await asyncio.sleep(0.001)
        self.listener.close()

    async def connect(
        self, address: str, trust: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As from that address. trust: for TLS."""
        name = None if trust is None else "127.0.0.1"
        made = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0), ssl=trust, server_hostname=name)
        self._clients.append(made[1])
        return made

    async def answer(self, address: str) -> tuple[bytes, asyncio.StreamWriter]:
        """What comes first to a client from there, and its connection, which is open."""
        reader, writer = await self.connect(address)
        return await reader.readline(), writer

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.read()
        writer.close()


@asynccontextmanager
async def served(
    clock: StillClock | None = None, ssl_context: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """settings: of `[console]`, that are not as usual."""
    found = ConsoleSettings.model_construct(**settings)
    made = Served(Doors(lambda: found, clock or StillClock()), ssl_context)
    server = await made.begin()
    try:
        yield made
    finally:
        server.close()
        await made.end()


def test_an_address_that_opens_hundreds_of_connections_takes_nobody_elses_room() -> None:
    async def main() -> None:
        async with served(connections=20, connections_by_address=5) as server:
            flood = [await server.answer("127.0.0.1") for _ in range(300)]
            assert [line for line, _ in flood[:5]] == [GREETING] * 5
            assert all(line != GREETING for line, _ in flood[5:])
            assert flood[5][0] == b"HTTP/1.1 503 Service Unavailable\r\n"
            assert (await server.answer("127.0.0.2"))[0] == GREETING

    asyncio.run(main())


def test_whoever_is_refused_is_told_why_also_when_the_request_comes_later() -> None:
    async def main() -> None:
        async with served(connections_by_address=1) as server:
            assert (await server.answer("127.0.0.1"))[0] == GREETING
            reader, writer = await server.connect("127.0.0.1")
            line = await reader.readline()  # it is refused by now
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
            answer = line + await reader.read()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b" 503 " in head and b"retry-after: 10" in head and b"connection: close" in head
            assert body.startswith(b"there are too many connections from your address")
            assert f"content-length: {len(body)}".encode() in head

    asyncio.run(main())


def test_a_connection_that_ends_gives_its_room_back_however_it_ends() -> None:
    async def main() -> None:
        async with served(connections=2, connections_by_address=2) as server:
            for ending in ("closed", "broken", "closed", "broken"):
                both = [await server.answer("127.0.0.1") for _ in range(2)]
                assert [line for line, _ in both] == [GREETING] * 2
                for _, writer in both:
                    if ending == "broken":
                        writer.transport.abort()
                    else:
                        writer.close()
                while server.doors.inside:
                    await asyncio.sleep(0.001)

    asyncio.run(main())


def test_the_console_as_a_whole_has_a_bound_too() -> None:
    async def main() -> None:
        async with served(connections=3, connections_by_address=3) as server:
            held = [await server.answer(f"127.0.0.{number}") for number in (1, 2, 3)]
            assert [line for line, _ in held] == [GREETING] * 3
            reader, _ = await server.connect("127.0.0.4")
            answer = await reader.read()
            assert b" 503 " in answer and b"this console has too many connections" in answer

    asyncio.run(main())


def test_connections_of_the_proxy_in_front_are_those_of_many_people() -> None:
    async def main() -> None:
        proxy = ProxySettings(addresses=("127.0.0.9",))
        async with served(connections=10, connections_by_address=1, proxy=proxy) as server:
            assert [(await server.answer("127.0.0.9"))[0] for _ in range(5)] == [GREETING] * 5
            assert [(await server.answer("127.0.0.1"))[0][:12] for _ in range(2)] == [GREETING, b"HTTP/1.1 503"]

    asyncio.run(main())


def test_connections_that_say_nothing_before_tls_count_and_one_too_many_is_closed(tmp_path: Path) -> None:
    trusted = authority(tmp_path, "an authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted.issue(tmp_path, "127.0.0.1"))
    client = ssl.create_default_context(cafile=str(trusted.file))

    async def main() -> None:
        async with served(connections=9, connections_by_address=3, ssl_context=context) as server:
            silent = [await server.connect("127.0.0.1") for _ in range(3)]
            reader, _ = await server.connect("127.0.0.1")
            assert await reader.read() == b""
            spoken, _ = await server.connect("127.0.0.2", client)
            assert await spoken.readline() == GREETING
            for _, writer in silent:
                writer.transport.abort()
            while server.doors.inside > 1:
                await asyncio.sleep(0.001)
            assert await (await server.connect("127.0.0.1", client))[0].readline() == GREETING

    asyncio.run(main())


def test_a_flood_is_one_line_a_minute_in_the_log_which_says_how_much_there_was(caplog: pytest.LogCaptureFixture) -> None:
    clock = StillClock()
    settings = ConsoleSettings.model_construct(connections_by_address=1)
    doors = Doors(lambda: settings, clock)
    with caplog.at_level(logging.WARNING, logger="strongroom.console"):
        assert not doors.enter("192.0.2.7")
        assert all(doors.enter("192.0.2.7") for _ in range(1000))
        assert [one.getMessage() for one in caplog.records] == [
            "a connection from 192.0.2.7 is refused, which has 1 (connections_by_address)"
        ]
        clock.sleep(SAID_EVERY)
        assert doors.enter("192.0.2.7")
        assert caplog.records[-1].getMessage().endswith("; 999 more before it were")


def test_other_limits_count_from_the_next_connection_on() -> None:
    limits = {"connections_by_address": 1}
    doors = Doors(lambda: ConsoleSettings.model_construct(**limits), StillClock())
    assert [bool(doors.enter("192.0.2.7")) for _ in range(2)] == [False, True]
    limits["connections_by_address"] = 2
    assert [bool(doors.enter("192.0.2.7")) for _ in range(2)] == [False, True]
    doors.leave("192.0.2.7")
    assert not doors.enter("192.0.2.7")


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_of_ipv6_the_network_counts_that_one_customer_has(address: str, who: str) -> None:
    assert counted_as(address) == who


class Behind:
    """Requests through a proxy at 10.0.0.1, to an application that answers once it is let."""

    def __init__(self, most: int) -> None:
        settings = ConsoleSettings.model_construct(connections_by_address=most, proxy=ProxySettings(addresses=("10.0.0.0/24",)))
        self.let = asyncio.Event()
        self.app = RequestsByAddress(self._application, settings=lambda: settings, refused=_refused)

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.let.wait()
        await PlainTextResponse("done")(scope, receive, send)

    async def ask(self, forwarded: str, peer: str = "10.0.0.1") -> int:
        """Gives the status."""
        said: list[int] = []

        async def send(message: Any) -> None:
            said.extend([message["status"]] if message["type"] == "http.response.start" else [])

        headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "client": (peer, 1)}
        await self.app(scope, _nothing, send)
        return said[0]


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


def _refused(_: Request) -> Response:
    return PlainTextResponse("", 429)


def test_behind_the_proxy_requests_count_by_the_address_that_it_names() -> None:
    async def begun(behind: Behind, *asked: Awaitable[int]) -> list[asyncio.Task[int]]:
        tasks = [asyncio.ensure_future(one) for one in asked]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks

    async def main() -> None:
        behind = Behind(2)
        one = await begun(behind, *(behind.ask(f"2001:db8::{number}") for number in (1, 2, 3)))
        assert [task.done() for task in one] == [False, False, True] and one[2].result() == 429
        others = await begun(behind, behind.ask("2001:db8:0:1::1"), *(behind.ask("") for _ in range(5)))
        direct = await begun(behind, *(behind.ask("2001:db8::1", peer="192.0.2.7") for _ in range(5)))
        assert not any(task.done() for task in (*others, *direct))
        behind.let.set()
        assert await asyncio.gather(*one[:2], *others, *direct) == [200] * 13
        assert await asyncio.gather(*(behind.ask("2001:db8::1") for _ in range(2))) == [200] * 2, "their room was given back"

    asyncio.run(main())

"""TLS of the console: what is sent arrives in its order, by the event loop or by a thread; who does not speak it is refused."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from console import tls
from console.direct import DirectConnection
from console.tls import RECORD, TlsTransport
from tests.support.randomness import SeededChance
from tests.support.server_certificates import authority

LONG = 30.0
NAME = "localhost"


class Certified:
    """Contexts of both ends."""

    def __init__(self, folder: Path) -> None:
        trusted = authority(folder, "an authority")
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(*trusted.issue(folder, NAME))
        self.client = ssl.create_default_context(cafile=str(trusted.file))


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return Certified(tmp_path_factory.mktemp("certified"))


class Answers(asyncio.Protocol):
    """Does with each piece what a test wants, and remembers what it heard."""

    def __init__(self, answer: Callable[[TlsTransport, bytes], None]) -> None:
        self._answer = answer
        self.transport: TlsTransport | None = None
        self.heard = bytearray()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        assert self.transport is not None
        self._answer(self.transport, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class Serving:
    """A server on a free port; its newest connection's protocol and transport."""

    def __init__(self, certified: Certified, answer: Callable[[TlsTransport, bytes], None]) -> None:
        self._certified = certified
        self._answer = answer
        self.port = 0
        self.protocol = Answers(answer)
        self.transport: TlsTransport | None = None

    def made(self) -> TlsTransport:
        self.protocol = Answers(self._answer)
        self.transport = TlsTransport(self.protocol, self._certified.server)
        return self.transport


@asynccontextmanager
async def serving(certified: Certified, answer: Callable[[TlsTransport, bytes], None]) -> AsyncIterator[Serving]:
    made = Serving(certified, answer)
    server = await asyncio.get_running_loop().create_server(made.made, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(LONG):
            yield made
    finally:
        server.close()
        if made.transport is not None and made.protocol.transport is not None:
            made.transport.abort()
            await made.protocol.lost.wait()


def echo(transport: TlsTransport, data: bytes) -> None:
    transport.write(data)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pieces_of_all_sizes_come_and_go(certified: Certified, version: ssl.TLSVersion) -> None:
    chance = SeededChance("tls")
    pieces = [chance.token(size) for size in (1, RECORD - 1, RECORD, RECORD + 1, 300_000, 7)]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.minimum_version = client.maximum_version = version

    async def told() -> None:
        async with serving(certified, echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=client)
            for piece in pieces:
                writer.write(piece)
                assert await reader.readexactly(len(piece)) == piece
            transport = server.transport
            assert transport is not None and transport.get_extra_info("ssl_object").version() == version.name.replace(
                "v1_", "v1."
            )
            assert transport.get_extra_info("peername")[0] == "127.0.0.1" and transport.is_reading()
            writer.close()
            await server.protocol.lost.wait()
            assert server.protocol.heard == b"".join(pieces)

    asyncio.run(told())


def test_what_a_thread_sends_stands_between_what_was_written_before_it_and_after_it(certified: Certified) -> None:
    chance = SeededChance("direct")
    bodies = [[chance.token(size) for size in sizes] for sizes in ([600_000, 2], [3] * 400, [1], [RECORD * 3])]
    sent = b"".join(piece for pieces in bodies for piece in pieces)
    threads: list[threading.Thread] = []

    async def told() -> None:
        loop = asyncio.get_running_loop()

        def answer(transport: TlsTransport, data: bytes) -> None:
            if data != b"begin":
                return  # what comes meanwhile is read by the event loop
            transport.write(b"head")
            assert not transport.get_write_buffer_size()
            own = socket.socket(fileno=transport.get_extra_info("socket").dup().detach())
            own.settimeout(0)
            connection = DirectConnection(own, chunked=False, tls=transport)

            def send() -> None:
                for pieces in bodies:
                    connection.send(pieces, LONG)
                connection.close()
                loop.call_soon_threadsafe(transport.write, b"end")

            threads.append(threading.Thread(target=send))
            threads[-1].start()

        async with serving(certified, answer) as server:
            reader, writer = await asyncio.open_connection(NAME, server.port, ssl=certified.client, family=socket.AF_INET)
            writer.write(b"begin")
            for _ in range(50):
                writer.write(b"meanwhile")
                await writer.drain()
            assert await reader.readexactly(4 + len(sent) + 3) == b"head" + sent + b"end"
            writer.close()
            await server.protocol.lost.wait()
            assert server.protocol.heard == b"begin" + b"meanwhile" * 50

    asyncio.run(told())
    threads[0].join(LONG)


def test_an_end_is_told_so_that_nothing_can_be_cut_off_unseen(certified: Certified) -> None:
    def answer(transport: TlsTransport, data: bytes) -> None:
        transport.write(data)
        transport.close() if data == b"close" else transport.abort()
        transport.write(b"nothing more")

    def asked(port: int, what: bytes) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), LONG) as plain,
            certified.client.wrap_socket(plain, server_hostname=NAME, suppress_ragged_eofs=False) as client,
        ):
            client.sendall(what)
            found = bytearray()
            while piece := client.recv(100):
                found += piece
            return bytes(found)

    async def told() -> None:
        async with serving(certified, answer) as server:
            assert await asyncio.to_thread(asked, server.port, b"close") == b"close"
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                await asyncio.to_thread(asked, server.port, b"abort")

    asyncio.run(told())


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", bytes(5000), b"\x16\x03\x01\x00\x05hello", b""])
def test_who_does_not_speak_it_is_shown_out_and_reaches_no_protocol(
    certified: Certified, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_WITHIN", 0.1 if not sent else LONG)

    def asked(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), LONG) as plain:
            plain.sendall(sent)
            found = bytearray()
            try:
                while piece := plain.recv(100):
                    found += piece
            except ConnectionResetError:
                pass
            return bytes(found)

    async def told() -> None:
        async with serving(certified, echo) as server:
            found = await asyncio.to_thread(asked, server.port)
            assert server.protocol.transport is None and b"HTTP" not in found and len(found) < 100

    asyncio.run(told())


def test_a_stream_that_was_tampered_with_ends_the_connection(certified: Certified) -> None:
    async def told() -> None:
        async with serving(certified, echo) as server:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = certified.client.wrap_bio(incoming, outgoing, server_hostname=NAME)
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(1 << 16))
            client.write(b"honest")
            client.write(b"forged")
            whole = bytearray(outgoing.read())
            whole[-1] ^= 1
            writer.write(whole)
            await server_lost(server)
            assert server.protocol.heard == b"honest"
            writer.close()

    async def server_lost(server: Serving) -> None:
        while server.protocol.transport is None:
            await asyncio.sleep(0.01)
        await server.protocol.lost.wait()

    asyncio.run(told())

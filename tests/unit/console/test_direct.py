"""Content that goes past the event loop arrives as it was sent, and ends with whoever takes it."""

from __future__ import annotations

import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import h11
import pytest

from console.direct import MOST_BUFFERS, DirectConnection, DirectOffer, offer, offered
from console.pipes import PIECE, Pipe
from tests.support.randomness import SeededChance
from vault.errors import Damaged, Interrupted

LONG = 60.0


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end of a connection, which does not block, as asyncio has it; and the browser's."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(LONG)
    with ours, theirs:
        yield ours, theirs


def in_a_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def everything(theirs: socket.socket) -> bytes:
    found = bytearray()
    while piece := theirs.recv(1 << 16):
        found += piece
    return bytes(found)


def test_pieces_arrive_as_they_are_and_in_chunks_that_another_reader_takes(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    chance = SeededChance("direct")
    sent = [[chance.token(size) for size in sizes] for sizes in ([1, 0, 700_000], [], [2_000_000], [3] * (MOST_BUFFERS * 2))]

    def send() -> None:
        connection = DirectConnection(ours.dup(), chunked=True)
        ours.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for pieces in sent:
            connection.send(pieces, LONG)
        connection.close()
        ours.send(b"0\r\n\r\n")
        ours.close()

    thread = in_a_thread(send)
    answer = http.client.HTTPResponse(theirs)
    answer.begin()
    found = answer.read()
    thread.join(LONG)
    assert found == b"".join(piece for pieces in sent for piece in pieces)


def test_a_browser_that_takes_nothing_or_is_gone_is_given_up(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    connection = DirectConnection(ours.dup(), chunked=False)
    with pytest.raises(Interrupted):
        connection.send([bytes(64 << 20)], 0.05)
    theirs.close()
    with pytest.raises(Interrupted):
        connection.send([b"more"], LONG)
    connection.close()


def test_a_thread_that_sends_is_ended_from_another_one_and_what_was_closed_is_let_be(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    connection = DirectConnection(ours.dup(), chunked=False)
    met: list[BaseException] = []

    def send() -> None:
        try:
            connection.send([bytes(64 << 20)], LONG)
        except Interrupted as error:
            met.append(error)

    thread = in_a_thread(send)
    assert theirs.recv(1)
    connection.shut_down()
    thread.join(LONG)
    connection.close()
    assert len(met) == 1
    one, two = socket.socketpair()
    with one, two:
        whole = DirectConnection(one.dup(), chunked=False)
        whole.send([b"all"], LONG)
        whole.close()
        whole.shut_down()
        one.send(b" of it")
        two.settimeout(LONG)
        assert two.recv(3, socket.MSG_WAITALL) + two.recv(6, socket.MSG_WAITALL) == b"all of it"


class Transport:
    """As asyncio's. waiting: bytes that it has not sent."""

    def __init__(self, connection: socket.socket, *, encrypted: bool = False, waiting: int = 0) -> None:
        self._about = {"socket": connection, "sslcontext": object() if encrypted else None}
        self._waiting = waiting

    def get_extra_info(self, name: str) -> object:
        return self._about[name]

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def is_closing(self) -> bool:
        return False


def test_a_connection_is_offered_where_nothing_but_the_body_is_to_be_sent_on_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = ends
    for method, version, is_offered in (("GET", "1.1", True), ("GET", "1.0", False), ("HEAD", "1.1", False)):
        scope: dict[str, Any] = {"method": method, "http_version": version}
        offer(scope, cast(Any, Transport(ours)), h11.Connection(h11.SERVER))
        assert (offered(scope) is not None) == is_offered
    for transport, is_taken in (
        (Transport(ours), True),
        (Transport(ours, encrypted=True), False),
        (Transport(ours, waiting=1), False),
    ):
        taken = DirectOffer(cast(Any, transport), h11.Connection(h11.SERVER)).take(chunked=True)
        assert (taken is not None) == is_taken
        if taken is not None:
            taken.close()


class Sink:
    """Takes what a diverted pipe sends. refuses_after: bytes after which its browser is gone."""

    def __init__(self, refuses_after: int | None = None) -> None:
        self.data = io.BytesIO()
        self.threads: set[int] = set()
        self.over = threading.Event()
        self._refuses_after = refuses_after

    def send(self, pieces: Sequence[bytes], stall: float) -> None:
        self.threads.add(threading.get_ident())
        if self._refuses_after is not None and self.data.tell() >= self._refuses_after:
            raise Interrupted("gone")
        self.data.write(b"".join(pieces))


def test_a_diverted_pipe_sends_what_waited_and_what_comes_from_the_writers_own_thread() -> None:
    pipe, sink = Pipe(LONG, held=2 * PIECE), Sink()
    data = [bytes([number % 251]) * (PIECE // 3 + number) for number in range(40)]

    def write() -> None:
        for piece in data:
            pipe.write(piece)
        pipe.end()

    thread = in_a_thread(write)
    pipe.begun()
    assert pipe.divert(sink.send, sink.over.set)
    assert sink.over.wait(LONG) and pipe.read() is None
    assert sink.data.getvalue() == b"".join(data) and sink.threads == {thread.ident}


def test_a_diverted_pipe_that_is_not_whole_never_says_that_it_is() -> None:
    def ended(pipe: Pipe, sink: Sink, error: BaseException | None = None) -> None:
        assert pipe.divert(sink.send, sink.over.set)
        try:
            for _ in range(4):
                pipe.write(bytes(PIECE))
            pipe.write(b"the last")
        except Interrupted as met:
            error = met
        pipe.end(error)
        assert sink.over.is_set()

    damaged = Pipe(LONG)
    ended(damaged, Sink(), Damaged("gone"))
    assert damaged.read() == b"the last"
    with pytest.raises(Damaged):
        damaged.read()
    left = Pipe(LONG)
    ended(left, Sink(refuses_after=2 * PIECE))
    with pytest.raises(Interrupted):
        left.read()
    at_its_end = Pipe(LONG)
    ended(at_its_end, Sink(refuses_after=4 * PIECE))
    with pytest.raises(Interrupted):
        at_its_end.read()


def test_what_has_ended_before_it_could_be_diverted_is_read_and_what_was_left_was_not_sent() -> None:
    pipe, sink = Pipe(LONG), Sink()
    pipe.write(b"little")
    pipe.flush()
    pipe.end()
    assert not pipe.divert(sink.send, sink.over.set)
    assert pipe.read() == b"little" and pipe.read() is None
    left = Pipe(LONG)
    left.write(b"nobody has taken this")
    left.leave()
    with pytest.raises(Interrupted):
        left.flush()


def test_who_cancels_ends_what_is_being_written_with_the_next_piece() -> None:
    cancelled = threading.Event()

    def stop() -> None:
        if cancelled.is_set():
            raise Interrupted("cancelled")

    pipe = Pipe(LONG, stop=stop)
    pipe.write(b"before")
    cancelled.set()
    with pytest.raises(Interrupted):
        pipe.write(b"after")

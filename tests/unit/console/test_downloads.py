"""A download costs no more memory than its pipe holds, ends with whoever reads it, and half of one never looks whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from console.pipes import PIECE, Pipe
from console.streams import StreamedFile, disposition
from vault.errors import Damaged, Interrupted

LONG = 60.0


def in_a_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_is_written_is_read_in_order_and_the_end_is_an_end() -> None:
    pipe = Pipe(LONG, held=3 * PIECE)
    data = [bytes([number % 251]) * (PIECE // 3 + number) for number in range(40)]

    def write() -> None:
        for piece in data:
            pipe.write(piece)
        pipe.end()

    thread = in_a_thread(write)
    pipe.begun()
    found, largest = b"", 0
    while (piece := pipe.read()) is not None:
        found += piece
        largest = max(largest, len(piece))
    thread.join(LONG)
    assert found == b"".join(data) and largest <= 4 * PIECE


def test_a_writer_waits_for_its_reader_and_gives_up_one_that_takes_nothing() -> None:
    pipe = Pipe(0.05, held=10)
    pipe.write(b"0123456789")
    with pytest.raises(Interrupted):
        pipe.write(b"more than it holds")
    with pytest.raises(Interrupted):
        pipe.write(b"x")
    assert pipe.read() == b"0123456789"
    with pytest.raises(Interrupted):  # it looks like no end, though the writer has not said so yet
        pipe.read()


def test_a_reader_that_leaves_ends_the_writer_at_once() -> None:
    pipe = Pipe(LONG, held=10)
    met: list[BaseException] = []

    def write() -> None:
        try:
            while True:
                pipe.write(b"x" * 10)
        except Interrupted as error:
            met.append(error)

    thread = in_a_thread(write)
    pipe.leave()
    thread.join(LONG)
    assert len(met) == 1


def test_an_error_before_the_first_byte_is_known_before_anything_is_sent_and_a_later_one_breaks_off() -> None:
    early = Pipe(LONG)
    early.end(Damaged("gone"))
    with pytest.raises(Damaged):
        early.begun()
    late = Pipe(LONG)
    late.write(b"some")
    late.end(Damaged("gone"))
    late.begun()
    assert late.read() == b"some"
    with pytest.raises(Damaged):
        late.read()


class Browser:
    """The other end of an answer. leaves_after: pieces after which it breaks the connection off."""

    def __init__(self, leaves_after: int | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self._leaves_after = leaves_after
        self._gone = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if self._leaves_after is not None and len(self.sent) > self._leaves_after:
            self._gone.set()
            await anyio.sleep_forever()  # as a server does whose client takes nothing more

    def take(self, answer: StreamedFile) -> None:
        async def run() -> None:
            await answer({"type": "http", "method": "GET"}, self.receive, self.send)

        anyio.run(run)

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


def answer_of(pipe: Pipe, size: int | None = None) -> StreamedFile:
    return StreamedFile(pipe.read, pipe.leave, "Отчёт.zip", size, "application/zip")


def test_an_answer_is_whole_where_its_content_is() -> None:
    def run(error: BaseException | None) -> Browser:
        pipe = Pipe(LONG)
        pipe.write(b"content")
        pipe.end(error)
        browser = Browser()
        if error is None:
            browser.take(answer_of(pipe, 7))
        else:
            with pytest.raises(Damaged):
                browser.take(answer_of(pipe))
        return browser

    whole, half = run(None), run(Damaged("gone"))
    assert whole.is_whole and not half.is_whole
    assert dict(whole.sent[0]["headers"])[b"content-length"] == b"7"
    assert b"content-length" not in dict(half.sent[0]["headers"])


def test_a_browser_that_leaves_ends_the_work_behind_it() -> None:
    pipe = Pipe(LONG, held=4 * PIECE)
    met: list[BaseException] = []

    def write() -> None:
        try:
            while True:
                pipe.write(b"x" * PIECE)
        except Interrupted as error:
            met.append(error)

    thread = in_a_thread(write)
    browser = Browser(leaves_after=3)
    browser.take(answer_of(pipe))
    thread.join(LONG)
    assert met and not browser.is_whole


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("Отчёт за май.zip", "_____ __ ___.zip", "%D0%9E%D1%82%D1%87%D1%91%D1%82%20%D0%B7%D0%B0%20%D0%BC%D0%B0%D0%B9.zip"),
        ('a"b;c%.csv', "a_b_c_.csv", "a%22b%3Bc%25.csv"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("x\r\nset-cookie: a", "x__set-cookie: a", "x__set-cookie%3A%20a"),
        ("...", "download", "download"),
    ],
)
def test_a_name_of_any_letters_is_a_name_and_nothing_else(name: str, plain: str, encoded: str) -> None:
    assert disposition(name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"

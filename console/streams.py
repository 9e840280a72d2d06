"""Answers that are sent while they are made. Whoever takes them slowly, or not to their end, ends the work behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import quote

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console import direct
from console.pipes import Pipe

POLICY = "sandbox; default-src 'none'"
"""Content-Security-Policy of what users have stored."""


class StreamedFile(Response):
    """A file that a browser saves. read: the next piece, None at the end; it is called in a thread, and what it raises breaks
    the connection off, so that half a file does not look like a whole one · close: called however it ends, maybe
    twice · size: in bytes; None where nobody knows."""

    def __init__(
        self, read: Callable[[], bytes | None], close: Callable[[], None], name: str, size: int | None, kind: str
    ) -> None:
        headers: Mapping[str, str] = {
            "content-disposition": disposition(name),
            "content-security-policy": POLICY,
            "x-accel-buffering": "no",
            **({} if size is None else {"content-length": str(size)}),
        }
        super().__init__(None, 200, dict(headers), kind)
        if size is None:
            del self.headers["content-length"]
        self._read = read
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await self._send_body(scope, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                group.cancel_scope.cancel()
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            self._close()

    async def _send_body(self, scope: Scope, send: Send) -> None:
        while (piece := await run_in_threadpool(self._read)) is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        """Ends it once the connection is gone, also while a thread waits for the next piece."""
        while (await receive())["type"] != "http.disconnect":
            continue
        self._close()
        scope.cancel()


class PipedFile(StreamedFile):
    """One that a thread writes into a pipe, and to the browser itself where the server offers that."""

    def __init__(self, pipe: Pipe, close: Callable[[], None], name: str, size: int | None, kind: str) -> None:
        super().__init__(pipe.read, close, name, size, kind)
        self._pipe = pipe

    async def _send_body(self, scope: Scope, send: Send) -> None:
        offer = direct.offered(scope)
        connection = None if offer is None else offer.take(chunked="content-length" not in self.headers)
        if offer is None or connection is None:
            await super()._send_body(scope, send)
            return
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def done() -> None:
            connection.close()
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(over.set)

        if self._pipe.divert(connection.send, done):
            try:
                await over.wait()
            finally:
                connection.shut_down()
        else:
            connection.close()
        await super()._send_body(scope, send)  # what is left, or why it is not whole
        if "content-length" in self.headers:
            offer.count(connection.sent)


def disposition(name: str) -> str:
    """The header for a file to be saved under a name of any letters; folders are no part of it."""
    plain = name.replace("/", "_").replace("\\", "_").strip(". ") or "download"
    plain = "".join(letter if letter.isprintable() else "_" for letter in plain)[:200]
    ascii_only = "".join(letter if letter.isascii() and letter not in '"%;' else "_" for letter in plain)
    return f"attachment; filename=\"{ascii_only}\"; filename*=UTF-8''{quote(plain, safe='')}"

"""A file that somebody brings: streamed to the disk while it comes, below the console's own folder, and bounded in all.

In a form the session's token stands before the file: without it nothing is written. Names that are sent are only words; the
file has a name of ours. What does not come to its end goes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shutil
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from msgspec import Struct
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect

from console import files
from console.errors import ForgedRequest, TooLarge
from vault.errors import Busy, TargetError, UsageError

if TYPE_CHECKING:
    from starlette.requests import Request

    from console.visit import Console

FILE = "bag"
"""The field of the file."""

MOST_FIELDS = 20
LONGEST_FIELD = 4096
LONGEST_HEADER = 8192
STALL = 60.0
"""Seconds in which the next piece has come."""

LONGEST = 6 * 3600.0
LEFT_FREE = 256 << 20
"""Bytes that stay free on the disk: the console's own memory lies there."""


class Upload(Struct, frozen=True):
    """What was brought. task: whose folder it lies in · name: as it was sent, whatever that is · sha256: hexadecimal."""

    task: str
    name: str
    size: int
    sha256: str


class _File:
    """On its way to the disk. Raises `TooLarge`, `TargetError`."""

    def __init__(self, console: Console, name: str) -> None:
        self.task = console.randomness.token(16).hex()
        self._console = console
        self._name = name
        self._most = console.limits.upload
        self._digest = hashlib.sha256()
        self._size = 0
        folder = files.made(console, self.task)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle = os.open(folder / files.BROUGHT, flags, 0o600)
        self._free = shutil.disk_usage(folder).free - LEFT_FREE

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise TooLarge(f"a bag that is brought has at most {self._most >> 20} MiB", hint="use `strongroom export verify`")
        if self._size > self._free:
            raise TargetError("the console has no room for the bag", hint="use `strongroom export verify`")
        self._digest.update(piece)
        try:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._handle, view) :]
        except OSError as error:
            raise TargetError(
                f"the bag cannot be kept: {error.strerror}", hint="free some room in the console's folder"
            ) from error

    def done(self) -> Upload:
        os.close(self._handle)
        self._handle = -1
        return Upload(self.task, self._name, self._size, self._digest.hexdigest())

    def drop(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        files.drop(self._console, self.task)


class _Form:
    """The parts of a form, as they come. csrf: that must stand before the file; "" for none."""

    def __init__(self, console: Console, csrf: str, boundary: bytes) -> None:
        self._console = console
        self._csrf = csrf
        self.fields: list[tuple[str, str]] = []
        self.file: _File | None = None
        self._ended = False
        self._name = self._header = self._text = ""
        self._headers: dict[str, str] = {}
        self._value = bytearray()
        self._to_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._of_header,
                "on_header_value": self._of_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all,
            },
        )

    def feed(self, piece: bytes) -> None:
        self._parser.write(piece)

    def refuse_half(self) -> None:
        if not self._ended:
            raise UsageError("the form was not sent to its end", hint="send it again")

    def _begin(self) -> None:
        self._headers, self._header, self._text = {}, "", ""
        self._value.clear()
        self._to_file = False

    def _of_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].decode("latin-1")
        self._bound(len(self._header))

    def _of_value(self, data: bytes, start: int, end: int) -> None:
        self._text += data[start:end].decode("latin-1")
        self._bound(len(self._text))

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._text
        self._header = self._text = ""
        self._bound(len(self._headers) * 256)

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not options.get(b"filename") or self._name != FILE:
            return
        if self.file is not None:
            raise UsageError("more than one file was sent", hint="bring one bag at a time")
        if self._csrf and not hmac.compare_digest(dict(self.fields).get("csrf", "").encode(), self._csrf.encode()):
            raise ForgedRequest("the page is from a session that is over", hint="open it anew, and send it again")
        self.file = _File(self._console, options[b"filename"].decode("utf-8", "surrogateescape"))
        self._to_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._to_file and self.file is not None:
            self.file.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > LONGEST_FIELD:
            raise TooLarge("a field of the form is too long", hint="open the page anew")

    def _end(self) -> None:
        if not self._to_file:
            self.fields.append((self._name, bytes(self._value).decode("utf-8", "replace")))
        if len(self.fields) > MOST_FIELDS:
            raise TooLarge(f"more was sent than {MOST_FIELDS} fields", hint="open the page anew")

    def _all(self) -> None:
        self._ended = True

    def _bound(self, length: int) -> None:
        if length > LONGEST_HEADER:
            raise UsageError("what was sent is no form of this console", hint="open the page anew, and send it again")


def is_form(request: Request) -> bool:
    """Whether a form with a file is sent."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def received_form(console: Console, request: Request, csrf: str) -> tuple[FormData, Upload | None]:
    """The fields of a form, and its file; None without one. csrf: the session's token. Raises `ForgedRequest`, `TooLarge`,
    `UsageError`, `TargetError`, `Busy`."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    form = _Form(console, csrf, options.get(b"boundary", b"")[:200] or b"-")
    async with _admitted(console):
        try:
            async for piece in _pieces(request):
                await run_in_threadpool(form.feed, piece)
            form.refuse_half()
            upload = None if form.file is None else await run_in_threadpool(form.file.done)
        except BaseException as error:
            if form.file is not None:
                form.file.drop()
            if isinstance(error, MultipartParseError):
                raise UsageError("what was sent is no form of this console", hint="open the page anew") from error
            raise
    return FormData(dict(form.fields)), upload


async def received_file(console: Console, request: Request) -> Upload:
    """The whole body as a file. Raises as `received_form`."""
    async with _admitted(console):
        file = await run_in_threadpool(_File, console, "bag.zip")
        try:
            async for piece in _pieces(request):
                await run_in_threadpool(file.write, piece)
            return await run_in_threadpool(file.done)
        except BaseException:
            file.drop()
            raise


class _admitted:  # noqa: N801 (used as a function)
    """As many at once as the limits allow. Raises `Busy`."""

    def __init__(self, console: Console) -> None:
        self._room = console.uploads

    async def __aenter__(self) -> None:
        if not self._room.acquire(blocking=False):
            raise Busy("other bags are being received at this moment", hint="try again in a minute")

    async def __aexit__(self, *_: object) -> None:
        self._room.release()


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """What is sent, unless it stalls. Raises `UsageError`."""
    stream = request.stream()
    try:
        async with asyncio.timeout(LONGEST):
            while True:
                async with asyncio.timeout(STALL):
                    piece = await anext(stream, None)
                if piece is None:
                    return
                if piece:
                    yield piece
    except TimeoutError as error:
        raise UsageError("the bag came too slowly", hint="send it again") from error
    except ClientDisconnect as error:
        raise UsageError("the bag was not sent to its end", hint="send it again") from error

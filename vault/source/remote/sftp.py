"""Files of an SFTP server: a `vault.source.remote.files.RemoteFiles` over asyncssh.

Names are the server's bytes. Times are whole seconds. Owners are numbers; their names are read from the long form of a listing,
where the server writes it as `ls -l` does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress
from typing import IO, Any, NamedTuple, TypeVar, cast

import asyncssh

from vault.clock import Clock
from vault.errors import SourceError
from vault.problems import printable
from vault.source.contract import NO_OWNER
from vault.source.remote.files import (
    FILE,
    FOLDER,
    LINK,
    MOST_ENTRIES,
    OTHER,
    PIECE,
    EntryKind,
    Fetched,
    Keeps,
    RemoteEntry,
    checked_names,
    from_start,
)
from vault.source.remote.patience import Pace
from vault.source.remote.sftp_session import Begun, SftpAddress, SftpSession, within

AHEAD = 8
"""Pieces of a file that are asked for, or sent, at the same time."""

_BILLION = 1_000_000_000
_LATEST = (1 << 32) - 1
_KINDS: dict[int, EntryKind] = {
    asyncssh.FILEXFER_TYPE_REGULAR: FILE,
    asyncssh.FILEXFER_TYPE_DIRECTORY: FOLDER,
    asyncssh.FILEXFER_TYPE_SYMLINK: LINK,
}
_OWNERS = re.compile(rb"[-bcdlps][-rwxsStTlL+.@]{9,11} +\d+ +(\S+) +(\S+) +\d+ ")
"""The long form of a listing, as OpenSSH writes it: mode, links, owner, group, size."""

T = TypeVar("T")


class SftpFiles:
    """See this module's text."""

    what = "sftp"

    def __init__(self, address: SftpAddress, clock: Clock) -> None:
        self.max_parallel = address.max_parallel
        self.text = address.text
        self._base = address.base
        self._timeout = address.timeout
        self._session = SftpSession(address, clock)
        self._pace = Pace(address.per_second, clock)

    def keeps(self) -> Keeps:
        """All but owners."""
        return Keeps(times=True, modes=True, links=True)

    def list_folder(self, path: bytes) -> list[RemoteEntry]:
        """See `RemoteFiles`."""
        return checked_names(self._asked(lambda client: self._list(client, path)), self.text)

    def status(self, path: bytes) -> RemoteEntry:
        """See `RemoteFiles`; the place itself may be a link to a folder."""
        whole, name = self._whole(path), path.rpartition(b"/")[2]
        attrs = self._asked(lambda client: within(self._timeout, client.lstat(whole) if path else client.stat(whole)))
        return _entry(name, attrs)

    def fetch(self, path: bytes, limit: int) -> Fetched:
        """See `RemoteFiles`."""
        return self._asked(lambda client: self._fetch(client, path, limit))

    def pieces(self, path: bytes) -> Generator[bytes, None, None]:
        """See `RemoteFiles`; some are asked for ahead."""
        open_file = self._asked(lambda client: _opened(client, self._whole(path), self._timeout))
        waiting: deque[Begun[bytes]] = deque()
        at, size, ended = 0, open_file.at_once, False
        try:
            while not ended:
                while len(waiting) < AHEAD:
                    waiting.append(self._begun(_read(open_file.file, at, size, self._timeout), open_file))
                    at += size
                piece = self._result(waiting.popleft())
                ended = len(piece) < size
                if piece:
                    yield piece
        finally:
            self._closed(open_file, waiting)

    def read_link(self, path: bytes) -> bytes:
        """See `RemoteFiles`."""
        found = self._asked(lambda client: within(self._timeout, client.readlink(self._whole(path))))
        return found if isinstance(found, bytes) else os.fsencode(found)

    def write(self, path: bytes, content: IO[bytes], mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`; nobody else may read it before it has its mode."""
        open_file = self._asked(lambda client: _created(client, self._whole(path), self._timeout))
        file, waiting = open_file.file, deque[Begun[int]]()
        try:
            at = 0
            for piece in from_start(content):
                waiting.append(self._begun(within(self._timeout, file.write(piece, at)), open_file))
                at += len(piece)
                if len(waiting) >= AHEAD:
                    self._result(waiting.popleft())
            while waiting:
                self._result(waiting.popleft())
            attrs = _attributes(mtime_ns, 0o644 if mode is None else mode)
            self._result(self._begun(within(self._timeout, file.setstat(attrs)), open_file))
            self._result(self._begun(within(self._timeout, file.close()), open_file))
        finally:
            self._closed(open_file, waiting)

    def rename(self, path: bytes, to: bytes, *, replace: bool) -> None:
        """See `RemoteFiles`."""
        self._asked(lambda client: self._rename(client, path, to, replace=replace))

    def make_folder(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        self._asked(lambda client: self._made(client, path, client.mkdir(self._whole(path))))

    def make_link(self, path: bytes, points_to: bytes) -> None:
        """See `RemoteFiles`."""
        self._asked(lambda client: self._made(client, path, client.symlink(points_to, self._whole(path))))

    def set_attributes(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`."""
        attrs = _attributes(mtime_ns, mode)
        self._asked(lambda client: within(self._timeout, client.setstat(self._whole(path), attrs)))

    def remove(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        self._asked(lambda client: within(self._timeout, client.remove(self._whole(path))))

    def close(self) -> None:
        """See `RemoteFiles`."""
        self._session.close()

    async def _list(self, client: asyncssh.SFTPClient, path: bytes) -> list[RemoteEntry]:
        entries = []
        async with aclosing(client.scandir(self._whole(path))) as names:  # type: ignore[type-var]
            while True:
                try:
                    async with asyncio.timeout(self._timeout):
                        one = await anext(names)
                except StopAsyncIteration:
                    break
                name = one.filename if isinstance(one.filename, bytes) else os.fsencode(one.filename)
                if name not in (b".", b".."):
                    entries.append(_entry(name, one.attrs, one.longname))
                if len(entries) > MOST_ENTRIES:
                    raise SourceError(f"{self.text} has a folder of more than {MOST_ENTRIES} names", hint="is it one?")
        for index, entry in enumerate(entries):
            if entry.kind == OTHER and entry.mode is None:  # the listing does not say what it is
                whole = self._whole(path + b"/" + entry.name if path else entry.name)
                entries[index] = _entry(entry.name, await within(self._timeout, client.lstat(whole)))
        return entries

    async def _fetch(self, client: asyncssh.SFTPClient, path: bytes, limit: int) -> Fetched:
        whole, name = self._whole(path), path.rpartition(b"/")[2]
        async with asyncio.timeout(self._timeout):
            looked, opened = await asyncio.gather(
                client.lstat(whole), client.open(whole, "rb", block_size=0), return_exceptions=True
            )
        try:
            if isinstance(looked, BaseException):
                raise looked
            before = _entry(name, looked)
            if before.kind != FILE or before.size > limit:
                return Fetched(before)
            if isinstance(opened, BaseException):
                raise opened
            data = await _read_all(opened, before.size, _at_once(client), self._timeout)
            after = _entry(name, await within(self._timeout, opened.stat()))
            return Fetched(before, data, after)
        finally:
            if not isinstance(opened, BaseException):
                await within(self._timeout, opened.close())

    async def _rename(self, client: asyncssh.SFTPClient, path: bytes, to: bytes, *, replace: bool) -> None:
        old, new = self._whole(path), self._whole(to)
        async with asyncio.timeout(self._timeout):
            if not replace:
                if await _stands(client, new, self._timeout):
                    raise FileExistsError(errno.EEXIST, "something stands there")
                await self._made(client, to, client.rename(old, new))
                return
            try:
                await client.posix_rename(old, new)
            except asyncssh.SFTPOpUnsupported:
                if await _stands(client, new, self._timeout):
                    await client.remove(new)
                await client.rename(old, new)

    async def _made(self, client: asyncssh.SFTPClient, path: bytes, making: Coroutine[Any, Any, None]) -> None:
        """Older versions of the protocol have no word for a name that is taken."""
        try:
            await within(self._timeout, making)
        except asyncssh.SFTPFailure:
            if await _stands(client, self._whole(path), self._timeout):
                raise FileExistsError(errno.EEXIST, "something stands there") from None
            raise

    def _whole(self, path: bytes) -> bytes:
        return self._base.rstrip(b"/") + b"/" + path if path else self._base

    def _asked(self, do: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]) -> T:
        """One request of ours, with its errors in our words."""
        self._pace.wait()
        try:
            return self._session.run(do)
        except asyncssh.SFTPError as error:
            raise _item_error(error, self.text) from error

    def _begun(self, waited: Coroutine[Any, Any, T], open_file: _OpenFile) -> Begun[T]:
        self._pace.wait()
        return self._session.begin(lambda _: waited, open_file.client)

    def _result(self, begun: Begun[T]) -> T:
        try:
            return self._session.result(begun)
        except asyncssh.SFTPError as error:
            raise _item_error(error, self.text) from error

    def _closed(self, open_file: _OpenFile, waiting: Iterable[Begun[Any]]) -> None:
        """Close a file; what the connection says of it does not matter any more."""
        for one in waiting:
            one.future.cancel()
        begun = self._session.begin(lambda _: within(self._timeout, open_file.file.close()), open_file.client)
        with suppress(Exception, CancelledError):
            begun.future.result(2 * self._timeout)


class _OpenFile(NamedTuple):
    """at_once: bytes that may be asked for in one request."""

    file: asyncssh.SFTPClientFile
    client: asyncssh.SFTPClient
    at_once: int


def _at_once(client: asyncssh.SFTPClient) -> int:
    """Bytes that the server gives in one answer."""
    return min(PIECE, client.limits.max_read_len or PIECE)


async def _opened(client: asyncssh.SFTPClient, whole: bytes, timeout: float) -> _OpenFile:
    """A file for reading."""
    return _OpenFile(await within(timeout, client.open(whole, "rb", block_size=0)), client, _at_once(client))


async def _created(client: asyncssh.SFTPClient, whole: bytes, timeout: float) -> _OpenFile:
    """An empty file for writing, that nobody else may read yet."""
    hidden = asyncssh.SFTPAttrs(permissions=0o600)
    return _OpenFile(await within(timeout, client.open(whole, "wb", hidden)), client, PIECE)


async def _read(file: asyncssh.SFTPClientFile, at: int, size: int, timeout: float) -> bytes:
    """Bytes from an offset; fewer only at the end of the file."""
    parts, count = [], 0
    while count < size and (data := cast(bytes, await within(timeout, file.read(size - count, at + count)))):
        parts.append(data)
        count += len(data)
    return b"".join(parts)


async def _read_all(file: asyncssh.SFTPClientFile, size: int, at_once: int, timeout: float) -> bytes:
    """A file of which a size is expected, and a byte of what there is besides."""
    if size < at_once:
        data = cast(bytes, await within(timeout, file.read(size + 1, 0)))
        return data if len(data) >= size else data + await _read(file, len(data), size + 1 - len(data), timeout)
    starts = range(0, size + 1, at_once)
    parts = await asyncio.gather(*(_read(file, at, min(at_once, size + 1 - at), timeout) for at in starts))
    return b"".join(parts)


async def _stands(client: asyncssh.SFTPClient, whole: bytes, timeout: float) -> bool:
    try:
        await within(timeout, client.lstat(whole))
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return False
    return True


def _entry(name: bytes, attrs: asyncssh.SFTPAttrs, longname: bytes | str | None = None) -> RemoteEntry:
    known = attrs.type != asyncssh.FILEXFER_TYPE_UNKNOWN and attrs.permissions is not None
    owner, group = "", ""
    if longname:
        found = _OWNERS.match(longname if isinstance(longname, bytes) else longname.encode("utf-8", "surrogateescape"))
        if found is not None:
            owner, group = (_name_of(one) for one in found.groups())
    return RemoteEntry(
        name,
        _KINDS.get(attrs.type, OTHER),
        attrs.size or 0,
        (attrs.mtime or 0) * _BILLION,
        attrs.permissions & 0o7777 if known and attrs.permissions is not None else None,
        NO_OWNER if attrs.uid is None else attrs.uid,
        NO_OWNER if attrs.gid is None else attrs.gid,
        owner,
        group,
    )


def _name_of(text: bytes) -> str:
    """A name; nothing for a number, and for what is no text."""
    return "" if text.isdigit() or not text.isascii() else text.decode()


def _attributes(mtime_ns: int | None, mode: int | None) -> asyncssh.SFTPAttrs:
    attrs = asyncssh.SFTPAttrs()
    if mode is not None:
        attrs.permissions = mode & 0o777  # set-id bits would speak for whoever restores
    if mtime_ns is not None:
        attrs.atime = attrs.mtime = max(0, min(mtime_ns // _BILLION, _LATEST))
    return attrs


def _item_error(error: asyncssh.SFTPError, where: str) -> OSError | SourceError:
    match error:
        case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
            return FileNotFoundError(errno.ENOENT, "it is not there")
        case asyncssh.SFTPPermissionDenied() | asyncssh.SFTPWriteProtect():
            return PermissionError(errno.EACCES, "the server does not permit it to this user")
        case asyncssh.SFTPFileAlreadyExists():
            return FileExistsError(errno.EEXIST, "something stands there")
        case asyncssh.SFTPNoSpaceOnFilesystem() | asyncssh.SFTPQuotaExceeded():
            return OSError(errno.ENOSPC, "the server has no room left")
        case asyncssh.SFTPBadMessage():
            return SourceError(f"{where} answers something else than SFTP", hint="does the server work as it should?")
        case _:
            words = printable(str(error.reason)[:200].encode("utf-8", "surrogateescape"))
            return OSError(errno.EIO, f"the server answers: {words}")

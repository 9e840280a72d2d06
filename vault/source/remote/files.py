"""Files elsewhere, as the little of a protocol that a source and a restore need.

Paths are bytes, relative to the place that the address names, without a slash at either end; empty for the place itself.
Trouble with one file or folder is an `OSError` of the fitting class (`FileNotFoundError`, `PermissionError`,
`FileExistsError`, …) whose `strerror` says it for people. What ends everything is a `SourceError`; `ConnectionCut` is one that
another try may mend. Nothing is followed out of the place: a symbolic link is `LINK`, whatever it points to.

Used by several threads at once, as many as `max_parallel`.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import IO, Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from vault.errors import SourceError
from vault.source.contract import NO_OWNER
from vault.source.scan_columns import ScannedStatus

EntryKind: TypeAlias = Literal["file", "folder", "link", "other"]
FILE: EntryKind = "file"
FOLDER: EntryKind = "folder"
LINK: EntryKind = "link"
OTHER: EntryKind = "other"

TIMEOUT = 60.0
"""Seconds without an answer."""

PIECE = 256 * 1024
"""Bytes that are moved at once, at most."""

MOST_ENTRIES = 5_000_000
"""Of one folder."""

GONE = "it was deleted while the backup ran"


class ConnectionCut(SourceError):
    """The connection is gone, or the server busy; what was asked for may be asked for again."""


class RemoteEntry(NamedTuple):
    """What a listing says of one name.

    - `size`: bytes of a file
    - `mtime_ns`: nanoseconds since 1970, 0 where it is not said
    - `mode`: permission bits, None where there are none
    - `uid`, `gid`, `owner`, `group`: the server's numbers and names, where it shows them
    - `changed_ns`: when anything of it changed, nanoseconds since 1970, 0 where it is not said
    - `token`: changes with every change of the content, where the interface has such a thing; else empty
    """

    name: bytes
    kind: EntryKind
    size: int = 0
    mtime_ns: int = 0
    mode: int | None = None
    uid: int = NO_OWNER
    gid: int = NO_OWNER
    owner: str = ""
    group: str = ""
    token: str = ""
    changed_ns: int = 0

    def is_version_of(self, other: RemoteEntry) -> bool:
        """Whether two looks at a file saw the same content, as far as can be told."""
        mine, others = ((one.kind, one.size, one.mtime_ns, one.changed_ns, one.token) for one in (self, other))
        return mine == others


class Keeps(Struct, frozen=True):
    """What a server can keep of what is put there: times of modification, permission bits, symbolic links; and whether folders
    have the former two."""

    times: bool
    modes: bool
    links: bool
    of_folders: bool = True

    def losses(self) -> tuple[str, ...]:
        """What is not kept, for people."""
        named = (
            (self.times, "times of modification: the server puts the moment of the restore"),
            (self.of_folders or not self.times, "times of folders"),
            (self.modes, "permissions"),
            (self.links, "symbolic links: each is a problem"),
            (False, "owners, and extended attributes"),
        )
        return tuple(words for kept, words in named if not kept)


class Fetched(NamedTuple):
    """A small file: what was seen of it before it was read, its bytes, and what was seen afterwards. data: None where it is
    larger than was asked for, or no file."""

    before: RemoteEntry
    data: bytes | None = None
    after: RemoteEntry | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its bytes are of one moment, and all that there are."""
        after, data = self.after, self.data
        return after is not None and data is not None and len(data) == self.before.size and after.is_version_of(self.before)


class RemoteFiles(Protocol):
    """See this module's text. Opens its connections where they are needed."""

    what: str
    """Of the protocol, as a source's coverage names it: `sftp`, `ftp`, …"""

    max_parallel: int

    @property
    def text(self) -> str:
        """The place for people, without secrets."""
        ...

    def keeps(self) -> Keeps:
        """What the server can keep."""
        ...

    def list_folder(self, path: bytes) -> list[RemoteEntry]:
        """What is directly in a folder; never only a part of it."""
        ...

    def status(self, path: bytes) -> RemoteEntry:
        """What is at a path."""
        ...

    def fetch(self, path: bytes, limit: int) -> Fetched:
        """A file of up to `limit` bytes."""
        ...

    def pieces(self, path: bytes) -> Generator[bytes, None, None]:
        """The content of a file from its start to its end."""
        ...

    def read_link(self, path: bytes) -> bytes:
        """Where a symbolic link points to."""
        ...

    def write(self, path: bytes, content: IO[bytes], mtime_ns: int | None, mode: int | None) -> None:
        """A file with all that `content` has from its start; what stands there is written over. What the server does not keep
        of the time and the mode is left out."""
        ...

    def rename(self, path: bytes, to: bytes, *, replace: bool) -> None:
        """Give a file another name. replace: in the place of the file that has it."""
        ...

    def make_folder(self, path: bytes) -> None:
        """Raises `FileExistsError`."""
        ...

    def make_link(self, path: bytes, points_to: bytes) -> None:
        """Raises `FileExistsError`."""
        ...

    def set_attributes(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        """Of a file or folder; what the server does not keep is left out."""
        ...

    def remove(self, path: bytes) -> None:
        """A file or a link."""
        ...

    def close(self) -> None:
        """Close the connections; whatever is under way ends. They are opened again where they are needed."""
        ...


def fetched(files: RemoteFiles, path: bytes, limit: int) -> Fetched:
    """`RemoteFiles.fetch` by the other methods."""
    before = files.status(path)
    if before.kind != FILE or before.size > limit:
        return Fetched(before)
    data = bytearray()
    with closing(files.pieces(path)) as pieces:
        for piece in pieces:
            data += piece
            if len(data) > before.size:
                break
    return Fetched(before, bytes(data), files.status(path))


def from_start(content: IO[bytes]) -> Iterator[bytes]:
    """All that a file has, piece by piece."""
    content.seek(0)
    while piece := content.read(PIECE):
        yield piece


def joined(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder."""
    return folder + b"/" + name if folder else name


def checked_names(entries: list[RemoteEntry], where: str) -> list[RemoteEntry]:
    """The same, once it is sure that each is a name in that folder, and there once. Raises `SourceError`."""
    if len({one.name for one in entries}) != len(entries):
        raise SourceError(f"{where} lists a name twice", hint="does the server work as it should?")
    if any(not one.name or b"/" in one.name or b"\0" in one.name or one.name in (b".", b"..") for one in entries):
        raise SourceError(f"{where} lists what is not in it", hint="does the server work as it should?")
    return entries


def gone() -> FileNotFoundError:
    """Nothing is there any more."""
    return FileNotFoundError(errno.ENOENT, GONE)


_FORMATS: dict[EntryKind, int] = {FILE: stat.S_IFREG, FOLDER: stat.S_IFDIR, LINK: stat.S_IFLNK, OTHER: stat.S_IFSOCK}
_MODES: dict[EntryKind, int] = {FILE: 0o644, FOLDER: 0o755, LINK: 0o777, OTHER: 0o644}


def status_of(entry: RemoteEntry, ctime_ns: int, inode: int) -> ScannedStatus:
    """A row of a scan. ctime_ns, inode: the token, as the contract has it."""
    mode = _FORMATS[entry.kind] | (_MODES[entry.kind] if entry.mode is None else entry.mode & 0o7777)
    size = entry.size if entry.kind == FILE else 0
    return ScannedStatus(size, entry.mtime_ns, ctime_ns, inode, 0, mode, entry.uid, entry.gid, 1)

"""Files of an FTP server: a `vault.source.remote.files.RemoteFiles` over the standard library's ftplib.

Listings are those of MLSD, which say kind, size and time without a doubt. A server without it is refused: the texts of LIST are
made for people, and guessing at them would lose files. Names are the server's bytes; one with a line break cannot be said.
"""

from __future__ import annotations

import errno
import ftplib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from socket import socket
from ssl import SSLSocket
from typing import IO, TypeVar

from vault.clock import Clock
from vault.errors import SourceError
from vault.problems import printable
from vault.source.contract import NO_OWNER
from vault.source.remote.files import (
    FILE,
    FOLDER,
    OTHER,
    PIECE,
    ConnectionCut,
    EntryKind,
    Fetched,
    Keeps,
    RemoteEntry,
    checked_names,
    fetched,
    from_start,
)
from vault.source.remote.ftp_connections import FtpAddress, FtpConnections
from vault.source.remote.patience import Pace

LARGEST_LISTING = 256 * 1024 * 1024
"""Bytes of what is said of one folder."""

_KINDS: dict[bytes, EntryKind] = {b"file": FILE, b"dir": FOLDER}
_NOT_THERE, _NO_ROOM, _NAME = "550", ("452", "552"), "553"
_CUT = ("421", "425", "426")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class FtpFiles:
    """See this module's text."""

    def __init__(self, address: FtpAddress, clock: Clock) -> None:
        self.what = "ftps" if address.secure else "ftp"
        self.max_parallel = address.max_parallel
        self.text = address.text
        self._base = address.base
        self._connections = FtpConnections(address, clock)
        self._pace = Pace(address.per_second, clock)

    def keeps(self) -> Keeps:
        """Times where the server knows MFMT."""
        self._ask(lambda _: None)
        return Keeps(times="MFMT" in self._connections.features, modes=False, links=False, of_folders=False)

    def list_folder(self, path: bytes) -> list[RemoteEntry]:
        """See `RemoteFiles`."""
        try:
            data = self._ask(lambda ftp: self._listed(ftp, f"MLSD {self._whole(path)}"))
        except FileNotFoundError:
            self.status(path)  # it is there: then the server does not permit it
            raise PermissionError(errno.EACCES, "the server does not permit it to this user") from None
        lines = data.split(b"\r\n") if b"\r\n" in data else data.split(b"\n")
        entries = [self._entry(line) for line in lines if line]
        return checked_names([one for one in entries if one is not None], self.text)

    def status(self, path: bytes) -> RemoteEntry:
        """See `RemoteFiles`."""
        answer = self._ask(lambda ftp: ftp.sendcmd(f"MLST {self._whole(path)}"))
        for line in answer.encode("latin-1").split(b"\n")[1:-1]:
            entry = self._entry(line.lstrip(b" "), is_own=True)
            if entry is not None:
                return entry._replace(name=path.rpartition(b"/")[2])
        raise SourceError(f"{self.text} answers something else than MLST", hint="does the server work as it should?")

    def fetch(self, path: bytes, limit: int) -> Fetched:
        """See `RemoteFiles`."""
        return fetched(self, path, limit)

    def pieces(self, path: bytes) -> Generator[bytes, None, None]:
        """See `RemoteFiles`."""
        self._pace.wait()
        with self._errors(), self._connections.one() as ftp:
            self._refuse_lists()
            with closing(ftp.transfercmd(f"RETR {self._whole(path)}")) as connection:
                while piece := connection.recv(PIECE):
                    yield piece
                _unwrap(connection)
            ftp.voidresp()

    def read_link(self, path: bytes) -> bytes:
        """There are none."""
        raise OSError(errno.EINVAL, "it is not a link")

    def write(self, path: bytes, content: IO[bytes], mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`."""
        del mode
        self._ask(lambda ftp: self._stored(ftp, self._whole(path), content))
        self.set_attributes(path, mtime_ns, None)

    def rename(self, path: bytes, to: bytes, *, replace: bool) -> None:
        """See `RemoteFiles`; the protocol cannot refuse to take a name's place, so it is looked at right before."""
        if not replace and self._stands(to):
            raise FileExistsError(errno.EEXIST, "something stands there")

        def moved(ftp: ftplib.FTP) -> None:
            try:
                ftp.rename(self._whole(path), self._whole(to))
            except ftplib.error_perm:
                if not replace or not self._stands(to):
                    raise
                ftp.delete(self._whole(to))  # some servers do not rename over a file
                ftp.rename(self._whole(path), self._whole(to))

        self._ask(moved)

    def make_folder(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        try:
            self._ask(lambda ftp: ftp.voidcmd(f"MKD {self._whole(path)}"))
        except FileNotFoundError:
            if self._stands(path):
                raise FileExistsError(errno.EEXIST, "something stands there") from None
            raise PermissionError(errno.EACCES, "the server does not permit it to this user") from None

    def make_link(self, path: bytes, points_to: bytes) -> None:
        """There are none."""
        raise OSError(errno.ENOTSUP, "FTP has no links")

    def set_attributes(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`; for folders many servers refuse it, which is no matter."""
        del mode
        if mtime_ns is None or "MFMT" not in self._connections.features:
            return
        moment = _EPOCH + timedelta(seconds=mtime_ns // 1_000_000_000)
        self._ask(lambda ftp: ftp.voidcmd(f"MFMT {moment:%Y%m%d%H%M%S} {self._whole(path)}"))

    def remove(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        self._ask(lambda ftp: ftp.delete(self._whole(path)))

    def close(self) -> None:
        """See `RemoteFiles`."""
        self._connections.close()

    def _listed(self, ftp: ftplib.FTP, command: str) -> bytes:
        data = bytearray()
        with closing(ftp.transfercmd(command)) as connection:
            while piece := connection.recv(PIECE):
                data += piece
                if len(data) > LARGEST_LISTING:
                    raise SourceError(f"{self.text} lists more than {LARGEST_LISTING >> 20} MiB", hint="is it one folder?")
            _unwrap(connection)
        ftp.voidresp()
        return bytes(data)

    def _stored(self, ftp: ftplib.FTP, whole: str, content: IO[bytes]) -> None:
        with closing(ftp.transfercmd(f"STOR {whole}")) as connection:
            for piece in from_start(content):
                connection.sendall(piece)
            _unwrap(connection)
        ftp.voidresp()

    def _stands(self, path: bytes) -> bool:
        try:
            self.status(path)
        except FileNotFoundError:
            return False
        return True

    def _entry(self, line: bytes, *, is_own: bool = False) -> RemoteEntry | None:
        """What a line of MLSD or MLST says; None for the folder itself and the one above, unless it is asked about. Raises
        `SourceError`."""
        said, space, name = line.partition(b" ")
        facts = dict(one.split(b"=", 1) for one in said.lower().split(b";") if b"=" in one)
        kind = facts.get(b"type", b"")
        if not space or not kind or not said.endswith(b";"):
            raise SourceError(f"{self.text} answers something else than MLSD", hint="does the server work as it should?")
        if kind in (b"cdir", b"pdir"):
            if not is_own:
                return None
            kind = b"dir"
        mode = facts.get(b"unix.mode", b"").removeprefix(b"0o")
        return RemoteEntry(
            name,
            _KINDS.get(kind, OTHER),
            _number(facts.get(b"size", facts.get(b"sizd", b"")), 0),
            _moment(facts.get(b"modify", b"")),
            int(mode, 8) & 0o7777 if mode.isdigit() and not set(mode) - set(b"01234567") else None,
            _number(facts.get(b"unix.uid", facts.get(b"unix.owner", b"")), NO_OWNER),
            _number(facts.get(b"unix.gid", facts.get(b"unix.group", b"")), NO_OWNER),
        )

    def _whole(self, path: bytes) -> str:
        whole = self._base.rstrip(b"/") + b"/" + path if path and self._base else path or self._base
        if b"\n" in whole or b"\r" in whole or b"\0" in whole:
            raise OSError(errno.EINVAL, "FTP cannot say a name with a line break")
        return whole.decode("latin-1")

    def _ask(self, do: Callable[[ftplib.FTP], T]) -> T:
        self._pace.wait()
        with self._errors(), self._connections.one() as ftp:
            self._refuse_lists()
            return do(ftp)

    def _refuse_lists(self) -> None:
        if "MLSD" not in self._connections.features and "MLST" not in self._connections.features:
            hint = "use another server, or another protocol: the listings of this one are made for people, and not exact"
            raise SourceError(f"{self.text} does not know MLSD", hint=hint)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Answers in our words."""
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            raise _item_error(str(error), self.text) from error
        except ftplib.Error as error:
            raise SourceError(f"{self.text} answers something else than FTP", hint="is the address right?") from error
        except (EOFError, ConnectionError, TimeoutError) as error:
            raise ConnectionCut(f"the connection to {self.text} was cut", hint="try again") from error
        except OSError as error:
            if type(error) is OSError or isinstance(error, FileNotFoundError | FileExistsError | PermissionError):
                raise  # ours
            raise ConnectionCut(f"the connection to {self.text} was cut", hint="try again") from error


def _unwrap(connection: socket) -> None:
    """The end of a transfer under TLS is said, and heard."""
    if isinstance(connection, SSLSocket):
        try:
            connection.unwrap()
        except (OSError, ValueError):
            return  # many servers close without a word; sizes are compared


def _number(text: bytes, default: int) -> int:
    return int(text) if text.isdigit() and len(text) < 19 else default


def _moment(text: bytes) -> int:
    """Nanoseconds since 1970; 0 for another text."""
    whole, _, part = text.partition(b".")
    try:
        moment = datetime.strptime(whole.decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return 0
    nanos = int(part[:9].ljust(9, b"0")) if part.isdigit() else 0
    return max(0, int((moment - _EPOCH).total_seconds()) * 1_000_000_000 + nanos)


def _item_error(answer: str, where: str) -> OSError | SourceError:
    code, words = answer[:3], printable(answer[:200].encode("latin-1", "replace"))
    if code in _CUT:
        return ConnectionCut(f"{where} answers {words}", hint="try again later")
    if code in _NO_ROOM:
        return OSError(errno.ENOSPC, "the server has no room left")
    if code == _NOT_THERE:
        return FileNotFoundError(errno.ENOENT, f"the server answers: {words}")
    if code == _NAME:
        return PermissionError(errno.EACCES, f"the server answers: {words}")
    if code == "530":
        return SourceError(f"{where} refuses the user", hint="check the options user and password_file")
    return OSError(errno.EIO, f"the server answers: {words}")

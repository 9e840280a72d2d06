"""Files of an SMB share: a `vault.source.remote.files.RemoteFiles` over smbprotocol.

Messages are signed, and encrypted where that is asked for. Names are Unicode. Times have microseconds; a server that keeps the
time of the last change of anything (Windows; Samba says that of modification) tells versions apart by it, too. Symbolic links
are kept as links; junctions and other ways out of the share are left out. One connection carries the requests of all threads.
"""

from __future__ import annotations

import errno
import functools
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, Any, Literal, TypeVar

import smbclient
from smbprotocol import exceptions as smb
from smbprotocol.header import NtStatus

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.problems import printable
from vault.source.remote.files import (
    FILE,
    FOLDER,
    LINK,
    MOST_ENTRIES,
    OTHER,
    PIECE,
    TIMEOUT,
    ConnectionCut,
    EntryKind,
    Fetched,
    Keeps,
    RemoteEntry,
    checked_names,
    fetched,
    from_start,
)
from vault.source.remote.patience import Pace

CONNECT_TRIES = 3
_FORBIDDEN = frozenset('<>:"|?*\\/') | {chr(code) for code in range(32)}
_REPARSE_POINT, _IS_FOLDER = 0x400, 0x10  # MS-FSCC 2.6
_SYMLINK, _JUNCTION = 0xA000000C, 0xA0000003  # MS-FSCC 2.1.2.1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACCESS = {NtStatus.STATUS_ACCESS_DENIED, NtStatus.STATUS_PRIVILEGE_NOT_HELD, NtStatus.STATUS_CANNOT_DELETE}
_GONE = {
    NtStatus.STATUS_OBJECT_NAME_NOT_FOUND,
    NtStatus.STATUS_OBJECT_PATH_NOT_FOUND,
    NtStatus.STATUS_NOT_FOUND,
    NtStatus.STATUS_NO_SUCH_FILE,
    NtStatus.STATUS_DELETE_PENDING,
}
_CUT = {
    NtStatus.STATUS_USER_SESSION_DELETED,
    NtStatus.STATUS_INSUFF_SERVER_RESOURCES,
    NtStatus.STATUS_SERVER_UNAVAILABLE,
    NtStatus.STATUS_FILE_CLOSED,
    NtStatus.STATUS_IO_TIMEOUT,
}

T = TypeVar("T")


class SmbAddress(HidesFields, frozen=True):
    """How a share is reached.

    - `share`, `base`: of the path; `base` without slashes at its ends
    - `user`: `DOMAIN\\user` for one of a domain · `encrypt`: refuse to talk without encryption
    - `per_second`: requests at most; 0 for no limit · `max_parallel`: requests at the same time · `timeout`: seconds without an
      answer
    """

    host: str
    port: int
    share: str
    base: bytes = b""
    user: str | None = None
    password: str | None = None
    encrypt: bool = False
    per_second: float = 0.0
    max_parallel: int = 4
    timeout: float = TIMEOUT

    @property
    def text(self) -> str:
        """For people."""
        return f"smb://{self.host}:{self.port}/{self.share}/{printable(self.base)}"


class SmbFiles:
    """See this module's text."""

    what = "smb"

    def __init__(self, address: SmbAddress, clock: Clock) -> None:
        self.max_parallel = address.max_parallel
        self.text = address.text
        self._address = address
        self._clock = clock
        self._pace = Pace(address.per_second, clock)
        self._lock = threading.Lock()
        self._cache: dict[str, Any] = {}
        self._was_connected = False
        self._made = 0
        self._options: dict[str, Any] = {
            "username": address.user,
            "password": address.password,
            "port": address.port,
            "encrypt": True if address.encrypt else None,
            "connection_timeout": int(address.timeout) or 1,
            "connection_cache": self._cache,
        }

    def keeps(self) -> Keeps:
        """Times alone."""
        return Keeps(times=True, modes=False, links=False)

    def list_folder(self, path: bytes) -> list[RemoteEntry]:
        """See `RemoteFiles`."""
        try:
            return checked_names(self._ask(lambda: self._listed(path)), self.text)
        except UnicodeDecodeError as error:
            raise OSError(errno.EILSEQ, "it has a name that is not Unicode") from error

    def status(self, path: bytes) -> RemoteEntry:
        """See `RemoteFiles`."""
        unc, name = self._unc(path), path.rpartition(b"/")[2]
        found = self._ask(lambda: smbclient.stat(unc, follow_symlinks=False, **self._options))
        attributes, tag = found.st_file_attributes, found.st_reparse_tag
        kind = _kind(attributes, tag)
        mtime, changed = _whole_micros(found.st_mtime_ns), _whole_micros(found.st_chgtime_ns)
        return RemoteEntry(name, kind, found.st_size if kind == FILE else 0, mtime, changed_ns=changed)

    def fetch(self, path: bytes, limit: int) -> Fetched:
        """See `RemoteFiles`."""
        return fetched(self, path, limit)

    def pieces(self, path: bytes) -> Generator[bytes, None, None]:
        """See `RemoteFiles`; others may go on using the file meanwhile."""
        with self._opened(path, "rb") as (file, made):
            while piece := self._moved(lambda: file.read(PIECE), made):
                yield bytes(piece)

    def read_link(self, path: bytes) -> bytes:
        """See `RemoteFiles`."""
        found: str = self._ask(lambda: smbclient.readlink(self._unc(path), **self._options))
        return found.replace("\\", "/").encode("utf-8", "surrogatepass")

    def write(self, path: bytes, content: IO[bytes], mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`."""
        self._refuse_names(path)
        with self._opened(path, "wb") as (file, made):
            for piece in from_start(content):
                view = memoryview(piece)
                while view:
                    view = view[self._moved(lambda view=view: file.write(bytes(view)), made) :]  # type: ignore[misc]
        self.set_attributes(path, mtime_ns, mode)

    def rename(self, path: bytes, to: bytes, *, replace: bool) -> None:
        """See `RemoteFiles`."""
        self._refuse_names(to)
        move = smbclient.replace if replace else smbclient.rename
        self._ask(lambda: move(self._unc(path), self._unc(to), **self._options))

    def make_folder(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        self._refuse_names(path)
        self._ask(lambda: smbclient.mkdir(self._unc(path), **self._options))

    def make_link(self, path: bytes, points_to: bytes) -> None:
        """Not here: it takes a privilege that few users have."""
        raise OSError(errno.ENOTSUP, "links are not made on a share")

    def set_attributes(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`."""
        del mode
        if mtime_ns is not None:
            times = (max(0, mtime_ns), max(0, mtime_ns))
            self._ask(lambda: smbclient.utime(self._unc(path), ns=times, **self._options))

    def remove(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        self._ask(lambda: smbclient.remove(self._unc(path), **self._options))

    def close(self) -> None:
        """See `RemoteFiles`."""
        with self._lock:
            smbclient.reset_connection_cache(fail_on_error=False, connection_cache=self._cache)

    def _listed(self, path: bytes) -> list[RemoteEntry]:
        entries = []
        for one in smbclient.scandir(self._unc(path), **self._options):
            entries.append(_entry(one.smb_info))
            if len(entries) > MOST_ENTRIES:
                raise SourceError(f"{self.text} has a folder of more than {MOST_ENTRIES} names", hint="is it one?")
        return entries

    @contextmanager
    def _opened(self, path: bytes, mode: Literal["rb", "wb"]) -> Iterator[tuple[Any, int]]:
        """An open file; whoever else uses it may go on."""
        unc, made = self._unc(path), self._connected()
        file = self._ask(lambda: smbclient.open_file(unc, mode, buffering=0, share_access="rwd", **self._options))
        try:
            yield file, made
        except BaseException:
            with suppress(smb.SMBException, OSError, ValueError):
                file.close()
            raise
        self._moved(file.close, made)

    def _unc(self, path: bytes) -> str:
        try:
            parts = [part for whole in (self._address.base, path) for part in whole.decode("utf-8").split("/") if part]
        except UnicodeDecodeError:
            raise OSError(errno.EILSEQ, "SMB cannot say a name that is not Unicode") from None
        if any("\\" in part for part in parts):
            raise OSError(errno.EINVAL, "SMB cannot say a name with a backslash")
        return "\\".join([rf"\\{self._address.host}", self._address.share, *parts])

    def _refuse_names(self, path: bytes) -> None:
        """Raises OSError for a name that a share does not hold, or takes for something else: `a:b` is a stream of `a`."""
        for name in path.decode("utf-8", "replace").split("/"):
            if _FORBIDDEN & set(name) or name.endswith((".", " ")):
                raise OSError(errno.EINVAL, f"a share holds no name like {printable(name.encode())}")

    def _ask(self, do: Callable[[], T]) -> T:
        self._pace.wait()
        return self._moved(do, self._connected())

    def _moved(self, do: Callable[[], T], made: int) -> T:
        """What one request gives, with its errors in our words. made: the number of the connection that it is made over."""
        try:
            return do()
        except smb.SMBOSError as error:
            raise _item_error(int(error.ntstatus), self.text, error.strerror) from error
        except smb.SMBResponseException as error:
            raise _item_error(int(error.status), self.text, type(error).__name__) from error
        except (smb.SMBException, ConnectionError, TimeoutError, ValueError) as error:
            if isinstance(error, UnicodeError):
                raise
            self._give_up(made)
            raise ConnectionCut(f"the connection to {self.text} was cut", hint="try again") from error

    def _give_up(self, made: int) -> None:
        """The next request makes another connection, unless that was done already."""
        with self._lock:
            if made == self._made:
                smbclient.reset_connection_cache(fail_on_error=False, connection_cache=self._cache)

    def _connected(self) -> int:
        """Make the connection, and enter the share, where that is to be done. Gives the number of the connection."""
        with self._lock:
            connections = list(self._cache.values())
            if connections and all(one.transport.connected for one in connections):
                return self._made
            self._cache.clear()
            for attempt in range(1, CONNECT_TRIES + 1):
                try:
                    self._entered()
                except ConnectionCut as error:
                    if self._was_connected:
                        raise
                    if attempt == CONNECT_TRIES:
                        raise SourceError(str(error), hint="is the address right? Try again later") from error
                    self._clock.sleep(attempt)
                else:
                    self._was_connected = True
                    self._made += 1
                    break
            return self._made

    def _no_share(self) -> SourceError:
        return SourceError(f"{self.text}: there is no such share", hint="the share is the first part of the path")

    def _entered(self) -> None:
        address = self._address
        try:
            smbclient.register_session(address.host, **self._options)
            for connection in self._cache.values():
                connection.receive = functools.partial(connection.receive, timeout=address.timeout)  # it would wait for ever
            smbclient.stat("\\".join([rf"\\{address.host}", address.share]), **self._options)
        except (smb.SMBAuthenticationError, smb.LogonFailure, smb.WrongPassword, smb.PasswordExpired) as error:
            raise SourceError(
                f"{self.text} refuses the user or the password", hint="check the options user and password_file"
            ) from error
        except smb.BadNetworkName as error:
            raise self._no_share() from error
        except smb.SMBOSError as error:
            if error.ntstatus in _GONE:
                raise self._no_share() from error
            if error.ntstatus in _ACCESS:
                return  # the share's own folder may be closed, and one in it open
            raise ConnectionCut(f"{self.text} cannot be entered: {error.strerror}") from error
        except smb.SMBUnsupportedFeature as error:
            raise SourceError(f"{self.text} does not encrypt, or speaks no SMB 2", hint="see the option encrypt") from error
        except (smb.SMBException, OSError, ValueError) as error:
            words = printable(str(error)[:200].encode("utf-8", "replace"))
            raise ConnectionCut(f"{self.text} cannot be reached: {words}") from error


def _kind(attributes: int, tag: int) -> EntryKind:
    """Reparse points are links, ways elsewhere, or files that a server keeps otherwise (deduplicated ones)."""
    if attributes & _REPARSE_POINT and tag in (_SYMLINK, _JUNCTION):
        return LINK if tag == _SYMLINK else OTHER
    return FOLDER if attributes & _IS_FOLDER else FILE


def _entry(info: smbclient.SMBDirEntryInformation) -> RemoteEntry:
    kind = _kind(info.file_attributes, info.ea_size)
    size = info.end_of_file if kind == FILE else 0
    name = info.file_name.encode("utf-8", "surrogatepass")
    return RemoteEntry(name, kind, size, _nanos(info.last_write_time), changed_ns=_nanos(info.change_time))


def _nanos(moment: datetime) -> int:
    since = moment.replace(tzinfo=UTC) - _EPOCH
    return max(0, ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000)


def _whole_micros(nanos: int) -> int:
    """As a listing tells it."""
    return max(0, nanos // 1000 * 1000)


def _item_error(status: int, where: str, words: str | None) -> OSError | SourceError:
    if status in _CUT:
        return ConnectionCut(f"the connection to {where} was cut", hint="try again")
    if status in _GONE:
        return FileNotFoundError(errno.ENOENT, "it is not there")
    if status in _ACCESS:
        return PermissionError(errno.EACCES, "the server does not permit it to this user")
    if status == NtStatus.STATUS_SHARING_VIOLATION:
        return PermissionError(errno.EBUSY, "somebody else has it open, and lets nobody in")
    if status == NtStatus.STATUS_OBJECT_NAME_COLLISION:
        return FileExistsError(errno.EEXIST, "something stands there")
    if status == NtStatus.STATUS_DISK_FULL:
        return OSError(errno.ENOSPC, "the server has no room left")
    if status == NtStatus.STATUS_NOT_A_DIRECTORY:
        return NotADirectoryError(errno.ENOTDIR, "it is no folder")
    return OSError(errno.EIO, f"the server answers {status:#010x} ({words})")

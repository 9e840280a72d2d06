"""Files of any file system that fsspec knows: a `vault.source.remote.files.RemoteFiles` over it.

What a file system says differs: a time of modification and a version (an ETag, a checksum, a generation) are taken where they
are found. A file of which neither is known is read every time. Nothing but content can be put back everywhere.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any, TypeVar

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.problems import printable
from vault.source.remote.files import (
    FILE,
    FOLDER,
    LINK,
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
from vault.source.remote.patience import Pace

_TIMES = ("mtime", "modified", "LastModified", "last_modified", "updated", "modifiedTime", "time_modified")
_VERSIONS = ("ETag", "etag", "e_tag", "generation", "version_id", "md5Hash", "content_md5", "md5", "sha1", "sha256", "checksum")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class FsspecPlace(HidesFields, frozen=True):
    """Where files are.

    - `protocol`: a name that fsspec knows · `path`: what follows `://`
    - `options`: of the file system's constructor, secrets among them
    - `per_second`: requests at most; 0 for no limit · `max_parallel`: requests at the same time
    """

    protocol: str
    path: str
    options: Mapping[str, Any]
    per_second: float = 0.0
    max_parallel: int = 4

    @property
    def text(self) -> str:
        """For people."""
        return f"fsspec+{self.protocol}://{printable(self.path.encode('utf-8', 'surrogateescape'))}"


class FsspecFiles:
    """See this module's text."""

    what = "fsspec"

    def __init__(self, place: FsspecPlace, clock: Clock) -> None:
        self.max_parallel = place.max_parallel
        self.text = place.text
        self._place = place
        self._pace = Pace(place.per_second, clock)
        self._lock = threading.Lock()
        self._opened: tuple[Any, str] | None = None

    def keeps(self) -> Keeps:
        """Content alone."""
        return Keeps(times=False, modes=False, links=False, of_folders=False)

    def list_folder(self, path: bytes) -> list[RemoteEntry]:
        """See `RemoteFiles`."""
        system, base = self._system()
        whole = self._whole(base, path)

        def listed() -> list[Mapping[str, Any]]:
            system.invalidate_cache()
            return list(system.ls(whole, detail=True))

        found = self._ask(listed)
        if len(found) == 1 and _same(found[0]["name"], whole) and found[0].get("type") == "file":
            raise NotADirectoryError(errno.ENOTDIR, "it is no folder")
        below = [one for one in found if not _same(one["name"], whole)]
        if any(not _same(one["name"].rstrip("/").rpartition("/")[0], whole) for one in below):
            raise SourceError(f"{self.text} lists what is not in it", hint="does the file system work as it should?")
        return checked_names([self._entry(one) for one in below], self.text)

    def status(self, path: bytes) -> RemoteEntry:
        """See `RemoteFiles`."""
        return self._entry(self._info(path))._replace(name=path.rpartition(b"/")[2])

    def fetch(self, path: bytes, limit: int) -> Fetched:
        """See `RemoteFiles`."""
        return fetched(self, path, limit)

    def pieces(self, path: bytes) -> Generator[bytes, None, None]:
        """See `RemoteFiles`."""
        system, base = self._system()
        file = self._ask(lambda: system.open(self._whole(base, path), "rb"))
        try:
            while piece := self._translated(lambda: file.read(PIECE)):
                yield piece
        finally:
            with suppress(OSError, ValueError):
                file.close()

    def read_link(self, path: bytes) -> bytes:
        """See `RemoteFiles`."""
        to = self._info(path).get("destination")
        if not isinstance(to, str | bytes):
            raise OSError(errno.EINVAL, "it is not a link any more")
        return to if isinstance(to, bytes) else to.encode("utf-8", "surrogateescape")

    def write(self, path: bytes, content: IO[bytes], mtime_ns: int | None, mode: int | None) -> None:
        """See `RemoteFiles`."""
        del mtime_ns, mode
        system, base = self._system()

        def written() -> None:
            with system.open(self._whole(base, path), "wb") as file:
                for piece in from_start(content):
                    file.write(piece)

        self._ask(written)

    def rename(self, path: bytes, to: bytes, *, replace: bool) -> None:
        """See `RemoteFiles`; not every file system can refuse to take a name's place, so it is looked at right before."""
        if not replace:
            with suppress(FileNotFoundError):
                self.status(to)
                raise FileExistsError(errno.EEXIST, "something stands there")
        system, base = self._system()
        self._ask(lambda: system.mv(self._whole(base, path), self._whole(base, to)))

    def make_folder(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        system, base = self._system()
        self._ask(lambda: system.mkdir(self._whole(base, path), create_parents=False))

    def make_link(self, path: bytes, points_to: bytes) -> None:
        """There are none."""
        raise OSError(errno.ENOTSUP, "fsspec makes no links")

    def set_attributes(self, path: bytes, mtime_ns: int | None, mode: int | None) -> None:
        """Nothing is kept."""

    def remove(self, path: bytes) -> None:
        """See `RemoteFiles`."""
        system, base = self._system()
        self._ask(lambda: system.rm_file(self._whole(base, path)))

    def close(self) -> None:
        """See `RemoteFiles`; file systems close what they hold when they are forgotten."""
        with self._lock:
            self._opened = None

    def _info(self, path: bytes) -> Mapping[str, Any]:
        system, base = self._system()

        def looked() -> Mapping[str, Any]:
            system.invalidate_cache()
            found: Mapping[str, Any] = system.info(self._whole(base, path))
            return found

        return self._ask(looked)

    def _system(self) -> tuple[Any, str]:
        """The file system, and the path of the place in it. Raises `SourceError`."""
        with self._lock:
            if self._opened is None:
                self._opened = self._made()
            return self._opened

    def _made(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        place = self._place
        options = {"use_listings_cache": False, "skip_instance_cache": True, **place.options}
        try:
            system, path = url_to_fs(f"{place.protocol}://{place.path}", **options)
        except ImportError as error:
            raise SourceError(f"{self.text} needs a package that is not installed: {error.name}", hint=str(error)) from error
        except (ConnectionError, TimeoutError) as error:
            raise SourceError(f"{self.text} cannot be reached", hint="is the address right? Try again later") from error
        except Exception as error:  # whatever library it is, none of its words: they may have a secret
            hint = "look into the documentation of that file system for its options"
            raise SourceError(f"{self.text} cannot be opened: {type(error).__name__}", hint=hint) from error
        return system, str(path).rstrip("/") or ("/" if str(path).startswith("/") else "")

    def _ask(self, do: Callable[[], T]) -> T:
        self._pace.wait()
        return self._translated(do)

    def _translated(self, do: Callable[[], T]) -> T:
        """What a request gives, with its errors in our words."""
        try:
            return do()
        except (ConnectionError, TimeoutError) as error:
            raise ConnectionCut(f"the connection to {self.text} was cut", hint="try again") from error
        except OSError as error:
            raise _item_error(error) from error
        except Exception as error:
            raise OSError(errno.EIO, f"the file system answers: {type(error).__name__}") from error

    def _whole(self, base: str, path: bytes) -> str:
        text = path.decode("utf-8", "surrogateescape")
        return f"{base.rstrip('/')}/{text}" if path and base else text or base

    def _entry(self, info: Mapping[str, Any]) -> RemoteEntry:
        """Raises `SourceError` for a file without a size."""
        kind: EntryKind = {"file": FILE, "directory": FOLDER}.get(str(info.get("type")), OTHER)
        if info.get("islink"):
            kind = LINK if "destination" in info else OTHER
        size = info.get("size")
        if kind == FILE and (not isinstance(size, int) or size < 0):
            raise SourceError(f"{self.text} tells no sizes of files", hint="it cannot be a source")
        name = str(info["name"]).rstrip("/").rpartition("/")[2].encode("utf-8", "surrogateescape")
        mode = info.get("mode")
        versions = " ".join(f"{key}={info[key]}" for key in _VERSIONS if info.get(key))
        mtime = next((found for key in _TIMES if (found := _nanos(info.get(key)))), 0)
        permissions = mode & 0o7777 if isinstance(mode, int) else None
        return RemoteEntry(name, kind, size if kind == FILE and size else 0, mtime, permissions, token=versions)


def _same(one: str, other: str) -> bool:
    return one.strip("/") == other.strip("/")


def _nanos(value: object) -> int:
    """Nanoseconds since 1970 of what a file system calls a time; 0 where it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return 0
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        since = aware - _EPOCH
        return max(0, ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return max(0, int(value * 1_000_000_000))
    return 0


def _item_error(error: OSError) -> OSError:
    """The same of a kind that we know, with words."""
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "it is not there")
    if isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, "this user is not permitted to")
    if isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, "something stands there")
    if isinstance(error, NotADirectoryError):
        return NotADirectoryError(errno.ENOTDIR, "it is no folder")
    return OSError(error.errno or errno.EIO, error.strerror or type(error).__name__)

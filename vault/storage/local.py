"""A store in a folder of a file system.

    put      a temporary file, fsync, rename over the name, fsync the folder
    create   a temporary file, fsync, hard link to the name (fails if taken), fsync the folder
    get      open and read: a rename swaps whole files, so a reader sees the old object or the new one, never a mixture

The process may be killed and the power may fail at any instant. What that leaves are temporary files in `~temp`, a name
that no object can have; the next opening removes those that are older than a day. Files are 0600 and folders 0700. A
symbolic link inside the store is not followed: neither an object nor a folder of ours is ever one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from vault.clock import Clock
from vault.errors import NoRepository, ObjectExists, ObjectNotFound, StorageError, TransientStorageError
from vault.randomness import Randomness
from vault.storage.bounds import bounded, check_range, within_limit
from vault.storage.contract import Buffer, ObjectInfo
from vault.storage.local_errors import local_errors
from vault.storage.local_folders import Folders, sync_folder
from vault.storage.object_names import LONGEST_NAME, is_part, validate, validate_folder

TEMPORARY = "~temp"
STALE_AFTER = timedelta(days=1)

_COMMON = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _COMMON  # a FIFO that somebody put there must not block us
_WRITE_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON
_Content = tuple[list[os.DirEntry[str]], list[str]]

_ROUNDS = 16
"""How often a write starts over that lost a race against the removal of an emptied folder."""

PAGE = 1000
"""Objects whose sizes are asked for at once, as of stores that list by pages."""


class LocalStore:
    """A `Store` in the folder `root`, which must exist unless `create_missing`.

    Raises `NoRepository` where it does not: a disk that is not mounted must not become a new, empty repository.
    """

    def __init__(self, root: Path, *, clock: Clock, randomness: Randomness, create_missing: bool = False) -> None:
        self._root = root.absolute()
        self._temporary = self._root / TEMPORARY
        self._randomness = randomness
        if create_missing:
            with local_errors("make the folder", str(self._root)):
                try:
                    self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                except NotADirectoryError as error:
                    raise FileExistsError(errno.EEXIST, "a file is in the way") from error
                sync_folder(self._root.parent)
        self._folders = Folders(self._root)
        if not self._folders.exist:
            raise NoRepository(f"there is no folder {self._root}")
        self._remove_stale(before=(clock.now() - STALE_AFTER).timestamp())

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        view = bounded(validate(name), data)
        with local_errors("write", name), self._written(view) as temporary:
            self._enter(name, temporary.replace)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        view = bounded(validate(name), data)
        with local_errors("create", name), self._written(view) as temporary:
            try:
                self._enter(name, lambda target: target.hardlink_to(temporary))
            except FileExistsError as error:
                raise ObjectExists(f"{name} exists already") from error

    def get(self, name: str) -> bytes:
        with self._reading(name), self._opened(name) as (handle, size):
            return _read_at(handle, name, 0, within_limit(name, size))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        check_range(name, start, length)
        with self._reading(name), self._opened(name) as (handle, size):
            return _read_at(handle, name, start, max(0, min(length, size - start)))

    def size(self, name: str) -> int:
        with self._reading(name):
            facts = (self._root / name).lstat()
            return _regular(name, facts)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self.list_after(folder, "")

    def list_after(self, folder: str, name: str) -> Iterator[ObjectInfo]:
        waiting = [validate_folder(folder)]
        while waiting:
            current = waiting.pop()
            found, inner = self._look_into(current)
            waiting += inner
            start = f"{current}/" if current else ""
            wanted = [entry for entry in found if start + entry.name > name]
            for at in range(0, len(wanted), PAGE):  # of seventeen thousand, a reader often wants the first page alone
                yield from self._described(current, wanted[at : at + PAGE])

    def delete(self, name: str) -> None:
        with contextlib.suppress(ObjectNotFound), self._reading(name, verb="delete"):
            path = self._root / name
            try:
                path.unlink()
            except IsADirectoryError:
                return
            with contextlib.suppress(FileNotFoundError):
                sync_folder(path.parent)
            self._folders.remove_empty(name)

    def describe(self) -> str:
        return str(self._root)

    def close(self) -> None:
        """Nothing is held open; the folder of temporary files goes where nobody has one in it."""
        with contextlib.suppress(OSError):
            self._temporary.rmdir()

    @contextlib.contextmanager
    def _written(self, view: memoryview) -> Iterator[Path]:
        """A whole, synced file in the private folder; gone afterwards under that name, whatever happened."""
        path = self._temporary / f"{os.getpid()}-{self._randomness.token(12).hex()}"
        handle = self._open_new(path)
        try:
            try:
                rest = view
                while rest:
                    rest = rest[os.write(handle, rest) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _open_new(self, path: Path) -> int:
        for _ in range(_ROUNDS):
            try:
                return os.open(path, _WRITE_NEW, 0o600)
            except FileNotFoundError:
                # the first of its kind, or another process has just tidied up
                self._folders.insist_on_root()
                self._temporary.mkdir(mode=0o700, exist_ok=True)
            except FileExistsError as error:
                raise TransientStorageError(f"the temporary file {path.name} is taken") from error
        raise TransientStorageError(f"the folder {self._temporary} keeps being deleted while it is written to")

    def _enter(self, name: str, place: Callable[[Path], object]) -> None:
        """Give a finished file its name, in a folder that is on the disk before the name is."""
        target = self._root / name
        for _ in range(_ROUNDS):
            try:
                self._folders.prepare(name)
                place(target)
                sync_folder(target.parent)
                return
            except FileNotFoundError:
                # somebody deleted the folder's last object, and the folder with it
                self._folders.insist_on_root()
                self._folders.forget(name)
        raise TransientStorageError(f"the folder of {name} keeps being deleted while it is written to")

    @contextlib.contextmanager
    def _reading(self, name: str, *, verb: str = "read") -> Iterator[None]:
        try:
            with local_errors(verb, name):
                self._folders.check(validate(name))
                yield
        except ObjectNotFound:
            self._folders.insist_on_root()
            raise

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, int]]:
        """An open file and its size; whoever renames another over it does not disturb this one."""
        handle = os.open(self._root / name, _READ)
        try:
            yield handle, _regular(name, os.fstat(handle))
        finally:
            os.close(handle)

    def _look_into(self, folder: str) -> _Content:
        """The objects right in a folder, and its folders. The kind of an entry costs no stat."""
        start = f"{folder}/" if folder else ""
        found: list[os.DirEntry[str]] = []
        inner: list[str] = []
        try:
            with local_errors("list", folder or str(self._root)):
                self._folders.check(f"{start}x")
                with os.scandir(self._root / folder) as entries:
                    for entry in entries:
                        if not is_part(entry.name):
                            continue
                        if entry.is_file(follow_symlinks=False):
                            if len(start) + len(entry.name) <= LONGEST_NAME:
                                found.append(entry)
                        elif entry.is_dir(follow_symlinks=False):
                            inner.append(start + entry.name)
        except ObjectNotFound:
            self._folders.insist_on_root()
        return found, inner

    def _described(self, folder: str, entries: Iterable[os.DirEntry[str]]) -> Iterable[ObjectInfo]:
        """The objects that these entries of a folder are, without those that were deleted meanwhile."""
        start = f"{folder}/" if folder else ""
        rows: list[ObjectInfo] = []
        with local_errors("list", folder or str(self._root)):
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    rows.append(ObjectInfo(start + entry.name, entry.stat(follow_symlinks=False).st_size))
        return rows

    def _remove_stale(self, *, before: float) -> None:
        # a store that is mounted for reading only is no reason to stop
        with contextlib.suppress(OSError), os.scandir(self._temporary) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before:
                    Path(entry.path).unlink(missing_ok=True)


def _regular(name: str, facts: os.stat_result) -> int:
    if not stat.S_ISREG(facts.st_mode):
        raise ObjectNotFound(f"{name} is not in the store")
    return facts.st_size


def _read_at(handle: int, name: str, start: int, length: int) -> bytes:
    """Exactly `length` bytes from `start` of an object; the file is known to have them, and files of ours never shrink."""
    os.lseek(handle, start, os.SEEK_SET)
    pieces: list[bytes] = []
    missing = length
    while missing:
        piece = os.read(handle, missing)
        if not piece:
            raise StorageError(f"the stored file {name} became shorter while it was being read")
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)

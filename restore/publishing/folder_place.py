"""A publication in a folder. Files are written as everything that is restored (`restore.local_fs`): under a temporary name
(`.strongroom-….part`), one sync a batch, a rename. No link below the folder is ever followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from restore.local_fs import Target, TargetItem
from restore.local_fs.metadata import Attributes
from restore.local_fs.names import temporary_name
from restore.local_fs.syscalls import lock
from restore.outputs.folder_sink import FolderSink
from restore.outputs.sink import OutputSink
from restore.publishing.place import StandingFile
from restore.publishing.state import FOLDER, JOURNAL, LARGEST_JOURNAL, LARGEST_LINE, LARGEST_STATE, STATE, PublishedFile
from vault.errors import Busy, Damaged, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.source.folder_descent import FOLDER_FLAGS, Descent

_NEW = f"{STATE}.new"
_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC


class FolderPlace:
    """See this module's text. root: the folder; it is made where it is missing. Who may read it may read the files."""

    batch = 1
    mode: int | None = None

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._own = -1

    def describe(self) -> str:
        """For people."""
        return printable(self._root)

    def look(self, names: Collection[bytes]) -> dict[bytes, StandingFile]:
        """What stands under those of the names where something does."""
        found: dict[bytes, StandingFile] = {}
        with self._opened() as root:
            if root is None:
                return found
            with Descent(root) as descent:
                for name in sorted(names):
                    folder, _, last = name.rpartition(b"/")
                    try:
                        status = os.stat(last, dir_fd=descent.reach(folder), follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    except OSError:
                        found[name] = StandingFile(-1)
                        continue
                    is_file = stat.S_ISREG(status.st_mode)
                    found[name] = StandingFile(status.st_size, status.st_mtime_ns) if is_file else StandingFile(-1)
        return found

    def has(self, file: PublishedFile) -> bool:
        """Whether this very content stands there."""
        with Target(self._root) as target:
            item = TargetItem(file.name, manifest.FILE, Attributes(), file.size, file.digest)
            return next(target.compare([item])).same

    def state(self) -> Iterator[bytes] | None:
        """The lines of the state; None where there is none."""
        with self._opened() as root:
            descriptor = -1 if root is None else _open_own(root, STATE)
        return None if descriptor < 0 else _lines(descriptor, LARGEST_STATE)

    def journal(self) -> Iterator[bytes]:
        """The lines of what interrupted runs have begun."""
        with self._opened() as root:
            descriptor = -1 if root is None else _open_own(root, JOURNAL)
        return iter(()) if descriptor < 0 else _lines(descriptor, LARGEST_JOURNAL)

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Make the folder, and keep everybody else from publishing there. Raises `Busy`."""
        with Target(self._root) as target:
            target.prepare()
        with self._opened() as root:
            if root is None:
                raise TargetError(f"{self.describe()} is gone", hint="was it renamed, or is a disk no longer mounted?")
            self.mode = stat.S_IMODE(os.fstat(root).st_mode) & 0o666
            try:
                with suppress(FileExistsError):
                    os.mkdir(FOLDER, 0o700, dir_fd=root)
                self._own = os.open(FOLDER, FOLDER_FLAGS, dir_fd=root)
            except OSError as error:
                raise self._unusable(error) from error
            try:
                if not lock(self._own):
                    hint = "run it again when that one has ended"
                    raise Busy(f"another run publishes to {self.describe()}", hint=hint)
                yield
            finally:
                os.close(self._own)
                self._own = -1

    def note(self, lines: Sequence[bytes]) -> None:
        """Into the journal, before the files that they are about are written."""
        try:
            descriptor = os.open(JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFE, 0o600, dir_fd=self._own)
            with os.fdopen(descriptor, "ab") as out:
                if out.tell() + sum(map(len, lines)) > LARGEST_JOURNAL:
                    raise TargetError(
                        f"too many files are to be published to {self.describe()} at once",
                        hint="publish fewer items first, with --period or --kind",
                    )
                out.writelines([b"\n", *lines])  # a kill may have cut the last line off
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def sink(self) -> Iterator[OutputSink]:
        """Takes files; each stands under its name as a whole, or not at all."""
        with Target(self._root) as target:
            target.prepare()
            yield FolderSink(target)

    def remove(self, names: Iterable[bytes]) -> list[Problem]:
        """Delete files, and folders that have become empty by it."""
        problems, folders = [], set()
        with self._opened() as root:
            if root is None:
                return []
            with Descent(root) as descent:
                for name in sorted(names):
                    folder, _, last = name.rpartition(b"/")
                    try:
                        parent = descent.reach(folder)
                        _unlink(parent, temporary_name(name))
                        _unlink(parent, last)
                        folders.add(folder)
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        problems.append(Problem(name, "not-removed", f"it cannot be deleted: {error.strerror}"))
                _remove_empty(descent, folders)
        return problems

    def settle(self, lines: Iterable[bytes]) -> None:
        """Write the state, as a whole, and then empty the journal."""
        try:
            _unlink(self._own, _NEW.encode())
            descriptor = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=self._own)
            with os.fdopen(descriptor, "wb") as out:
                out.writelines(lines)
                out.flush()
                os.fsync(out.fileno())
            os.rename(_NEW, STATE, src_dir_fd=self._own, dst_dir_fd=self._own)
            os.fsync(self._own)
            _unlink(self._own, JOURNAL.encode())
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """The folder; None where it is not there."""
        try:
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _unusable(self, error: OSError) -> TargetError:
        return TargetError(
            f"{self.describe()} cannot be published to: {error.strerror}",
            hint="free some room, or let the user that publishes write there",
        )


def _open_own(root: int, name: str) -> int:
    """A file of the state, for reading; -1 where there is none. Raises `Damaged` for what is no file."""
    try:
        own = os.open(FOLDER, FOLDER_FLAGS, dir_fd=root)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise Damaged(f"{FOLDER} is no folder that can be read: {error.strerror}", hint="remove it") from error
    try:
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | _SAFE, dir_fd=own)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise Damaged(f"{FOLDER}/{name} cannot be read: {error.strerror}", hint="remove it") from error
    finally:
        os.close(own)


def _lines(descriptor: int, largest: int) -> Iterator[bytes]:
    """Lines of a file that others may have written to. Raises `Damaged`."""
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
            raise Damaged(f"{FOLDER} holds what is none of its files, or is too large", hint="remove it")
        while line := file.readline(LARGEST_LINE + 1):
            if line != b"\n":
                yield line


def _unlink(parent: int, name: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _remove_empty(descent: Descent, folders: set[bytes]) -> None:
    """The deepest first; one that holds something stays."""
    above = {one for folder in folders for one in _with_parents(folder)}
    for folder in sorted(above, key=lambda one: one.count(b"/"), reverse=True):
        parent, _, last = folder.rpartition(b"/")
        descent.forget(folder)
        with suppress(OSError):
            os.rmdir(last, dir_fd=descent.reach(parent))


def _with_parents(folder: bytes) -> Iterator[bytes]:
    while folder:
        yield folder
        folder = folder.rpartition(b"/")[0]

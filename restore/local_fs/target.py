"""The folder that is restored into. Nothing is written outside of it: `names` refuses paths that lead out, and every folder is
opened part by part without following links (`vault.source.folder_descent`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from restore.local_fs import inspect
from restore.local_fs.batches import Batches
from restore.local_fs.errors import attribute_problem, hint_for, trouble
from restore.local_fs.inspect import UNFINISHED, Inspection, TargetItem
from restore.local_fs.metadata import Attributes, apply, drop_inherited
from restore.local_fs.names import check_path, temporary_name
from restore.local_fs.pending_file import create, remove
from restore.local_fs.syscalls import has_syncfs, lock, open_files_for, sync_file_system, unlock
from restore.local_fs.writable_folders import WritableFolders
from restore.local_fs.writer import Writer
from vault.errors import Busy, TargetError
from vault.problems import Problem, printable
from vault.source.folder_descent import FOLDER_FLAGS, SUPPORTED, Descent

_PROBE = ".strongroom-probe-\u00c9.part"  # É, in one character
_PROBE_VARIANTS = (_PROBE.upper(), _PROBE.replace("\u00c9", "E\u0301"))
_ONE_AT_A_TIME = "run the same command again when it has ended; what is there by then is not written twice"
_NEEDS_PERMISSION = "let the user that restores write there, or restore to another folder"


class Target:
    """A target folder. Nothing is written, not even the folder itself, before `prepare`.

    `root` may be a link to a folder: whoever names it means it. Below it, no link is followed.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._descriptor = -1
        self._is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        self._writers: list[Writer] = []
        self._made: set[bytes] = set()
        self._openings = WritableFolders()

    def existing(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        """What stands at those of the paths where something does: `file`, `folder`, `link`, `other`, or `blocked` where
        something that is no folder, or may not be entered, is in the way of the path. Sorted paths are the fastest.
        Raises UsageError for an unsafe path."""
        return self._look(_safe(paths))

    def unfinished(self, paths: Iterable[bytes]) -> set[bytes]:
        """Those of the paths for which an earlier run left a file under its temporary name."""
        places = {_beside(path): path for path in _safe(paths)}
        return {places[place] for place, what in self._look(sorted(places)).items() if what == "file"}

    def modified(self, paths: Iterable[bytes]) -> dict[bytes, int]:
        """When what stands at those of the paths where something does was modified, nanoseconds since 1970; without folders
        that an interrupted run has made and not finished. Sorted paths are the fastest."""
        with self._root_if_there() as root:
            return {} if root is None else inspect.modified(root, paths)

    def compare(self, items: Iterable[TargetItem], *, from_disk: bool = False) -> Iterator[Inspection]:
        """How what stands at the items' paths compares with them, one answer for each; content is read and hashed. Sorted
        paths are the fastest. from_disk: the kernel forgets first what it has of a file in memory, as far as it can."""
        with self._root_if_there() as root:
            if root is None:
                yield from (Inspection(same=False) for _ in items)
            else:
                yield from inspect.compare(root, items, is_root=self._is_root, from_disk=from_disk)

    def prepare(self) -> bool:
        """Make the root where it is missing, show by a probe file that it can be written to, and say whether names that
        differ in case or in Unicode form alone are one name there (see `colliding`). From here to the end of `finish`, or to
        `close`, nobody else may: temporary names are the same for all. Raises TargetError, Busy."""
        _need_platform()
        try:
            Path(os.fsdecode(self._root)).mkdir(parents=True, exist_ok=True)
            if self._descriptor < 0:
                self._descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if not lock(self._descriptor):
                raise Busy(f"another restore writes to {printable(self._root)}", hint=_ONE_AT_A_TIME)
            self._openings.open(b"", self._descriptor)
            probe = os.fsencode(_PROBE)
            os.close(create(self._descriptor, probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))
            try:
                return any(self._has(os.fsencode(twin)) for twin in _PROBE_VARIANTS)
            finally:
                remove(self._descriptor, probe)
        except OSError as error:
            raise self._unusable(error) from error

    def writer(self) -> Writer:
        """A writer for one thread; it is closed with the target. After `prepare` only."""
        if self._descriptor < 0:
            raise TargetError("the target has not been prepared")
        capacity = open_files_for(share=16)
        commits = Batches(Descent(self._descriptor, capacity=capacity))
        descent = Descent(self._descriptor, capacity=capacity, make=self._make)
        writer = Writer(descent, commits, self._openings, is_root=self._is_root)
        self._writers.append(writer)
        return writer

    @property
    def made(self) -> frozenset[bytes]:
        """Folders that were made on the way to items, and are not finished."""
        return frozenset(self._made)

    def adopt(self, made: Iterable[bytes]) -> None:
        """Finish these folders, too: another process that writes to the same target has made them."""
        self._made.update(made)

    def finish(self, folders: Iterable[tuple[bytes, Attributes]]) -> list[Problem]:
        """After the last commit: attributes of folders, deepest first, then one more sync for the renames.

        Folders that were made on the way to an item and are not among `folders` get the root's own permissions; those that
        were made writable for the moment get their own mode back."""
        passing = Attributes(mode=stat.S_IMODE(self._openings.mode(b"", self._descriptor)) & 0o777)
        wanted = dict.fromkeys(self._made, passing) | dict(folders)
        for path in wanted:
            check_path(path)
        wanted = self._openings.closing(wanted)
        problems: list[Problem] = []
        devices = {os.fstat(self._descriptor).st_dev}
        with Descent(self._descriptor) as descent:
            for path in sorted(wanted, reverse=True):  # what lies below a path sorts after it
                try:
                    descriptor = descent.reach(path)
                    failed = self._settle(path, descriptor, wanted[path])
                    _sync_folder(descriptor, devices)
                except OSError as error:
                    problems.append(trouble(path, error))
                    continue
                if failed:
                    problems.append(attribute_problem(path, failed))
        try:
            sync_file_system(self._descriptor)
        except OSError as error:
            raise self._unusable(error) from error
        self._made.clear()
        unlock(self._descriptor)
        return problems

    def _settle(self, path: bytes, descriptor: int, wanted: Attributes) -> list[str]:
        """Only its owner may say when a folder was changed: that somebody else's tells of this restore is no problem."""
        foreign = not self._is_root and path not in self._made and os.fstat(descriptor).st_uid != os.geteuid()
        failed = apply(descriptor, wanted._replace(mtime_ns=None) if foreign else wanted, is_root=self._is_root)
        self._openings.forget(path)
        return failed

    def close(self) -> None:
        """Let go of descriptors. Folders that were made writable for the moment, and not finished, get their mode back."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        if self._descriptor >= 0:
            self._openings.undo(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _look(self, paths: Iterable[bytes]) -> dict[bytes, str]:
        with self._root_if_there() as root:
            if root is None:
                return {}
            with Descent(root) as descent:
                return _standing(descent, paths)

    @contextmanager
    def _root_if_there(self) -> Iterator[int | None]:
        """The root's descriptor, also before `prepare`; None where the root is missing. Raises TargetError."""
        _need_platform()
        if self._descriptor >= 0:
            yield self._descriptor
            return
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

    def _make(self, parent: int, name: bytes, path: bytes) -> None:
        self._openings.open(path.rpartition(b"/")[0], parent)
        try:
            os.mkdir(name, UNFINISHED, dir_fd=parent)
        except FileExistsError:
            return  # another writer was faster; whether it is a folder, its opening shows
        self._made.add(path)
        with suppress(OSError):  # who cannot open it will say so in a moment
            descriptor = os.open(name, FOLDER_FLAGS, dir_fd=parent)
            drop_inherited(descriptor)
            os.close(descriptor)

    def _has(self, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _unusable(self, error: OSError) -> TargetError:
        return TargetError(
            f"cannot write to {printable(self._root)}: {error.strerror}",
            hint=hint_for(error, _NEEDS_PERMISSION),
        )


def _safe(paths: Iterable[bytes]) -> Iterator[bytes]:
    for path in paths:
        check_path(path)
        yield path


def _beside(path: bytes) -> bytes:
    """Where the unfinished file of this item would lie."""
    folder, slash, _ = path.rpartition(b"/")
    return folder + slash + temporary_name(path)


def _need_platform() -> None:
    if not SUPPORTED:
        raise TargetError("folders cannot be restored on this platform", hint="restore on Linux or macOS")


def _sync_folder(descriptor: int, synced: set[int]) -> None:
    """Another file system below the root is synced when its first folder is met; without syncfs, every folder is."""
    if not has_syncfs():
        os.fsync(descriptor)
    elif (device := os.fstat(descriptor).st_dev) not in synced:
        synced.add(device)
        sync_file_system(descriptor)


def _standing(descent: Descent, paths: Iterable[bytes]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    closed: dict[bytes, bool] = {}  # folders that cannot be entered: missing (False), or blocked (True)
    for path in paths:
        folder, _, name = path.rpartition(b"/")
        if folder not in closed:
            try:
                status = os.stat(name, dir_fd=_reached(descent, folder, closed), follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                found[path] = "blocked"
                continue
            found[path] = _word(status.st_mode)
        elif closed[folder]:
            found[path] = "blocked"
    return found


def _reached(descent: Descent, folder: bytes, closed: dict[bytes, bool]) -> int:
    try:
        return descent.reach(folder)
    except OSError as error:
        closed[folder] = not isinstance(error, FileNotFoundError)
        raise


def _word(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"

"""Writing items under temporary names and bringing them into place in batches.

A temporary name depends on the item's path alone: what an interrupted run left is found, and continued or overwritten,
by the next one.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import NamedTuple

from restore.local_fs.batches import Batches, Finished, commit
from restore.local_fs.errors import attribute_problem, trouble
from restore.local_fs.inspect import OPEN, TargetItem, has_content
from restore.local_fs.metadata import Attributes, apply, apply_to_link, first_mode, hands_on
from restore.local_fs.names import check_path, temporary_name, unsafe_reason
from restore.local_fs.pending_file import PendingFile, create, remove, reopen
from restore.local_fs.syscalls import has_syncfs
from restore.local_fs.writable_folders import WritableFolders
from vault.format import manifest
from vault.problems import Problem
from vault.source.folder_descent import Descent

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


_MODES_KEPT = 1024


class _Known(NamedTuple):
    """A file whose content was looked at."""

    device: int
    number: int
    size: int
    mtime_ns: int


class _Parent(NamedTuple):
    """The folder that was written into last. path: with a slash behind it, the root's is empty; it is safe · descriptor: -1
    where there is none · hands_on: it may give access lists to what is made in it."""

    path: bytes
    descriptor: int
    hands_on: bool


class Writer:
    """Writes items below a target; one thread's own, made by `Target.writer`.

    Every method takes the item's path relative to the target's root, and makes the folders above it (01700 until
    `Target.finish`). An unsafe path is a UsageError: the plan should have refused it. No method follows a link. What is
    written has its name after the next `commit`, or, once the disk has taken it, after a `commit_ahead`; with `replace` it
    takes the place of a file or link that stands there. Problems come as a list: `attributes` where the item will be there
    but not all that belongs to it, any other where it will not be there.
    """

    def __init__(self, descent: Descent, commits: Batches, openings: WritableFolders, *, is_root: bool) -> None:
        self._descent = descent
        self._commits = commits
        self._openings = openings
        self._verified: dict[bytes, _Known] = {}
        self._is_root = is_root
        self._finished: list[Finished] = []
        self._sync_each = not has_syncfs()
        self._parent = _Parent(b"", -1, hands_on=True)
        self._first_modes: dict[tuple[int | None, int | None, int | None], int] = {}

    def make_folder(self, path: bytes) -> list[Problem]:
        """A folder, unless it is there already. Its attributes are for `Target.finish`."""
        check_path(path)
        try:
            self._reach(path)
        except OSError as error:
            return [trouble(path, error)]
        return []

    def open_folder(self, path: bytes) -> None:
        """Make a folder that items will be written into, and have it writable for the moment. Where that cannot be done, the
        items will say why."""
        check_path(path + b"/-" if path else b"-")
        with suppress(OSError):
            self._openings.open(path, self._reach(path))

    def write_small(
        self, path: bytes, data: bytes | memoryview, attributes: Attributes, *, replace: bool = False
    ) -> list[Problem]:
        """A whole file in one go."""
        try:
            parent, name = self._place(path)
            descriptor = create(parent, name, _CREATE, self._first_mode(attributes), inherits=self._parent.hands_on)
        except OSError as error:
            return [trouble(path, error)]
        try:
            try:
                failed = self._fill(descriptor, data, attributes)
            finally:
                os.close(descriptor)
        except OSError as error:
            remove(parent, name)
            return [trouble(path, error)]
        self._finished.append(Finished(path, replace))
        return [attribute_problem(path, failed)] if failed else []

    def begin(self, path: bytes, size: int, *, resume: bool = False, replace: bool = False) -> PendingFile | Problem:
        """A file that is written in pieces; `size` is what it will have in the end, in bytes. With `resume`, what an
        earlier run left is kept where it is a plain file of our own: see `PendingFile.resumed`."""
        finished = Finished(path, replace)
        try:
            parent, name = self._place(path)
            return PendingFile(
                path,
                size,
                (os.dup(parent), name),
                resume=resume,
                is_root=self._is_root,
                done=lambda: self._finished.append(finished),
            )
        except OSError as error:
            return trouble(path, error)

    def reopen(self, path: bytes, identity: tuple[int, int]) -> int | Problem:
        """A descriptor of a file that another writer of the target has begun, for `os.pwrite`; the caller closes it. identity:
        of `PendingFile`; what else has its temporary name by now is not written to."""
        try:
            parent, name = self._place(path)
            return reopen(parent, name, identity)
        except OSError as error:
            return trouble(path, error)

    def write_link(self, path: bytes, points_to: bytes, attributes: Attributes, *, replace: bool = False) -> list[Problem]:
        """A symbolic link, wherever it points to. Of the attributes, owner and time are used."""
        check_path(path)
        if not points_to or b"\0" in points_to:
            return [Problem(path, "unwritable", "a link cannot point to an empty name or hold a NUL")]
        try:
            parent, name = self._place(path)
            try:
                os.symlink(points_to, name, dir_fd=parent)
            except FileExistsError:
                os.unlink(name, dir_fd=parent)
                os.symlink(points_to, name, dir_fd=parent)
        except OSError as error:
            return [trouble(path, error)]
        failed = apply_to_link(parent, name, attributes, is_root=self._is_root)
        self._finished.append(Finished(path, replace))
        return [attribute_problem(path, failed)] if failed else []

    def write_hard_link(
        self, path: bytes, member: bytes, size: int, digest: bytes | None, *, replace: bool = False
    ) -> list[Problem]:
        """Another name for the file `member`, if that is a file of this size (bytes) and content (BLAKE3): whatever else has
        that name by now is not what should be restored. On a problem the caller writes the content instead."""
        check_path(path)
        check_path(member)
        member_folder, _, member_name = member.rpartition(b"/")
        try:
            source = os.dup(self._reach(member_folder))
            try:
                parent, name = self._place(path)
                remove(parent, name)
                os.link(member_name, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(source)
            # asked of the new name: what the member's name stands for may change at any moment
            if not self._is_known(parent, name, member, size, digest):
                remove(parent, name)
                return [Problem(path, "blocked", "the other name of this file now belongs to another file")]
        except OSError as error:
            return [trouble(path, error)]
        self._finished.append(Finished(path, replace, is_hard_link=True))
        return []

    def _is_known(self, parent: int, name: bytes, member: bytes, size: int, digest: bytes | None) -> bool:
        """Whether this has the content that `member` should have; it is read once for all names of the same file."""
        try:
            descriptor = os.open(name, OPEN, dir_fd=parent)
        except OSError:
            return False
        try:
            status = os.fstat(descriptor)
            known = _Known(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if self._verified.get(member) != known:
                if not has_content(descriptor, size, digest):
                    return False
                self._verified[member] = known
            return True
        finally:
            os.close(descriptor)

    def set_attributes(self, item: TargetItem) -> list[Problem]:
        """Of a file or link that stands there already, without touching what is in it."""
        check_path(item.path)
        folder, _, name = item.path.rpartition(b"/")
        try:
            parent = self._reach(folder)
            failed: list[str] | None
            if item.kind == manifest.LINK:
                failed = apply_to_link(parent, name, item.attributes, is_root=self._is_root)
            else:
                failed = self._set_of_file(parent, name, item)
        except OSError as error:
            return [trouble(item.path, error)]
        if failed is None:
            return [Problem(item.path, "exists", "it was changed meanwhile, and left alone")]
        return [attribute_problem(item.path, failed)] if failed else []

    def _set_of_file(self, parent: int, name: bytes, item: TargetItem) -> list[str] | None:
        """None where it is another file by now; one of several names may be a file of somebody else's, so it is read again."""
        descriptor = os.open(name, OPEN, dir_fd=parent)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != item.size:
                return None
            if status.st_nlink > 1 and not has_content(descriptor, item.size, item.digest):
                return None
            return apply(descriptor, item.attributes, is_root=self._is_root)
        finally:
            os.close(descriptor)

    def commit(self) -> list[Problem]:
        """Bring everything finished so far to the disk, then to its names. Raises TargetError where the disk cannot take it;
        temporary files stay then, for a later run."""
        problems = self._commits.settle()
        finished, self._finished = self._finished, []
        return problems + commit(self._descent, finished)

    def take_over(self, other: Writer) -> list[Problem]:
        """What another writer of the target has finished gets its name with the next commit of this one, after one wait for the
        disk. Raises TargetError where the disk has not taken what the other has committed ahead; gives the problems of that."""
        self._finished += other._finished
        other._finished = []
        return other._commits.settle()

    def commit_ahead(self) -> list[Problem]:
        """As `commit`, without waiting for the disk, as long as not too much does. A problem, or the error, may come with a
        later call."""
        finished, self._finished = self._finished, []
        return self._commits.begin(finished)

    def _first_mode(self, attributes: Attributes) -> int:
        """As `first_mode`, which asks the system; a restore knows few owners and modes."""
        key = attributes.mode, attributes.uid, attributes.gid
        found = self._first_modes.get(key)
        if found is None:
            if len(self._first_modes) >= _MODES_KEPT:
                self._first_modes.clear()
            found = self._first_modes[key] = first_mode(attributes)
        return found

    def _place(self, path: bytes) -> tuple[int, bytes]:
        """The descriptor of the item's folder, made writable for the moment where it is our own and may not be written to, and
        the item's temporary name. Raises OSError."""
        folder, slash, name = path.rpartition(b"/")
        if self._parent.descriptor < 0 or folder + slash != self._parent.path or unsafe_reason(name):
            check_path(path)
            descriptor = self._reach(folder)
            self._openings.open(folder, descriptor)
            self._parent = _Parent(folder + slash, descriptor, hands_on(descriptor))
        return self._parent.descriptor, temporary_name(path)

    def _reach(self, folder: bytes) -> int:
        """The folder's descriptor, good until another one is reached. Raises OSError."""
        self._parent = _Parent(b"", -1, hands_on=True)
        return self._descent.reach(folder)

    def close(self) -> None:
        """Let go of descriptors. What was not committed keeps its temporary name."""
        self._commits.close()
        self._descent.close()

    def _fill(self, descriptor: int, data: bytes | memoryview, attributes: Attributes) -> list[str]:
        written = os.write(descriptor, data)
        while written < len(data):  # a full disk answers in part first, and says why at the next call
            written += os.write(descriptor, memoryview(data)[written:])
        failed = apply(descriptor, attributes, is_root=self._is_root)
        if self._sync_each:
            os.fsync(descriptor)
        return failed

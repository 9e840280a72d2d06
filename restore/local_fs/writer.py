"""Writing items under temporary names and bringing them into place in batches.

A temporary name depends on the item's path alone: what an interrupted run left is found, and continued or overwritten,
by the next one.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from restore.local_fs.batches import Batches, Finished, commit
from restore.local_fs.errors import attribute_problem, trouble
from restore.local_fs.inspect import OPEN, TargetItem, has_content
from restore.local_fs.metadata import Attributes, apply, apply_to_link, first_mode
from restore.local_fs.names import check_path, temporary_name
from restore.local_fs.pending_file import PendingFile, create, remove
from restore.local_fs.syscalls import has_syncfs
from restore.local_fs.writable_folders import WritableFolders
from vault.format import manifest
from vault.problems import Problem
from vault.source.folder_descent import Descent

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class _Known(NamedTuple):
    """A file whose content was looked at."""

    device: int
    number: int
    size: int
    mtime_ns: int


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

    def make_folder(self, path: bytes) -> list[Problem]:
        """A folder, unless it is there already. Its attributes are for `Target.finish`."""
        check_path(path)
        try:
            self._descent.reach(path)
        except OSError as error:
            return [trouble(path, error)]
        return []

    def write_small(
        self, path: bytes, data: bytes | memoryview, attributes: Attributes, *, replace: bool = False
    ) -> list[Problem]:
        """A whole file in one go."""
        folder, name = _place(path)
        try:
            parent = self._reach(folder)
            descriptor = create(parent, name, _CREATE, first_mode(attributes))
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
        folder, name = _place(path)
        finished = Finished(path, replace)
        try:
            parent = os.dup(self._reach(folder))
            return PendingFile(
                path,
                size,
                (parent, name),
                resume=resume,
                is_root=self._is_root,
                done=lambda: self._finished.append(finished),
            )
        except OSError as error:
            return trouble(path, error)

    def write_link(self, path: bytes, points_to: bytes, attributes: Attributes, *, replace: bool = False) -> list[Problem]:
        """A symbolic link, wherever it points to. Of the attributes, owner and time are used."""
        folder, name = _place(path)
        if not points_to or b"\0" in points_to:
            return [Problem(path, "unwritable", "a link cannot point to an empty name or hold a NUL")]
        try:
            parent = self._reach(folder)
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
        folder, name = _place(path)
        check_path(member)
        member_folder, _, member_name = member.rpartition(b"/")
        try:
            source = os.dup(self._descent.reach(member_folder))
            try:
                parent = self._reach(folder)
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
            parent = self._descent.reach(folder)
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

    def commit_ahead(self) -> list[Problem]:
        """As `commit`, without waiting for the disk, as long as not too much does. A problem, or the error, may come with a
        later call."""
        finished, self._finished = self._finished, []
        return self._commits.begin(finished)

    def _reach(self, folder: bytes) -> int:
        """The folder's descriptor; one of our own that may not be written to is made writable for the moment."""
        descriptor = self._descent.reach(folder)
        self._openings.open(folder, descriptor)
        return descriptor

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


def _place(path: bytes) -> tuple[bytes, bytes]:
    """The item's folder and temporary name."""
    check_path(path)
    return path.rpartition(b"/")[0], temporary_name(path)

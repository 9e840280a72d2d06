"""Writing items under temporary names and bringing them into place in batches.

A temporary name depends on the item's path alone: what an interrupted run left is found, and continued or overwritten,
by the next one. A batch is made durable as a whole before its first rename, so a final name never stands for half a
file.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from restore.target.attributes import Attributes, apply, apply_to_link, first_mode
from restore.target.names import refuse_unsafe, temporary_name
from restore.target.pending import PendingFile, create, remove
from restore.target.system import has_syncfs, rename_to_free_name, sync_file_system
from restore.target.trouble import attribute_problem, trouble
from vault.errors import TargetError
from vault.problems import Problem
from vault.source.descent import Descent

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class _Finished(NamedTuple):
    path: bytes
    replace: bool
    is_hard_link: bool = False


class Writer:
    """Writes items below a target; one thread's own, made by `Target.writer`.

    Every method takes the item's path relative to the target's root, and makes the folders above it (01700 until
    `Target.finish`). An unsafe path is a UsageError: the plan should have refused it. No method follows a link. What is
    written has its name after the next `commit`; with `replace` it takes the place of a file or link that stands there.
    Problems come as a list: `attributes` where the item will be there but not all that belongs to it, any other where
    it will not be there.
    """

    def __init__(self, descent: Descent, *, is_root: bool) -> None:
        self._descent = descent
        self._is_root = is_root
        self._finished: list[_Finished] = []
        self._sync_each = not has_syncfs()

    def make_folder(self, path: bytes) -> list[Problem]:
        """A folder, unless it is there already. Its attributes are for `Target.finish`."""
        refuse_unsafe(path)
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
            parent = self._descent.reach(folder)
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
        self._finished.append(_Finished(path, replace))
        return [attribute_problem(path, failed)] if failed else []

    def begin(self, path: bytes, size: int, *, resume: bool = False, replace: bool = False) -> PendingFile | Problem:
        """A file that is written in pieces; `size` is what it will have in the end, in bytes. With `resume`, what an
        earlier run left is kept where it is a plain file of our own: see `PendingFile.resumed`."""
        folder, name = _place(path)
        finished = _Finished(path, replace)
        try:
            parent = os.dup(self._descent.reach(folder))
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
            parent = self._descent.reach(folder)
            try:
                os.symlink(points_to, name, dir_fd=parent)
            except FileExistsError:
                os.unlink(name, dir_fd=parent)
                os.symlink(points_to, name, dir_fd=parent)
        except OSError as error:
            return [trouble(path, error)]
        failed = apply_to_link(parent, name, attributes, is_root=self._is_root)
        self._finished.append(_Finished(path, replace))
        return [attribute_problem(path, failed)] if failed else []

    def write_hard_link(self, path: bytes, member: bytes, *, replace: bool = False) -> list[Problem]:
        """Another name for the file `member`, which has been committed. On a problem (a file system without hard links,
        a member that is gone or no file any more) the caller writes the content instead."""
        folder, name = _place(path)
        refuse_unsafe(member)
        member_folder, _, member_name = member.rpartition(b"/")
        try:
            source = os.dup(self._descent.reach(member_folder))
            try:
                parent = self._descent.reach(folder)
                remove(parent, name)
                os.link(member_name, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(source)
            # asked of the new name: what the member's name stands for may change at any moment
            if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                remove(parent, name)
                return [Problem(path, "blocked", "the other name of this file stands for something else now")]
        except OSError as error:
            return [trouble(path, error)]
        self._finished.append(_Finished(path, replace, is_hard_link=True))
        return []

    def commit(self) -> list[Problem]:
        """Bring everything finished since the last commit to the disk, then to its names. Raises TargetError where the
        disk cannot take it; temporary files stay then, for a later run."""
        finished, self._finished = self._finished, []
        self._sync(finished)
        problems: list[Problem] = []
        for item in finished:
            folder, _, last = item.path.rpartition(b"/")
            try:
                parent = self._descent.reach(folder)
            except OSError as error:
                problems.append(trouble(item.path, error))
                continue
            name = temporary_name(item.path)
            try:
                if item.replace:
                    os.rename(name, last, src_dir_fd=parent, dst_dir_fd=parent)
                else:
                    rename_to_free_name(parent, name, last)
            except OSError as error:
                remove(parent, name)
                problems.append(trouble(item.path, error))
            if item.is_hard_link:
                remove(parent, name)  # renaming one name of a file over another does nothing at all (POSIX)
        return problems

    def close(self) -> None:
        """Let go of descriptors. What was not committed keeps its temporary name."""
        self._descent.close()

    def _fill(self, descriptor: int, data: bytes | memoryview, attributes: Attributes) -> list[str]:
        written = os.write(descriptor, data)
        while written < len(data):  # a full disk answers in part first, and says why at the next call
            written += os.write(descriptor, memoryview(data)[written:])
        failed = apply(descriptor, attributes, is_root=self._is_root)
        if self._sync_each:
            os.fsync(descriptor)
        return failed

    def _sync(self, finished: list[_Finished]) -> None:
        """One syncfs for each file system in the batch: another one may be mounted below the root."""
        devices: set[int] = set()
        for folder in {item.path.rpartition(b"/")[0] for item in finished}:
            try:
                parent = self._descent.reach(folder)
            except OSError:
                continue  # the folder is gone or blocked; every rename in it will say so
            try:
                device = os.fstat(parent).st_dev
                if device not in devices:
                    devices.add(device)
                    sync_file_system(parent)
            except OSError as error:
                raise TargetError(
                    f"the disk did not take what was written: {error.strerror}",
                    hint="free some room or mend the disk, and run the same restore again; it goes on from there",
                ) from error


def _place(path: bytes) -> tuple[bytes, bytes]:
    """The item's folder and temporary name."""
    refuse_unsafe(path)
    return path.rpartition(b"/")[0], temporary_name(path)

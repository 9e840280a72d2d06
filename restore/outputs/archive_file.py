"""One file that is written from front to back, under a temporary name until it is whole and on the disk: an archive, a table.

It is private (0600): it holds in one place what its items' own modes may have kept apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from restore.local_fs.errors import hint_for
from restore.local_fs.names import temporary_name
from restore.local_fs.pending_file import create, remove
from restore.local_fs.syscalls import is_folder, rename_to_free_name, stands
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import TargetError, UsageError

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


def refuse_existing(path: Path, existing: ConflictPolicy) -> None:
    """Raises `TargetError` where something is there that may not be replaced, `UsageError` for a policy that makes no sense."""
    if existing not in (ConflictPolicy.REFUSE, ConflictPolicy.REPLACE):
        raise UsageError(
            f"--existing {existing.value} means nothing for one file", hint="use --existing replace, or another name"
        )
    if is_folder(path):
        raise TargetError(f"{path} is a folder", hint="name a file")
    if existing is ConflictPolicy.REFUSE and stands(path):
        raise TargetError(f"{path} is there already", hint="nothing was written; use --existing replace, or another name")


@contextmanager
def whole_file(path: Path, existing: ConflictPolicy) -> Iterator[BinaryIO]:
    """The file, open for writing and seeking; it gets its name at the end, and is gone if the end is not reached.

    Raises `TargetError`, also for an OSError of the block: nothing else is written to there.
    """
    refuse_existing(path, existing)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from _written(parent, os.fsencode(path.name), existing)
        finally:
            os.close(parent)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TargetError(
            f"cannot write {path}: {error.strerror or error}", hint=hint_for(error, "write to another folder")
        ) from error


def _written(parent: int, name: bytes, existing: ConflictPolicy) -> Iterator[BinaryIO]:
    half = temporary_name(name)
    try:
        with os.fdopen(create(parent, half, _CREATE), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if existing is ConflictPolicy.REPLACE:
            os.rename(half, name, src_dir_fd=parent, dst_dir_fd=parent)
        else:
            rename_to_free_name(parent, half, name)
        os.fsync(parent)
    except BaseException:
        remove(parent, half)
        raise

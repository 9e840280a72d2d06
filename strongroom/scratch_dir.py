"""A folder for what a test of restoring writes; it is gone afterwards, whatever happens."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from strongroom import environment, notices
from vault.errors import TargetError

_ABANDONED_AFTER = timedelta(minutes=1)
"""A younger one may not be locked yet."""


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder (0700) among the system's temporary files, locked as long as it is used. What killed processes have left of the
    same prefix is removed first. Raises `TargetError`."""
    try:
        _remove_abandoned(Path(tempfile.gettempdir()), prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TargetError(
            f"there is no folder for temporary files: {error.strerror}",
            hint="set TMPDIR to a folder that can be written to",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        remove_folder(folder)
        os.close(handle)


def remove_folder(folder: Path) -> None:
    """A folder and all in it, also what a restore has made read-only. What cannot be removed is said."""
    for inner, _, _ in os.walk(folder):
        with suppress(OSError):
            if stat.S_IMODE(os.lstat(inner).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
                Path(inner).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        notices.warn(f"{folder} could not be removed; it may hold restored files")


def _remove_abandoned(temporary: Path, prefix: str) -> None:
    """Nobody holds the lock of what a killed process has left."""
    before = (environment.services().clock.now() - _ABANDONED_AFTER).timestamp()
    for folder in temporary.glob(f"{prefix}*"):
        with suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.geteuid() or status.st_mtime > before:
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_folder(folder)
            finally:
                os.close(handle)

"""Two calls that Python's `os` lacks, by ctypes from the C library, and what to do where it lacks them too.

`syncfs(2)` brings everything written to one file system to the disk at once: for 20,000 files that is one wait instead
of 20,000. `renameat2(2)` with RENAME_NOREPLACE renames without ever replacing what appeared meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

_RENAME_NOREPLACE = 1
MOST_OPEN = 64
_TAKEN = 40
"""Files that a process has open anyhow: its libraries, connections, logs."""
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


@cache
def _c_function(name: str) -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError, TypeError):  # an older C library, another platform
        return None
    return function


def has_syncfs() -> bool:
    """Whether one call can bring a whole file system to the disk; without it, every file is synced by itself."""
    return _c_function("syncfs") is not None


def sync_file_system(descriptor: int) -> None:
    """Bring everything written so far on the file system of `descriptor` to the disk. Raises OSError, also for an
    earlier write that failed after the descriptor was opened. Nothing happens where `has_syncfs` is false."""
    syncfs = _c_function("syncfs")
    if syncfs is not None and syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def rename_to_free_name(folder: int, source: bytes, name: bytes) -> None:
    """Rename within a folder unless `name` is taken. Raises FileExistsError, OSError.

    Where neither the C library nor the file system knows how, it looks first and renames then: what appears in that
    blink is replaced."""
    renameat2 = _c_function("renameat2")
    if renameat2 is not None:
        if renameat2(folder, source, folder, name, _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), name)
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def open_files_for(*, share: int) -> int:
    """How many files may be kept open for one purpose: a share (one of so many) of what this process may open, and not many."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except (ImportError, OSError):
        return MOST_OPEN
    return MOST_OPEN if limit < 0 else max(2, min(MOST_OPEN, (limit - _TAKEN) // share))


def lock(descriptor: int) -> bool:
    """Take an open folder for this process alone; whether it could be had. Where nothing can be locked, a platform or a file
    system without locks, nobody is kept away."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return True
    return True


def unlock(descriptor: int) -> None:
    """Give it back; its closing does so too."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_folder(path: Path) -> bool:
    """Whether a folder, or a link to one, stands there; what cannot be looked at is none: writing to it will say why."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def stands(path: Path) -> bool:
    """Whether anything stands there, a link to nowhere included; as `is_folder`."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True

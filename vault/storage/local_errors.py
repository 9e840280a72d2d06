"""The one place where errors of a file system become ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from vault.errors import ObjectNotFound, StorageDenied, StorageError, StorageFull, TransientStorageError

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "EINTR", "EMFILE", "ENFILE", "ETIMEDOUT"),
        *("ESTALE", "ECONNRESET", "ECONNABORTED", "ENETDOWN", "ENETUNREACH", "EHOSTUNREACH", "EHOSTDOWN", "ENOTCONN"),
    )
    if hasattr(errno, name)
)
_HINTS = {
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or choose a file system that takes files of 64 MiB",
    errno.EIO: "the disk may be failing; look at the system's log",
    errno.EEXIST: "a file stands where a folder of the store should be: choose another address",
}


@contextmanager
def local_errors(verb: str, name: str) -> Iterator[None]:
    """Raises what the store's contract names for each OSError of the block; the cause stays attached."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"cannot {verb} {name}: {reason}"
        if error.errno in _ABSENT:
            raise ObjectNotFound(f"{name} is not in the store") from error
        if error.errno in _FULL:
            raise StorageFull(message) from error
        if error.errno in _DENIED:
            raise StorageDenied(message, hint="check who owns the folder and whether it is mounted for writing") from error
        if error.errno in _PASSING:
            raise TransientStorageError(message) from error
        raise StorageError(message, hint=_HINTS.get(error.errno or 0)) from error

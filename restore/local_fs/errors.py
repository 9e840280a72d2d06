"""What an OSError means to a restore: the end of it, or a problem with one item."""

from __future__ import annotations

import errno

from vault.errors import TargetError
from vault.problems import Problem, printable

_ROOM = "free some room and run the same restore again; it goes on from there"
_END = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "the file system is read-only; restore to another folder",
    errno.EIO: "the disk reports errors; restore to another one",
    errno.ENOMEM: "free some memory and run the same restore again",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many open files",
}
_IN_THE_WAY = {errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENOTEMPTY}


def hint_for(error: OSError, otherwise: str) -> str:
    """What to do about an error that every other item would meet too."""
    return _END.get(error.errno or 0, otherwise)


def trouble(path: bytes, error: OSError) -> Problem:
    """The problem with this item. Raises TargetError where every other item would meet it too.

    Words: exists (something has the name) · blocked (no folder where one is needed, or a folder where none is) ·
    unwritable."""
    number = error.errno or 0
    if number in _END:
        raise TargetError(f"cannot write {printable(path)}: {error.strerror}", hint=_END[number]) from error
    if number == errno.EEXIST:
        return Problem(path, "exists", "a file or folder of this name is there already; it was left alone")
    if number in _IN_THE_WAY:
        return Problem(path, "blocked", f"something else stands in the way: {error.strerror}")
    return Problem(path, "unwritable", f"it cannot be written: {error.strerror}")


def attribute_problem(path: bytes, failed: list[str]) -> Problem:
    """The item is there, but not all that belongs to it could be set."""
    return Problem(path, "attributes", "could not set " + ", ".join(failed))

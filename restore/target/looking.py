"""Is this item there already? Content is compared, never only sizes and times: what is there counts as restored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from blake3 import blake3

from vault.source.descent import Descent

_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_PIECE = 4 * 1024 * 1024

UNFINISHED = 0o1700
"""The mode of a folder that a restore has made and not finished: a mode that nobody else gives to one."""


def holds(root: int, path: bytes, size: int, mtime_ns: int, digest: bytes | None) -> bool:
    """Whether `path` is a file of this size, time and content. root: the target's descriptor · digest: BLAKE3."""
    folder, _, name = path.rpartition(b"/")
    with Descent(root) as descent:
        try:
            descriptor = os.open(name, _OPEN, dir_fd=descent.reach(folder))
        except OSError:
            return False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (size, mtime_ns):
            return False
        return digest is not None and _digest(descriptor) == digest
    except OSError:
        return False
    finally:
        os.close(descriptor)


def modified(root: int, paths: Iterable[bytes]) -> dict[bytes, int]:
    """When what stands at the paths was modified; see `Target.modified`. root: the target's descriptor."""
    found = {}
    with Descent(root) as descent:
        for path in paths:
            folder, _, name = path.rpartition(b"/")
            try:
                status = os.stat(name, dir_fd=descent.reach(folder), follow_symlinks=False)
            except OSError:
                continue
            if not stat.S_ISDIR(status.st_mode) or stat.S_IMODE(status.st_mode) != UNFINISHED:
                found[path] = status.st_mtime_ns
    return found


def link_points_to(root: int, path: bytes) -> bytes | None:
    """Where the symbolic link at `path` points to; None where there is none."""
    folder, _, name = path.rpartition(b"/")
    with Descent(root) as descent:
        try:
            return os.readlink(name, dir_fd=descent.reach(folder))
        except OSError:
            return None


def _digest(descriptor: int) -> bytes:
    seen = blake3()
    while piece := os.read(descriptor, _PIECE):
        seen.update(piece)
    return seen.digest()

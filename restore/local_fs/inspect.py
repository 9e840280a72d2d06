"""Is this item there already? Content is compared, never only sizes and times: what is there counts as restored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from blake3 import blake3

from restore.local_fs.metadata import Attributes, differences
from vault.format import manifest
from vault.source.folder_descent import FOLDER_FLAGS, Descent

OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_PIECE = 4 * 1024 * 1024

UNFINISHED = 0o1700
"""The mode of a folder that a restore has made and not finished: a mode that nobody else gives to one."""


class TargetItem(NamedTuple):
    """What should stand at a path. kind: `vault.format.manifest.FILE`, LINK or FOLDER · size (bytes), digest (BLAKE3): of a
    file · points_to: of a link."""

    path: bytes
    kind: str
    attributes: Attributes
    size: int = 0
    digest: bytes | None = None
    points_to: bytes = b""


class Inspection(NamedTuple):
    """How what stands at an item's path compares with it. same: of the same kind, with the same content · differing: its
    attributes that are other ones, in words; only where it is the same · unreadable: why it could not be looked at."""

    same: bool
    differing: tuple[str, ...] = ()
    unreadable: str = ""


def compare(root: int, items: Iterable[TargetItem], *, is_root: bool, from_disk: bool = False) -> Iterator[Inspection]:
    """One for each item; see `Target.compare`. root: the target's descriptor."""
    with Descent(root) as descent:
        for item in items:
            folder, _, name = item.path.rpartition(b"/")
            try:
                parent = descent.reach(folder)
                yield (
                    _link(parent, name, item, is_root=is_root)
                    if item.kind == manifest.LINK
                    else _opened(parent, name, item, is_root=is_root, from_disk=from_disk)
                )
            except OSError as error:
                yield Inspection(same=False, unreadable=error.strerror or str(error))


def _link(parent: int, name: bytes, item: TargetItem, *, is_root: bool) -> Inspection:
    """A link's own time is of no account: few file systems and archives keep it."""
    if os.readlink(name, dir_fd=parent) != item.points_to:
        return Inspection(same=False)
    status, wanted = os.stat(name, dir_fd=parent, follow_symlinks=False), item.attributes
    owned = wanted.uid in {None, status.st_uid} and wanted.gid in {None, status.st_gid}
    return Inspection(same=True, differing=() if owned or not is_root else (f"owner {status.st_uid}:{status.st_gid}",))


def _opened(parent: int, name: bytes, item: TargetItem, *, is_root: bool, from_disk: bool) -> Inspection:
    descriptor = os.open(name, FOLDER_FLAGS if item.kind == manifest.FOLDER else OPEN, dir_fd=parent)
    try:
        if item.kind == manifest.FOLDER:  # its time tells of what was put into it, no more
            return Inspection(
                same=True, differing=differences(descriptor, item.attributes._replace(mtime_ns=None), is_root=is_root)
            )
        if from_disk:
            drop_cached_pages(descriptor)
        if not has_content(descriptor, item.size, item.digest):
            return Inspection(same=False)
        return Inspection(same=True, differing=differences(descriptor, item.attributes, is_root=is_root))
    finally:
        os.close(descriptor)


def drop_cached_pages(descriptor: int) -> None:
    """Have the kernel forget what it holds of a file in memory, so that the next reading asks the disk. Pages that are not
    written yet stay; where the system cannot do it, nothing happens."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def has_content(descriptor: int, size: int, digest: bytes | None) -> bool:
    """Whether this is a file of that size (bytes) and content (BLAKE3). Raises OSError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != size or digest is None:
        return False
    return _digest(descriptor) == digest


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


def _digest(descriptor: int) -> bytes:
    seen = blake3()
    while piece := os.read(descriptor, _PIECE):
        seen.update(piece)
    return seen.digest()

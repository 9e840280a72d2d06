"""A folder tree as a value: everything that a restore must bring back, for comparing with `==`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Facts(Struct, frozen=True):
    """One item. content: SHA-256 of a file, target of a link · also: the first path (bytewise) that names the same file."""

    type: int
    mode: int
    mtime_ns: int
    owner: tuple[int, int]
    size: int
    content: bytes
    also: bytes
    xattrs: tuple[tuple[str, bytes], ...]


def tree_facts(root: Path) -> dict[bytes, Facts]:
    """Of every item at (b"") and below `root`, by relative path; no link is followed."""
    start = os.fsencode(root)
    paths = [start]
    for folder, folders, files in os.walk(start):
        paths += [folder + b"/" + name for name in (*folders, *files)]
    first: dict[tuple[int, int], bytes] = {}
    return {path[len(start) + 1 :]: _facts(path, path[len(start) + 1 :], first) for path in sorted(paths)}


def _facts(full: bytes, path: bytes, first: dict[tuple[int, int], bytes]) -> Facts:
    status = os.lstat(full)
    content, xattrs = b"", tuple[tuple[str, bytes], ...]()
    if stat.S_ISLNK(status.st_mode):
        content = os.fsencode(Path(os.fsdecode(full)).readlink())
    else:
        xattrs = tuple((name, os.getxattr(full, name)) for name in sorted(os.listxattr(full)))
    if stat.S_ISREG(status.st_mode):
        content = _digest(full)
    return Facts(
        type=stat.S_IFMT(status.st_mode),
        mode=0 if stat.S_ISLNK(status.st_mode) else stat.S_IMODE(status.st_mode),
        mtime_ns=status.st_mtime_ns,
        owner=(status.st_uid, status.st_gid),
        size=0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        content=content,
        also=first.setdefault((status.st_dev, status.st_ino), path),
        xattrs=xattrs,
    )


def _digest(full: bytes) -> bytes:
    with Path(os.fsdecode(full)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def below(folder: Path, name: bytes) -> Path:
    """A path whose last part may be no text at all."""
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    """Files with their folders, by relative path; their times are apart from now and from each other."""
    for number, (name, content) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(0, 1_600_000_000_123_456_789 + number))

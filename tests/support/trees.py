"""Folders for tests: written from a dict, looked at as values, compared by these."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tests.support.randomness import SeededChance


class Seen(Struct, frozen=True):
    """All that a restore must give back of one item. content: of a file · points_to: of a link · names: of a file with
    several, all of them."""

    type: str
    mode: int
    mtime_ns: int
    content: bytes | None
    points_to: bytes | None
    xattrs: tuple[tuple[str, bytes], ...]
    names: frozenset[bytes]


def text(seed: int | str, size: int) -> bytes:
    """Bytes that compress a little and repeat nowhere."""
    return SeededChance(f"text {seed}").token(size // 2 + 1).hex().encode()[:size]


def write_tree(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write files, folders where a name ends in "/". What stands at a name is replaced."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        place = root / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return root


def look_at(root: Path) -> dict[bytes, Seen]:
    """Everything at and below a folder, by path relative to it (the folder itself: b"")."""
    start = os.fsencode(root)
    paths = [start]
    for folder, folders, files in os.walk(start):
        paths += [folder + b"/" + name for name in (*folders, *files)]
    by_inode: dict[tuple[int, int], set[bytes]] = {}
    for path in paths:
        status = os.lstat(path)
        by_inode.setdefault((status.st_dev, status.st_ino), set()).add(path[len(start) + 1 :])
    return {path[len(start) + 1 :]: _seen(path, by_inode) for path in paths}


def _seen(path: bytes, by_inode: Mapping[tuple[int, int], set[bytes]]) -> Seen:
    status = os.lstat(path)
    is_file, is_link = stat.S_ISREG(status.st_mode), stat.S_ISLNK(status.st_mode)
    xattrs = () if is_link else tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)))
    return Seen(
        type="file" if is_file else "link" if is_link else "folder",
        mode=stat.S_IMODE(status.st_mode),
        mtime_ns=status.st_mtime_ns,
        content=Path(os.fsdecode(path)).read_bytes() if is_file else None,
        points_to=os.fsencode(Path(os.fsdecode(path)).readlink()) if is_link else None,
        xattrs=xattrs,
        names=frozenset(by_inode[status.st_dev, status.st_ino]) if is_file else frozenset(),
    )


def contents(root: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its relative name."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def next_tick(folder: Path) -> None:
    """Wait until the file system's clock has moved on: what is changed from now on bears another time than before."""
    probe = folder / ".tick"
    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        time.sleep(0.0005)
        probe.touch()
    probe.unlink()

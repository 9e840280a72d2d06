"""Was everything given back? Two trees walked side by side, a folder and a piece of a file in memory at a time."""

from __future__ import annotations

import os
from pathlib import Path

_PIECE = 1 << 20


class DifferenceError(Exception):
    """The first difference that was met."""


def same_tree(source: Path, restored: Path) -> int:
    """Compares names, bytes and modification times (ns) of all files, and counts them. Raises DifferenceError."""
    ours, theirs = _entries(source), _entries(restored)
    if ours.keys() != theirs.keys():
        names = sorted(ours.keys() ^ theirs.keys())
        raise DifferenceError(f"{restored}: {len(names)} names differ from {source}: {', '.join(names[:5])}")
    files = 0
    for name, entry in ours.items():
        if entry.is_dir(follow_symlinks=False) != theirs[name].is_dir(follow_symlinks=False):
            raise DifferenceError(f"{restored / name}: a folder where a file was, or the reverse")
        if entry.is_dir(follow_symlinks=False):
            files += same_tree(source / name, restored / name)
        else:
            _same_file(entry, theirs[name])
            files += 1
    return files


def _entries(folder: Path) -> dict[str, os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return {entry.name: entry for entry in entries}


def _same_file(ours: os.DirEntry[str], theirs: os.DirEntry[str]) -> None:
    one, other = ours.stat(follow_symlinks=False), theirs.stat(follow_symlinks=False)
    if one.st_size != other.st_size:
        raise DifferenceError(f"{theirs.path}: {other.st_size} bytes, not {one.st_size}")
    if one.st_mtime_ns != other.st_mtime_ns:
        raise DifferenceError(f"{theirs.path}: modification time {other.st_mtime_ns}, not {one.st_mtime_ns}")
    with Path(ours).open("rb") as left, Path(theirs).open("rb") as right:
        while piece := left.read(_PIECE):
            if piece != right.read(_PIECE):
                raise DifferenceError(f"{theirs.path}: other bytes than {ours.path}")

"""What a folder holds, as plain values that fit into a JSON file: the fixture's expectation and what a restore made."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any


def described(root: Path) -> dict[str, dict[str, Any]]:
    """Every item below `root`, by its path: undecodable bytes as surrogate escapes, which JSON keeps as \\udcXX."""
    first_names: dict[tuple[int, int], str] = {}
    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): _described(path, str(path.relative_to(root)), first_names) for path in paths}


def _described(full: Path, path: str, first_names: dict[tuple[int, int], str]) -> dict[str, Any]:
    status = full.lstat()
    facts: dict[str, Any] = {"mtime_ns": status.st_mtime_ns}
    if full.is_symlink():
        return facts | {"link": str(full.readlink())}
    facts["mode"] = f"{stat.S_IMODE(status.st_mode):04o}"
    if xattrs := {name: os.getxattr(full, name).hex() for name in sorted(os.listxattr(full))}:
        facts["xattrs"] = xattrs
    if full.is_dir():
        return facts
    facts["content"] = hashlib.blake2b(full.read_bytes(), digest_size=8).hexdigest()
    facts["size"] = status.st_size
    if status.st_nlink > 1:
        facts["same_as"] = first_names.setdefault((status.st_dev, status.st_ino), path)
    return facts

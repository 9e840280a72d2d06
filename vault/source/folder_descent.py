"""Reaching folders below a root without ever passing through a symbolic link.

A path handed to the kernel whole is resolved through whatever stands there at that moment: somebody who swaps a folder
for a link between two steps would have us read, or write, outside of the root. Here every folder is opened relative to
its parent's descriptor, one part at a time, and a link in the way is an error. Paths longer than the kernel's PATH_MAX
come for free.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

SUPPORTED = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
"""Whether this platform has what a descent needs."""

FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

Make = Callable[[int, bytes, bytes], None]
"""Called with the parent's descriptor, the missing folder's name, and its path; makes it, or raises OSError."""


_MANY = 1 << 16
SHARE = 8
"""A descent keeps open at most one in so many of the files that this process may have open."""


def _most_files() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return _MANY
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MANY if soft == resource.RLIM_INFINITY else soft


class Descent:
    """Descriptors of folders below `root_fd`, the last used kept open. One thread's own.

    The root's descriptor stays the caller's. A descriptor from `reach` is good until the next `reach`; whoever keeps it
    longer keeps a duplicate.
    """

    def __init__(self, root_fd: int, *, capacity: int = 64, make: Make | None = None) -> None:
        self._root = root_fd
        self._capacity = max(2, min(capacity, _most_files() // SHARE))
        self._make = make
        self._open: dict[bytes, int] = {}

    def reach(self, folder: bytes) -> int:
        """The descriptor of `folder` (relative, clean, "" for the root itself). Raises OSError: ENOENT where it is
        missing and nothing makes it, ENOTDIR or ELOOP where something else, a link for one, stands in the way."""
        if not folder:
            return self._root
        descriptor = self._open.pop(folder, None)
        if descriptor is not None:
            self._open[folder] = descriptor  # the youngest again
            return descriptor
        nearest, parts = self._nearest(folder)
        descriptor = self.reach(nearest)
        for part in parts:
            nearest = nearest + b"/" + part if nearest else part
            descriptor = self._step(descriptor, part, nearest)
            self._keep(nearest, descriptor)
        return descriptor

    def forget(self, folder: bytes) -> None:
        """Close the descriptor of `folder`, if one is open."""
        descriptor = self._open.pop(folder, None)
        if descriptor is not None:
            os.close(descriptor)

    def _nearest(self, folder: bytes) -> tuple[bytes, list[bytes]]:
        """The deepest ancestor that is open, and the parts that lead from it down to `folder`."""
        parts: list[bytes] = []
        while folder and folder not in self._open:
            folder, _, part = folder.rpartition(b"/")
            parts.append(part)
        return folder, parts[::-1]

    def _step(self, parent: int, part: bytes, path: bytes) -> int:
        if part in {b"", b".", b".."}:
            raise ValueError(f"not a clean path: {path!r}")
        try:
            return os.open(part, FOLDER_FLAGS, dir_fd=parent)
        except FileNotFoundError:
            if self._make is None:
                raise
        self._make(parent, part, path)
        return os.open(part, FOLDER_FLAGS, dir_fd=parent)

    def _keep(self, folder: bytes, descriptor: int) -> None:
        self._open[folder] = descriptor
        if len(self._open) > self._capacity:
            self.forget(next(iter(self._open)))

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

"""The folders of a local store: made on demand, durable before anything is named in them, never a symbolic link.

What was found sound once is remembered, so that an object costs no look at its folders. The memory may be wrong
(another process removes folders that became empty); then the next step fails with FileNotFoundError, and the caller
calls `forget` and starts over.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from vault.errors import StorageAway, StorageError


class Folders:
    """All folders under `root`, by their names in the store ("" is the root itself)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identity = self._look_at_root()
        self._real: set[str] = set()
        self._durable: set[str] = set()
        self._lock = threading.Lock()

    @property
    def exist(self) -> bool:
        """Whether there was a root at all when this was made."""
        return self._identity is not None

    def insist_on_root(self) -> None:
        """Raises `StorageAway` if another folder, or none, is there now: after an unmount all objects look missing."""
        if self._look_at_root() != self._identity:
            raise StorageAway(f"the folder {self._root} is no longer the one that was opened")

    def check(self, name: str) -> None:
        """The folders of the object `name` are real. Raises FileNotFoundError or `StorageError`."""
        for folder in self._unknown(name, self._real):
            mode = (self._root / folder).lstat().st_mode
            if not stat.S_ISDIR(mode):
                raise self._not_a_folder(folder)
            self._remember(self._real, folder)

    def prepare(self, name: str) -> None:
        """The folders of the object `name` exist, are real and would survive a power cut. Raises `StorageError`."""
        for folder in self._unknown(name, self._durable):
            path = self._root / folder
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                if not stat.S_ISDIR(path.lstat().st_mode):
                    raise self._not_a_folder(folder) from None
            # also where another process made it: that one may not have come to its own fsync yet
            sync_folder(path.parent)
            self._remember(self._real, folder)
            self._remember(self._durable, folder)

    def forget(self, name: str) -> None:
        """What was remembered of the folders of `name` turned out to be wrong."""
        with self._lock:
            for folder in folders_of(name):
                self._real.discard(folder)
                self._durable.discard(folder)

    def remove_empty(self, name: str) -> None:
        """Remove the folders of `name` that hold nothing any more."""
        with contextlib.suppress(OSError):  # ends at the first one that is not empty
            for folder in reversed(folders_of(name)):
                (self._root / folder).rmdir()
                self.forget(f"{folder}/x")

    def _unknown(self, name: str, known: set[str]) -> Iterator[str]:
        folders = folders_of(name)
        with self._lock:
            if not folders or folders[-1] in known:
                return iter(())
            return iter([folder for folder in folders if folder not in known])

    def _remember(self, known: set[str], folder: str) -> None:
        with self._lock:
            known.add(folder)

    def _look_at_root(self) -> tuple[int, int] | None:
        try:
            facts = self._root.stat()
        except OSError:
            return None
        return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None

    def _not_a_folder(self, folder: str) -> StorageError:
        return StorageError(
            f"{self._root / folder} is not a folder",
            hint="a store holds only files and folders of its own, no symbolic links; move this away",
        )


def folders_of(name: str) -> list[str]:
    """The folders that an object lies in, outermost first: ["a", "a/b"] for "a/b/c"."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def sync_folder(path: Path) -> None:
    """Make what was named in a folder survive a power cut; a matter of course on Windows, which cannot be asked."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

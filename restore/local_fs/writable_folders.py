"""Folders of one's own that may not be written to, made writable while something is restored into them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress

from restore.local_fs.metadata import Attributes
from vault.source.folder_descent import Descent

_EFFECTIVE = os.access in os.supports_effective_ids
_NEEDED = stat.S_IWUSR | stat.S_IXUSR


class WritableFolders:
    """Which folders of a target are writable for the moment, and the modes that they had. Any thread's."""

    def __init__(self) -> None:
        self._modes: dict[bytes, int] = {}
        self._seen: set[bytes] = set()
        self._lock = threading.Lock()

    def open(self, path: bytes, descriptor: int) -> None:
        """Make sure that this process may write to the folder, if it is its own. Raises nothing: who writes will learn it."""
        if path in self._seen:
            return
        with self._lock, suppress(OSError):
            if path in self._seen:
                return
            self._seen.add(path)
            if os.access(b".", os.W_OK | os.X_OK, dir_fd=descriptor, effective_ids=_EFFECTIVE):
                return
            status = os.fstat(descriptor)
            mode = stat.S_IMODE(status.st_mode)
            if status.st_uid == os.geteuid() and mode & _NEEDED != _NEEDED:
                os.fchmod(descriptor, mode | _NEEDED)
                self._modes[path] = mode

    def mode(self, path: bytes, descriptor: int) -> int:
        """The folder's mode, as it was before."""
        found = self._modes.get(path)
        return os.fstat(descriptor).st_mode if found is None else found

    def closing(self, wanted: Mapping[bytes, Attributes]) -> dict[bytes, Attributes]:
        """What is wanted of folders at the end, and for those that were opened and get no other mode, the one that they had."""
        found = dict(wanted)
        for path, mode in self._modes.items():
            known = found.get(path, Attributes())
            if known.mode is None:
                found[path] = known._replace(mode=mode)
        return found

    def forget(self, path: bytes) -> None:
        """The folder has the mode that it shall keep."""
        self._modes.pop(path, None)
        self._seen.discard(path)

    def undo(self, root: int) -> None:
        """Give back the modes that are not: after an interruption, as far as that can be done. root: the target's."""
        with Descent(root) as descent:
            for path in sorted(self._modes, reverse=True):
                with suppress(OSError):
                    os.fchmod(descent.reach(path), self._modes[path])
        self._modes.clear()

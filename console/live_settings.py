"""The settings as the file has them now: rights that are taken away there are gone with the next request."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import settings
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.console import ConsoleSettings

_log = logging.getLogger("strongroom.console")

Version = tuple[int, int, int]


class LiveSettings:
    """Reads the file anew when it is another one. What cannot be used is said once, and the former settings hold."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._version = self._good = _version(file)
        self._whole = settings.load(file)

    @property
    def whole(self) -> Settings:
        """All of them."""
        version = _version(self._file)
        with self._lock:
            if version is not None and version != self._version:
                self._version = version
                try:
                    self._whole = settings.load(self._file)
                    self._good = version
                except SettingsError as error:
                    _log.error("the settings cannot be used, the former ones hold: %s", error)
            return self._whole

    @property
    def console(self) -> ConsoleSettings:
        """The table [console]."""
        return self.whole.document.console

    def version(self) -> object:
        """A value that changes with settings that can be used."""
        _ = self.whole
        with self._lock:
            return self._good


def _version(file: Path) -> Version | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

"""The settings as the file has them now: rights that are taken away there are gone with the next request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from console.access.rights import APPROVED_BY_TWO, Action
from console.limits import ConsoleLimits
from strongroom import settings
from strongroom.settings import durations
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.console import ConsoleSettings

_log = logging.getLogger("strongroom.console")

Version = tuple[int, int, int]


class ConsoleRules(Struct, frozen=True):
    """What of the settings pages and tasks go by.

    zone: in which moments are shown where no project says another one · masked: patterns of columns that previews do not show ·
    limits: of what people ask for · folders: into which it may be restored, by the names that people see · bag_folders: in
    which bags lie that can be verified, likewise · approvals: what a second person must approve
    """

    zone: str = "UTC"
    masked: tuple[str, ...] = ()
    limits: ConsoleLimits = ConsoleLimits()
    folders: Mapping[str, Path] = field(default_factory=dict)
    bag_folders: Mapping[str, Path] = field(default_factory=dict)
    approvals: frozenset[Action] = APPROVED_BY_TWO

    @classmethod
    def of(cls, table: ConsoleSettings) -> ConsoleRules:
        """table: [console]."""
        return cls(
            zone=table.zone,
            masked=table.masked_columns,
            limits=replace(ConsoleLimits(), approval_within=durations.read(table.approval_within)),
            folders={str(folder): folder for folder in table.restore_folders},
            bag_folders={str(folder): folder for folder in table.bag_folders},
            approvals=frozenset(Action(one) for one in table.approvals),
        )


class LiveSettings:
    """Reads the file anew when it is another one. What cannot be used is said once, and the former settings hold."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._version = self._good = _version(file)
        self._whole = settings.load(file)
        self._rules = ConsoleRules.of(self._whole.document.console)

    @property
    def whole(self) -> Settings:
        """All of them."""
        version = _version(self._file)
        with self._lock:
            if version is not None and version != self._version:
                self._version = version
                try:
                    whole = settings.load(self._file)
                    self._rules = ConsoleRules.of(whole.document.console)
                    self._whole, self._good = whole, version
                except SettingsError as error:
                    _log.error("the settings cannot be used, the former ones hold: %s", error)
            return self._whole

    @property
    def console(self) -> ConsoleSettings:
        """The table [console]."""
        return self.whole.document.console

    def rules(self) -> ConsoleRules:
        """What pages and tasks go by from now on."""
        _ = self.whole
        with self._lock:
            return self._rules

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

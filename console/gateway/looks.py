"""Looks at content that wait for one another become entries of the log: when they have waited long enough, when somebody reads
the log, and when the console ends."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from vault.errors import StrongroomError

if TYPE_CHECKING:
    from console.visit import Console
    from strongroom.repository import Repository

_log = logging.getLogger("strongroom.console")

LOOK = 15.0
"""Seconds from one look for what has waited long enough to the next."""


class LookWriter:
    """A thread that writes them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="looks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write all that waits, and end."""
        self._ending.set()
        self._thread.join()
        self._write(everything=True)

    def _serve(self) -> None:
        while not self._ending.wait(LOOK):
            if self._console.views.is_due:
                self._write(everything=False)

    def _write(self, *, everything: bool) -> None:
        if everything and self._console.views.is_empty:
            return
        try:
            with self._console.repositories.lent() as repository:
                self._console.views.write(repository.context, everything=everything)
        except StrongroomError as error:  # they are on the disk, and go with the next command
            _log.warning("looks at content are not in the log yet: %s", error)


def settle(console: Console, repository: Repository) -> None:
    """Have everything in the log, for somebody who reads it."""
    console.views.write(repository.context, everything=True)

"""What happened with accounts is written into the signed log of the repository, off the path of requests.

An entry is about no project: it is sealed to whoever may audit one of the repository's. What cannot be written now waits in the
console's own memory, and is tried again; what was written is removed there. Where the console dies between the two, an entry
stands twice in the log, with one number.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from console.accounts.account_log import REFUSED, AccountEvent, AccountLog
from strongroom import command_log
from vault.errors import RefusedByRule, StrongroomError

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.repository import Repository
    from vault.repository.project import Project

_log = logging.getLogger("strongroom.console")

LOOK = 15.0
"""Seconds after which it is looked whether something is due, though nobody has said so."""
SETTLES = 0.2
"""Seconds from being woken: what belongs together is written together."""
LONGEST_WAIT = 600.0
"""Seconds between two tries while the store is away."""

Lend = Callable[[], AbstractContextManager["Repository"]]


class AccountRecorder:
    """A thread that writes what is due. lend: the repository · file: the console's memory, beside which is a lock."""

    def __init__(self, log: AccountLog, lend: Lend, file: Path) -> None:
        self._account_log = log
        self._lend = lend
        self._file = file
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="account-log", daemon=True)

    def start(self) -> None:
        """Begin, with what was left before."""
        self._thread.start()

    def stop(self) -> None:
        """End after the entry that is being written; the rest waits for the next start."""
        self._ending.set()
        self._account_log.wake.set()
        self._thread.join(command_log.BRIEF)

    def _serve(self) -> None:
        wait = LOOK
        while not self._ending.is_set():
            try:
                while write_due(self._account_log, self._lend, self._file, self._ending):
                    pass
                wait = LOOK
            except StrongroomError as error:
                _log.warning("entries about accounts wait, and are not in the log yet: %s", error)
                wait = min(wait * 2, LONGEST_WAIT)
                self._account_log.wake.clear()
            if self._account_log.wake.wait(wait) and not self._ending.wait(SETTLES):
                self._account_log.wake.clear()


def write_due(log: AccountLog, lend: Lend, file: Path, ending: threading.Event | None = None) -> int:
    """Write what is due, and give how many entries that were; 0 also where another process does it just now. Raises
    `StrongroomError` for what cannot be written, which waits."""
    with _alone(file) as alone:
        events = log.due() if alone else []
        if not events:
            return 0
        with lend() as repository:
            readers = [one.stored for one in repository.projects()]
            number = 0
            for event in events:
                if ending is not None and ending.is_set():
                    break
                _write(repository.context, readers, event)
                log.written(event.number)
                number += 1
            return number


def _write(context: Context, readers: Sequence[Project], event: AccountEvent) -> None:
    """Raises `StrongroomError` where neither the store nor this machine has it."""
    what = {"account": event.about, **event.facts, "number": event.number}
    with (
        command_log.acting_as(event.person, event.face),
        command_log.recorded(context, event.action, [], what, readers=readers, at=event.at) as entry,
    ):
        entry.begin()
        if event.action == REFUSED:
            entry.fail(RefusedByRule("a wrong password, code or passkey"))
    if not entry.is_kept:
        raise StrongroomError(
            "the entry could not be written", hint="the log needs an identity that can sign, and a project that has a log"
        )


@contextmanager
def _alone(file: Path) -> Iterator[bool]:
    """Whether no other process writes. The kernel lets go of the lock, also of a process that was killed."""
    descriptor = os.open(file.with_suffix(".account-log"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)

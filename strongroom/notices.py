"""What a person should hear beside a result, through the standard logger `strongroom`: warnings, notices, problems, and that
the store does not answer. The command line shows it on stderr; whoever uses the library sets up logging as they like.

    warning    something is wrong or will be
    info       worth knowing
    debug      a detail, for who looks closely
    error      a problem: one item's trouble, that stopped nothing

Loggers below it say more, for whoever wants to see what happens:

    strongroom.steps      info: what is being done: settings and identities read, the repository opened, phases of long work
    strongroom.requests   debug: every request to the store

No record holds a key, a passphrase or what is in a file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from vault import wording
from vault.errors import TransientStorageError
from vault.problems import Problem
from vault.progress import Progress

NAME = "strongroom"
STEPS = f"{NAME}.steps"

RETRIES_SHOWN_AFTER = 3.0
RETRIES_SHOWN_EVERY = 60.0
"""Seconds."""

_log = logging.getLogger(NAME)
_log.addHandler(logging.NullHandler())
_steps = logging.getLogger(STEPS)


def warn(text: str) -> None:
    """Something is wrong, and no error."""
    _log.warning("%s", text)


def notice(text: str) -> None:
    """Worth knowing."""
    _log.info("%s", text)


def step(text: str) -> None:
    """What is being done now."""
    _steps.info("%s", text)


class LoggedPhases:
    """A listener that says which phase begins, and passes everything on. project: whose work it is."""

    def __init__(self, inner: Progress, project: str) -> None:
        self._inner = inner
        self._project = project
        self.advance = inner.advance

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """See `Progress`."""
        amounts = [wording.counted(items, "item")] * bool(items) + [wording.size(size)] * bool(size)
        about = f" ({', '.join(amounts)})" if amounts else ""
        step(f"{self._project}: {name}{about}")
        self._inner.phase(name, items=items, size=size)


def detail(text: str) -> None:
    """Worth knowing for who looks closely."""
    _log.debug("%s", text)


def problems(found: Sequence[Problem]) -> None:
    """The first problems, one a line, and how many more there are."""
    for line in wording.problem_lines(found):
        _log.error("%s", line)


class RetryNotices:
    """Says that the store does not answer and is asked again: after some seconds, then at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = RETRIES_SHOWN_AFTER

    def waiting(self, error: TransientStorageError, *, elapsed: float, pause: float, left: float) -> None:
        """See `RetryListener`. From any thread."""
        with self._lock:
            if elapsed < self._next:
                return
            self._next = elapsed + RETRIES_SHOWN_EVERY
        silent, patience = wording.duration(elapsed), wording.duration(left)
        notice(f"the store has not answered for {silent}: {error}; trying again for up to {patience}")

    def answered(self, elapsed: float) -> None:
        """See `RetryListener`."""
        with self._lock:
            shown, self._next = self._next > RETRIES_SHOWN_AFTER, RETRIES_SHOWN_AFTER
        if shown:
            notice(f"the store answers again after {wording.duration(elapsed)}")

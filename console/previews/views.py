"""Which views of content are in the log already.

Everybody's first look at an item at a moment is an entry of its own, written before anything of it is shown. What the same
person asks of the same item within the next minutes (ranges of a recording, the next rows, another sheet) is a part of that
look and no new entry: a recording that is played asks a hundred times. Nothing is put off, so nothing is lost with the console;
after a restart the next look is an entry again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from vault.clock import Clock, SystemClock

WITHIN = 600.0
"""Seconds that one look lasts."""

MOST = 20_000

Look = tuple[str, str, bytes, str]
"""Person, project, path, moment and source as asked for."""


class KnownViews:
    """See this module's text. Safe to use from several threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._seen: OrderedDict[Look, float] = OrderedDict()

    def is_new(self, look: Look) -> bool:
        """Whether it is to be recorded."""
        with self._lock:
            since = self._seen.get(look)
        return since is None or self._clock.monotonic() - since > WITHIN

    def recorded(self, look: Look) -> None:
        """It is in the log now."""
        with self._lock:
            self._seen[look] = self._clock.monotonic()
            self._seen.move_to_end(look)
            while len(self._seen) > MOST:
                self._seen.popitem(last=False)

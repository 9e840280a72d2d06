"""The heads of the log of what was done: once a week people hear of them, so that nobody who controls the store can cut the log
short unseen; once a day an authority stamps them, where the settings name one.

When that was done last is in the state store. What fails is reported, and tried again an hour later.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from policies.monitoring.state_store import StateStore
from policies.notifications.message import Line, Message
from policies.notifications.outbox import Outbox
from policies.scheduling.jobs import Launch
from vault.clock import A_LITTLE, Clock
from vault.errors import StrongroomError

EVERY_WEEK, EVERY_DAY = timedelta(days=7), timedelta(days=1)
AGAIN_AFTER = 3600.0
"""Seconds after which what failed is tried again."""

TITLE = "the heads of the log"
HINT = "keep this message; `strongroom audit verify --head HEAD` says later whether the log still has that entry"


class LogTasks(Struct, frozen=True):
    """Each is a process of its own, and raises `StrongroomError`. heads: the newest entry of each chain, as text · stamp: has
    them stamped; None where nobody is asked to."""

    heads: Callable[[], Sequence[str]]
    stamp: Callable[[], None] | None = None


class LogHeads:
    """outbox: for the messages · report: hears what could not be done · host: of the daemon · launch: gives work a thread."""

    def __init__(
        self, state_store: StateStore, outbox: Outbox, clock: Clock, report: Callable[[str], None], host: str, launch: Launch
    ) -> None:
        self._state_store = state_store
        self._outbox = outbox
        self._clock = clock
        self._report = report
        self._host = host
        self._launch = launch
        self._tasks: LogTasks | None = None
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._done: queue.SimpleQueue[tuple[str, Sequence[str] | None]] = queue.SimpleQueue()

    def use(self, tasks: LogTasks | None) -> None:
        """From now on these. None: there is nothing to do."""
        self._tasks = tasks

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._busy

    def tick(self) -> None:
        """Note what was done, and begin what is due. Raises `StrongroomError` of the state store, and what `launch` raises."""
        self.collect()
        tasks, now = self._tasks, self._clock.now()
        if tasks is None:
            return
        if self._outbox.has_channels and self._is_due("heads", EVERY_WEEK, now, at_once=False):
            self._begin("heads", tasks.heads)
        if tasks.stamp is not None and self._is_due("stamp", EVERY_DAY, now, at_once=True):
            self._begin("stamp", partial(_without_heads, tasks.stamp))

    def _is_due(self, what: str, every: timedelta, now: datetime, *, at_once: bool) -> bool:
        """at_once: the first time, too; else a time later."""
        if what in self._busy or self._clock.monotonic() < self._not_before.get(what, 0.0):
            return False
        found = self._state_store.found("", "log", what)
        if found is None and at_once:
            return True
        last = self._state_store.first_seen("", f"log {what}", now) if found is None else found.at
        return now - last >= every or last > now + A_LITTLE

    def _begin(self, what: str, work: Callable[[], Sequence[str]]) -> None:
        self._busy.add(what)
        try:
            self._launch(f"log {what}", partial(self._work, what, work))
        except BaseException:
            self._busy.discard(what)
            raise

    def _work(self, what: str, work: Callable[[], Sequence[str]]) -> None:
        """On a thread of its own."""
        found: Sequence[str] | None = None
        try:
            found = work()
        except StrongroomError as error:
            self._report(f"{_NAMES[what]}: {error}")
        except Exception as error:  # noqa: BLE001 (a thread of its own: whatever it is, it is a reason)
            self._report(f"{_NAMES[what]}: {type(error).__name__}: {error}")
        self._done.put((what, found))

    def collect(self) -> None:
        """Note what was done. Raises `StrongroomError` of the state store."""
        while not self._done.empty():
            what, found = self._done.get()
            self._busy.discard(what)
            if found is None:
                self._not_before[what] = self._clock.monotonic() + AGAIN_AFTER
                continue
            now = self._clock.now()
            if what == "heads" and found:
                self._queue(found, now)
            self._state_store.note("", "log", what, now, {"heads": len(found)})

    def _queue(self, heads: Sequence[str], now: datetime) -> None:
        message = Message(self._host, now, (), (), notes=tuple(Line(TITLE, "log", one, HINT) for one in heads))
        queued = self._outbox.for_channels(message)
        try:
            self._state_store.change_alerts((), (), queued, now)
        except StrongroomError:
            self._outbox.add(queued)
            raise


_NAMES = {"heads": "the heads of the log could not be read", "stamp": "the heads of the log could not be stamped"}


def _without_heads(stamp: Callable[[], None]) -> Sequence[str]:
    stamp()
    return ()

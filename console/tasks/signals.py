"""What the threads of this process tell one another about tasks: there is a new one, one is cancelled, how far it is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.errors import Interrupted

if TYPE_CHECKING:
    from console.limits import ConsoleLimits
    from console.tasks.records import Task
    from vault.clock import Clock


class Progress(Struct, frozen=True):
    """How far a task is. items, size: of `of_items` and `of_bytes`, which are 0 where nobody knows · seconds: since its phase
    began."""

    phase: str = ""
    items: int = 0
    of_items: int = 0
    size: int = 0
    of_bytes: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where nobody knows."""
        if self.of_bytes:
            return min(1.0, self.size / self.of_bytes)
        return min(1.0, self.items / self.of_items) if self.of_items else None

    @property
    def left(self) -> float | None:
        """About how many seconds it will still take; None where nobody knows."""
        share = self.share
        return None if not share or self.seconds < 1 else self.seconds * (1 - share) / share


class RunningTask:
    """Hears how far one task is, and ends it: a `vault.progress.Progress`, and a `stop` of the library."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._deadline: float | None = None
        self._progress = Progress()
        self._ended_by = ""

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """See `vault.progress.Progress`."""
        self._began = self._clock.monotonic()
        self._progress = Progress(name, 0, items, 0, size)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """See `vault.progress.Progress`."""
        now = self._progress
        self._progress = Progress(now.phase, now.items + items, now.of_items, now.size + size, now.of_bytes)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        now = self._progress
        took = self._clock.monotonic() - self._began
        return Progress(now.phase, now.items, now.of_items, now.size, now.of_bytes, took)

    def end(self, why: str) -> None:
        """End it soon. why: `cancelled`, or `stopped` where the console itself ends."""
        self._ended_by = self._ended_by or why

    def end_after(self, seconds: float) -> None:
        """End it when it has taken so long."""
        self._deadline = self._clock.monotonic() + seconds

    @property
    def ended_by(self) -> str:
        """Why it was ended; "" where nobody did."""
        return self._ended_by

    def __call__(self) -> None:
        """Raises `Interrupted` once it was ended."""
        if self._deadline is not None and self._clock.monotonic() > self._deadline:
            self.end("too-slow")
        if self._ended_by:
            raise Interrupted("cancelled" if self._ended_by == "cancelled" else "interrupted")


class Wake:
    """Wakes all who wait; whoever looks a moment later misses nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0

    @property
    def number(self) -> int:
        """How often it was set."""
        return self._number

    def set(self) -> None:
        """There may be something to do."""
        with self._changed:
            self._number += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Until it was set more often than that, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != seen, seconds)


class TaskSignals:
    """Of all tasks of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, list[RunningTask]] = {}
        self._sending: dict[int, str] = {}
        """Downloads, by the number of their `RunningTask`, and whose they are."""
        self.wake = Wake()
        """Set when there is something to do."""

    def began(self, task: str, running: RunningTask) -> None:
        """It runs from now on. One download may be sent more than once at a time."""
        with self._lock:
            self._running.setdefault(task, []).append(running)

    def admit(self, task: Task, running: RunningTask, limits: ConsoleLimits) -> bool:
        """As `began`, for a download, unless too many are being sent; gives whether it was admitted."""
        with self._lock:
            by_person = sum(one == task.person for one in self._sending.values())
            if len(self._sending) >= limits.downloads_at_once or by_person >= limits.downloads_by_person:
                return False
            self._sending[id(running)] = task.person
            self._running.setdefault(task.id, []).append(running)
            return True

    def share(self, whole: int) -> int:
        """Of what all downloads may have together, as much as each of those that are being sent gets."""
        with self._lock:
            return whole // max(1, len(self._sending))

    def ended(self, task: str, running: RunningTask) -> None:
        """It is over."""
        with self._lock:
            self._sending.pop(id(running), None)
            left = [one for one in self._running.pop(task, []) if one is not running]
            if left:
                self._running[task] = left

    def progress(self, task: str) -> Progress | None:
        """How far it is; None where it does not run here."""
        with self._lock:
            found = self._running.get(task)
        return found[-1].progress if found else None

    def end(self, task: str, why: str) -> None:
        """End it soon, if it runs here."""
        with self._lock:
            found = list(self._running.get(task, ()))
        for one in found:
            one.end(why)

    def end_all(self, why: str) -> None:
        """End everything soon."""
        with self._lock:
            found = [one for several in self._running.values() for one in several]
        for one in found:
            one.end(why)

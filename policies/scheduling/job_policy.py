"""How a job is started when it is due: the knobs beside its schedule."""

from __future__ import annotations

import hashlib
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from policies.scheduling.parser import read_time
from policies.scheduling.wall_clock import moment_of
from vault.errors import SettingsError

CatchUp = Literal["once", "all", "skip"]


class JobRetries(Struct, frozen=True):
    """attempts: how often a run is tried in all · first: the wait before the second try, doubled for each later one · most: no
    wait is longer. A machine that was switched off or a process that died waits for nothing, but its tries are counted."""

    attempts: int = 3
    first: timedelta = timedelta(minutes=5)
    most: timedelta = timedelta(hours=1)

    def wait_after(self, attempt: int) -> timedelta:
        """How long to wait after a try has failed; 1 is the first."""
        doublings = min(attempt - 1, 20)  # by then every sensible `most` is passed
        return min(self.most, self.first * (1 << doublings))


class TimeWindow(Struct, frozen=True):
    """Times on the wall between which runs may start; it may go over midnight. A run may end later. On a night that lacks the
    whole of it, it does not open."""

    opens: time
    closes: time

    def opening(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment, this one or a later one, at which it is open."""
        day = moment.astimezone(zone).date() - timedelta(days=1)
        while True:
            start = moment_of(day, self.opens, zone)
            end = moment_of(day + timedelta(days=self.opens > self.closes), self.closes, zone)
            if start < end and moment < end:
                return max(start, moment)
            day += timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


class JobPolicy(Struct, frozen=True):
    """catch_up: what becomes of due times that have passed unseen: one run for all of them, a run for each, or none · late: how
    late `skip` still takes for in time · jitter: runs start up to so much later, each job by a share of its own that never
    changes · window: runs start within it only · timeout: when a run is asked to stop."""

    catch_up: CatchUp = "once"
    late: timedelta = timedelta(minutes=10)
    jitter: timedelta = timedelta()
    window: TimeWindow | None = None
    timeout: timedelta = timedelta(days=1)
    retries: JobRetries = JobRetries()

    def delay_of(self, name: str) -> timedelta:
        """A job's share of the jitter, in whole seconds: the same on every machine and after every restart."""
        share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
        return timedelta(seconds=int(share * self.jitter.total_seconds()))

    def start_at(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """The first moment, this one or a later one, at which the window lets a run start."""
        return self.window.opening(moment, zone) if self.window is not None else moment


def read_window(text: str) -> TimeWindow:
    """Such as '22:00-06:00'. Raises `SettingsError`."""
    opens, _, closes = text.partition("-")
    start, end = read_time(opens.strip()), read_time(closes.strip())
    if start is None or end is None or start == end:
        raise SettingsError(f"invalid window of time {text!r}", hint="write two different times: '22:00-06:00'")
    return TimeWindow(start, end)

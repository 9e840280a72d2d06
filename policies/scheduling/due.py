"""Is a job due? A pure function of its schedule, its policy, its runs and the moment.

    a run is under way                           wait: a job never overlaps itself
    the last one failed and may be tried again   start, after the wait; a newer due time takes its place, unless all are made up
    a due time has passed since the last run     start, or skip, as `catch_up` says
    there is no run at all                       the last due time counts as missed: a new job starts at once, and so does every
                                                 job after its records were lost
    otherwise                                    wait for the next due time

Jitter shifts the clock by which a job goes, so that however large it is nothing is missed; the window holds a start back.

A clock that was set back leaves runs for due times that are still to come. They say nothing any more: without that, nothing
would run until the clock has caught up. If the newest of them succeeded, the due times up to now are taken as done, since in
real time it came after them. A clock that was set back by a little (the next due time has run already, at most an hour early)
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from policies.scheduling.job_policy import JobPolicy
from policies.scheduling.parser import Schedule
from policies.scheduling.rules import NEVER
from policies.scheduling.run import SUCCESSES, Run
from vault.clock import A_LITTLE

_TICK = timedelta(seconds=1)  # due times are whole minutes: one second before is after the one before


class Start(Struct, frozen=True):
    """A run is to start, for the due times from `since` to `planned`. ready: since when it could have."""

    since: datetime
    planned: datetime
    attempt: int
    ready: datetime


class Skip(Struct, frozen=True):
    """The due times from `since` to `planned` are to be written down as passed over."""

    since: datetime
    planned: datetime
    why: str


class Wait(Struct, frozen=True):
    """Nothing is to be done before `until`, unless a run ends or the clock is set back."""

    until: datetime
    why: str


class DueDecision(Struct, frozen=True):
    """verdict: what is to be done · ahead: runs from a clock that was ahead; they are to be set aside, and said."""

    verdict: Start | Skip | Wait
    ahead: tuple[Run, ...] = ()


def decide(name: str, schedule: Schedule, policy: JobPolicy, runs: Sequence[Run], now: datetime) -> DueDecision:
    """runs: of this job, the newest first; so many that one which says what is due is among them. name: for its jitter."""
    counted, ahead = _without_future(schedule, [run for run in runs if not run.set_aside], now)
    evaluation = _Evaluation(schedule, policy, policy.delay_of(name), now)
    active = next((run for run in counted if run.ending is None), None)
    if active is not None:
        return DueDecision(Wait(evaluation.start_after(active.planned), "it is running"), ahead)
    last = max(counted, key=lambda run: run.planned, default=None)
    if ahead and ahead[0].ending in SUCCESSES:
        passed = evaluation.fresh(last)
        if passed is not None:
            return DueDecision(Skip(passed, evaluation.latest(passed), "the clock was set back after a later run"), ahead)
    return DueDecision(evaluation.verdict(last), ahead)


def requested(verdict: Start | Skip | Wait, runs: Sequence[Run], now: datetime) -> Start:
    """The start of a run that a person asks for, whatever is due. It stands for the due times that have come, and for none that
    is still to come: what is due later runs all the same. verdict: what would be done without them."""
    if isinstance(verdict, Start):
        return verdict
    if isinstance(verdict, Skip):
        return Start(verdict.since, verdict.planned, attempt=1, ready=now)
    if verdict.until >= NEVER:  # it has no due times: each request is one
        return Start(now, now, attempt=1, ready=now)
    last = max((run for run in runs if not run.set_aside and run.planned <= now), key=lambda run: run.planned, default=None)
    since, planned = (now, now) if last is None else (last.since, last.planned)
    return Start(since, planned, attempt=1, ready=now)


def next_run(name: str, schedule: Schedule, policy: JobPolicy, runs: Sequence[Run], now: datetime) -> datetime:
    """When the job will start next, for people: now, where it is due."""
    verdict = decide(name, schedule, policy, runs, now).verdict
    if isinstance(verdict, Skip):
        return _Evaluation(schedule, policy, policy.delay_of(name), now).start_after(verdict.planned)
    return verdict.until if isinstance(verdict, Wait) else now


def _without_future(schedule: Schedule, runs: Sequence[Run], now: datetime) -> tuple[Sequence[Run], tuple[Run, ...]]:
    """The runs that count, and those from a clock that was ahead, each the newest first."""
    future = [run for run in runs if run.planned > now and run.ending is not None]
    if not future:
        return runs, ()
    farthest = max(run.planned for run in future)
    if farthest - now <= A_LITTLE and farthest == schedule.next_after(now):
        return runs, ()
    return [run for run in runs if run.planned <= now or run.ending is None], tuple(future)


class _Evaluation(Struct, frozen=True):
    schedule: Schedule
    policy: JobPolicy
    delay: timedelta
    now: datetime

    def verdict(self, last: Run | None) -> Start | Skip | Wait:
        fresh = self.fresh(last)
        if last is not None and (fresh is None or self.policy.catch_up == "all"):
            again = self._again(last)
            if again is not None:
                return again
        if fresh is None:
            return Wait(self.start_after(last.planned if last is not None else self.now - self.delay), "it is not due yet")
        return self._fresh_start(fresh)

    def fresh(self, last: Run | None) -> datetime | None:
        """The first due time that no run stands for, if it has come. Without any run it is the last one that has."""
        if last is None:
            return self.schedule.last_until(self.now - self.delay)
        due = self.schedule.next_after(last.planned)
        return due if due <= self.now - self.delay else None

    def latest(self, fresh: datetime) -> datetime:
        """The last due time that has come, where `fresh` is one that has."""
        return self.schedule.last_until(self.now - self.delay) or fresh

    def start_after(self, planned: datetime) -> datetime:
        return self._start_of(self.schedule.next_after(planned))

    def _start_of(self, due: datetime) -> datetime:
        return self.policy.start_at(due + self.delay, self.schedule.zone)

    def _again(self, last: Run) -> Start | Wait | None:
        """Another try of a run that did not succeed; None where there is none."""
        attempt, wait, retries = last.attempt + 1, timedelta(), self.policy.retries
        if last.ending == "stopped":
            attempt = last.attempt  # a restart of the daemon is not the job's failure
        elif last.ending in ("failed", "timeout"):
            wait = retries.wait_after(last.attempt)
        elif last.ending != "aborted":
            return None
        if attempt > retries.attempts:
            return None
        ended = last.ended or last.started
        # where the clock was set back since, nobody knows how long ago that was
        ready = ended + wait if ended <= self.now else self.now
        start = self.policy.start_at(max(ready, self.now), self.schedule.zone)
        if start > self.now:
            newer = start if self.policy.catch_up == "all" else self.start_after(last.planned)
            return Wait(min(start, newer), f"try {attempt} of {retries.attempts} comes next")
        return Start(last.since, last.planned, attempt, ready)

    def _fresh_start(self, fresh: datetime) -> Start | Skip | Wait:
        opening = self.policy.start_at(self.now, self.schedule.zone)
        if opening > self.now:
            return Wait(opening, "its window is closed")
        planned = fresh if self.policy.catch_up == "all" else self.latest(fresh)
        if self.policy.catch_up == "skip":
            if self.now - self._start_of(planned) > self.policy.late:
                return Skip(fresh, planned, "it could not start in time")
            if fresh < planned:
                before = self.schedule.last_until(planned - _TICK) or fresh
                return Skip(fresh, before, "it could not start in time")
        return Start(fresh, planned, attempt=1, ready=self._start_of(fresh))

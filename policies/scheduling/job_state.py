"""What the runner knows of one job from tick to tick, and what it makes of a run's end."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from policies.scheduling.jobs import Job, Outcome, Stop
from policies.scheduling.run import SUCCESSES, Ending, Run
from policies.scheduling.run_history import RECENT
from vault.errors import Interrupted, StrongroomError

LONGEST_MESSAGE = 2000
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class JobState(Struct):
    """A job, and its newest runs, the newest first.

    quiet_since, quiet_until: it was evaluated then, and has nothing to do until then · run, stop: while it runs · holds_slot:
    it counts among those at once · last_success: when its newest run that did its work began · blocked_since: on the monotonic
    clock, since when it has been due without a free slot · reported_blocked: whether that was logged.
    """

    job: Job
    runs: list[Run]
    quiet_since: datetime | None = None
    quiet_until: datetime | None = None
    run: Run | None = None
    stop: Stop | None = None
    holds_slot: bool = False
    last_success: datetime | None = None
    blocked_since: float | None = None
    reported_blocked: bool = False

    def is_quiet(self, now: datetime) -> bool:
        """Whether it need not be evaluated now. A moment earlier than the last one: the clock was set back, and it must."""
        return self.quiet_since is not None and self.quiet_until is not None and self.quiet_since <= now < self.quiet_until

    def wait(self, now: datetime, until: datetime) -> None:
        """It was evaluated, and has nothing to do for so long."""
        self.quiet_since, self.quiet_until = now, until

    def wait_is_over(self, now: datetime) -> bool:
        """Whether the time until which it waits has come."""
        return self.run is None and self.quiet_until is not None and not self.is_quiet(now)

    def priority(self, ready: datetime, now: datetime) -> tuple[bool, float, datetime, datetime]:
        """Among those that are due: backups first, of these the one that is latest against its promise; then the longest
        waiting first, and of these the one that ran the longest ago. A job without any runs goes before others, since nobody
        knows how long it has been waiting."""
        waiting = (ready, self.runs[0].started) if self.runs else (LONG_AGO, LONG_AGO)
        return (self.job.slot != "backup", -self.lateness(now), *waiting)

    def lateness(self, now: datetime) -> float:
        """Seconds by which its promise is broken; 0 where it is kept or none was made."""
        if self.job.rpo is None:
            return 0.0
        if self.last_success is None:
            return math.inf
        return max(0.0, (now - self.last_success - self.job.rpo).total_seconds())

    def note(self, run: Run) -> None:
        """A run that is new, or has ended."""
        self.runs = [run, *(one for one in self.runs if one.id != run.id)][:RECENT]
        self.quiet_since = self.quiet_until = None
        if run.ending in SUCCESSES:
            self.last_success = run.started


class End(Struct, frozen=True):
    """What a run's thread says last."""

    key: tuple[str, str]
    run: Run
    outcome: Outcome | BaseException
    at: datetime


def ended_run(end: End, stop: Stop | None) -> Run:
    """The run with its end."""
    ended, outcome = replace(end.run, ended=end.at), end.outcome
    if isinstance(outcome, Outcome):
        ending: Ending = "problems" if outcome.problems else "done"
        return replace(ended, ending=ending, problems=outcome.problems, message=_bounded(outcome.message))
    reason = stop.reason if stop is not None and isinstance(outcome, Interrupted) else None
    if isinstance(outcome, StrongroomError):
        message = f"{outcome}; {outcome.hint}" if outcome.hint else str(outcome)
    else:
        message = mistake(outcome)
    return replace(ended, ending=reason or "failed", message=_bounded(message))


def _bounded(text: str) -> str:
    """As the run history can hold it: not too long, and without what is no character (a JSON document may have such)."""
    return text[:LONGEST_MESSAGE].encode("utf-8", "replace").decode()


def mistake(error: BaseException) -> str:
    """What is said of an error that is not one of ours."""
    return f"a mistake in Strongroom itself: {type(error).__name__}: {error}"

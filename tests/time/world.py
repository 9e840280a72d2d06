"""A daemon's life in simulated time: jobs with a will of their own, bad luck by a seed, and the run history checked after
every run.

What is checked at each end of a run, and at each due time that is passed over:
    the run history say of it exactly what happened
    it begins after the job's last one ended: no overlap
    it is another try of the last one, or stands for the due times right after it: none is lost, none is run twice
    its window was open, and its own share of the jitter had passed
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from policies.scheduling.jobs import Job, Outcome, Stop
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory
from policies.scheduling.runner import Runner
from tests.support.stage import Stage, StageClock, services
from vault.errors import Interrupted, StorageError

DOZE = 600.0
"""Seconds between two ticks of a life that is years long."""


class Luck:
    """What becomes of each run, by a seed: most do their work in minutes, some fail, take hours or do not listen."""

    def __init__(self, seed: int, *, failing: float, longest: float) -> None:
        self._random = random.Random(seed)
        self._failing = failing
        self._longest = longest
        self.raised: set[str] = set()
        self._failures = 0

    def lasts(self, _title: str) -> float:
        return self._random.uniform(1, 60) if self._random.random() < 0.9 else self._random.uniform(60, self._longest)

    def work(self, stop: Stop) -> Outcome:
        if stop():
            raise Interrupted(f"asked to stop: {stop.reason}")
        if self._random.random() < self._failing:
            self._failures += 1
            message = f"trouble {self._failures}"
            self.raised.add(message)
            raise StorageError(message)
        return Outcome(problems=self._random.random() < 0.05)


class World:
    """One daemon, its jobs and its run history. It is a `Watcher` itself."""

    def __init__(self, folder: Path, clock: StageClock, luck: Luck, jobs: Sequence[Job], *, at_once: int = 4) -> None:
        self.clock = clock
        self.jobs = {job.key: job for job in jobs}
        self.notices: list[str] = []
        self.ended_runs: list[Run] = []
        self.endings: Counter[str] = Counter()
        self._luck = luck
        self._at_once = at_once
        self._file = folder / "books.sqlite"
        self._last: dict[tuple[str, str], Run] = {}
        self._last_end: dict[tuple[str, str], float] = {}
        self.history, self.runner = self._begin()

    def live(self, end: datetime, step: float = DOZE) -> None:
        """Tick after tick until then."""
        while self.clock.now() < end:
            self.runner.tick()
            self.clock.sleep(step)

    def killed(self) -> None:
        """kill -9, and a new process at once."""
        cut_off = set(self.runner.running())
        self.clock.forget()
        self.history.close()
        self.history, self.runner = self._begin()
        for run in cut_off:
            self.ended(self.history.recent(run.project, run.job, 1)[0])
            assert self._last[run.project, run.job].ending == "aborted"

    def sleeps(self, span: timedelta) -> None:
        """The machine: programs do not notice."""
        self.clock.set(self.clock.now() + span)

    def clock_is_set_back(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() - span)
        self._begin_new_count()

    def started(self, run: Run) -> None:
        key = (run.project, run.job)
        job, last = self.jobs[key], self._last.get(key)
        assert self.clock.monotonic() >= self._last_end.get(key, 0.0), "it overlaps its last run"
        self._follows(job, run, last)
        assert job.policy.start_at(run.started, job.schedule.zone) == run.started, "its window is closed"
        assert run.started >= run.planned + job.policy.delay_of(job.title)
        assert self.history.recent(*key, 1) == [run]

    def ended(self, run: Run) -> None:
        key = (run.project, run.job)
        # its next run may have begun in the same tick
        assert run in self.history.recent(*key, 2), "the books say something else"
        if run.ending == "skipped":
            self._follows(self.jobs[key], run, self._last.get(key))
        if run.ending == "failed":
            self._luck.raised.remove(run.message.partition(";")[0])
        self._last[key], self._last_end[key] = run, self.clock.monotonic()
        self._begin_new_count()
        self.endings[run.ending or "?"] += 1
        self.ended_runs.append(run)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def _begin_new_count(self) -> None:
        """Where a job's last run is one from a clock that was ahead."""
        self._last = {key: run for key, run in self._last.items() if run.planned <= self.clock.now()}

    def _follows(self, job: Job, run: Run, last: Run | None) -> None:
        schedule = job.schedule
        assert schedule.last_until(run.planned) == run.planned, "that is no due time"
        if last is None:
            return
        if run.attempt > 1 or (last.ending == "stopped" and run.planned == last.planned):
            assert (run.since, run.planned) == (last.since, last.planned)
            assert last.ending in ("failed", "timeout", "aborted", "stopped")
            assert run.attempt == last.attempt + (last.ending != "stopped")
            assert run.attempt <= job.policy.retries.attempts
        else:
            assert run.since == schedule.next_after(last.planned), "a due time is lost, or run twice"
            if job.policy.catch_up == "all":
                assert run.since == run.planned

    def _begin(self) -> tuple[RunHistory, Runner]:
        stage = Stage(self.clock, self._luck.lasts)
        history = RunHistory.open(self._file, self.clock, self.notice)
        runner = Runner(history, services(self.clock, len(self.ended_runs)), self, at_once=self._at_once, launch=stage.launch)
        runner.use(self.jobs.values())
        return history, runner

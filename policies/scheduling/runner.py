"""Judges all jobs at each tick, starts those that are due, and writes down what became of them.

    tick    runs that have ended go into the books
            a run whose time is over was asked to stop; one that does not listen loses its place, not its job's lock
            where there is room for them, jobs without a run under way are judged, unless they are known to wait for longer
            those that are due start while there is room, the longest waiting first; then whoever watches is told

All of this happens on one thread, which is the only one that touches the books; a run has a thread of its own. At most
`at_once` backups run together and at most half of these are one project's, so that neither its failures nor its slowness delay
another. Beside them runs maintenance (checks, drills, retention, prune), half as many and one of a project: it may take hours,
or wait for a backup elsewhere, and no backup waits for it.
Where the books cannot be written, runs go on: what happened is kept in memory and written when it can be.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from policies.scheduling import process
from policies.scheduling.due import DueDecision, Start, Wait, decide
from policies.scheduling.history_writer import HistoryWriter
from policies.scheduling.job_state import End, JobState, ended_run, mistake
from policies.scheduling.jobs import Job, Launch, Outcome, Slot, Stop, Watcher, in_a_thread
from policies.scheduling.run import SUCCESSES, Run
from policies.scheduling.run_history import RunHistory
from vault.errors import StrongroomError
from vault.repository.services import Services
from vault.wording import counted

AT_ONCE = 4
PATIENCE = 60.0
"""Seconds after which a run that was asked to stop and has not is no longer counted among those at once."""
TELL_WAITING_AFTER = 60.0
"""Seconds after which a job that is due and has no place is told of."""
AFTER_A_MISTAKE = timedelta(minutes=1)

_PAUSE = 0.1


class Runner:
    """services: the clock, the chance from which runs get their ids, and this machine's name · launch: how a run starts."""

    def __init__(
        self, books: RunHistory, services: Services, watcher: Watcher, *, at_once: int = AT_ONCE, launch: Launch = in_a_thread
    ) -> None:
        self._books = books
        self._services = services
        self._clock = services.clock
        self._process = process.marker()
        half = max(1, at_once // 2)
        self._places: dict[Slot, int] = {"backup": at_once, "maintenance": half}
        self._of_one_project: dict[Slot, int] = {"backup": half, "maintenance": 1}
        self._launch = launch
        self._lanes: dict[tuple[str, str], JobState] = {}
        self._ends: queue.SimpleQueue[End] = queue.SimpleQueue()
        self._pen = HistoryWriter(books, watcher)
        self._books_begun = books.begun
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._since_success: dict[tuple[str, str], list[Run]] = {}

    def use(self, jobs: Iterable[Job]) -> None:
        """From now on these are the jobs. Runs of others that are under way end as they would have."""
        wanted = {job.key: job for job in jobs}
        new = {key: JobState(job, self._past(key)) for key, job in wanted.items() if key not in self._lanes}
        lanes = {key: new.get(key) or self._lanes[key] for key in wanted}
        for key, lane in lanes.items():
            lane.job, lane.quiet_since = wanted[key], None
        for lane in new.values():
            run = self._last_success(lane)
            lane.last_success = run.started if run is not None else None
        self._lanes = lanes | {key: lane for key, lane in self._lanes.items() if lane.run is not None and key not in lanes}
        self._wanted = frozenset(lanes)
        self._since_success.clear()

    def _past(self, key: tuple[str, str]) -> list[Run]:
        """What the books have of a job; where they cannot be read, nothing: then it is due at once."""
        try:
            return self._books.recent(*key)
        except StrongroomError as error:
            self._pen.notice(f"{'/'.join(key)}: {error}; it counts as a job that has never run")
            return []

    def running(self) -> list[Run]:
        """What is under way."""
        return [lane.run for lane in self._lanes.values() if lane.run is not None]

    def recent(self, project: str, job: str) -> list[Run]:
        """The newest runs of a job, the newest first, those that the books do not have yet among them."""
        lane = self._lanes.get((project, job))
        return list(lane.runs) if lane is not None else []

    def since_success(self, project: str, job: str) -> list[Run]:
        """Its runs since the last one without any trouble, the newest first; of a job whose books cannot be read the newest.
        Promises are judged again and again: the books are asked once after each run."""
        known = self._since_success.get((project, job))
        if known is not None:
            return known
        is_known = (project, job) in self._lanes
        try:
            written = self._books.since_success(project, job)
        except StrongroomError:
            written, is_known = self.recent(project, job), False
        newer = {run.id: run for run in self._pen.unwritten if (run.project, run.job) == (project, job)}
        runs = [*reversed(newer.values()), *(run for run in written if run.id not in newer)]
        found = list(takewhile(lambda run: run.ending != "done", runs))
        if is_known:
            self._since_success[project, job] = found
        return found

    def last_success(self, project: str, job: str) -> Run | None:
        """Its newest run that did its work, however long ago, as far as that is known."""
        lane = self._lanes.get((project, job))
        return self._last_success(lane) if lane is not None else None

    def _last_success(self, lane: JobState) -> Run | None:
        known = next((run for run in lane.runs if run.ending in SUCCESSES), None)
        if known is None:
            with suppress(StrongroomError):
                return self._books.last_success(*lane.job.key)
        return known

    def tick(self) -> None:
        """One round; quick, whatever the jobs do."""
        self._collect()
        self._lose_patience()
        now = self._clock.now()
        beginning = [self._begin(lane, start, now) for lane, start in self._next(now)]
        # before anything starts: a job that kills the process at once is tried only so often all the same
        self._write()
        for job, run, stop in beginning:
            try:
                self._launch(job.title, partial(self._work, job, run, stop))
            except Exception as error:  # noqa: BLE001 (no thread or no memory is to be had: a run that never ends otherwise)
                self._ends.put(End(job.key, run, error, now))
        self._pen.tell()

    def write(self) -> None:
        """Write down what is not written yet. Raises `StrongroomError` where that cannot be done."""
        self._write()
        self._pen.tell()
        if self._pen.unwritten:
            count = counted(len(self._pen.unwritten), "run")
            raise StrongroomError(
                f"the run history cannot be written: {count} will be unknown once this process ends",
                hint="free some room, or mend the rights of the state folder; what was backed up is kept",
            )

    def stop(self, grace: float) -> list[Run]:
        """Ask all runs to end, wait for so many seconds, and say which have not."""
        for lane in self._lanes.values():
            if lane.stop is not None:
                lane.stop.ask()
        deadline = self._clock.monotonic() + grace
        self._collect()
        while self.running() and self._clock.monotonic() < deadline:
            self._clock.sleep(_PAUSE)
            self._collect()
        self._pen.tell()
        return self.running()

    def _next(self, now: datetime) -> list[tuple[JobState, Start]]:
        """Those that are to start, in the order of their turns, as many as there is room for."""
        taken: Counter[Slot] = Counter(lane.job.slot for lane in self._lanes.values() if lane.holds_place)
        of_project = Counter((lane.job.slot, lane.job.project) for lane in self._lanes.values() if lane.holds_place)

        def has_room(job: Job) -> bool:
            own = of_project[job.slot, job.project]
            return taken[job.slot] < self._places[job.slot] and own < self._of_one_project[job.slot]

        waiting = []
        for lane in self._lanes.values():
            if lane.run is None and not lane.is_quiet(now) and has_room(lane.job):
                start = self._judged(lane, now)
                if start is not None:
                    waiting.append((*lane.turn(start.ready, now), lane.job.key, start))
        chosen = []
        for *_, key, start in sorted(waiting, key=lambda one: one[:5]):
            lane = self._lanes[key]
            if has_room(lane.job):
                taken[lane.job.slot] += 1
                of_project[lane.job.slot, lane.job.project] += 1
                chosen.append((lane, start))
        self._tell_blocked(now, {lane.job.key for lane, _ in chosen})
        return chosen

    def _tell_blocked(self, now: datetime, starting: Container[tuple[str, str]]) -> None:
        """Say of jobs that have been due for a while whom they wait for."""
        for key, lane in self._lanes.items():
            if key in starting or not lane.is_due_without_judging(now):
                lane.blocked_since, lane.told_blocked = None, False
            elif lane.blocked_since is None:
                lane.blocked_since = self._clock.monotonic()
            elif not lane.told_blocked and self._clock.monotonic() - lane.blocked_since >= TELL_WAITING_AFTER:
                lane.told_blocked = True
                busy = [one.job.title for one in self._lanes.values() if one.holds_place and one.job.slot == lane.job.slot]
                self._pen.notice(f"{lane.job.title}: is due and waits until one of these ends: {', '.join(busy)}")

    def _judged(self, lane: JobState, now: datetime) -> Start | None:
        """What is to start; where nothing is, it is known until when. A mistake costs this job alone its turn."""
        try:
            verdict = self._judgement(lane, now).verdict
        except Exception as error:  # noqa: BLE001 (one job's schedule must not keep the others from their turn)
            lane.wait(now, now + AFTER_A_MISTAKE)
            self._pen.notice(f"{lane.job.title}: {mistake(error)}")
            return None
        if isinstance(verdict, Start):
            return verdict
        if isinstance(verdict, Wait):
            lane.wait(now, verdict.until)
        else:
            run = self._run_of(lane.job, verdict.since, verdict.planned, attempt=1, started=now)
            self._note(lane, replace(run, ended=now, ending="skipped", message=verdict.why))
        return None

    def _judgement(self, lane: JobState, now: datetime) -> DueDecision:
        job = lane.job
        judgement = decide(job.title, job.schedule, job.policy, lane.runs, now)
        if not judgement.ahead:
            return judgement
        farthest = f"{max(run.planned for run in judgement.ahead):%Y-%m-%d %H:%M} UTC"
        self._pen.notice(f"{job.title}: the clock was set back: runs for times up to {farthest} are set aside")
        lane.runs = [run for run in lane.runs if run not in judgement.ahead]
        self._since_success.pop(job.key, None)
        try:
            self._books.set_aside(*job.key, later_than=now)
            if not self._pen.is_behind:
                lane.runs = self._books.recent(*job.key)
        except StrongroomError as error:
            self._pen.notice(str(error))
        return decide(job.title, job.schedule, job.policy, [*judgement.ahead, *lane.runs], now)

    def _begin(self, lane: JobState, start: Start, now: datetime) -> tuple[Job, Run, Stop]:
        job = lane.job
        run = self._run_of(job, start.since, start.planned, attempt=start.attempt, started=now)
        stop = Stop(self._clock, self._clock.monotonic() + job.policy.timeout.total_seconds())
        self._note(lane, run)
        lane.run, lane.stop, lane.holds_place = run, stop, True
        return job, run, stop

    def _work(self, job: Job, run: Run, stop: Stop) -> None:
        """On the run's own thread."""
        outcome: Outcome | BaseException
        try:
            outcome = job.run(stop)
        except BaseException as error:  # noqa: BLE001 (whatever ended it must be told, or it would look busy for ever)
            outcome = error
        self._ends.put(End(job.key, run, outcome, self._clock.now()))

    def _collect(self) -> None:
        while not self._ends.empty():
            end = self._ends.get()
            lane = self._lanes[end.key]
            stop, lane.run, lane.stop, lane.holds_place = lane.stop, None, None, False
            self._note(lane, ended_run(end, stop))
            if end.key not in self._wanted:
                del self._lanes[end.key]
        self._write()

    def _write(self) -> None:
        """Into books that were begun anew goes what is still known of every job."""
        self._pen.write()
        if self._books.begun != self._books_begun:
            self._books_begun = self._books.begun
            self._since_success.clear()
            self._pen.write_anew(run for lane in self._lanes.values() for run in reversed(lane.runs))

    def _lose_patience(self) -> None:
        for lane in self._lanes.values():
            if lane.stop is not None and lane.holds_place and lane.stop.left() < -PATIENCE:
                lane.holds_place = False
                self._pen.notice(f"{lane.job.title}: its time is over and it does not stop; it goes on beside the others")

    def _run_of(self, job: Job, since: datetime, planned: datetime, *, attempt: int, started: datetime) -> Run:
        name, host = self._services.randomness.token(8).hex(), self._services.host
        return Run(name, job.project, job.name, since, planned, attempt, started, host=host, process=self._process)

    def _note(self, lane: JobState, run: Run) -> None:
        self._since_success.pop(lane.job.key, None)
        lane.note(run)
        self._pen.note(run)

"""Decides at each tick which jobs are due, starts those that are due, and writes down what became of them.

    tick    runs that have ended go into the run history
            a run whose time is over was asked to stop; one that does not listen loses its slot, not its job's lock
            where there is room for them, jobs without a run under way are evaluated, unless they are known to wait for longer
            those that a person asks for and those that are due start while there is room, in the order of
            `job_state.JobState.priority`; then the watcher is notified

All of this happens on one thread, which is the only one that touches the run history; a run has a thread of its own. At most
`at_once` backups run together and at most half of these are one project's, so that neither its failures nor its slowness delay
another. Beside them runs maintenance (checks, drills, retention, prune), half as many and one of a project: it may take hours,
or wait for a backup elsewhere, and no backup waits for it.
Where the run history cannot be written, runs go on: what happened is kept in memory and written when it can be.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from msgspec.structs import replace

from policies.scheduling import due, process_identity
from policies.scheduling.due import DueDecision, Start, Wait, decide
from policies.scheduling.history_writer import HistoryWriter
from policies.scheduling.job_state import End, JobState, ended_run, mistake
from policies.scheduling.jobs import Job, Launch, Outcome, Slot, Stop, Watcher, in_a_thread
from policies.scheduling.run import SUCCESSES, Run
from policies.scheduling.run_history import RunHistory
from policies.scheduling.run_requests import RunRequest, RunRequests
from vault.errors import StrongroomError
from vault.repository.services import Services
from vault.wording import counted

AT_ONCE = 4
PATIENCE = 60.0
"""Seconds after which a run that was asked to stop and has not is no longer counted among those at once."""
REPORT_WAITING_AFTER = 60.0
"""Seconds after which a job that is due and has no free slot is logged."""
AFTER_A_MISTAKE = timedelta(minutes=1)

_PAUSE = 0.1


class Runner:
    """services: the clock, the randomness from which runs get their ids, and this machine's name · launch: how a run starts ·
    requests: what a person asks to run now."""

    def __init__(
        self,
        history: RunHistory,
        services: Services,
        watcher: Watcher,
        *,
        at_once: int = AT_ONCE,
        launch: Launch = in_a_thread,
        requests: RunRequests | None = None,
    ) -> None:
        self._history = history
        self._services = services
        self._clock = services.clock
        self._process = process_identity.marker()
        half = max(1, at_once // 2)
        self._slots: dict[Slot, int] = {"backup": at_once, "maintenance": half, "copy": half}
        self._of_one_project: dict[Slot, int] = {"backup": half, "maintenance": 1, "copy": 1}
        self._launch = launch
        self._requests = requests
        self._states: dict[tuple[str, str], JobState] = {}
        self._ends: queue.SimpleQueue[End] = queue.SimpleQueue()
        self._writer = HistoryWriter(history, watcher)
        self._history_begun = history.begun
        self._wanted: frozenset[tuple[str, str]] = frozenset()
        self._since_success: dict[tuple[str, str], list[Run]] = {}

    def use(self, jobs: Iterable[Job]) -> None:
        """From now on these are the jobs. Runs of others that are under way end as they would have."""
        wanted = {job.key: job for job in jobs}
        new = {key: JobState(job, self._past(key)) for key, job in wanted.items() if key not in self._states}
        states = {key: new.get(key) or self._states[key] for key in wanted}
        for key, state in states.items():
            state.job, state.quiet_since = wanted[key], None
        for state in new.values():
            run = self._last_success(state)
            state.last_success = run.started if run is not None else None
        self._states = states | {
            key: state for key, state in self._states.items() if state.run is not None and key not in states
        }
        self._wanted = frozenset(states)
        self._since_success.clear()

    def _past(self, key: tuple[str, str]) -> list[Run]:
        """What the run history has of a job; where it cannot be read, nothing: then it is due at once."""
        try:
            return self._history.recent(*key)
        except StrongroomError as error:
            self._writer.notice(f"{'/'.join(key)}: {error}; it counts as a job that has never run")
            return []

    def running(self) -> list[Run]:
        """What is under way."""
        return [state.run for state in self._states.values() if state.run is not None]

    def recent(self, project: str, job: str) -> list[Run]:
        """The newest runs of a job, the newest first, those that the run history does not have yet among them."""
        state = self._states.get((project, job))
        return list(state.runs) if state is not None else []

    def since_success(self, project: str, job: str) -> list[Run]:
        """Its runs since the last one without any trouble, the newest first; of a job whose run history cannot be read the
        newest. Promises are evaluated again and again: the run history is asked once after each run."""
        known = self._since_success.get((project, job))
        if known is not None:
            return known
        is_known = (project, job) in self._states
        try:
            written = self._history.since_success(project, job)
        except StrongroomError:
            written, is_known = self.recent(project, job), False
        newer = {run.id: run for run in self._writer.unwritten if (run.project, run.job) == (project, job)}
        runs = [*reversed(newer.values()), *(run for run in written if run.id not in newer)]
        found = list(takewhile(lambda run: run.ending != "done", runs))
        if is_known:
            self._since_success[project, job] = found
        return found

    def last_success(self, project: str, job: str) -> Run | None:
        """Its newest run that did its work, however long ago, as far as that is known."""
        state = self._states.get((project, job))
        return self._last_success(state) if state is not None else None

    def _last_success(self, state: JobState) -> Run | None:
        known = next((run for run in state.runs if run.ending in SUCCESSES), None)
        if known is None:
            with suppress(StrongroomError):
                return self._history.last_success(*state.job.key)
        return known

    def tick(self, *, requested_only: bool = False) -> None:
        """One round; quick, whatever the jobs do. requested_only: start what a person asks for, and nothing that is due."""
        self._collect()
        self._release_overdue()
        now = self._clock.now()
        requests = self._requested()
        chosen = self._next(now, requests, requested_only=requested_only)
        starting_runs = [self._begin(state, start, now, requests.get(state.job.key)) for state, start in chosen]
        # before anything starts: a job that kills the process at once is tried only so often all the same
        self._write()
        for job, run, stop in starting_runs:
            try:
                self._launch(job.title, partial(self._work, job, run, stop))
            except Exception as error:  # noqa: BLE001 (no thread or no memory is to be had: a run that never ends otherwise)
                self._ends.put(End(job.key, run, error, now))
        self._writer.report()

    def write(self) -> None:
        """Write down what is not written yet. Raises `StrongroomError` where that cannot be done."""
        self._write()
        self._writer.report()
        if self._writer.unwritten:
            count = counted(len(self._writer.unwritten), "run")
            raise StrongroomError(
                f"the run history cannot be written: {count} will be unknown once this process ends",
                hint="free some room, or correct the permissions of the state folder; what was backed up is kept",
            )

    def stop(self, grace: float) -> list[Run]:
        """Ask all runs to end, wait for so many seconds, and say which have not."""
        for state in self._states.values():
            if state.stop is not None:
                state.stop.ask()
        deadline = self._clock.monotonic() + grace
        self._collect()
        while self.running() and self._clock.monotonic() < deadline:
            self._clock.sleep(_PAUSE)
            self._collect()
        self._writer.report()
        return self.running()

    def _requested(self) -> Mapping[tuple[str, str], RunRequest]:
        """What a person asks for, of the jobs that there are."""
        requests = self._requests.pending() if self._requests is not None else {}
        for key, request in requests.items():
            if key not in self._wanted and self._requests is not None:
                self._requests.withdraw(request.id)
                self._writer.notice(f"{'/'.join(key)}: a person asks for it, and the settings that were read have no such job")
        return {key: request for key, request in requests.items() if key in self._wanted}

    def _next(
        self, now: datetime, requests: Mapping[tuple[str, str], RunRequest], *, requested_only: bool
    ) -> list[tuple[JobState, Start]]:
        """Those that are to start, in the order of their turns, as many as there is room for."""
        taken: Counter[Slot] = Counter(state.job.slot for state in self._states.values() if state.holds_slot)
        of_project = Counter((state.job.slot, state.job.project) for state in self._states.values() if state.holds_slot)

        def has_room(job: Job) -> bool:
            own = of_project[job.slot, job.project]
            return taken[job.slot] < self._slots[job.slot] and own < self._of_one_project[job.slot]

        waiting = []
        for state in self._states.values():
            asked = state.job.key in requests
            considered = asked or not (requested_only or state.is_quiet(now))
            if state.run is None and considered and has_room(state.job):
                start = self._evaluate(state, now, requested=asked)
                if start is not None:
                    waiting.append((not asked, *state.priority(start.ready, now), state.job.key, start))
        chosen = []
        for *_, key, start in sorted(waiting, key=lambda one: one[:6]):
            state = self._states[key]
            if has_room(state.job):
                taken[state.job.slot] += 1
                of_project[state.job.slot, state.job.project] += 1
                chosen.append((state, start))
        self._report_blocked(now, {state.job.key for state, _ in chosen})
        return chosen

    def _report_blocked(self, now: datetime, starting: Container[tuple[str, str]]) -> None:
        """Say of jobs that have been due for a while whom they wait for."""
        for key, state in self._states.items():
            if key in starting or not state.wait_is_over(now):
                state.blocked_since, state.reported_blocked = None, False
            elif state.blocked_since is None:
                state.blocked_since = self._clock.monotonic()
            elif not state.reported_blocked and self._clock.monotonic() - state.blocked_since >= REPORT_WAITING_AFTER:
                state.reported_blocked = True
                busy = [one.job.title for one in self._states.values() if one.holds_slot and one.job.slot == state.job.slot]
                self._writer.notice(f"{state.job.title}: is due and waits until one of these ends: {', '.join(busy)}")

    def _evaluate(self, state: JobState, now: datetime, *, requested: bool) -> Start | None:
        """What is to start; where nothing is, it is known until when. A mistake costs this job alone its turn."""
        try:
            verdict = self._decide(state, now).verdict
            if requested:
                return due.requested(verdict, state.runs, now)
        except Exception as error:  # noqa: BLE001 (one job's schedule must not keep the others from their turn)
            state.wait(now, now + AFTER_A_MISTAKE)
            self._writer.notice(f"{state.job.title}: {mistake(error)}")
            return None
        if isinstance(verdict, Start):
            return verdict
        if isinstance(verdict, Wait):
            state.wait(now, verdict.until)
        else:
            run = self._run_of(state.job, verdict.since, verdict.planned, attempt=1, started=now)
            self._note(state, replace(run, ended=now, ending="skipped", message=verdict.why))
        return None

    def _decide(self, state: JobState, now: datetime) -> DueDecision:
        job = state.job
        decision = decide(job.title, job.schedule, job.policy, state.runs, now)
        if not decision.ahead:
            return decision
        farthest = f"{max(run.planned for run in decision.ahead):%Y-%m-%d %H:%M} UTC"
        self._writer.notice(f"{job.title}: the clock was set back: runs for times up to {farthest} are set aside")
        state.runs = [run for run in state.runs if run not in decision.ahead]
        self._since_success.pop(job.key, None)
        try:
            self._history.set_aside(*job.key, later_than=now)
            if not self._writer.is_behind:
                state.runs = self._history.recent(*job.key)
        except StrongroomError as error:
            self._writer.notice(str(error))
        return decide(job.title, job.schedule, job.policy, [*decision.ahead, *state.runs], now)

    def _begin(self, state: JobState, start: Start, now: datetime, request: RunRequest | None) -> tuple[Job, Run, Stop]:
        job = state.job
        run = self._run_of(job, start.since, start.planned, attempt=start.attempt, started=now)
        if request is not None and self._requests is not None:
            run = replace(run, id=request.id)
            self._requests.withdraw(request.id)
        stop = Stop(self._clock, self._clock.monotonic() + job.policy.timeout.total_seconds(), run=run)
        self._note(state, run)
        state.run, state.stop, state.holds_slot = run, stop, True
        return job, run, stop

    def _work(self, job: Job, run: Run, stop: Stop) -> None:
        """On the run's own thread."""
        outcome: Outcome | BaseException
        try:
            outcome = job.run(stop)
        except BaseException as error:  # noqa: BLE001 (whatever ended it must be reported, or it would look busy for ever)
            outcome = error
        self._ends.put(End(job.key, run, outcome, self._clock.now()))

    def _collect(self) -> None:
        while not self._ends.empty():
            end = self._ends.get()
            state = self._states[end.key]
            stop, state.run, state.stop, state.holds_slot = state.stop, None, None, False
            self._note(state, ended_run(end, stop))
            if end.key not in self._wanted:
                del self._states[end.key]
        self._write()

    def _write(self) -> None:
        """Into a run history that was begun anew goes what is still known of every job."""
        self._writer.write()
        if self._history.begun != self._history_begun:
            self._history_begun = self._history.begun
            self._since_success.clear()
            self._writer.write_anew(run for state in self._states.values() for run in reversed(state.runs))

    def _release_overdue(self) -> None:
        for state in self._states.values():
            if state.stop is not None and state.holds_slot and state.stop.left() < -PATIENCE:
                state.holds_slot = False
                self._writer.notice(
                    f"{state.job.title}: it has run longer than it may and does not stop; other jobs start beside it"
                )

    def _run_of(self, job: Job, since: datetime, planned: datetime, *, attempt: int, started: datetime) -> Run:
        name, host = self._services.randomness.token(8).hex(), self._services.host
        return Run(name, job.project, job.name, since, planned, attempt, started, host=host, process=self._process)

    def _note(self, state: JobState, run: Run) -> None:
        self._since_success.pop(state.job.key, None)
        state.note(run)
        self._writer.note(run)

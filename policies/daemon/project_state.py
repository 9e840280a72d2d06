"""What is known of a project, out of the run history of its runs and of what these found out: for `monitoring.alerts.evaluate`.

`status` asks the same way, and knows better than the state store what the repository itself says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.monitoring.alerts import CheckState, CopyState, DrillState, FailedRuns, ProjectState, SourceState
from policies.monitoring.state_store import StateStore
from policies.scheduling.run import Run
from vault.clock import A_LITTLE
from vault.wording import counted


class JobRuns(Protocol):
    """What is known of a job's runs."""

    def since_success(self, project: str, job: str) -> Sequence[Run]:
        """Its runs since the last one without any trouble, the newest first."""
        ...

    def last_success(self, project: str, job: str) -> Run | None:
        """Its newest run that did its work, however long ago."""
        ...


TROUBLES = frozenset({"failed", "timeout", "aborted", "problems"})
NEVER = datetime.max.replace(tzinfo=UTC)


class LastRun(Struct, frozen=True):
    """The newest run of a job, whoever started it. at: when it ended · message: what it said, where it did not do all."""

    at: datetime
    ending: str
    message: str

    @property
    def failed(self) -> bool:
        """Whether it did not do its work at all."""
        return self.ending in TROUBLES and self.ending != "problems"


class RepositoryFacts(Struct, frozen=True):
    """What the repository itself says. last: the newest snapshot of each source · frozen: why retention is."""

    last: Mapping[str, datetime]
    frozen: tuple[str, ...]


def state_of(
    plan: ProjectConfig, history: JobRuns, state_store: StateStore, now: datetime, repository: RepositoryFacts | None = None
) -> ProjectState:
    """All that the alerts of a project are evaluated by. repository: None where nobody has asked it."""
    frozen = repository.frozen if repository is not None else frozen_by(state_store, plan.name)
    names = [one.name for one in plan.jobs if one.kind != "backup"]
    others = [(name, failed_runs(plan, name, history, state_store)) for name in names]
    return ProjectState(
        project=plan.name,
        sources=tuple(_source(plan, name, history, state_store, now, repository) for name in plan.sources),
        checks=_checks(plan, state_store, now),
        drills=_drills(plan, state_store, now),
        frozen=frozen,
        jobs=tuple((name, one) for name, one in others if one.runs >= plan.max_failures),
        copies=tuple(_copy(plan, name, history, state_store, now) for name in plan.copies),
    )


def trouble(runs: Sequence[Run]) -> FailedRuns:
    """How many due times in a row have ended badly; the tries of one are one. Runs that were stopped or passed over say
    nothing. runs: all since the last success, the newest first."""
    bad: dict[datetime, str] = {}
    partly = False
    failed = set[datetime]()
    for run in runs:
        if run.ending in TROUBLES:
            bad.setdefault(run.planned, run.message)
            partly = partly or run.ending == "problems"
            if not partly:
                failed.add(run.planned)
        elif run.ending == "done":
            break
    return FailedRuns(len(bad), next(iter(bad.values()), ""), len(failed))


def last_run(plan: ProjectConfig, job: str, history: JobRuns, state_store: StateStore) -> LastRun | None:
    """The newest run of a job that ended, by the daemon or by hand, if it was no success or nothing newer is known."""
    runs = [run for run in history.since_success(plan.name, job) if run.ending in TROUBLES]
    newest = LastRun(runs[0].ended or runs[0].started, runs[0].ending or "", runs[0].message) if runs else None
    noted = state_store.found(plan.name, "run", job)
    if noted is not None and (newest is None or noted.at > newest.at):
        return LastRun(noted.at, str(noted.value.get("ending")), str(noted.value.get("message", "")))
    return newest


def failed_runs(plan: ProjectConfig, job: str, history: JobRuns, state_store: StateStore) -> FailedRuns:
    """Of a job, by the daemon's runs and those that a person started: one of these that went well ends it."""
    runs, noted = history.since_success(plan.name, job), state_store.found(plan.name, "run", job)
    if noted is not None and noted.value.get("ending") == "done":
        runs = [run for run in runs if run.started > noted.at]
    found, newest = trouble(runs), last_run(plan, job, history, state_store)
    if newest is not None and newest.ending in TROUBLES and newest.message != found.message:
        return FailedRuns(max(1, found.runs), newest.message, found.failed if newest.failed else 0)
    return found


def last_success(plan: ProjectConfig, name: str, history: JobRuns, state_store: StateStore) -> datetime | None:
    """When the newest snapshot of a source was taken, as far as this machine knows."""
    found = state_store.found(plan.name, "backup", name)
    taken = [datetime.fromisoformat(found.value["taken_at"])] if found and "taken_at" in found.value else []
    run = history.last_success(plan.name, f"backup {name}")
    taken += [run.started] if run is not None else []
    return max(taken, default=None)


def frozen_by(state_store: StateStore, project: str) -> tuple[str, ...]:
    """Why retention of a project is frozen, as far as this machine knows."""
    found = state_store.found(project, "freeze")
    return tuple(map(str, found.value.get("why", ()))) if found else ()


def _source(
    plan: ProjectConfig, name: str, history: JobRuns, state_store: StateStore, now: datetime, repository: RepositoryFacts | None
) -> SourceState:
    found = state_store.found(plan.name, "backup", name)
    last = repository.last.get(name) if repository is not None else last_success(plan, name, history, state_store)
    known_since = state_store.first_seen(plan.name, f"source {name}", now)
    if last is not None and last > now + A_LITTLE:
        # The clock was ahead then: nobody knows how old this snapshot is. Its time begins when that is noticed.
        last = state_store.first_seen(plan.name, f"source {name} ahead of the clock, {last.isoformat()}", now)
    return SourceState(
        name=name,
        rpo=plan.rpo,
        known_since=known_since,
        last=last,
        missing=tuple(map(str, found.value.get("missing", ()))) if found else (),
        trouble=failed_runs(plan, f"backup {name}", history, state_store),
        max_failures=plan.max_failures,
    )


def _copy(plan: ProjectConfig, name: str, history: JobRuns, state_store: StateStore, now: datetime) -> CopyState:
    until = copied_until(state_store, plan.name, name)
    if until is not None and until > now + A_LITTLE:  # the clock was ahead then
        until = state_store.first_seen(plan.name, f"copy {name} ahead of the clock, {until.isoformat()}", now)
    return CopyState(
        name=name,
        within=plan.copy_within,
        known_since=state_store.first_seen(plan.name, f"copy {name}", now),
        until=until,
        trouble=failed_runs(plan, f"copy {name}", history, state_store).message,
    )


def copied_until(state_store: StateStore, project: str, copy: str) -> datetime | None:
    """Until when a copy has everything that the repository had, as far as this machine knows."""
    found = state_store.found(project, "copy", copy)
    until = found.value.get("until") if found is not None else None
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def _checks(plan: ProjectConfig, state_store: StateStore, now: datetime) -> CheckState | None:
    found = state_store.found(plan.name, "check")
    coverage = state_store.coverage(plan.name, now - plan.check_within)
    damage = list(map(str, found.value.get("damage", ()))) if found else []
    if coverage.damaged and not damage:
        damage.append(counted(coverage.damaged, "pack"))
    if plan.job("check") is None:
        return CheckState(plan.check_within, None, tuple(damage)) if damage or found else None
    oldest = coverage.oldest or (None if found else state_store.first_seen(plan.name, "check", now))
    return CheckState(plan.check_within, oldest, tuple(damage))


def _drills(plan: ProjectConfig, state_store: StateStore, now: datetime) -> DrillState | None:
    made, job = state_store.drills(plan.name, 100), plan.job("drill")
    if not made and job is None:
        return None
    # one from a clock that was ahead says nothing about when the next is due
    last = next((one.at for one in made if not one.value.get("trouble") and one.at <= now + A_LITTLE), None)
    newest = str(made[0].value.get("trouble", "")) if made else ""
    return DrillState(last, _due(job, last or state_store.first_seen(plan.name, "drill", now)), newest)


def _due(job: JobConfig | None, since: datetime) -> datetime:
    """The second one after the last: one that fails now and then is tried again before anybody is notified."""
    return NEVER if job is None else job.schedule.next_after(job.schedule.next_after(since))

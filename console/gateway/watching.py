"""What operators are shown and may do: how everything is, runs with their logs, flagged snapshots, drills, storage, holds.

All of it is about whole projects; content is none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from console.access.rights import Action
from console.charts import Chart, chart
from console.errors import NotThere
from console.gateway import approvals, checks, hosting, listings
from console.hosts.messages import HostLine
from console.visit import Visit
from strongroom import daemon_jobs, holds, restore_drill, run_request, snapshot_review, storage_history, time_parsing
from strongroom.daemon_jobs import DaemonJob, RunLog
from strongroom.holds import PlacedHold
from strongroom.project_status import ProjectStatus, SourceStatus
from strongroom.snapshot_details import find_snapshot
from vault.errors import NothingFound, StrongroomError, UsageError
from vault.problems import printable

if TYPE_CHECKING:
    from console.approvals.records import Request
    from strongroom.project_details import ProjectDetails
    from strongroom.project_status import LastDrill
    from strongroom.settings import Settings
    from strongroom.snapshot_review import AcceptedSnapshots, FlaggedSnapshot
    from strongroom.storage_history import StoragePoint

MOST_RUNS = 50
LONGEST_OUTPUT = 20_000
"""Characters of what a run has said that a page has."""

LONGEST_REASON = 2000
LONGEST_TEXT = 1000


class Trouble(Struct, frozen=True):
    """What is wrong. project: "" where it is about the daemon · promise: which one is broken (see
    `policies.monitoring.alerts`); "" where it is another trouble · message, hint: in the library's words."""

    severity: str
    project: str
    promise: str
    title: str
    message: str
    hint: str


class Overview(Struct, frozen=True):
    """How everything is, of the projects that whoever asks may watch. level: ok, warning, critical · daemon: its state; ""
    where whoever asks may not watch everything · hosts: that carry out restores of these projects."""

    level: str
    backed_up: int
    sources: int
    daemon: str
    daemon_seen: datetime | None
    troubles: tuple[Trouble, ...]
    rows: tuple[SourceStatus, ...]
    projects: tuple[str, ...]
    hosts: tuple[HostLine, ...] = ()


class WatchedProject(Struct, frozen=True):
    """One project. drills: the newest first · jobs: of the daemon · points, storage: what it takes over time, and as a chart ·
    runs_unknown: why nothing is known of runs; "" where it is · missing: how many reports of a source did not appear in time,
    None where only the backup knows which."""

    name: str
    details: ProjectDetails
    status: ProjectStatus
    drills: tuple[LastDrill, ...]
    jobs: tuple[DaemonJob, ...]
    points: tuple[StoragePoint, ...]
    storage: Chart | None
    runs_unknown: str
    missing: Mapping[str, int | None]


class NewHold(Struct, frozen=True):
    """A hold that somebody wants to place, as a form has it; all of them empty: on the whole project. snapshot: on all of this
    one, by its id, in place of kind, period and path."""

    kind: str = ""
    period: str = ""
    path: str = ""
    until: str = ""
    reason: str = ""
    snapshot: str = ""


class HoldableSnapshot(Struct, frozen=True):
    """A snapshot that somebody wants to hold."""

    id: str
    source: str
    taken_at: datetime


def overview(visit: Visit) -> Overview:
    """How everything is. Raises `StorageError`."""
    with checks.acting(visit), visit.console.repositories.lent() as repository:
        known = {one.name for one in repository.projects()} | set(repository.context.settings.projects)
        names = sorted(one for one in known if visit.person.scope(Action.WATCH, one, visit.now).is_everything)
        if not names:
            return Overview("ok", 0, 0, "", None, (), (), ())
        found = repository.status(*names)
    everything = any("*" in one.projects for one in visit.person.assignments if one.applies(Action.WATCH, names[0], visit.now))
    alerts = [one for one in found.alerts if one.project or everything]
    troubles = [Trouble(one.severity, one.project, one.promise, one.title, one.message, one.hint) for one in alerts]
    named = {(one.title, one.message) for one in troubles}
    daemons = {(one.title, one.message) for one in found.daemon_alerts}
    troubles += [
        Trouble(one.severity, one.title.partition("/")[0], "", one.title, one.message, one.hint)
        for one in found.problems
        if (one.title, one.message) not in named | daemons
    ]
    verdict = found.verdict
    return Overview(
        level=_level(troubles),
        backed_up=len(verdict.backed_up),
        sources=verdict.sources,
        daemon=found.heartbeat.state if everything else "",
        daemon_seen=found.heartbeat.seen if everything else None,
        troubles=tuple(sorted(troubles, key=lambda one: one.severity != "critical")),
        rows=found.sources,
        projects=tuple(one.project for one in found.projects),
        hosts=tuple(hosting.watched_hosts(visit, names)),
    )


def watched(visit: Visit, name: str) -> WatchedProject:
    """Everything about a project that is no content. Raises `NotThere`, `NotAllowed`, `StorageError`."""
    checks.allowed_whole(visit, Action.WATCH, name)
    with checks.opened(visit, name) as (repository, project):
        settings = repository.context.settings
        points = storage_history.storage_history(project.snapshots().snapshots)
        jobs, unknown = _jobs(settings, name)
        status = project.status()
        return WatchedProject(
            name=name,
            details=project.details(),
            status=status,
            drills=restore_drill.past_drills(settings, name),
            jobs=jobs,
            points=points,
            storage=chart(
                [one.at for one in points], [[one.source_bytes for one in points], [one.written_bytes for one in points]]
            ),
            runs_unknown=unknown,
            missing=_missing(visit, name, status),
        )


def _missing(visit: Visit, name: str, status: ProjectStatus) -> dict[str, int | None]:
    try:
        found = listings.listing(visit, name)
    except NothingFound:  # there is no snapshot yet
        return {}
    return {one.source: one.count for one in listings.missing_counts(found, status)}


def first_backups(visit: Visit, name: str) -> tuple[DaemonJob, ...] | None:
    """The scheduled backups of a project, for its operators; None for others, and where they are not known. Raises `NotThere`,
    `StorageError`."""
    if not visit.person.scope(Action.WATCH, name, visit.now).is_everything:
        return None
    with checks.opened(visit, name) as (repository, _):
        jobs, unknown = _jobs(repository.context.settings, name)
    return None if unknown else tuple(one for one in jobs if one.job.startswith("backup "))


def runs(visit: Visit, name: str, job: str) -> tuple[RunLog, ...]:
    """The newest runs of a project's jobs, the newest first, with what they have said. job: "" for all. Raises `NotThere`,
    `NotAllowed`, `StrongroomError`."""
    checks.allowed_whole(visit, Action.WATCH, name)
    with checks.opened(visit, name) as (repository, _):
        settings = repository.context.settings
        keys = [key for key in daemon_jobs.known(settings) if key[0] == name and job in ("", key[1])]
        if not keys and job:
            raise NotThere("there is no such job", hint="the page of the project lists its jobs")
        found = daemon_jobs.logs(settings, keys)[-MOST_RUNS:]
    return tuple(RunLog(one.run, one.output[-LONGEST_OUTPUT:]) for one in reversed(found))


def flagged(visit: Visit, name: str) -> tuple[FlaggedSnapshot, ...]:
    """Snapshots that were found suspicious and nobody has accepted. Raises `NotThere`, `NotAllowed`, `StorageError`."""
    checks.allowed_whole(visit, Action.WATCH, name)
    with checks.opened(visit, name) as (repository, project):
        if not project.details().frozen:
            return ()
        return snapshot_review.flagged_snapshots(repository.context, project.stored)


def accept(visit: Visit, name: str, snapshots: list[str], reason: str) -> AcceptedSnapshots:
    """Accept flagged snapshots, in the name of whoever asks. Raises `NotThere`, `NotAllowed`, `UsageError` without a reason, or
    for a snapshot that is not flagged; `StorageError`."""
    checks.allowed_whole(visit, Action.OPERATE, name)
    reason = said_reason(reason)
    if not snapshots:
        raise UsageError("no snapshot was chosen", hint="tick the snapshots that are as they should be")
    with checks.opened(visit, name) as (_, project):
        return project.accept_snapshots(project.flagged_snapshots(*snapshots), reason=reason)


def run_now(visit: Visit, name: str, job: str) -> str:
    """Have the daemon run a job. Raises `NotThere`, `NotAllowed`, and as `strongroom.run_request.request_run`."""
    checks.allowed_whole(visit, Action.OPERATE, name)
    with checks.opened(visit, name) as (repository, project):
        return run_request.request_run(repository.context, project.stored, job)


def place_hold(visit: Visit, name: str, wanted: NewHold) -> PlacedHold:
    """Place a hold, in the name of whoever asks. Raises `NotThere`, `NotAllowed`, `UsageError`, `StorageError`."""
    from vault.format.hold import Scope

    checks.allowed_whole(visit, Action.HOLD, name)
    reason = said_reason(wanted.reason)
    with checks.opened(visit, name) as (repository, project):
        zone = repository.context.zone(name)
        scope = Scope(
            kind=wanted.kind[:LONGEST_TEXT] or None,
            period=holds.held_period(wanted.period[:LONGEST_TEXT], zone, visit.now) if wanted.period else None,
            path=wanted.path[:LONGEST_TEXT] or None,
            snapshot=wanted.snapshot[:LONGEST_TEXT] or None,
        )
        until = time_parsing.moment(wanted.until[:LONGEST_TEXT], zone, visit.now) if wanted.until else None
        return holds.add_hold(repository.context, project.stored, scope, reason=reason, until=until)


def holdable(visit: Visit, name: str, snapshot: str) -> HoldableSnapshot:
    """A snapshot by its id, to be held. Raises `NotThere`, `NotAllowed`, `UsageError` where there is none, `StorageError`."""
    checks.allowed_whole(visit, Action.HOLD, name)
    with checks.opened(visit, name) as (repository, project):
        found = find_snapshot(repository.context, project.stored, snapshot[:LONGEST_TEXT])
        return HoldableSnapshot(found.id, found.source, found.taken_at)


def release_hold(visit: Visit, name: str, hold: str, reason: str) -> Request | None:
    """Release a hold, in the name of whoever asks; where the settings want a second person, and nobody has approved it yet,
    gives the request that was made for that instead. Raises `NotThere`, `NotAllowed`, `UsageError` where no such hold binds,
    or it ends with the acceptance of a snapshot; `StorageError`."""
    checks.allowed_whole(visit, Action.RELEASE_HOLD, name)
    reason = said_reason(reason)
    with checks.opened(visit, name) as (repository, project):
        found = next((one for one in holds.list_holds(project.stored).holds if one.hold.id == hold), None)
        if found is None:
            raise UsageError("there is no such hold that binds", hint="look at the list of holds again")
        if found.flagged:
            raise UsageError(
                "this hold is there because a snapshot waits for acceptance", hint="accept the snapshot, and the hold ends"
            )
        with approvals.approved(visit, Action.RELEASE_HOLD, name, {"hold": hold}, reason) as waits:
            if waits is None:
                holds.release_hold(repository.context, project.stored, hold, reason=reason)
            return waits


def shown_path(path: bytes) -> str:
    """A path as it can be shown."""
    return printable(path)


def _jobs(settings: Settings, name: str) -> tuple[tuple[DaemonJob, ...], str]:
    """Of one project; and why they are not known."""
    try:
        return tuple(one for one in daemon_jobs.jobs(settings) if one.project == name), ""
    except StrongroomError as error:
        return (), str(error)


def _level(troubles: list[Trouble]) -> str:
    if any(one.severity == "critical" for one in troubles):
        return "critical"
    return "warning" if troubles else "ok"


def said_reason(text: str) -> str:
    """Raises `UsageError` without one."""
    reason = " ".join(text.split())[:LONGEST_REASON]
    if not reason:
        raise UsageError("a reason is needed", hint="say in a few words why; it stays in the repository")
    return reason

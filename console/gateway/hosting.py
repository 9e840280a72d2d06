"""Restores that hosts carry out: what they are given, what they say of it, and what people see of that.

    take(console, host, body)       a host asks for work
    report(console, host, body)     it is at it, and so far
    finish(console, host, body)     what came of it

A host is given one task at a time under a lease. One that says nothing for as long as that is good is taken for dead: its task
waits again, for it or another one. What a host says bounds nothing: rights are checked here before it is given anything, and
what was confirmed and approved goes with the task.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Scope
from console.errors import LeaseLost, NotAllowed, NotThere, TooLarge
from console.gateway.checks import administering
from console.gateway.listings import quoted
from console.gateway.restoring import scopes_of
from console.hosts.messages import (
    LARGEST_WORK,
    AskAnswer,
    AskBody,
    EntryLine,
    FinishAnswer,
    FinishBody,
    HostLine,
    HostPlan,
    ReportAnswer,
    ReportBody,
    ScopePart,
    Work,
)
from console.hosts.records import GoneHost, Host, Hosts, Lease, Leases
from console.letters import task_waits_to_be_confirmed
from console.tasks.records import FoundPlan, Outcome, State, Task, Tasks, Trouble
from console.tasks.runner import LONGEST_WAIT, tell
from console.tasks.signals import Progress
from console.visit import Visit
from vault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.basket import Entry
    from console.visit import Console

_log = logging.getLogger("strongroom.console")

NAMED = 20
QUIET = timedelta(minutes=5)
"""A host that has asked for nothing for so long is said to be silent."""


class Hosting(Struct, frozen=True):
    """What its person sees of a restore that a host carries out. host: which one is at it, or was · since, heard: when it
    began, and said something last; None where none is at it · asked: when any host that may take it asked for work last;
    None where none ever did · is_quiet: that is long ago, or never · offered: such a host would do it · hosts: names of those
    that may take it · gone: that may take it no more, and when that ended."""

    host: str
    since: datetime | None
    heard: datetime | None
    asked: datetime | None
    is_quiet: bool
    offered: bool
    hosts: tuple[str, ...] = ()
    gone: tuple[GoneHost, ...] = ()


class Offers(Struct, frozen=True):
    """What hosts would do in a project. asked: when one of them asked for work last · hosts, gone: as in `Hosting`."""

    in_place: bool
    folders: tuple[str, ...]
    asked: datetime | None
    is_quiet: bool
    hosts: tuple[str, ...] = ()
    gone: tuple[GoneHost, ...] = ()


def take(console: Console, host: Host, body: AskBody) -> AskAnswer:
    """The next restore that waits for this host, from now on under a lease of its."""
    now = console.clock.now()
    host = Hosts(console.state).note(host, body.machine, body.projects, now)
    end_leases(console)
    with console.state.transaction() as database:
        rows = database.execute(
            """SELECT id, project FROM task WHERE state = 'waiting' AND due <= ? ORDER BY
            (SELECT count(*) FROM task AS other WHERE other.person = task.person AND other.state = 'running'), created, id""",
            (now.isoformat(),),
        ).fetchall()
        for row in rows:
            work = _given(console, host, str(row["id"]), now) if host.may_take(row["project"]) else None
            if work is not None:
                return AskAnswer(work)
    return AskAnswer(None)


def report(console: Console, host: Host, body: ReportBody) -> ReportAnswer:
    """A host is at it still. Raises `LeaseLost` where the task is no longer this host's."""
    end_leases(console)
    seconds, now = console.limits.lease, console.clock.now()
    with console.state.transaction():
        lease, task = _leased(console, host, body.lease)
        if lease.done or task.state != "running":
            raise LeaseLost("somebody else is at this task, or nobody any more", hint="ask for work again")
        Leases(console.state).renew(lease, body, now, seconds)
    return ReportAnswer(not task.ending, seconds)


def finish(console: Console, host: Host, body: FinishBody) -> FinishAnswer:
    """What came of it; said twice, it counts once. Raises `LeaseLost` where another host has the task by now."""
    end_leases(console)
    with console.state.transaction():
        lease, task = _leased(console, host, body.lease)
        if lease.done:
            return FinishAnswer(task.state)
        if task.state not in ("running", "waiting"):
            raise LeaseLost("this task is over", hint="ask for work again")
        after = _after(console, task, body, console.clock.now())
        Tasks(console.state).change(after)
        Leases(console.state).finish(lease)
    if after.is_over:
        tell(console, after)
    elif after.state == "confirm" and after.found is not None:
        console.post.tell(after.person, task_waits_to_be_confirmed(after, after.found.replacing))
    return FinishAnswer(after.state)


def end_leases(console: Console) -> None:
    """What hosts were at that say nothing any more waits again; what its person has cancelled is over."""
    now = console.clock.now()
    leases, tasks = Leases(console.state), Tasks(console.state)
    if not leases.expired(now):
        return
    over: list[Task] = []
    with console.state.transaction():
        for name in leases.expired(now):
            leases.let_go(name)
            try:
                task = tasks.get(name)
            except NotThere:
                continue
            if task.state != "running" or not task.hosted:
                continue
            after = _without_host(console, task, now)
            _log.warning("the host %s says nothing any more of task %s", task.host, task.id)
            tasks.change(after)
            if after.is_over:
                over.append(after)
    for one in over:
        tell(console, one)


def progress(visit: Visit, task: Task) -> Progress | None:
    """How far the host is; None where none is at it."""
    lease = Leases(visit.console.state).of_task(task.id) if task.state == "running" else None
    if lease is None:
        return None
    at = lease.report
    return Progress(at.phase, at.items, at.of_items, at.size, at.of_bytes, at.took)


def hosting(visit: Visit, task: Task) -> Hosting | None:
    """What there is to see of hosts on the page of a task; None where the console does it itself."""
    if not task.hosted:
        return None
    lease = Leases(visit.console.state).of_task(task.id) if task.state == "running" else None
    hosts = [one for one in Hosts(visit.console.state).all(visit.now) if one.may_take(task.project)]
    asked = max((one.asked for one in hosts if one.asked is not None), default=None)
    offered = any(one.offers_to(task.project, task.options.goal, task.options.folder) for one in hosts)
    return Hosting(
        host=task.host,
        since=None if lease is None else lease.taken,
        heard=None if lease is None else lease.heard,
        asked=asked,
        is_quiet=_is_quiet(asked, visit.now),
        offered=offered,
        hosts=tuple(one.name for one in hosts),
        gone=_gone(visit, task.project),
    )


def offers(visit: Visit, project: str) -> Offers:
    """What hosts would do in a project that whoever asks may see."""
    hosts = [one for one in Hosts(visit.console.state).all(visit.now) if one.may_take(project)]
    said = [one.offers[project] for one in hosts if project in one.offers]
    asked = max((one.asked for one in hosts if one.asked is not None), default=None)
    folders = sorted({name for one in said for name in one.folders})
    names = tuple(one.name for one in hosts)
    in_place = any(one.in_place for one in said)
    return Offers(in_place, tuple(folders), asked, _is_quiet(asked, visit.now), names, _gone(visit, project))


def require_folder(visit: Visit, project: str, folder: str) -> None:
    """Raises `UsageError` where no host offers it."""
    if folder not in offers(visit, project).folders:
        raise UsageError("no host offers such a folder", hint="choose one that the page offers")


def require_sendable(task: Task) -> None:
    """Raises `TooLarge` where it is more than a host takes."""
    if len(msgspec.json.encode(_entries(task.entries))) > LARGEST_WORK // 2:
        raise TooLarge("these are more names than a host takes at once", hint="tick whole folders or periods")


def watched_hosts(visit: Visit, projects: Sequence[str]) -> list[HostLine]:
    """The hosts that may take work of some projects, which whoever asks may watch."""
    counts = Leases(visit.console.state).counts()
    found = []
    for one in Hosts(visit.console.state).all(visit.now):
        mine = [name for name in projects if one.may_take(name)]
        if mine:
            found.append(HostLine(one.name, one.machine, mine, one.until, one.asked, counts.get(one.id, 0)))
    return found


def all_hosts(visit: Visit) -> tuple[Host, ...]:
    """For administrators. Raises `NotAllowed`."""
    administering(visit)
    return Hosts(visit.console.state).all(visit.now)


def add_host(visit: Visit, name: str, projects: Sequence[str], until: datetime) -> str:
    """Make a token for a host; gives it. Raises `NotAllowed`, `UsageError`."""
    log = administering(visit).log
    with visit.console.state.transaction():
        made = Hosts(visit.console.state).add(name, projects, until, visit.now, visit.console.randomness)
        log.note("host-add", name, projects=list(projects), until=until.isoformat())
    _log.info("%s made a token for the host %s", visit.person.name, name)
    return made


def end_host(visit: Visit, name: str) -> None:
    """End the token of one. Raises `NotAllowed`."""
    log = administering(visit).log
    with visit.console.state.transaction():
        ended = Hosts(visit.console.state).end(name, visit.now)
        if ended:
            log.note("host-end", name)
    if ended:
        _log.info("%s ended the token of the host %s", visit.person.name, name)


def _gone(visit: Visit, project: str) -> tuple[GoneHost, ...]:
    return tuple(one for one in Hosts(visit.console.state).gone(visit.now) if one.may_take(project))


def _is_quiet(asked: datetime | None, now: datetime) -> bool:
    return asked is None or now - asked > QUIET


def _given(console: Console, host: Host, name: str, now: datetime) -> Work | None:
    """A task, as it is given to a host; None where it does not offer that, or its person may not have it any more."""
    tasks = Tasks(console.state)
    task = tasks.get(name)
    options = task.options
    if not host.offers_to(task.project, options.goal, options.folder):
        return None
    try:
        scopes = scopes_of(console, task)
    except NotAllowed as error:
        tasks.change(replace(task, state="refused", ended=now, error=str(error), hint=error.hint or ""))
        return None
    lease = console.randomness.token(24).hex()
    tasks.change(replace(task, state="running", host=host.name, attempts=task.attempts + 1, found=None))
    Leases(console.state).give(task.id, lease, host.id, now, console.limits.lease)
    return Work(
        lease=lease,
        seconds=console.limits.lease,
        task=task.id,
        project=task.project,
        person=task.person,
        goal="place" if options.goal == "place" else "folder",
        entries=_entries(task.entries),
        scopes=[_parts(one) for one in scopes],
        moment=options.moment,
        approved_by=task.approved_by,
        folder=options.folder,
        existing=options.existing,
        format=options.format,  # type: ignore[arg-type]  # one of those that a form offers
        merge=options.merge,
        people=options.people,
        incomplete=options.incomplete,
        verify=options.verify,
        replacing=options.replacing,
    )


def _entries(entries: Sequence[Entry]) -> list[EntryLine]:
    return [EntryLine(one.sort, quoted(one.name), one.kind, one.at, one.deleted) for one in entries]


def _parts(scope: Scope) -> list[ScopePart]:
    return [ScopePart(sorted(kinds), list(paths)) for kinds, paths in scope.parts]


def _leased(console: Console, host: Host, lease: str) -> tuple[Lease, Task]:
    found = Leases(console.state).find(lease, host.id)
    if found is None:
        raise LeaseLost("another host is at this task by now", hint="ask for work again")
    return found, Tasks(console.state).get(found.task)


def _after(console: Console, task: Task, body: FinishBody, now: datetime) -> Task:
    """The task, by what its host says of it."""
    if body.result == "restored":
        outcome = _outcome(body)
        state: State = "partly" if outcome.problems else "done"
        return replace(task, state=state, ended=now, outcome=outcome, error="", hint="")
    if body.result == "confirm" and body.plan is not None and body.plan.replacing > task.options.replacing:
        return replace(task, state="confirm", found=_found(body.plan), error="", hint="")
    if body.result == "again":
        return replace(_without_host(console, task, now, wait=True), error=body.error, hint=body.hint)
    if body.result == "stopped":
        return replace(_without_host(console, task, now), attempts=max(0, task.attempts - 1))
    error = body.error or "the host did not say why"
    return replace(task, state="failed", ended=now, error=error, hint=body.hint)


def _without_host(console: Console, task: Task, now: datetime, *, wait: bool = False) -> Task:
    """A task that no host is at any more. wait: not to be begun again at once."""
    if task.ending:
        return replace(task, state="cancelled", ended=now)
    if task.attempts >= console.limits.attempts:
        error = f"hosts have begun it {task.attempts} times, and none has come to its end"
        return replace(task, state="failed", ended=now, error=error, hint="see what the hosts have logged")
    seconds = min(LONGEST_WAIT, console.limits.retry * 2 ** max(0, task.attempts - 1)) if wait else 0.0
    return replace(task, state="waiting", due=now + timedelta(seconds=seconds))


def _outcome(body: FinishBody) -> Outcome:
    said = body.outcome
    troubles = tuple(Trouble(one.path, one.what, one.message) for one in said.troubles)
    problems = max(said.problems, len(troubles))
    return Outcome(said.files, said.bytes, said.already_there, problems, troubles, said.where, said.verified)


def _found(plan: HostPlan) -> FoundPlan:
    return FoundPlan(
        files=plan.files,
        size=plan.size,
        replacing=plan.replacing,
        kept_newer=plan.kept_newer,
        skipped=plan.skipped,
        beside=plan.beside,
        already_there=plan.already_there,
        where=plan.where,
        names=tuple(plan.names[:NAMED]),
    )

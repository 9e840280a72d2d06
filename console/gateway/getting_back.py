"""Getting things back: what a basket would come to, in numbers and names for people; and the task that does it.

    planned = plan(visit, "parcelo", options_of(visit.asked))
    task = start(visit, planned, reason="")

A plan writes nothing. What may be done is checked for each item: what lies outside of the person's scope is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Action, Scope
from console.approvals.records import Requests
from console.basket import Baskets, Entry
from console.gateway import approvals, checks, hosting, picking
from console.gateway.planning import destination_of, folder_name, restore_options
from console.return_options import ReturnOptions
from console.tasks.records import State, Task, Tasks, Trouble, begun_anew
from console.visit import Visit
from strongroom.download import PlannedDownload, plan_download
from strongroom.picked import NothingPicked
from strongroom.restore_plan import PlannedRestore, plan_elsewhere, plan_restore
from vault.errors import NothingFound, RefusedByRule
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from restore.planning.estimate import EstimateRow
    from restore.planning.plan import RestorePlan
    from strongroom.project import Project
    from strongroom.selection import Unmatched

NAMED = 20
"""Things that a page names one by one."""

ACTIONS: Mapping[str, Action] = {
    "place": Action.RESTORE_IN_PLACE,
    "folder": Action.RESTORE_TO_FOLDER,
    "download": Action.DOWNLOAD,
}


class Shortage(Struct, frozen=True):
    """A disk that may have too little room: bytes."""

    needed: int
    free: int


class Plan(Struct, frozen=True):
    """What would be done, for people.

    options: with its moment and what it would replace · action: that it is · entries: of the basket, of that moment · where:
    the place, "" for a download · name: of the file that a download becomes · files, size: that are written · by_period: the
    same by kind and period · seconds: about how long it takes · already_there: things that are right already · replacing: that
    exist and would be replaced · kept_newer, skipped, beside: that exist and stay; with the last what comes back gets another
    name · attributes_only: that only get their times and modes · in_the_way: what nothing can be done about with these options
    · missing: whose content is gone · inconsistent: whose content may be of several moments · notes: what else there is to know
    · shortage: of the disk · left: names of what stays, and why · approval: a second person must approve it · hosted: a
    host carries it out, as this console cannot read content: what is in the way is not known here · unmatched: things of the
    basket of which nothing is there
    """

    project: str
    options: ReturnOptions
    action: Action
    scope: Scope
    entries: tuple[Entry, ...]
    where: str
    name: str
    files: int
    size: int
    by_period: tuple[EstimateRow, ...]
    seconds: float
    approval: bool
    already_there: int = 0
    replacing: int = 0
    kept_newer: int = 0
    skipped: int = 0
    beside: int = 0
    attributes_only: int = 0
    in_the_way: tuple[Trouble, ...] = ()
    missing: tuple[Trouble, ...] = ()
    missing_count: int = 0
    inconsistent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shortage: Shortage | None = None
    left: tuple[Trouble, ...] = ()
    hosted: bool = False
    unmatched: tuple[Unmatched, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether it can be done as it is."""
        return not self.in_the_way and not self.is_empty and (not self.missing_count or self.options.incomplete)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the basket was found, so that there is nothing to do."""
        met = (self.already_there, self.kept_newer, self.skipped, self.missing_count, len(self.in_the_way))
        return not self.does_something and not any(met)

    @property
    def does_something(self) -> bool:
        """Whether anything would be written."""
        return bool(self.files or self.attributes_only)


def plan(visit: Visit, project: str, options: ReturnOptions) -> Plan:
    """What options for the basket of whoever asks would come to; of what is not there for them, the plan says so. Raises
    `NotThere`, `NotAllowed`, `NothingFound` for an empty basket, `UsageError`, `TargetError`, `Damaged`, `StorageError`."""
    action = ACTIONS[options.goal]
    if options.goal == "download" and not visit.may(action, project) and visit.may(Action.EXPORT_PROJECT, project):
        action = Action.EXPORT_PROJECT
    scope = checks.allowed(visit, action, project)
    entries = Baskets(visit.console.state).entries(visit.person.name, project)
    with checks.opened(visit, project) as (_, opened):
        if not entries:
            raise NothingFound("the basket is empty", hint="tick what you want back")
        options = replace(options, moment=options.moment or visit.now.isoformat())
        asked = picking.pinned(entries, options.moment)
        needs = approvals.is_needed(visit, action)
        hosted = not checks.has_content(opened)
        if hosted and options.goal == "download":
            checks.require_content(opened)
        try:
            return _planned(visit, opened, options, action, scope, asked)
        except NothingPicked as error:
            name, unmatched = opened.name, error.unmatched
            return Plan(name, options, action, scope, asked, "", "", 0, 0, (), 0.0, needs, hosted=hosted, unmatched=unmatched)


def _planned(
    visit: Visit, opened: Project, options: ReturnOptions, action: Action, scope: Scope, asked: tuple[Entry, ...]
) -> Plan:
    """Raises `NothingPicked`, and as `plan`."""
    project = opened.name
    needs = approvals.is_needed(visit, action)
    if not checks.has_content(opened):
        return _for_a_host(visit, opened, replace(options, replacing=0), action, scope, asked, needs=needs)
    apart = options.goal == "place"
    found = picking.selected(opened, asked, (scope,), sources_apart=apart)
    if options.goal == "download" and picking.is_whole_project(found):
        action = Action.EXPORT_PROJECT
        scope = checks.allowed(visit, action, project)
        found = picking.selected(opened, asked, (scope,), sources_apart=apart)
    needs = approvals.is_needed(visit, action)
    if options.goal == "download":
        download = plan_download(opened.context, found, restore_options(options), compressed=options.compressed)
        made = _of_download(project, options, action, scope, asked, download, needs=needs)
    else:
        destination = destination_of(visit.console.folders, opened, options, visit.person.name)
        restore = plan_restore(opened.context, found, destination, restore_options(options))
        made = _of_restore(project, options, action, scope, asked, restore, needs=needs)
    return replace(made, unmatched=found.unmatched)


def started(visit: Visit, project: str, options: ReturnOptions) -> Task | None:
    """The task that this very plan has begun already: a form may be sent twice. options: of the plan. Raises nothing of its
    own."""
    if not options.moment:
        return None
    asked = replace(options, replacing=0)
    entries = picking.pinned(Baskets(visit.console.state).entries(visit.person.name, project), options.moment)
    found = (one for one in Tasks(visit.console.state).of_person(visit.person.name) if one.project == project)
    same = (one for one in found if replace(one.options, replacing=0) == asked and (not entries or one.entries == entries))
    return next(same, None)


def start(visit: Visit, planned: Plan, reason: str = "") -> Task:
    """Write down the task that does it, or give the one that this very plan has begun; the basket is empty then. reason: for
    the second person, where one must approve.

    Raises `NotAllowed` where it cannot be done, `UsageError` for a reason that is missing, `TooLarge`."""
    if planned.is_empty:
        raise NothingFound("nothing that was picked is there", hint="pick something else, or another moment")
    if not planned.is_possible:
        raise RefusedByRule("this plan cannot be carried out as it is", hint="choose what becomes of what is in the way")
    console, now = visit.console, visit.now
    task = Task(
        id=console.randomness.token(16).hex(),
        person=visit.person.name,
        project=planned.project,
        action=planned.action,
        scope=planned.scope,
        options=replace(planned.options, replacing=planned.replacing),
        entries=planned.entries,
        created=now,
        due=now,
        name=planned.name,
        files=planned.files,
        size=planned.size,
        hosted=planned.hosted,
    )
    state: State = "asked" if planned.approval else begun_anew(task)
    task = replace(task, state=state)
    if task.hosted:
        hosting.require_sendable(task)
    request = approvals.for_task(visit, task, reason) if planned.approval else None
    approvals.expire(visit.console)
    with console.state.transaction():
        before = started(visit, planned.project, planned.options)
        if before is not None:
            return before
        Tasks(console.state).add(task, console.limits.tasks_by_person)
        if request is not None:
            Requests(console.state).add(request)
        Baskets(console.state).clear(visit.person.name, planned.project)
    if request is not None:
        approvals.announce(visit, request)
    console.tasks.wake.set()
    return task


def _for_a_host(
    visit: Visit,
    project: Project,
    options: ReturnOptions,
    action: Action,
    scope: Scope,
    entries: tuple[Entry, ...],
    *,
    needs: bool,
) -> Plan:
    """As far as it can be made without content, and without what exists where it goes."""
    found = picking.selected(project, entries, (scope,), sources_apart=options.goal == "place", names_only=True)
    if options.goal == "folder":
        hosting.require_folder(visit, project.name, options.folder)
    planned = plan_elsewhere(project.context, found, restore_options(options))
    missing = (*planned.plan.missing, *planned.plan.given_up)
    return Plan(
        project=project.name,
        options=options,
        action=action,
        scope=scope,
        entries=entries,
        where=options.folder,
        name=folder_name(project, options, visit.person.name) if options.goal == "folder" else "",
        files=planned.plan.files,
        size=planned.plan.bytes_to_write,
        by_period=planned.estimate.rows,
        seconds=planned.estimate.seconds,
        approval=needs,
        missing=_troubles((one.path, one.what, one.message) for one in missing),
        missing_count=len(missing),
        inconsistent=_inconsistent([planned.plan]),
        hosted=True,
        unmatched=found.unmatched,
    )


def _of_download(
    project: str,
    options: ReturnOptions,
    action: Action,
    scope: Scope,
    entries: tuple[Entry, ...],
    planned: PlannedDownload,
    *,
    needs: bool,
) -> Plan:
    missing = (*planned.plan.missing, *planned.plan.given_up)
    return Plan(
        project=project,
        options=options,
        action=action,
        scope=scope,
        entries=entries,
        where="",
        name=printable(planned.name),
        files=planned.files,
        size=planned.bytes_to_read,
        by_period=planned.estimate.rows,
        seconds=planned.estimate.seconds,
        approval=needs,
        missing=_troubles((one.path, one.what, one.message) for one in missing),
        missing_count=len(missing),
        inconsistent=_inconsistent([planned.plan]),
    )


def _of_restore(
    project: str,
    options: ReturnOptions,
    action: Action,
    scope: Scope,
    entries: tuple[Entry, ...],
    planned: PlannedRestore,
    *,
    needs: bool,
) -> Plan:
    plans = planned.plans
    missing = [one for each in plans for one in (*each.missing, *each.given_up)]
    conflicts = [one for each in plans for one in each.conflicts]
    left = (
        (one.path, one.why, one.message) for one in planned.left_alone() if one.why not in ("same", "missing", "in-the-way")
    )
    short = planned.shortage
    return Plan(
        project=project,
        options=replace(options, replacing=planned.replacing),
        action=action,
        scope=scope,
        entries=entries,
        where=options.folder if options.goal == "folder" else planned.where,
        name=Path(planned.where).name if options.goal == "folder" else "",
        files=planned.files,
        size=planned.bytes_to_write,
        by_period=planned.estimate.rows,
        seconds=planned.estimate.seconds,
        approval=needs,
        already_there=sum(each.already_there for each in plans),
        replacing=planned.replacing,
        kept_newer=sum(each.newer for each in plans),
        skipped=sum(each.skipped for each in plans),
        beside=sum(len(each.renamed) for each in plans),
        attributes_only=planned.attributes_only,
        in_the_way=_troubles((one.path, one.standing, one.message) for one in conflicts),
        missing=_troubles((one.path, one.what, one.message) for one in missing),
        missing_count=len(missing),
        inconsistent=_inconsistent(plans),
        notes=(*planned.notes, *planned.not_put_back),
        shortage=None if short is None else Shortage(short.needed, short.free),
        left=_troubles(left),
    )


def _troubles(found: Iterable[tuple[bytes, str, str]]) -> tuple[Trouble, ...]:
    return tuple(Trouble(printable(path), what, message) for path, what, message in islice(found, NAMED))


def _inconsistent(plans: Sequence[RestorePlan]) -> tuple[str, ...]:
    from vault.format import manifest

    found = (each.items["path"].filter(manifest.is_inconsistent(each.items)).slice(0, NAMED).to_pylist() for each in plans)
    return tuple(printable(path) for paths in found for path in paths)

"""Exports with proof: items as a signed bag, made by a task, verified right then, and fetched by a short-lived address."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from console import files
from console.access.rights import Action, Scope
from console.errors import NotAllowed, NotThere
from console.gateway import approvals, bags, checks, picking, working
from console.gateway.watching import LONGEST_TEXT
from console.tasks.records import PROBLEMS_KEPT, ExportWork, Outcome, Task, Trouble
from console.visit import Visit
from restore.tables.write_options import Audience
from strongroom import bag_verification, command_log
from strongroom.destinations import project_folder
from strongroom.export import PlannedExport, export, plan_export
from strongroom.selection import SelectedItems, SelectionOptions, select
from strongroom.table_options import TableOptions
from vault.errors import NothingFound, TargetError, UsageError
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.tasks.signals import RunningTask
    from console.visit import Console
    from restore.planning.estimate import EstimateRow
    from strongroom.project import Project

MOST_NAMED = 20
MOST_VALUES = 200
FORMATS = ("", "xlsx", "csv", "ods", "jsonl", "json", "parquet", "feather", "sqlite", "html")


class ShownExport(Struct, frozen=True):
    """What an export would come to. files, size: in the bag, before tables are converted · by_period: the same by kind and
    period · seconds: about how long it takes · missing: what is gone, the first of it · whole: whether it is all of the project
    · approval: whether a second person must approve it."""

    work: ExportWork
    files: int
    size: int
    seconds: float
    by_period: tuple[EstimateRow, ...]
    missing: tuple[Trouble, ...]
    missing_count: int
    whole: bool
    approval: bool


def may(visit: Visit, project: str) -> Scope:
    """In what of a project whoever asks may export with proof. Raises `NotThere`, `NotAllowed`."""
    return checks.allowed(visit, Action.EXPORT_BAG, project)


def plan(visit: Visit, project: str, work: ExportWork) -> ShownExport:
    """What it would come to; nothing is written. Raises `NotThere`, `NotAllowed`, `NothingFound`, `UsageError`, `Damaged`,
    `StorageError`, `LacksContent` where this console has no key."""
    scope = may(visit, project)
    _bounded(work)
    with checks.opened_content(visit, project) as (_, opened):
        return _shown(visit, work, _planned(visit.console, opened, work, (scope,), Path("bag.zip")))


def start(visit: Visit, project: str, work: ExportWork) -> Task:
    """Write down the task that makes it. Raises as `plan`, `TooLarge`, `UsageError` without a reason."""
    scope = may(visit, project)
    if not work.reason.strip():
        raise UsageError("a reason is needed", hint="say in a few words why; it stays in the bag and in the log")
    work = replace(work, at=work.at or visit.now.isoformat(), reason=" ".join(work.reason.split()))
    _bounded(work)
    with checks.opened_content(visit, project) as (_, opened):
        planned = _shown(visit, work, _planned(visit.console, opened, work, (scope,), Path("bag.zip")))
        name = f"{project_folder(opened.stored)}-{visit.now:%Y%m%d-%H%M%S}.zip"
    task = working.new_task(visit, project, Action.EXPORT_BAG, work, name=name, scope=scope)
    task = replace(task, files=planned.files, size=planned.size)
    files.sweep(visit.console)
    if not planned.approval:
        return working.begin(visit, task)
    task = replace(task, state="asked")
    whole = replace(task, scope=working.ALL_OF_IT)
    request = approvals.for_task(visit, whole, work.reason, action=Action.EXPORT_PROJECT, picked=_in_words(work))
    return working.begin(visit, task, [request])


def carry_out(console: Console, task: Task, work: ExportWork, running: RunningTask) -> Outcome:
    """Make the bag and verify it. One that is not whole is not there. Raises `NotAllowed` where its person may not do it any
    more, `TargetError` where there is no room, `Interrupted`, and what exporting raises."""
    from console.gateway.restoring import scopes_of

    path = files.made(console, task.id) / task.name
    try:
        with command_log.acting_as(task.person, "console"), console.repositories.lent() as repository:
            project = repository.project(task.project)
            planned = _planned(console, project, work, scopes_of(console, task), path, running)
            _refuse_short(planned)
            about = {"task": task.id, "approved_by": task.approved_by}
            with command_log.recorded(project.context, "export", [project.stored], about):
                result = export(planned, stop=running, progress=running)
            path.chmod(0o600)
            running.phase("verifying")
            trust = bags.trust_of(project.context, [project.stored])
            found = bag_verification.verify_bag(path, trust, project.context, stop=running)
    except BaseException:
        files.drop(console, task.id)
        raise
    troubles = [Trouble(printable(one.path), one.what, one.message) for one in (*result.problems, *found.findings)]
    return Outcome(
        files=result.files,
        bytes=result.bytes,
        problems=len(troubles),
        troubles=tuple(troubles[:PROBLEMS_KEPT]),
        where="",
        verified=found.files,
        bag=bags.verdict_of(found),
    )


def is_there(console: Console, task: Task) -> bool:
    """Whether the bag of a task can be fetched."""
    return (
        isinstance(task.work, ExportWork)
        and task.state in ("done", "partly")
        and (files.of_task(console, task.id) / task.name).is_file()
    )


def opened_bag(visit: Visit, task: Task) -> tuple[BinaryIO, int]:
    """The bag, to be sent, and its bytes; that is recorded. Raises `NotThere` where it is not kept any more, `NotAllowed` where
    its person may not have it any more."""
    console = visit.console
    if not visit.person.scope(task.action, task.project, visit.now):
        raise NotAllowed("you may not do this any more", hint="ask whoever administers the console for the role")
    if not is_there(console, task):
        raise NotThere("this bag is not kept any more", hint="export it again")
    path = files.of_task(console, task.id) / task.name
    with checks.opened(visit, task.project) as (repository, project):
        what = {"bag": task.name, "task": task.id, "approved_by": task.approved_by}
        with command_log.recorded(repository.context, "download", [project.stored], what) as entry:
            entry.begin()
            size = path.stat().st_size
            entry.count(bytes=size)
    return path.open("rb"), size


def _planned(
    console: Console,
    project: Project,
    work: ExportWork,
    scopes: Sequence[Scope],
    path: Path,
    running: RunningTask | None = None,
) -> PlannedExport:
    context = project.context
    options = _options(work, scopes)
    found: SelectedItems = (
        select(context, project.stored, options)
        if running is None
        else select(context, project.stored, options, stop=running, progress=running)
    )
    tables = TableOptions(
        format=work.table_format or None, profile=Audience.PEOPLE if work.people and work.table_format else None
    )
    where = console.state.file.parent / path if running is None else path
    return plan_export(context, found, where, tables=tables, reason=work.reason, own=True)


def _options(work: ExportWork, scopes: Sequence[Scope]) -> SelectionOptions:
    """What is asked for, within what somebody may have. A bag says what was asked for: what they may not have is no part of
    that. Raises `NotAllowed` where their right is by patterns of paths."""
    kinds = set(work.kinds)
    for scope in scopes:
        if scope.is_everything:
            continue
        if any(paths for _, paths in scope.parts):
            raise NotAllowed(
                "you may have items by patterns of paths only, and a bag is of whole kinds",
                hint="download them, or ask whoever administers the console for the role in whole kinds",
            )
        allowed = {kind for names, _ in scope.parts for kind in names}
        kinds = kinds & allowed if kinds else allowed
        if not kinds:
            raise NothingFound("nothing that was picked is there", hint="pick something else, or another moment")
    return SelectionOptions(
        kinds=sorted(kinds),
        periods=work.periods,
        formats=work.formats,
        paths=work.paths,
        overlapping=work.overlapping,
        at=work.at or None,
        deleted=work.deleted,
        versions=work.versions,
    )


def _shown(visit: Visit, work: ExportWork, planned: PlannedExport) -> ShownExport:
    gone = [one for each in planned.plans for one in (*each.missing, *each.given_up)]
    whole = picking.is_whole_project(planned.selected)
    return ShownExport(
        work=work,
        files=planned.work.plan.files,
        size=planned.work.plan.bytes_to_write,
        seconds=planned.estimate.seconds,
        by_period=planned.estimate.rows,
        missing=tuple(Trouble(printable(one.path), one.what, one.message) for one in islice(gone, MOST_NAMED)),
        missing_count=len(gone),
        whole=whole,
        approval=whole and approvals.is_needed(visit, Action.EXPORT_PROJECT),
    )


def _refuse_short(planned: PlannedExport) -> None:
    """The console's own memory lies on that disk. Raises `TargetError`."""
    short = planned.shortage
    if short is not None:
        raise TargetError(
            f"the console's disk has room for {short.free >> 20} MiB, and the bag may need {short.needed >> 20} MiB",
            hint="export a part of it, or free some room in the console's folder",
        )


def _bounded(work: ExportWork) -> None:
    """Raises `UsageError`."""
    texts = [*work.kinds, *work.periods, *work.formats, *work.paths, work.at, work.reason]
    if len(texts) > MOST_VALUES or any(len(one) > LONGEST_TEXT for one in texts) or work.table_format not in FORMATS:
        raise UsageError("this form says something that it does not offer", hint="open it anew")


def _in_words(work: ExportWork) -> list[str]:
    found = [*work.kinds, *work.periods, *work.formats, *work.paths]
    return found or [""]

"""Checks: is everything there, and is it whole; of a project, and of what belongs to no single one.

What a check found is noted on this machine: for `status` and alerts, for backups, which rely on no damaged pack, and for
rolling checks, which read a share of the packs each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from strongroom import (
    cached_copies,
    command_log,
    copies,
    environment,
    erased_projects,
    local_state,
    notices,
    object_lock,
    rolling_check,
)
from vault.errors import Damaged
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.rolling_check import ReadData
    from vault.repository.check_report import CheckReport
    from vault.repository.project import Project
    from vault.repository.repository_report import RepositoryReport

    ProjectCheck: TypeAlias = CheckReport
    RepositoryCheck: TypeAlias = RepositoryReport


def check_project(
    context: Context,
    project: Project,
    *,
    read: ReadData | None = None,
    beside: Sequence[str] = (),
    stop: Stop = never,
    progress: Progress | None = None,
) -> ProjectCheck:
    """Check one project, below this machine's cache. Damage is part of the result.

    read: how much stored data is read; None for none · beside: damage of the repository that the project's record of the check
    shall name too. Raises `StorageError` where the store cannot be asked.
    """
    if read is None:
        return _checked(context, project, None, beside, stop, progress)
    with command_log.recorded(context, "check", [project]) as entry:
        entry.begin()
        report = _checked(context, project, read, beside, stop, progress)
        entry.count(packs_read=report.packs_read, bytes_read=report.bytes_read, chunks_read=report.chunks_read)
        entry.count(damage=len(report.damage), lost_items=len(report.lost))
        entry.fail(None if report.sound else Damaged(f"{project.name} is damaged"))
    return report


def _checked(
    context: Context,
    project: Project,
    read: ReadData | None,
    beside: Sequence[str],
    stop: Stop,
    progress: Progress | None,
) -> ProjectCheck:
    from vault.repository.cached_copies import look as whole_copies
    from vault.repository.check import Depth
    from vault.repository.missing_objects import Missing

    depth = Depth(stop=stop, progress=progress or NoProgress())
    if context.first is not None:
        copies.warn_of_lacking(context, project)
    missing = context.missing(project)
    gone = [one.message for one in missing if one.what != "key"]  # those are the repository's
    known_by_notes = {Missing("snapshot", one.id).message for one in missing if one.what == "note"}
    report = rolling_check.check(context.settings, project, depth, read, [*gone, *beside])
    # a snapshot whose note is gone seems to be missing: it is named once, by what is known of it
    report.problems = [one for one in report.problems if one.message not in known_by_notes]
    for one in missing:
        if one.what != "key" and one.message not in report.damage:
            report.found(f"missing-{one.what}", one.id, one.message)
    report.copies = whole_copies(project)
    report.unlocked = object_lock.unlocked(context, project, packs=read is not None)
    return report


def check_repository(context: Context, projects: Sequence[Project], *, only: bool = False) -> RepositoryCheck:
    """Check what belongs to no single project: the descriptor, key objects, copies of settings, names that are never given.
    projects: that were opened · only: look at what is about these alone. Raises `StorageError`."""
    from strongroom import holders
    from vault.repository import check_objects

    recovery = [one.recipient for one in holders.recovery_kits(context.settings)]
    ids = [project.id for project in projects] if only else []
    found = check_objects.of_repository(context.repository, context.identities, context.memory, recovery, ids)
    if not only:
        known = {project.name for project in projects} | {one.path.decode() for one in context.refused}
        erased = erased_projects.named_by_settings(context)
        lost = sorted(set(context.settings.projects) - known - erased.keys())
        for name, one in erased.items():
            notices.notice(f"{one.message}; {erased_projects.leftover(name, context.settings.file)}")
        for name in lost if context.first is not None else ():
            notices.notice(f"project {name} was not copied yet")
        for name in lost if context.first is None else ():
            found.found("missing-key", name, f"no key object opens project {name!r}, which the settings name")
    return found


def acknowledge(context: Context, project: Project, reason: str) -> None:
    """Give up what a project misses or cannot read any more; it is on record, with the person's name. Each is said as a notice.
    For snapshots the same as `retention accept-loss`. reason: why. Raises `StorageError`, `UsageError`."""
    from vault.repository import lost_items, missing_objects, unreadable_objects

    who = environment.person()
    gone, unreadable = missing_objects.look(project, context.memory), unreadable_objects.look(project)
    if cached_copies.put_back(context, project):
        gone, unreadable = missing_objects.look(project, context.memory), unreadable_objects.look(project)
    lost = lost_items.look(project, local_state.damaged_packs(context.settings, project.name))
    what = {
        "reason": reason,
        "missing": [f"{one.what} {one.id}" for one in gone],
        "unreadable": [one.message for one in unreadable],
        "lost_items": [one.path for one in lost],
    }
    with command_log.recorded(context, "acknowledge", [project], what) as entry:
        entry.begin(destructive=True)
        missing_objects.acknowledge(project, context.memory, gone, reason=reason, who=who)
        unreadable_objects.accept(project, context.memory, unreadable, reason=reason, who=who)
        lost_items.accept(project, lost, reason=reason, who=who)
        entry.count(missing=len(gone), unreadable=len(unreadable), lost_items=len(lost))
    given_up = (f"the vanished item {one.path}, whose content is lost, is given up" for one in lost)
    for message in (*(one.message for one in gone), *(one.message for one in unreadable), *given_up):
        notices.notice(f"{project.name}: acknowledged by {who}: {message}")

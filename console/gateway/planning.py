"""A restore that was asked for, as the library takes it: options, destination, plan, outcome.

For the console's own threads, and for hosts that carry out what waits: nothing here needs a web server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from console.gateway import picking
from console.tasks.records import PROBLEMS_KEPT, Outcome, Trouble
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.write_options import Audience
from strongroom.destinations import Folder, InPlace, project_folder
from strongroom.restore_plan import PlannedRestore, RestoreOptions, plan_restore
from strongroom.table_options import TableOptions
from vault.errors import RefusedByRule, TargetError, UsageError
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.access.rights import Scope
    from console.basket import Entry
    from console.return_options import ReturnOptions
    from strongroom.project import Project
    from strongroom.restore_result import RestoreResult


class MoreReplaced(RefusedByRule):
    """A restore would replace more than its person has confirmed. planned: what it would do now."""

    def __init__(self, planned: PlannedRestore, confirmed: int) -> None:
        super().__init__(
            f"{planned.replacing} items would be replaced by now, and {confirmed} were when you confirmed the plan",
            hint="put them into the basket again, and look at the new plan",
        )
        self.planned = planned


def restore_options(options: ReturnOptions) -> RestoreOptions:
    """What options mean to the library."""
    policy = None
    if options.goal == "folder":
        policy = ConflictPolicy.REPLACE  # the folder is this task's own: what stands there is of its earlier tries
    elif options.existing:
        policy = ConflictPolicy(options.existing)
    tables = TableOptions(
        format=options.format or None,
        merge=options.merge,
        profile=Audience.PEOPLE if options.people and options.converts else None,
    )
    return RestoreOptions(
        on_conflict=policy, tables=tables, incomplete=options.incomplete, verify=options.verify and not options.converts
    )


def destination_of(folders: Mapping[str, Path], project: Project, options: ReturnOptions, person: str) -> InPlace | Folder:
    """Where options mean: each goes to a new folder below that of the settings, the same for the same options. Raises
    `UsageError`, `TargetError` where the folder is not there."""
    if options.goal == "place":
        return InPlace()
    base = folders.get(options.folder)
    if base is None:
        raise UsageError("the settings name no such folder", hint="choose one that the page offers")
    if not base.is_dir():
        raise TargetError(
            f"the folder {options.folder} is not there", hint="a disk may not be mounted; tell whoever runs the console"
        )
    return Folder(base / folder_name(project, options, person))


def folder_name(project: Project, options: ReturnOptions, person: str) -> str:
    """Of the new folder. Raises `UsageError` for a moment that is none."""
    try:
        when = datetime.fromisoformat(options.moment)
    except ValueError as error:
        raise UsageError("not a moment", hint="open the plan anew from the basket") from error
    mark = hashlib.sha256(f"{person}\0{options.moment}".encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{project_folder(project.stored)}-{when:%Y-%m-%d-%H%M%S}-{mark}"


def planned_restore(
    project: Project,
    entries: Sequence[Entry],
    scopes: Sequence[Scope],
    options: ReturnOptions,
    destination: InPlace | Folder,
    stop: Callable[[], None],
) -> PlannedRestore:
    """What is carried out. Raises `MoreReplaced` where it would replace more than was confirmed, and what selecting and
    planning raise."""
    apart = options.goal == "place"
    found = picking.selected(project, entries, scopes, sources_apart=apart, stop=stop)
    planned = plan_restore(project.context, found, destination, restore_options(options))
    if apart and planned.replacing > options.replacing:
        raise MoreReplaced(planned, options.replacing)
    return planned


def outcome_of(result: RestoreResult, where: str) -> Outcome:
    """For people."""
    problems = result.problems
    troubles = tuple(Trouble(printable(one.path), one.what, one.message) for one in islice(problems, PROBLEMS_KEPT))
    verified = sum(one.files for one in result.verifications) if result.verifications else None
    return Outcome(result.files, result.bytes, result.already_there, len(problems), troubles, where, verified)

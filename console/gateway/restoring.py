"""Restores that tasks do, by threads of the console: the library's own, under the name of whoever asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.errors import NotAllowed
from console.gateway.planning import destination_of, outcome_of, planned_restore
from console.tasks.records import Outcome, Task
from strongroom import command_log
from strongroom.restore import restore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.access.rights import Scope
    from console.tasks.signals import RunningTask
    from console.visit import Console


def carry_out(console: Console, task: Task, running: RunningTask) -> Outcome:
    """Do a restore, or go on with it. Raises `NotAllowed` where its person may not do it any more, `RefusedByRule` where it
    would replace more than they have confirmed, `Interrupted`, and what planning and restoring raise."""
    with command_log.acting_as(task.person, "console"), console.repositories.lent() as repository:
        project = repository.project(task.project)
        scopes = scopes_of(console, task)
        destination = destination_of(console.folders, project, task.options, task.person)
        planned = planned_restore(project, task.entries, scopes, task.options, destination, running)
        about = {"task": task.id, "approved_by": task.approved_by}
        with command_log.recorded(project.context, "restore", [project.stored], about):
            result = restore(planned, stop=running, progress=running)
    return outcome_of(result, planned.where if task.options.goal == "place" else f"{task.options.folder}: {task.name}")


def scopes_of(console: Console, task: Task) -> Sequence[Scope]:
    """What the person had when they asked, and what they have now where that is known. Raises `NotAllowed`."""
    person = console.people(task.person)
    if person is None:
        return (task.scope,)
    now = person.scope(task.action, task.project, console.clock.now())
    if not now:
        raise NotAllowed(f"{task.person} may not do this any more", hint="ask whoever administers the console for the role")
    return (task.scope, now)

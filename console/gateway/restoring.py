"""Restores that tasks do, by threads of the console: the library's own, under the name of whoever asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.errors import NotAllowed
from console.gateway.planning import destination_of, outcome_of, planned_restore
from console.tasks.records import Outcome, Task
from strongroom import command_log
from strongroom.restore import restore
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.access.rights import Scope
    from console.tasks.signals import RunningTask
    from console.visit import Console


LOOK_AT_RIGHTS = 5.0
"""Seconds after which running work is asked again whether its person may still have it done."""


class WhileAllowed:
    """A `stop` of the library that also ends work once its person may no longer have just this done. Whoever begins it again is
    refused then, or gets what they may have now. Nobody knows of somebody who has left: their work goes on."""

    def __init__(self, console: Console, task: Task, running: RunningTask) -> None:
        self._console, self._task, self._running = console, task, running
        began = self._scope()
        self._parts = () if began is None else began.parts
        self._looked = console.clock.monotonic()

    def __call__(self) -> None:
        """Raises `Interrupted`."""
        now = self._console.clock.monotonic()
        if now - self._looked >= LOOK_AT_RIGHTS:
            self._looked = now
            scope = self._scope()
            if scope is not None and not scope.is_everything and not set(self._parts) <= set(scope.parts):
                self._running.end("not-allowed")
        self._running()

    def _scope(self) -> Scope | None:
        try:
            person = self._console.people(self._task.person)
        except StrongroomError:  # the state is busy: it is asked again
            return None
        return None if person is None else person.scope(self._task.action, self._task.project, self._console.clock.now())


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
            result = restore(planned, stop=WhileAllowed(console, task, running), progress=running)
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

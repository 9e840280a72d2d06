"""Restores that tasks do, by threads of the console: the library's own, under the name of whoever asked for them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from console.errors import NotAllowed
from console.gateway import picking
from console.gateway.getting_back import destination_of, restore_options
from console.tasks.records import PROBLEMS_KEPT, Outcome, Task, Trouble
from strongroom import command_log
from strongroom.restore import restore
from strongroom.restore_plan import PlannedRestore, plan_restore
from vault.errors import RefusedByRule, StrongroomError
from vault.problems import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from console.access.rights import Scope
    from console.tasks.signals import RunningTask
    from console.visit import Console
    from strongroom.repository import Project
    from strongroom.restore_result import RestoreResult


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
        planned = _planned(console, task, project, running)
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


def outcome_of(result: RestoreResult, where: str) -> Outcome:
    """For people."""
    problems = result.problems
    troubles = tuple(Trouble(printable(one.path), one.what, one.message) for one in islice(problems, PROBLEMS_KEPT))
    verified = sum(one.files for one in result.verifications) if result.verifications else None
    return Outcome(result.files, result.bytes, result.already_there, len(problems), troubles, where, verified)


def _planned(console: Console, task: Task, project: Project, running: RunningTask) -> PlannedRestore:
    apart = task.options.goal == "place"
    found = picking.selected(project, task.entries, scopes_of(console, task), sources_apart=apart, stop=running)
    destination = destination_of(console.folders, project, task.options, task.person)
    planned = plan_restore(project.context, found, destination, restore_options(task.options))
    if apart and planned.replacing > task.options.replacing:
        confirmed = task.options.replacing
        raise RefusedByRule(
            f"{planned.replacing} items would be replaced by now, and {confirmed} were when you confirmed the plan",
            hint="put them into the basket again, and look at the new plan",
        )
    return planned

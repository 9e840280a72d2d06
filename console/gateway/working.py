"""What tasks do, each by the module of its kind; and tasks that are no baskets, written down before they begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.access.rights import Action, Scope
from console.approvals.records import Request, Requests
from console.gateway import approvals
from console.return_options import ReturnOptions
from console.tasks.records import BagWork, ErasureWork, ExportWork, Outcome, Task, Tasks, Work
from console.visit import Visit

if TYPE_CHECKING:
    from console.tasks.signals import RunningTask
    from console.visit import Console

ALL_OF_IT = Scope(((frozenset(), ()),))


def carry_out(console: Console, task: Task, running: RunningTask) -> Outcome:
    """Do a task, or go on with it. Raises what its module raises."""
    from console.gateway import bags, erasing, exporting, restoring

    match task.work:
        case ExportWork():
            return exporting.carry_out(console, task, task.work, running)
        case BagWork():
            return bags.carry_out(console, task, task.work, running)
        case ErasureWork():
            return erasing.carry_out(console, task, task.work, running)
        case None:
            return restoring.carry_out(console, task, running)


def new_task(
    visit: Visit, project: str, action: Action, work: Work, *, name: str = "", scope: Scope = ALL_OF_IT, task: str = ""
) -> Task:
    """A task that begins at once, not yet written down. name: of the file that comes of it · task: its id, where it has one."""
    console = visit.console
    return Task(
        id=task or console.randomness.token(16).hex(),
        person=visit.person.name,
        project=project,
        action=action,
        scope=scope,
        options=ReturnOptions("folder"),
        entries=(),
        created=visit.now,
        due=visit.now,
        name=name,
        work=work,
    )


def begin(visit: Visit, task: Task, requests: Sequence[Request] = ()) -> Task:
    """Write it down, with the request that it waits for. Raises `TooLarge` where too much of theirs is not over."""
    console = visit.console
    with console.state.transaction():
        Tasks(console.state).add(task, console.limits.tasks_by_person)
        for one in requests:
            Requests(console.state).add(one)
    for one in requests:
        approvals.announce(visit, one)
    console.tasks.wake.set()
    return task

"""Somebody's tasks: how far they are, what became of them, and how they are cancelled."""

from __future__ import annotations

from msgspec.structs import replace

from console.gateway import approvals
from console.tasks.records import State, Task, Tasks
from console.tasks.signals import Progress
from console.visit import Visit
from vault.errors import UsageError


def mine(visit: Visit) -> tuple[Task, ...]:
    """Of whoever asks, the newest first."""
    approvals.close_expired(visit)
    return Tasks(visit.console.state).of_person(visit.person.name)


def get(visit: Visit, task: str) -> Task:
    """One of theirs; what became of it counts as seen. Raises `NotThere`."""
    approvals.close_expired(visit)
    tasks = Tasks(visit.console.state)
    found = tasks.get(task, visit.person.name)
    if found.is_over:
        tasks.look(task)
    return found


def progress(visit: Visit, task: Task) -> Progress | None:
    """How far it is; None where it does not run."""
    return visit.console.tasks.progress(task.id)


def cancel(visit: Visit, task: str) -> Task:
    """End it soon; what is back already stays. One that is over stays as it is. Raises `NotThere`."""
    tasks = Tasks(visit.console.state)
    with visit.console.state.transaction():
        found = tasks.get(task, visit.person.name)
        if found.state in ("asked", "queued", "ready"):
            found = replace(found, state="cancelled", ended=visit.now)
            tasks.change(found)
    visit.console.tasks.end(task, "cancelled")
    return found


def again(visit: Visit, task: str) -> Task:
    """Try one again that failed or was cancelled, from where it was. Raises `NotThere`, `UsageError` for one that is not over,
    or that a second person had to approve."""
    tasks = Tasks(visit.console.state)
    with visit.console.state.transaction():
        found = tasks.get(task, visit.person.name)
        if found.state not in ("failed", "cancelled") or (found.action in visit.console.approvals and not found.approved_by):
            raise UsageError("this task cannot be tried again", hint="put it into the basket again")
        state: State = "ready" if found.is_download else "queued"
        found = replace(found, state=state, due=visit.now, ended=None, attempts=0, error="", hint="")
        tasks.change(found)
    visit.console.tasks.wake.set()
    return found

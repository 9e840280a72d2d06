"""Somebody's tasks: how far they are, what became of them, and how they are cancelled."""

from __future__ import annotations

from msgspec.structs import replace

from console.approvals.records import Requests
from console.gateway import approvals, checks, downloads, exporting, hosting
from console.tasks.records import ErasureWork, State, Task, Tasks, begun_anew
from console.tasks.signals import Progress
from console.visit import Visit
from vault.errors import UsageError


def mine(visit: Visit) -> tuple[Task, ...]:
    """Of whoever asks, the newest first."""
    hosting.end_leases(visit.console)
    approvals.expire(visit.console)
    return Tasks(visit.console.state).of_person(visit.person.name)


def get(visit: Visit, task: str) -> Task:
    """One of theirs; what became of it counts as seen. Raises `NotThere`."""
    hosting.end_leases(visit.console)
    approvals.expire(visit.console)
    tasks = Tasks(visit.console.state)
    found = tasks.get(task, visit.person.name)
    if found.is_over:
        tasks.look(task)
    return found


def progress(visit: Visit, task: Task) -> Progress | None:
    """How far it is; None where it does not run."""
    return hosting.progress(visit, task) if task.hosted else visit.console.tasks.progress(task.id)


def made_at(visit: Visit, task: Task) -> str:
    """The address of what a task has made, good for some minutes; "" where there is nothing to be taken."""
    ready = task.is_download and task.state in ("ready", "running", "done", "partly")
    if not ready and not exporting.is_there(visit.console, task):
        return ""
    made = downloads.address_of(visit, task)
    return visit.path_to("downloads", made.task, made.name or "download", until=made.until, key=made.key)


def cancel(visit: Visit, task: str) -> Task:
    """End it soon; what is back already stays. One that is over stays as it is. Raises `NotThere`, `UsageError` for an erasing
    that has begun: there is no way back from it."""
    tasks = Tasks(visit.console.state)
    with visit.console.state.transaction():
        found = tasks.get(task, visit.person.name)
        if isinstance(found.work, ErasureWork) and (found.state == "running" or found.attempts):
            raise UsageError("an erasing that has begun goes on to its end", hint="what was destroyed has no way back")
        if found.state in ("asked", "queued", "waiting", "confirm", "ready"):
            found = replace(found, state="cancelled", ended=visit.now)
            tasks.change(found)
        elif found.state == "running" and found.hosted:
            found = replace(found, ending=True)
            tasks.change(found)
    visit.console.tasks.end(task, "cancelled")
    return found


def confirm(visit: Visit, task: str, replacing: int, reason: str = "") -> Task:
    """Confirm what a host found that it would replace: it waits for a host again, or for a second person first. replacing: the
    number that was looked at · reason: for the second person, where one must approve. Raises `NotThere`, `NotAllowed`,
    `UsageError` where nothing is to be confirmed, another number is, or the reason is missing."""
    tasks = Tasks(visit.console.state)
    with visit.console.state.transaction():
        found = tasks.get(task, visit.person.name)
        if found.state != "confirm" or found.found is None or found.found.replacing != replacing:
            raise UsageError("this is not what waits to be confirmed", hint="open the page of the task again")
        checks.allowed(visit, found.action, found.project)
        options = replace(found.options, replacing=replacing)
        found = replace(found, options=options, due=visit.now, attempts=0, approved_by="", error="", hint="")
        request = None
        if approvals.is_needed(visit, found.action):
            request = approvals.for_task(visit, found, reason)
            Requests(visit.console.state).add(request)
        state: State = "waiting" if request is None else "asked"
        found = replace(found, state=state)
        tasks.change(found)
    if request is not None:
        approvals.announce(visit, request)
    return found


def again(visit: Visit, task: str) -> Task:
    """Try one again that failed or was cancelled, from where it was. Raises `NotThere`, `UsageError` for one that is not over,
    or that a second person had to approve."""
    tasks = Tasks(visit.console.state)
    with visit.console.state.transaction():
        found = tasks.get(task, visit.person.name)
        if found.state not in ("failed", "cancelled") or (found.action in visit.console.approvals and not found.approved_by):
            raise UsageError("this task cannot be tried again", hint="put it into the basket again")
        found = replace(
            found, state=begun_anew(found), due=visit.now, ended=None, attempts=0, error="", hint="", ending=False, found=None
        )
        tasks.change(found)
    visit.console.tasks.wake.set()
    return found

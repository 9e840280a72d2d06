"""My tasks: how far they are, what became of them; and downloads."""

from __future__ import annotations

from starlette.responses import Response

from console.gateway import approvals, downloads, exporting, hosting, tasks
from console.routing import page
from console.streams import PipedFile, StreamedFile
from console.visit import Visit

PIECE = 1 << 18


def my_tasks(visit: Visit) -> Response:
    """All of mine."""
    return visit.render("getting_back/tasks.html", tasks=tasks.mine(visit))


def task(visit: Visit) -> Response:
    """One; asked for again and again while it runs."""
    found = tasks.get(visit, visit.value("task"))
    template = "getting_back/task_state.html" if visit.is_fragment else "getting_back/task.html"
    return visit.render(
        template,
        task=found,
        progress=tasks.progress(visit, found),
        address=tasks.made_at(visit, found),
        hosting=hosting.hosting(visit, found),
        needs_approval=approvals.is_needed(visit, found.action),
    )


def cancel_task(visit: Visit) -> Response:
    """End it soon."""
    found = tasks.cancel(visit, visit.value("task"))
    return visit.redirect(visit.path_to("tasks", found.id))


def confirm_task(visit: Visit) -> Response:
    """Let a host replace what it found. `replacing`: the number that was shown · `reason`: for a second person."""
    replacing = visit.sent("replacing")
    number = int(replacing) if replacing.isascii() and replacing.isdigit() and len(replacing) < 12 else -1
    found = tasks.confirm(visit, visit.value("task"), number, visit.sent("reason"))
    return visit.redirect(visit.path_to("tasks", found.id))


def try_task_again(visit: Visit) -> Response:
    """Go on with one that failed."""
    found = tasks.again(visit, visit.value("task"))
    return visit.redirect(visit.path_to("tasks", found.id))


def download(visit: Visit) -> Response:
    """The content, while it is read."""
    address = downloads.Address(visit.value("task"), visit.value("name"), visit.asked("until"), visit.asked("key"))
    task = downloads.task_of(visit, address)
    if task.work is not None:
        file, size = exporting.opened_bag(visit, task)
        return StreamedFile(lambda: file.read(PIECE) or None, file.close, task.name, size, "application/zip")
    sending = downloads.begin(visit, task)
    kind = "application/zip" if sending.name.endswith(".zip") else "application/octet-stream"
    return PipedFile(sending.pipe, sending.close, sending.name, sending.size, kind)


ROUTES = (
    page("GET", "/tasks", my_tasks),
    page("GET", "/tasks/{task}", task),
    page("POST", "/tasks/{task}/cancel", cancel_task),
    page("POST", "/tasks/{task}/confirm", confirm_task),
    page("POST", "/tasks/{task}/again", try_task_again),
    page("GET", "/downloads/{task}/{name}", download),
)

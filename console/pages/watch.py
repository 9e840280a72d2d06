"""For operators: how everything is, and each project's sources, jobs, runs, drills, storage, flagged snapshots."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import Action
from console.gateway import copy_retention, watching
from console.routing import page
from console.texts import marked
from console.visit import Visit

LEVELS = {
    "ok": marked("All is well"),
    "warning": marked("Something needs attention"),
    "critical": marked("Something is critical"),
}
ALERT_NAMES = {
    "": marked("Source"),
    "rpo": marked("A backup is late"),
    "missing": marked("Reports are missing"),
    "problems": marked("Backups meet problems"),
    "frozen": marked("A snapshot waits for acceptance"),
    "damage": marked("Stored data is damaged or gone"),
    "checked": marked("Stored data was not checked for long"),
    "drill": marked("Restore drill"),
    "copy": marked("A copy is behind"),
    "job": marked("A job fails"),
    "daemon": marked("The daemon"),
    "state": marked("What this machine knows"),
}
CAPABILITIES = {
    "read": marked("back up and restore"),
    "write": marked("back up; not read content"),
}
DAEMON = {
    "running": marked("The daemon runs."),
    "stuck": marked("The daemon does not move any more."),
    "killed": marked("The daemon was killed."),
    "ended": marked("The daemon has ended."),
    "none": marked("No daemon has ever run on this machine."),
    "unknown": marked("Whether the daemon runs is not known here."),
}


def overview(visit: Visit) -> Response:
    """How everything is."""
    return visit.render(
        "watch/overview.html",
        found=watching.overview(visit),
        levels=LEVELS,
        alert_names=ALERT_NAMES,
        daemon=DAEMON,
        copies=copy_retention.copies(visit),
    )


def project(visit: Visit) -> Response:
    """One project."""
    name = visit.value("project")
    found = watching.watched(visit, name)
    may = {one: visit.may(one, name) for one in (Action.OPERATE, Action.HOLD, Action.ERASE)}
    return visit.render(
        "watch/project.html",
        found=found,
        alert_names=ALERT_NAMES,
        capabilities=CAPABILITIES,
        operates=may[Action.OPERATE],
        holds=may[Action.HOLD],
        erases=may[Action.ERASE],
    )


def runs(visit: Visit) -> Response:
    """The runs of a project's jobs."""
    name, job = visit.value("project"), visit.asked("job")
    return visit.render("watch/runs.html", project=name, job=job, runs=watching.runs(visit, name, job))


def run_now(visit: Visit) -> Response:
    """Ask the daemon for a run."""
    name, job = visit.value("project"), visit.sent("job")
    watching.run_now(visit, name, job)
    return visit.redirect(visit.path_to("projects", name, "runs", job=job))


def flagged(visit: Visit) -> Response:
    """Snapshots that wait for acceptance."""
    name = visit.value("project")
    found = watching.flagged(visit, name)
    return visit.render(
        "watch/flagged.html", project=name, flagged=found, shown=watching.shown_path, may_accept=visit.may(Action.OPERATE, name)
    )


def accept(visit: Visit) -> Response:
    """Accept some of them."""
    name = visit.value("project")
    chosen = [one for one in visit.form.getlist("snapshot") if isinstance(one, str)]
    watching.accept(visit, name, chosen, visit.sent("reason"))
    return visit.redirect(visit.path_to("projects", name, "flagged"))


ROUTES = (
    page("GET", "/watch", overview),
    page("GET", "/projects/{project}/watch", project),
    page("GET", "/projects/{project}/runs", runs),
    page("POST", "/projects/{project}/runs", run_now),
    page("GET", "/projects/{project}/flagged", flagged),
    page("POST", "/projects/{project}/flagged", accept),
)

"""For operators: how everything is, and each project's sources, jobs, runs, drills, storage, flagged snapshots, retention."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import Action
from console.gateway import watching
from console.gateway.watching import NewHold
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
STATES = {
    "ok": marked("in order"),
    "late": marked("late"),
    "failed": marked("the last backup failed"),
    "problems": marked("with problems"),
    "never backed up": marked("never backed up"),
    "dated in the future": marked("dated in the future"),
    "not in the settings": marked("not in the settings"),
    "store not reached": marked("store not reached"),
    "not in the repository": marked("not in the repository"),
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
        states=STATES,
        daemon=DAEMON,
    )


def project(visit: Visit) -> Response:
    """One project."""
    name = visit.value("project")
    found = watching.watched(visit, name)
    may = {one: visit.may(one, name) for one in (Action.OPERATE, Action.HOLD)}
    return visit.render(
        "watch/project.html",
        found=found,
        alert_names=ALERT_NAMES,
        states=STATES,
        capabilities=CAPABILITIES,
        operates=may[Action.OPERATE],
        holds=may[Action.HOLD],
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


def retention(visit: Visit) -> Response:
    """What retention would let go."""
    name, on = visit.value("project"), visit.asked("on")
    return visit.render("watch/retention.html", project=name, on=on, found=watching.planned_retention(visit, name, on))


def place_hold(visit: Visit) -> Response:
    """Place a hold."""
    name = visit.value("project")
    watching.place_hold(visit, name, NewHold(*(visit.sent(one) for one in NewHold.__struct_fields__)))
    return visit.redirect(visit.path_to("projects", name, "holds"))


def release_hold(visit: Visit) -> Response:
    """Release a hold, or ask a second person for it."""
    name = visit.value("project")
    waiting = watching.release_hold(visit, name, visit.sent("hold"), visit.sent("reason"))
    if waiting is not None:
        return visit.redirect(visit.path_to("approvals", waiting.id))
    return visit.redirect(visit.path_to("projects", name, "holds"))


ROUTES = (
    page("GET", "/watch", overview),
    page("GET", "/projects/{project}/watch", project),
    page("GET", "/projects/{project}/runs", runs),
    page("POST", "/projects/{project}/runs", run_now),
    page("GET", "/projects/{project}/flagged", flagged),
    page("POST", "/projects/{project}/flagged", accept),
    page("GET", "/projects/{project}/retention", retention),
    page("POST", "/projects/{project}/holds", place_hold),
    page("POST", "/projects/{project}/holds/release", release_hold),
)

"""For operators: how long things are kept, holds, and the erasing of projects."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from console.access.rights import Action
from console.gateway import copy_retention, erasing, retention, watching
from console.gateway.copy_retention import WantedCopyRules
from console.gateway.retention import WantedRules
from console.gateway.watching import NewHold
from console.routing import page
from console.streams import disposition
from console.tasks.records import Task
from console.visit import Visit
from vault.errors import UsageError

ITEM = "item-"
"""Before the kind, in the name of a field."""


def show_retention(visit: Visit) -> Response:
    """What the rules would let go, or what others would."""
    name, on = visit.value("project"), visit.asked("on")
    wanted = _wanted(visit.asked, list(visit.request.query_params)) if visit.asked("other") else None
    found = retention.shown(visit, name, on, wanted)
    return visit.render(
        "watch/retention.html",
        project=name,
        on=on,
        shown=found,
        found=found.found,
        names=retention.NAMES,
        may_change=visit.may(Action.SHORTEN_RETENTION, name),
        copies=copy_retention.copies(visit),
    )


def change_retention(visit: Visit) -> Response:
    """Have other rules, or ask a second person for it."""
    name = visit.value("project")
    wanted = _wanted(visit.sent, list(visit.form))
    waits = retention.change(visit, name, wanted, visit.sent("reason"), visit.sent("confirm"))
    if waits is not None:
        return visit.redirect(visit.path_to("approvals", waits.id))
    return visit.redirect(visit.path_to("projects", name, "retention"))


def show_copy(visit: Visit) -> Response:
    """What a copy keeps, or would by other rules."""
    copy, on = visit.value("copy"), visit.asked("on")
    wanted = _wanted_of_copy(visit.asked) if visit.asked("other") else None
    found = copy_retention.shown(visit, copy, on, wanted)
    may_change = visit.person.may_everywhere(Action.SHORTEN_RETENTION, visit.now)
    return visit.render("watch/copy.html", copy=copy, on=on, shown=found, names=retention.NAMES, may_change=may_change)


def change_copy(visit: Visit) -> Response:
    """Have other rules for a copy, or ask a second person for it."""
    copy = visit.value("copy")
    waits = copy_retention.change(visit, copy, _wanted_of_copy(visit.sent), visit.sent("reason"), visit.sent("confirm"))
    if waits is not None:
        return visit.redirect(visit.path_to("approvals", waits.id))
    return visit.redirect(visit.path_to("copies", copy, "retention"))


def place_hold(visit: Visit) -> Response:
    """Place a hold."""
    name = visit.value("project")
    placed = watching.place_hold(visit, name, NewHold(*(visit.sent(one) for one in NewHold.__struct_fields__)))
    hold = placed.placed.hold
    items = str(placed.items) if hold.scope.snapshot is None else ""
    return visit.redirect(visit.path_to("projects", name, "holds", placed=hold.id, items=items))


def release_hold(visit: Visit) -> Response:
    """Release a hold, or ask a second person for it."""
    name = visit.value("project")
    waiting = watching.release_hold(visit, name, visit.sent("hold"), visit.sent("reason"))
    if waiting is not None:
        return visit.redirect(visit.path_to("approvals", waiting.id))
    return visit.redirect(visit.path_to("projects", name, "holds"))


def show_erasure(visit: Visit) -> Response:
    """Where the erasing of a project stands, and the next step."""
    found = erasing.shown(visit, visit.value("project"))
    return visit.render("watch/erase.html", found=found, outlook=found.outlook)


def erase(visit: Visit) -> Response:
    """`step`: that the page showed: ask, approve, or erase."""
    name, step, confirm = visit.value("project"), visit.sent("step"), visit.sent("confirm")
    if step == "ask":
        begun = erasing.ask(visit, name, visit.sent("reason"), confirm)
        if isinstance(begun, Task):
            return visit.redirect(visit.path_to("tasks", begun.id))
        if begun is not None:
            return visit.redirect(visit.path_to("approvals", begun.id))
    elif step == "approve":
        erasing.approve(visit, name, confirm)
    elif step == "erase":
        return visit.redirect(visit.path_to("tasks", erasing.begin(visit, name, confirm).id))
    else:
        erasing.shown(visit, name)  # whoever may not see the project is told that, and nothing else
        raise UsageError("this form says something that it does not offer", hint="open it anew")
    return visit.redirect(visit.path_to("projects", name, "erase"))


def act(visit: Visit) -> Response:
    """The act of destruction."""
    name = visit.value("project")
    return visit.render("prove/act.html", project=name, found=erasing.act(visit, name))


def act_file(visit: Visit) -> Response:
    """The same with its signed statements."""
    name = visit.value("project")
    headers = {"content-disposition": disposition(f"act-of-destruction-{name}.zip")}
    return Response(erasing.act_file(visit, name), 200, headers, "application/zip")


def _wanted(read: Callable[[str], str], names: list[str]) -> WantedRules:
    """read: a field by its name · names: of all fields."""
    items = {one.removeprefix(ITEM): read(one) for one in names if one.startswith(ITEM)}
    return WantedRules({one: read(one) for one in retention.NAMES}, items)


def _wanted_of_copy(read: Callable[[str], str]) -> WantedCopyRules:
    return WantedCopyRules(read("rules") == "own", {one: read(one) for one in retention.NAMES})


ROUTES = (
    page("GET", "/projects/{project}/retention", show_retention),
    page("POST", "/projects/{project}/retention", change_retention),
    page("GET", "/copies/{copy}/retention", show_copy),
    page("POST", "/copies/{copy}/retention", change_copy),
    page("POST", "/projects/{project}/holds", place_hold),
    page("POST", "/projects/{project}/holds/release", release_hold),
    page("GET", "/projects/{project}/erase", show_erasure),
    page("POST", "/projects/{project}/erase", erase),
    page("GET", "/projects/{project}/erasure", act),
    page("GET", "/projects/{project}/erasure/file", act_file),
)

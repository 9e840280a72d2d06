"""The basket of a project, and the plan of what it comes to."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import Action
from console.basket import entries_of
from console.gateway import baskets, checks, getting_back, hosting
from console.return_options import FORMATS, options_of
from console.routing import page
from console.visit import Visit

SHOWN = 500
"""Things of a basket that its page lists."""


def put_into_basket(visit: Visit) -> Response:
    """Ticks of a list. `item`, `folder`: percent-quoted paths · `period`, with `kind` · `at`, `deleted`: of what was looked
    at."""
    project = visit.value("project")
    entries = entries_of(
        _fields(visit, "item"),
        _fields(visit, "folder"),
        _fields(visit, "period"),
        kind=visit.sent("kind"),
        at=visit.sent("at"),
        deleted=visit.sent("deleted"),
    )
    baskets.put(visit, project, entries)
    return visit.redirect(visit.path_to("projects", project, "basket"))


def basket(visit: Visit) -> Response:
    """What was ticked, and where it can go."""
    project = visit.value("project")
    entries = baskets.entries(visit, project)
    offers = None if checks.reads_content(visit, project) else hosting.offers(visit, project)
    folders = sorted(visit.console.folders) if offers is None else list(offers.folders)
    downloads = visit.may(Action.DOWNLOAD, project) or visit.may(Action.EXPORT_PROJECT, project)
    return visit.render(
        "getting_back/basket.html",
        project=project,
        entries=entries[:SHOWN],
        more=max(0, len(entries) - SHOWN),
        formats=[one for one in FORMATS if one],
        folders=folders,
        offers=offers,
        may_place=visit.may(Action.RESTORE_IN_PLACE, project),
        may_folder=visit.may(Action.RESTORE_TO_FOLDER, project) and bool(folders),
        may_download=downloads and offers is None,
    )


def take_out_of_basket(visit: Visit) -> Response:
    """`number`: of things; `all`: everything."""
    project = visit.value("project")
    if visit.sent("all") == "1":
        baskets.clear(visit, project)
    else:
        baskets.remove(visit, project, [int(one) for one in _fields(visit, "number") if one.isascii() and one.isdigit()])
    return visit.redirect(visit.path_to("projects", project, "basket"))


def plan(visit: Visit) -> Response:
    """What getting it back would do. Nothing is written."""
    planned = getting_back.plan(visit, visit.value("project"), options_of(visit.asked))
    return _shown(visit, planned)


def get_back(visit: Visit) -> Response:
    """Do what the plan says; it is shown again where it has changed since."""
    options = options_of(visit.sent)
    before = getting_back.started(visit, visit.value("project"), options)
    if before is not None:
        return visit.redirect(visit.path_to("tasks", before.id))
    planned = getting_back.plan(visit, visit.value("project"), options)
    if planned.replacing > options.replacing or not planned.is_possible:
        return _shown(visit, planned, status=409)
    if planned.approval and not visit.sent("reason").strip():
        return _shown(visit, planned, status=400)
    task = getting_back.start(visit, planned, visit.sent("reason"))
    return visit.redirect(visit.path_to("tasks", task.id))


def _shown(visit: Visit, planned: getting_back.Plan, status: int = 200) -> Response:
    return visit.render(
        "getting_back/plan.html",
        status,
        plan=planned,
        offers=hosting.offers(visit, planned.project) if planned.hosted else None,
        options=planned.options,
        changed=status == 409,
        reason_missing=status == 400,
    )


def _fields(visit: Visit, name: str) -> list[str]:
    return [one for one in visit.form.getlist(name) if isinstance(one, str)]


ROUTES = (
    page("GET", "/projects/{project}/basket", basket),
    page("POST", "/projects/{project}/basket", put_into_basket),
    page("POST", "/projects/{project}/basket/remove", take_out_of_basket),
    page("GET", "/projects/{project}/get-back", plan),
    page("POST", "/projects/{project}/get-back", get_back),
)

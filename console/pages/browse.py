"""A project: its folders at a moment, its periods, its snapshots, and what vanished from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from starlette.responses import Response

from console.access.rights import Action
from console.errors import NoSnapshotYet
from console.gateway import browsing, listings, vanished, watching
from console.routing import page
from console.visit import Visit
from console.vocabulary import EVERY

GETTING_BACK = (Action.RESTORE_IN_PLACE, Action.RESTORE_TO_FOLDER, Action.DOWNLOAD)


def with_snapshots(function: Callable[[Visit], Response]) -> Callable[[Visit], Response]:
    """A page of a project; of one that has no snapshot yet a page says so, and what comes next."""

    @wraps(function)
    def shown(visit: Visit) -> Response:
        try:
            return function(visit)
        except NoSnapshotYet:
            name = visit.value("project")
            return visit.render("browse/empty.html", project=name, jobs=watching.first_backups(visit, name))

    return shown


def project_page(visit: Visit) -> Response:
    """Its folders at a moment."""
    name, at = visit.value("project"), visit.asked("at")
    path = listings.unquoted(visit.asked("folder"))
    view = browsing.folder(visit, name, path, at=at, deleted=is_deleted(visit), number=page_number(visit))
    return in_project(visit, "browse/folder.html", view.listing, view)


def period_page(visit: Visit) -> Response:
    """What its items are about: years, quarters, months, days, hours."""
    name, at = visit.value("project"), visit.asked("at")
    text, kind = visit.asked("period"), visit.asked("kind")
    view = browsing.period(visit, name, text, kind=kind, at=at, number=page_number(visit))
    return in_project(visit, "browse/periods.html", view.listing, view)


def timeline_page(visit: Visit) -> Response:
    """Its snapshots."""
    deletions = visit.asked("deletions") == "1"
    view = browsing.timeline(visit, visit.value("project"), deletions=deletions, number=page_number(visit))
    return in_project(visit, "browse/timeline.html", view.listing, view)


def vanished_page(visit: Visit) -> Response:
    """What its sources no longer have."""
    folder = listings.unquoted(visit.asked("folder"))
    span = visit.asked("since", vanished.WEEK)
    view = vanished.vanished(visit, visit.value("project"), span=span, folder=folder, number=page_number(visit))
    return in_project(visit, "browse/vanished.html", view.listing, view)


def in_project(visit: Visit, template: str, listing: listings.Listing, view: object) -> Response:
    """A page of a project: moments are those of its zone."""
    visit.texts = visit.texts.at(listing.zone)
    name = visit.value("project")
    return visit.render(template, project=name, listing=listing, gets_back=may_get_back(visit, name), view=view, every=EVERY)


def may_get_back(visit: Visit, project: str) -> bool:
    """Whether there is any way in which whoever asks may get items back."""
    return any(visit.may(action, project) for action in GETTING_BACK)


def page_number(visit: Visit) -> int:
    """Which part of a long list is asked for, from 1."""
    text = visit.asked("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def is_deleted(visit: Visit) -> bool:
    """Whether what the sources no longer had is asked for."""
    return visit.asked("deleted") == "1"


ROUTES = (
    page("GET", "/projects/{project}", with_snapshots(project_page)),
    page("GET", "/projects/{project}/periods", with_snapshots(period_page)),
    page("GET", "/projects/{project}/timeline", with_snapshots(timeline_page)),
    page("GET", "/projects/{project}/vanished", with_snapshots(vanished_page)),
)

"""One item: its versions, and how two of them differ."""

from __future__ import annotations

from starlette.responses import Response

from console.access.rights import Action
from console.gateway import differences, items, listings
from console.pages.browse import may_get_back
from console.routing import page
from console.visit import Visit


def item_page(visit: Visit) -> Response:
    """Everything that is known of an item."""
    name = visit.value("project")
    path = listings.unquoted(visit.asked("path"))
    view = items.item(visit, name, path, at=visit.asked("at"), source=visit.asked("source"))
    visit.texts = visit.texts.at(view.zone)
    return visit.render(
        "item/item.html",
        project=name,
        view=view,
        gets_back=may_get_back(visit, name),
        looks=visit.may(Action.READ, name) and view.content_here and view.row.type == "file",
        no_content=not view.content_here,
    )


def differences_page(visit: Visit) -> Response:
    """Two versions of a table beside each other."""
    name = visit.value("project")
    path = listings.unquoted(visit.asked("path"))
    since, until, source = visit.asked("since"), visit.asked("until"), visit.asked("source")
    view = differences.compare(visit, name, path, since=since, until=until, source=source)
    visit.texts = visit.texts.at(view.item.zone)
    gets_back = may_get_back(visit, name)
    return visit.render("item/differences.html", project=name, view=view, most=differences.MOST_ROWS, gets_back=gets_back)


ROUTES = (
    page("GET", "/projects/{project}/item", item_page),
    page("GET", "/projects/{project}/item/differences", differences_page),
)

"""Search in a project, while somebody types and with a button."""

from __future__ import annotations

from starlette.responses import Response

from console.gateway import searching
from console.gateway.searching import Search
from console.pages.browse import may_get_back, page_number, with_snapshots
from console.routing import page
from console.visit import Visit


def search_page(visit: Visit) -> Response:
    """What was looked for, and what was found; for a part of the page only that."""
    name = visit.value("project")
    state = visit.asked("state", searching.ANY)
    wanted = Search(
        visit.asked("q"),
        visit.asked("kind"),
        visit.asked("format"),
        visit.asked("period"),
        state if state in searching.STATES else searching.ANY,
    )
    view = searching.search(visit, name, wanted, page_number(visit))
    visit.texts = visit.texts.at(view.zone)
    template = "search/results.html" if visit.is_fragment else "search/search.html"
    return visit.render(template, project=name, view=view, gets_back=may_get_back(visit, name))


ROUTES = (page("GET", "/projects/{project}/search", with_snapshots(search_page)),)

"""My projects, as cards."""

from __future__ import annotations

from starlette.responses import Response

from console.gateway import home as cards
from console.pages.browse import may_get_back
from console.routing import page
from console.visit import Visit


def home(visit: Visit) -> Response:
    """The first page."""
    found = cards.cards(visit)
    gets_back = {one.name for one in found if may_get_back(visit, one.name)}
    return visit.render("home/home.html", cards=found, gets_back=gets_back)


ROUTES = (page("GET", "/", home),)
